/** Resolves after the time, earlier never. @throws the signal's reason. */
export async function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, durationMs)
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/** What the promise gives, unless the signal aborts first. The promise itself goes on. @throws the signal's reason. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Runs an action with a signal that aborts after the time or with `signal`, and never once the action is over: libp2p's transports
 * keep listening to the signal of a dial, and would end the finished connection.
 */
export async function withTimeLimit<T>(durationMs: number, signal: AbortSignal, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new DOMException('The time is over', 'TimeoutError')), durationMs)
  const onAbort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await action(controller.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/** Doubles from attempt to attempt, with up to a third of jitter so that many nodes do not come at once. */
export function backoffMs(attempt: number, minMs: number, maxMs: number): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30))
  return full * (2 / 3 + Math.random() / 3)
}

/** Lets many wait for the next change of something. */
export class ChangeSignal {
  #next = Promise.withResolvers<void>()

  notify(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  /** @throws the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    await untilAborted(this.#next.promise, signal)
  }
}
