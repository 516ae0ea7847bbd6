import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIVENESS_TICK_MS, PEER_PATIENCE_MS_MAX, PING_AFTER_SILENCE_IDLE_MS, PING_AFTER_SILENCE_MS, SLOW_LINK_MS_MAX } from '../limits.ts'
import { Liveness } from './liveness.ts'

interface Peer {
  /** Undefined: it is gone. */
  readonly answersAfterMs: number | undefined
}

/** Plays the ticks of a session against a peer; resolves with the time of its end. */
function runUntilDead(liveness: Liveness, peer: Peer, startMs: number, forMs: number, pending = false): number | undefined {
  let pingSentAt: number | undefined
  for (let now = startMs; now < startMs + forMs; now += LIVENESS_TICK_MS) {
    if (pingSentAt !== undefined && peer.answersAfterMs !== undefined && now - pingSentAt >= peer.answersAfterMs) {
      liveness.forgive(pingSentAt + peer.answersAfterMs)
      liveness.onRoundTrip(peer.answersAfterMs)
      pingSentAt = undefined
    }
    const verdict = liveness.check(now, { pending, pingSentAt })
    if (verdict === 'dead') return now - startMs
    if (verdict === 'ping') pingSentAt = now
  }
  return undefined
}

const MINUTE_MS = 60_000

describe('whether a peer lives', () => {
  test('one that answered at once and is killed is given up within 5 s', () => {
    const liveness = new Liveness(true, 0)
    expect(runUntilDead(liveness, { answersAfterMs: 5 }, 0, MINUTE_MS)).toBeUndefined()
    expect(runUntilDead(liveness, { answersAfterMs: undefined }, MINUTE_MS, MINUTE_MS)).toBeLessThanOrEqual(5_000)
  })

  test('with an answer pending it is given up within 4.25 s, over TCP too', () => {
    for (const silentLoss of [true, false]) {
      const liveness = new Liveness(silentLoss, 0)
      liveness.onRoundTrip(5)
      expect(runUntilDead(liveness, { answersAfterMs: undefined }, 0, MINUTE_MS, true)).toBeLessThanOrEqual(4_250)
    }
  })

  test('one that is killed is given up, however slow it was and whatever was sent to it', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.nat(100_000), { maxLength: 20 }),
        fc.array(fc.nat(10_000_000), { maxLength: 20 }),
        (silentLoss, pending, roundTrips, sent) => {
          const liveness = new Liveness(silentLoss, 0)
          for (const durationMs of roundTrips) liveness.onRoundTrip(durationMs)
          for (const byteLength of sent) liveness.onSent(byteLength, 0)
          const silenceMs = silentLoss ? PING_AFTER_SILENCE_MS : PING_AFTER_SILENCE_IDLE_MS
          const boundMs = Math.max(silenceMs, SLOW_LINK_MS_MAX) + PEER_PATIENCE_MS_MAX + 2 * LIVENESS_TICK_MS
          expect(runUntilDead(liveness, { answersAfterMs: undefined }, 0, 10 * MINUTE_MS, pending)).toBeLessThanOrEqual(boundMs)
        },
      ),
    )
  })

  test('one that answers late is kept: up to 2.9 s from the start, and up to 5.5 s when it became slow little by little', () => {
    expect(runUntilDead(new Liveness(true, 0), { answersAfterMs: 2_900 }, 0, 10 * MINUTE_MS)).toBeUndefined()
    const liveness = new Liveness(true, 0)
    for (let answersAfterMs = 100, at = 0; answersAfterMs <= 5_500; answersAfterMs += 400, at += MINUTE_MS)
      expect(runUntilDead(liveness, { answersAfterMs }, at, MINUTE_MS)).toBeUndefined()
  })

  test('an answer that waits behind a long body is waited for', () => {
    const liveness = new Liveness(true, 0)
    liveness.onSent(320 * 1024, 0)
    expect(runUntilDead(liveness, { answersAfterMs: 9_900 }, 0, 12_000)).toBeUndefined()
  })
})
