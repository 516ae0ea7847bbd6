import type { Clock } from '@kith/homeserver/ports'

interface Sleeper {
  readonly wakesAt: number
  /** Orders those due at one time: as they lay down. */
  readonly sequence: number
  wake: (() => void) | undefined
}

/** Time that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #now: number
  #sequence = 0
  /** A binary heap, the earliest first. Whoever was woken by an abort stays in it, without `wake`, until its turn comes. */
  readonly #sleepers: Sleeper[] = []

  constructor(startMs = 1_750_000_000_000) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  async sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper: Sleeper = { wakesAt: this.#now + Math.max(0, durationMs), sequence: this.#sequence++, wake: resolve }
    const onAbort = (): void => reject(signal.reason)
    if (sleeper.wakesAt < Number.POSITIVE_INFINITY) this.#push(sleeper)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      sleeper.wake = undefined
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** When the next sleeper wakes; undefined when nobody sleeps. */
  get nextWake(): number | undefined {
    while (this.#sleepers[0] !== undefined && this.#sleepers[0].wake === undefined) this.#pop()
    return this.#sleepers[0]?.wakesAt
  }

  /** Moves time to the next sleeper's hour, if it is not after `until`, and wakes it; those due at one time wake in the order in which they lay down. */
  wakeNext(until = Number.POSITIVE_INFINITY): boolean {
    const next = this.nextWake
    if (next === undefined || next > until) return false
    this.#now = Math.max(this.#now, next)
    const sleeper = this.#pop()
    sleeper?.wake?.()
    return true
  }

  /** Moves time on, waking everybody on the way; what they do in between gets its turn before the next wakes. */
  async advance(durationMs: number): Promise<void> {
    const end = this.#now + durationMs
    do await settleMicrotasks()
    while (this.wakeNext(end))
    this.#now = end
    await settleMicrotasks()
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#sleepers
    let index = heap.push(sleeper) - 1
    while (index > 0) {
      const parent = (index - 1) >>> 1
      if (!this.#isBefore(index, parent)) break
      this.#swap(index, parent)
      index = parent
    }
  }

  #pop(): Sleeper | undefined {
    const heap = this.#sleepers
    const last = heap.length - 1
    if (last > 0) this.#swap(0, last)
    const first = heap.pop()
    for (let index = 0; ;) {
      const left = 2 * index + 1
      let least = index
      if (left < heap.length && this.#isBefore(left, least)) least = left
      if (left + 1 < heap.length && this.#isBefore(left + 1, least)) least = left + 1
      if (least === index) return first
      this.#swap(index, least)
      index = least
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [left, right] = [this.#sleepers[one], this.#sleepers[other]]
    if (left === undefined || right === undefined) return false
    return left.wakesAt === right.wakesAt ? left.sequence < right.sequence : left.wakesAt < right.wakesAt
  }

  #swap(one: number, other: number): void {
    const [left, right] = [this.#sleepers[one], this.#sleepers[other]]
    if (left === undefined || right === undefined) return
    this.#sleepers[one] = right
    this.#sleepers[other] = left
  }
}

/** Lets chains of resolved promises run; long enough for the in-memory engines, which wait for nothing else. */
export async function settleMicrotasks(turns = 100): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve()
}
