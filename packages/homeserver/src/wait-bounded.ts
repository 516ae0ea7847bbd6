import type { Clock } from './ports/clock.ts'

/**
 * Waits until `wait` resolves or the time has run out: false. What does not heed its signal is left behind.
 * @throws the signal's reason when it aborts.
 */
export async function waitBounded(
  clock: Clock,
  durationMs: number,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  try {
    return await Promise.race([wait(either).then(() => true), clock.sleep(durationMs, either).then(() => false)])
  } finally {
    done.abort()
  }
}
