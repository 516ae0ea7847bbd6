import {
  PEER_PATIENCE_MS_MAX,
  PEER_PATIENCE_MS_MIN,
  PING_AFTER_SILENCE_IDLE_MS,
  PING_AFTER_SILENCE_MS,
  PING_AFTER_SILENCE_PENDING_MS,
  SLOW_LINK_BYTES_PER_SECOND,
  SLOW_LINK_MS_MAX,
} from '../limits.ts'

/** An answer may take so many times as long as the slowest of the recent ones. */
const PATIENCE_ROUND_TRIPS = 8
/** What is left of the slowest round trip when a faster one comes. */
const SLOWEST_KEPT = 0.75

export interface LivenessState {
  /** A request waits for its answer. */
  readonly pending: boolean
  /** When the ping that is still unanswered was sent. */
  readonly pingSentAt: number | undefined
}

/**
 * Decides when to ask a peer whether it still lives, and when it does not any more. All times in milliseconds of one clock.
 *
 * A device that has always answered at once, and now answers nothing, is gone sooner than one that is often busy.
 */
export class Liveness {
  /** The transport does not report the loss of its peer quickly. */
  readonly #silentLoss: boolean
  #lastAliveAt: number
  /** When a slow link would have carried all that was sent. */
  #drainedAt = 0
  #slowestMs = 0

  constructor(silentLoss: boolean, now: number) {
    this.#silentLoss = silentLoss
    this.#lastAliveAt = now
  }

  /** The peer showed that it lives, or could not have shown it. */
  forgive(now: number): void {
    this.#lastAliveAt = now
  }

  onSent(byteLength: number, now: number): void {
    this.#drainedAt = Math.min(Math.max(now, this.#drainedAt) + (byteLength * 1000) / SLOW_LINK_BYTES_PER_SECOND, now + SLOW_LINK_MS_MAX)
  }

  onRoundTrip(durationMs: number): void {
    this.#slowestMs = Math.max(durationMs, this.#slowestMs * SLOWEST_KEPT)
  }

  check(now: number, { pending, pingSentAt }: LivenessState): 'wait' | 'ping' | 'dead' {
    if (pingSentAt === undefined) return now - this.#lastAliveAt >= this.#silenceMs(pending) ? 'ping' : 'wait'
    // An answer may wait behind what was sent before the ping.
    const since = Math.max(pingSentAt, this.#lastAliveAt, this.#drainedAt)
    return now - since >= this.#patienceMs() ? 'dead' : 'wait'
  }

  #silenceMs(pending: boolean): number {
    if (pending) return PING_AFTER_SILENCE_PENDING_MS
    return this.#silentLoss ? PING_AFTER_SILENCE_MS : PING_AFTER_SILENCE_IDLE_MS
  }

  #patienceMs(): number {
    return Math.min(PEER_PATIENCE_MS_MAX, PEER_PATIENCE_MS_MIN + PATIENCE_ROUND_TRIPS * this.#slowestMs)
  }
}
