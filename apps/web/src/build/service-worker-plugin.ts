import { createHash } from 'node:crypto'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { build, type Plugin } from 'vite'

export interface ServiceWorkerOptions {
  readonly source: string
  /** The file's name in the output folder; it has no hash because its path is its identity. */
  readonly fileName: string
}

/** Builds the service worker after the page, with the list of the page's files in it. It is the last file of a build. */
export function serviceWorkerPlugin({ source, fileName }: ServiceWorkerOptions): Plugin {
  let outDir = ''
  return {
    name: 'kith-service-worker',
    apply: 'build',
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir)
    },
    async writeBundle() {
      const shell = await describeShell(outDir, fileName)
      await writeFile(join(outDir, fileName), await bundle(source, shell))
    },
  }
}

interface Shell {
  readonly version: string
  readonly paths: readonly string[]
}

async function describeShell(outDir: string, serviceWorkerName: string): Promise<Shell> {
  const entries = await readdir(outDir, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile() && entry.name !== serviceWorkerName && !entry.name.endsWith('.map'))
    .map((entry) => relative(outDir, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted()
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file}\n`)
  hash.update(await readFile(join(outDir, 'index.html')))
  return { version: hash.digest('hex').slice(0, 16), paths: files.map((file) => (file === 'index.html' ? '/' : `/${file}`)) }
}

async function bundle(source: string, shell: Shell): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'warn',
    define: { __KITH_SHELL__: JSON.stringify(shell) },
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: source, output: { format: 'iife' } },
    },
  })
  const outputs = Array.isArray(result) ? result : [result]
  const [chunk] = outputs.flatMap((output) => ('output' in output ? output.output : []))
  if (chunk?.type !== 'chunk') throw new Error('The service worker was not built')
  return chunk.code
}
