import { existsSync } from 'node:fs'
import { glob, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Whether there is no build, or one that is older than what it is made from.
 * @param stamp a file that every build writes.
 * @param sources patterns of paths below `root`. Tests are never built.
 */
export async function isOutdated(root: string, stamp: string, sources: readonly string[]): Promise<boolean> {
  if (!existsSync(stamp)) return true
  const builtAt = (await stat(stamp)).mtimeMs
  for await (const path of glob(sources, { cwd: root })) {
    if (/\.test\.tsx?$/.test(path)) continue
    const source = await stat(join(root, path))
    if (source.isFile() && source.mtimeMs > builtAt) return true
  }
  return false
}
