import { chromiumPath } from './chromium.ts'

/** Vitest global setup: stops before the first test, with one clear line, when there is no browser. */
export function setup(): void {
  chromiumPath()
}
