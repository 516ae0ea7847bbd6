const PAUSE_MS = 50
/** For what takes moments on an idle machine. It ends a wait for what never comes, and measures nothing. */
export const PATIENCE_MS = 60_000

/** In real time, of what runs in it: real clients and processes. Repeats `look` until it returns something other than undefined or false; fails with `what` and the last error after `timeoutMs`. */
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
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  throw new Error(`Not within ${timeoutMs} ms: ${what}`, { cause: lastError })
}
