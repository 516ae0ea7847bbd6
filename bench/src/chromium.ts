import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromiumPath } from '../../tools/chromium.ts'

/**
 * Opens a page in a Chromium of its own: with a profile on disk, because storage behaves differently in memory, and without a debugger,
 * which slows workers down and keeps service workers alive.
 */
export function openChromium(url: string): AsyncDisposable {
  const profile = mkdtempSync(join(tmpdir(), 'kith-bench-profile-'))
  const flags = ['--headless=new', '--no-sandbox', '--no-first-run', '--disable-gpu', `--user-data-dir=${profile}`]
  const child = spawn(chromiumPath(), [...flags, url], { stdio: 'ignore', detached: true })
  return {
    async [Symbol.asyncDispose]() {
      if (child.pid !== undefined && child.exitCode === null) {
        const exited = once(child, 'exit')
        process.kill(-child.pid, 'SIGKILL')
        await exited
      }
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
