import { isAbsolute, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { isOutdated } from '../../../../tools/is-outdated.ts'
import { publishBuild } from './publish-build.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const workspace = join(root, 'apps/headless')
const directory = join(workspace, 'dist')
const command = join(directory, 'kith.js')
/** The lock file stands for the libraries. */
const sources = ['apps/headless/src/**/*', 'packages/*/src/**/*', 'package-lock.json']
/** They have native code, which they find beside themselves. */
const nativePackages = ['sharp', 'node-datachannel', 'classic-level']

/**
 * Makes few scripts of the command's sources and libraries. They run as they are, too; but a process that strips the types of hundreds of
 * files and loads a thousand more keeps the compiler, their text and their module records for as long as it runs.
 * @returns where the command is.
 */
export async function buildCommandIfNeeded(print: (line: string) => void): Promise<string> {
  if (!(await isOutdated(root, command, sources))) return command
  print('Building kith, this takes a moment…')
  // Loaded only now: most starts build nothing.
  const { build } = await import('vite')
  await publishBuild(directory, 'kith.js', async (folder) => {
    await build({
      configFile: false,
      logLevel: 'warn',
      root: workspace,
      ssr: { noExternal: true },
      build: {
        ssr: 'src/kith.ts',
        outDir: folder,
        target: 'esnext',
        // All in one folder, so that what lies outside of it is equally far from all of them, wherever the folder is.
        rolldownOptions: {
          output: { comments: false, chunkFileNames: '[name]-[hash].js', paths: (id) => (isAbsolute(id) ? relative(folder, id) : id) },
        },
      },
      plugins: [leaveInstalled(nativePackages), escapeNonAscii()],
    })
  })
  return command
}

function leaveInstalled(packages: readonly string[]): Plugin {
  return {
    name: 'leave-installed',
    enforce: 'pre',
    async resolveId(source, importer) {
      if (!packages.some((name) => source === name || source.startsWith(`${name}/`))) return null
      const resolved = await this.resolve(source, importer, { skipSelf: true })
      return resolved && { id: resolved.id, external: 'absolute' }
    },
  }
}

/** V8 keeps a script in two bytes a character when one of them needs two. Without comments, only strings can have such. */
function escapeNonAscii(): Plugin {
  return {
    name: 'escape-non-ascii',
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type === 'chunk') file.code = file.code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${hexOf(unit.charCodeAt(0))}`)
      }
    },
  }
}

function hexOf(unit: number): string {
  return unit.toString(16).padStart(4, '0')
}
