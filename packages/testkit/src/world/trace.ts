const OFFSET = 0xcbf29ce484222325n
const PRIME = 0x100000001b3n
const MASK = (1n << 64n) - 1n

/** A running hash of what happened in a world, in order: two runs with one hash went the same way. */
export class Trace {
  #low = Number(OFFSET & 0xffffffffn)
  #high = Number(OFFSET >> 32n)
  lines = 0

  add(line: string): void {
    this.lines++
    for (let index = 0; index < line.length; index++) {
      const unit = line.charCodeAt(index)
      this.#low = Math.imul(this.#low ^ unit, 0x01000193) >>> 0
      this.#high = Math.imul(this.#high ^ unit ^ (this.#low >>> 15), 0x85ebca6b) >>> 0
    }
  }

  get hash(): string {
    return ((((BigInt(this.#high) << 32n) | BigInt(this.#low)) * PRIME) & MASK).toString(16).padStart(16, '0')
  }
}
