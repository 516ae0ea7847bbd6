import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { publishBuild } from './publish-build.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kith-build-'))
})

afterEach(async () => rm(directory, { recursive: true }))

const publish = async (what: string) => publishBuild(directory, 'command.js', async (folder) => writeFile(join(folder, 'command.js'), what))

const published = async (): Promise<string> => {
  const [, path = ''] = /^import '(.+)'\n$/.exec(await readFile(join(directory, 'command.js'), 'utf8')) ?? []
  return join(directory, path)
}

const age = async (folder: string, days: number): Promise<void> => {
  const then = Date.now() / 1000 - days * 24 * 60 * 60
  await utimes(folder, then, then)
}

test('builds that are made at the same time are each whole, and one of them is run', async () => {
  const gathered = Promise.withResolvers<void>()
  let making = 0
  const make = async (folder: string, name: string) => {
    await writeFile(join(folder, 'chunk.js'), name)
    making++
    if (making === 2) gathered.resolve()
    await gathered.promise
    await writeFile(join(folder, 'command.js'), name)
  }
  await Promise.all(['one', 'two'].map(async (name) => publishBuild(directory, 'command.js', async (folder) => make(folder, name))))
  const command = await published()
  expect(await readFile(join(command, '../chunk.js'), 'utf8')).toBe(await readFile(command, 'utf8'))
  expect(await readdir(join(directory, 'builds'))).toHaveLength(2)
})

test('a build that ends in the middle leaves what was there', async () => {
  await publish('whole')
  const failing = publishBuild(directory, 'command.js', async (folder) => {
    await writeFile(join(folder, 'command.js'), 'half')
    throw new Error('no room')
  })
  await expect(failing).rejects.toThrow('no room')
  expect(await readFile(await published(), 'utf8')).toBe('whole')
})

test('the build that is replaced stays, and goes a day later, as one that was given up does', async () => {
  await publish('first')
  const first = join(await published(), '..')
  await age(first, 60)
  const givenUp = join(directory, 'builds/given-up')
  await mkdir(givenUp)
  await age(givenUp, 2)
  await publish('second')
  const second = join(await published(), '..')
  expect((await readdir(join(directory, 'builds'))).map((name) => join(directory, 'builds', name)).toSorted()).toEqual(
    [first, second].toSorted(),
  )
  await publish('third')
  expect(await readFile(join(first, 'command.js'), 'utf8')).toBe('first')
  await age(first, 2)
  await publish('fourth')
  await expect(stat(first)).rejects.toThrow('ENOENT')
  expect(await readFile(join(second, 'command.js'), 'utf8')).toBe('second')
})

test('what changes while it is built is newer than the build', async () => {
  const source = join(directory, 'source.ts')
  await publishBuild(directory, 'command.js', async (folder) => {
    await writeFile(join(folder, 'command.js'), '')
    await writeFile(source, '')
    const now = Date.now() / 1000 + 1
    await utimes(source, now, now)
    await utimes(folder, now + 1, now + 1)
  })
  expect((await stat(source)).mtimeMs).toBeGreaterThan((await stat(join(directory, 'command.js'))).mtimeMs)
})
