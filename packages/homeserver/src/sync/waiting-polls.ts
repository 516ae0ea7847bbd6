import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { EventReader } from './client-events.ts'
import type { StreamWatch } from './stream-watch.ts'

export interface WaitOutcome {
  /** False when the time ran out, or when too many polls of the device wait. */
  readonly woken: boolean
  /** Nothing up to here concerned the user. */
  readonly quietUpTo: number
}

/** Polls that wait for something to tell, a bounded number of each device: the oldest give way. */
export class WaitingPolls {
  readonly #clock: Clock
  readonly #watch: StreamWatch
  /** Ends of waiting polls of each device, the oldest first. */
  readonly #waiting = new Map<string, Set<AbortController>>()

  constructor(clock: Clock, watch: StreamWatch) {
    this.#clock = clock
    this.#watch = watch
  }

  /** Until something concerns the user. */
  async wait(reader: EventReader, position: number, durationMs: number, signal: AbortSignal): Promise<WaitOutcome> {
    let quietUpTo = position
    const onQuiet = (upTo: number): void => void (quietUpTo = Math.max(quietUpTo, upTo))
    const concerned = async (either: AbortSignal): Promise<void> => this.#watch.concerning(reader.userId, position, either, onQuiet)
    const woken = await this.waitFor(reader, durationMs, signal, concerned)
    return { woken, quietUpTo }
  }

  /** False when the time ran out, or when too many polls of the device wait. */
  async waitFor(
    reader: EventReader,
    durationMs: number,
    signal: AbortSignal,
    happen: (signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const name = `${reader.userId} ${reader.deviceId}`
    const waiting = this.#waiting.getOrInsertComputed(name, () => new Set())
    const end = new AbortController()
    waiting.add(end)
    const [oldest] = waiting
    if (oldest !== undefined && waiting.size > limits.implementation.syncsWaitingPerDeviceMax) {
      oldest.abort()
      waiting.delete(oldest)
    }
    const either = AbortSignal.any([signal, end.signal])
    try {
      await Promise.race([happen(either), this.#clock.sleep(durationMs, either).then(() => end.abort())])
      return !end.signal.aborted
    } catch (error) {
      if (signal.aborted || !end.signal.aborted) throw error
      return false
    } finally {
      end.abort()
      waiting.delete(end)
      if (waiting.size === 0) this.#waiting.delete(name)
    }
  }
}
