import type { ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'

interface Lane {
  running: number
  readonly queue: (() => void)[]
}

/** Bounds how many requests of one origin are worked on at once, and how many more may wait. */
export class OriginGate {
  readonly #lanes = new Map<ServerName, Lane>()

  /** @throws MatrixError M_LIMIT_EXCEEDED when too many wait already; the signal's reason when aborted while waiting. */
  async run<T>(origin: ServerName, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(origin) ?? { running: 0, queue: [] }
    this.#lanes.set(origin, lane)
    if (lane.running >= limits.implementation.requestsPerOriginMax) await this.#wait(lane)
    else lane.running++
    try {
      signal.throwIfAborted()
      return await task()
    } finally {
      // The place passes on directly, so `running` stays as it is.
      const next = lane.queue.shift()
      if (next !== undefined) next()
      else if (--lane.running === 0) this.#lanes.delete(origin)
    }
  }

  async #wait(lane: Lane): Promise<void> {
    if (lane.queue.length >= limits.implementation.requestsQueuedPerOriginMax) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests at once', { retry_after_ms: 1_000 })
    }
    await new Promise<void>((resolve) => lane.queue.push(resolve))
  }
}
