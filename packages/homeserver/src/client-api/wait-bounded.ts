import type { Clock } from '../ports/clock.ts'

/** Waits until `wait` resolves or the time has run out. @throws the signal's reason when it aborts. */
export async function waitBounded(
  clock: Clock,
  durationMs: number,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  try {
    await Promise.race([wait(either), clock.sleep(durationMs, either)])
  } finally {
    done.abort()
  }
}
