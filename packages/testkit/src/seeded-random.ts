import type { Random } from '@kith/homeserver/ports'

/** Repeatable bytes and choices for tests: mulberry32, good enough to mix things up and useless for secrets. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.#next() & 0xff)
  }

  /** An integer from 0 to `end` - 1. */
  integer(end: number): number {
    return Math.floor((this.#next() / 2 ** 32) * end)
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}
