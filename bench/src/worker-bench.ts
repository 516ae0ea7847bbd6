import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { build } from 'vite'
import type { Bench, Measurement } from './bench.ts'
import { openChromium } from './chromium.ts'
import { startReportServer } from './report-server.ts'

const contentTypes: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }

export const workerBench: Bench = {
  name: 'indexeddb',
  async run() {
    const built = mkdtempSync(join(tmpdir(), 'kith-bench-page-'))
    try {
      await build({
        configFile: false,
        logLevel: 'error',
        root: join(import.meta.dirname, 'worker'),
        worker: { format: 'es' },
        build: { outDir: built, emptyOutDir: true, target: 'esnext' },
      })
      await using server = await startReportServer((request, response) => {
        const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
        try {
          const body = readFileSync(join(built, path === '/' ? 'index.html' : path))
          response.writeHead(200, { 'content-type': contentTypes[extname(path) || '.html'] ?? 'application/octet-stream' }).end(body)
        } catch {
          response.writeHead(404).end()
        }
      })
      await using _chromium = openChromium(server.url)
      const { measurements, failure } = (await server.report) as {
        readonly measurements?: readonly Measurement[]
        readonly failure?: string
      }
      if (measurements === undefined) throw new Error(failure)
      return measurements
    } finally {
      rmSync(built, { recursive: true, force: true })
    }
  },
}
