import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Below the directory, with a folder for each build. */
const buildsName = 'builds'
const unusedAgeMaxMs = 24 * 60 * 60 * 1000

/**
 * Makes a build in a folder of its own, and then, in one step, a script that leads to it: whoever runs that script gets the whole of one
 * build, also when two are made at the same time, or one ends in the middle. Builds that were given up or replaced a day ago go: a process
 * that was started from one may still load scripts of it.
 * @param name of the script, and of what it leads to in the build.
 */
export async function publishBuild(directory: string, name: string, make: (folder: string) => Promise<void>): Promise<void> {
  const startedAt = new Date()
  const build = randomUUID()
  const builds = join(directory, buildsName)
  const script = join(directory, name)
  await mkdir(join(builds, build), { recursive: true })
  await make(join(builds, build))
  const next = join(builds, build, `lead-to-${name}`)
  await writeFile(next, `import './${buildsName}/${build}/${name}'\n`)
  // Sources that change while they are built are newer than what comes of it.
  await utimes(next, startedAt, startedAt)
  const replaced = await readIfThere(script)
  await rename(next, script)
  for (const other of await readdir(builds)) {
    const folder = join(builds, other)
    if (replaced.includes(other)) await utimes(folder, startedAt, startedAt)
    else if (startedAt.getTime() - (await lastUsed(folder)) > unusedAgeMaxMs) await rm(folder, { recursive: true, force: true })
  }
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch {
    return ''
  }
}

/** When the build was made or replaced; 0 when it is gone. */
async function lastUsed(folder: string): Promise<number> {
  try {
    return (await stat(folder)).mtimeMs
  } catch {
    return 0
  }
}
