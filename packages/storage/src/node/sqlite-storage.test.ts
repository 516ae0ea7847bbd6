import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { StorageFullError } from '@kith/homeserver/ports'
import { storageSuite } from '@kith/testkit/storage-suite'
import { suiteTableNames, suiteTables } from '@kith/testkit/storage-cases'
import { afterAll, expect, test } from 'vitest'
import { openSqliteStorage, StorageInUseError } from './sqlite-storage.ts'

const directory = mkdtempSync(join(tmpdir(), 'kith-sqlite-'))
afterAll(() => rmSync(directory, { recursive: true }))

const pathOf = (place: string): string => join(directory, `${place}.db`)

storageSuite('sqlite', async (place, faultPoint) => {
  const options = { path: pathOf(place), tableNames: suiteTableNames }
  return openSqliteStorage(faultPoint === undefined ? options : { ...options, faultPoint })
})

test('a second opening of the same file is refused, from this process and from another', async () => {
  const path = pathOf('locked')
  await using storage = openSqliteStorage({ path, tableNames: suiteTableNames })
  expect(() => openSqliteStorage({ path, tableNames: suiteTableNames })).toThrow(StorageInUseError)
  const script = `
    const { openSqliteStorage } = await import(${JSON.stringify(import.meta.resolve('./sqlite-storage.ts'))})
    try { openSqliteStorage({ path: ${JSON.stringify(path)}, tableNames: [] }) } catch (error) { console.log(error.name) }
  `
  const { stdout } = await promisify(execFile)('node', ['--input-type=module', '--eval', script])
  expect(stdout.trim()).toBe('StorageInUseError')
  await storage.commit([{ kind: 'put', table: suiteTables.first.name, key: ['k'], value: 1 }])
})

test('the lock ends with the process that held it, and what it had committed stays', async () => {
  const path = pathOf('killed')
  const script = `
    const { openSqliteStorage } = await import(${JSON.stringify(import.meta.resolve('./sqlite-storage.ts'))})
    const storage = openSqliteStorage({ path: ${JSON.stringify(path)}, tableNames: ${JSON.stringify(suiteTableNames)} })
    for (let index = 0; ; index++) {
      await storage.commit([{ kind: 'put', table: ${JSON.stringify(suiteTables.first.name)}, key: [index], value: index }])
      console.log(index)
      if (index === 20) process.kill(process.pid, 'SIGKILL')
    }
  `
  await promisify(execFile)('node', ['--input-type=module', '--eval', script]).catch(() => undefined)
  await using storage = openSqliteStorage({ path, tableNames: suiteTableNames })
  expect(await storage.range(suiteTables.first, { limit: 100 })).toHaveLength(21)
})

test('a full disk fails the commit that meets it with StorageFullError, and no other', async () => {
  let writes = 0
  const faultPoint = (operation: string): void => {
    // The error as SQLite reports it: https://sqlite.org/rescode.html#full
    if (operation === 'write' && ++writes === 2) throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
  }
  await using storage = openSqliteStorage({ path: pathOf('full'), tableNames: suiteTableNames, faultPoint })
  const commits = [1, 2, 3].map(async (key) => storage.commit([{ kind: 'put', table: suiteTables.first.name, key: [key], value: key }]))
  const outcomes = await Promise.allSettled(commits)
  expect(outcomes[1]).toMatchObject({ status: 'rejected', reason: expect.any(StorageFullError) })
  expect((await storage.range(suiteTables.first, { limit: 10 })).map((entry) => entry.value)).toEqual([1, 3])
})
