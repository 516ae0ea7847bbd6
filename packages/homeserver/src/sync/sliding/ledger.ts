/**
 * What a client was told, by room. Entries are staged with an answer and count when the client shows, by its next request, that it has
 * the answer; until then they can be taken back.
 */
export class Ledger<K, V> {
  readonly #confirmed = new Map<K, V>()
  /** Undefined: no longer there. */
  readonly #staged = new Map<K, V | undefined>()

  get(key: K): V | undefined {
    return this.#staged.has(key) ? this.#staged.get(key) : this.#confirmed.get(key)
  }

  set(key: K, value: V): void {
    this.#staged.set(key, value)
  }

  delete(key: K): void {
    this.#staged.set(key, undefined)
  }

  *entries(): Iterable<readonly [K, V]> {
    for (const key of new Set([...this.#confirmed.keys(), ...this.#staged.keys()])) {
      const value = this.get(key)
      if (value !== undefined) yield [key, value]
    }
  }

  *keys(): Iterable<K> {
    for (const [key] of this.entries()) yield key
  }

  confirm(): void {
    for (const [key, value] of this.#staged) {
      if (value === undefined) this.#confirmed.delete(key)
      else this.#confirmed.set(key, value)
    }
    this.#staged.clear()
  }

  takeBack(): void {
    this.#staged.clear()
  }
}
