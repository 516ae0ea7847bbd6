import { existsSync } from 'node:fs'
import { glob, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What a build is made from. The lock file stands for the libraries. */
const sourcePatterns = ['apps/web/{src,public}/**/*', 'apps/web/index.html', 'packages/*/src/**/*', 'vite.config.ts', 'package-lock.json']
/** The last file that a build writes. */
const stampFile = 'service-worker.js'

/** Builds the page when there is no build, or one that is older than a source. */
export async function buildPageIfNeeded(root: string, directory: string, print: (line: string) => void): Promise<void> {
  if (!(await isOutdated(root, join(directory, stampFile)))) return
  print('Building the page, this takes a moment…')
  const startedAt = performance.now()
  // Loaded only now: most starts build nothing.
  const { build } = await import('vite')
  await build({ configFile: join(root, 'vite.config.ts'), logLevel: 'warn' })
  print(`Built the page in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
}

async function isOutdated(root: string, stamp: string): Promise<boolean> {
  if (!existsSync(stamp)) return true
  const builtAt = (await stat(stamp)).mtimeMs
  for await (const path of glob(sourcePatterns, { cwd: root })) {
    if (/\.test\.tsx?$/.test(path)) continue
    const source = await stat(join(root, path))
    if (source.isFile() && source.mtimeMs > builtAt) return true
  }
  return false
}
