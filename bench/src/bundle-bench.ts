import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { buildPageIfNeeded } from '../../apps/web/src/start/build-page.ts'
import type { Bench } from './bench.ts'

const root = resolve(import.meta.dirname, '../..')

/** The sizes that the budgets of .size-limit.mjs hold, as they are. */
export const bundleBench: Bench = {
  name: 'bundles',
  async run() {
    await buildPageIfNeeded(root, resolve(root, 'apps/web/dist'), (line) => console.error(line))
    // Exceeding a budget fails the gate, not the benchmark.
    const { stdout } = await promisify(execFile)('size-limit', ['--json'], { cwd: root }).catch(
      (error: { readonly stdout: string }) => error,
    )
    const budgets = JSON.parse(stdout) as readonly { readonly name: string; readonly size: number; readonly sizeLimit?: number }[]
    return budgets.map(({ name, size, sizeLimit }) => ({
      what: name,
      result: `${kilobytes(size)} gzip`,
      limit: sizeLimit === undefined ? '' : `budget ${kilobytes(sizeLimit)}`,
    }))
  },
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toLocaleString('en', { maximumFractionDigits: 1 })} kB`
}
