/** Keeps what was used last, up to a total weight. */
export class BoundedCache<Name, Value> {
  readonly #weightMax: number
  readonly #weigh: (value: Value) => number
  readonly #entries = new Map<Name, { readonly value: Value; readonly weight: number }>()
  #weight = 0

  constructor(weightMax: number, weigh: (value: Value) => number) {
    this.#weightMax = weightMax
    this.#weigh = weigh
  }

  get(name: Name): Value | undefined {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    // Maps iterate in order of insertion, so the front is what was not used for longest.
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    return entry.value
  }

  set(name: Name, value: Value): void {
    this.delete(name)
    const weight = this.#weigh(value)
    this.#entries.set(name, { value, weight })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#weightMax) return
      this.delete(oldest)
    }
  }

  delete(name: Name): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#weight -= entry.weight
  }
}
