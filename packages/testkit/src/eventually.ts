import { setTimeout as sleep } from 'node:timers/promises'

/** Repeats `look` until it returns something other than undefined or false; fails with `what` and the last error after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let lastError: unknown
  while (performance.now() < deadline) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    await sleep(50)
  }
  throw new Error(`Not within ${timeoutMs} ms: ${what}`, { cause: lastError })
}
