import { join } from 'node:path'
import { isOutdated } from '../../../../tools/is-outdated.ts'

/** What a build is made from. The lock file stands for the libraries. */
const sourcePatterns = ['apps/web/{src,public}/**/*', 'apps/web/index.html', 'packages/*/src/**/*', 'vite.config.ts', 'package-lock.json']
/** The last file that a build writes. */
const stampFile = 'service-worker.js'

/** Builds the page when there is no build, or one that is older than a source. */
export async function buildPageIfNeeded(root: string, directory: string, print: (line: string) => void): Promise<void> {
  if (!(await isOutdated(root, join(directory, stampFile), sourcePatterns))) return
  print('Building the page, this takes a moment…')
  const startedAt = performance.now()
  // Loaded only now: most starts build nothing.
  const { build } = await import('vite')
  await build({ configFile: join(root, 'vite.config.ts'), logLevel: 'warn' })
  print(`Built the page in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
}
