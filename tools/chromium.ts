import { existsSync } from 'node:fs'

const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable', '/usr/bin/google-chrome']

/**
 * The browser that tests and benchmarks drive: `KITH_CHROMIUM`, or what the system has installed.
 * @throws Error that says how to install one.
 */
export function chromiumPath(): string {
  const chosen = process.env['KITH_CHROMIUM']
  const found = chosen === undefined ? candidates.find((path) => existsSync(path)) : existsSync(chosen) ? chosen : undefined
  if (found === undefined) throw new Error('Chromium is missing; install it with: sudo apt-get install chromium')
  return found
}
