import type { Clock } from '../ports/clock.ts'

/** The time given to an operation ran out. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/**
 * Runs an operation under a signal that aborts with `signal` or after `durationMs`. Settles then even if the operation does not heed it.
 * @throws DeadlineError when the time ran out; the signal's reason when that aborted.
 */
export async function withDeadline<T>(
  clock: Clock,
  durationMs: number,
  signal: AbortSignal,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const expiry = new AbortController()
  const timer = new AbortController()
  const bounded = AbortSignal.any([signal, expiry.signal])
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(bounded.reason)
  bounded.addEventListener('abort', onAbort, { once: true })
  clock.sleep(durationMs, timer.signal).then(
    () => expiry.abort(new DeadlineError(`Not done within ${durationMs} ms`)),
    () => undefined,
  )
  try {
    return await Promise.race([operation(bounded), aborted.promise])
  } finally {
    bounded.removeEventListener('abort', onAbort)
    timer.abort()
  }
}
