/** A queue that gives its smallest item first. */
export class BinaryHeap<T> {
  readonly #items: T[] = []
  readonly #isLess: (left: T, right: T) => boolean

  constructor(isLess: (left: T, right: T) => boolean) {
    this.#isLess = isLess
  }

  push(item: T): void {
    const items = this.#items
    let index = items.push(item) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#isLess(item, items[parent] as T)) break
      items[index] = items[parent] as T
      index = parent
    }
    items[index] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const smallest = items[0]
    const last = items.pop()
    if (items.length > 0 && last !== undefined) this.#sink(last)
    return smallest
  }

  /** Puts the item where the root was taken away. */
  #sink(item: T): void {
    const items = this.#items
    let index = 0
    for (let child = 1; child < items.length; child = 2 * index + 1) {
      const right = child + 1
      if (right < items.length && this.#isLess(items[right] as T, items[child] as T)) child = right
      if (!this.#isLess(items[child] as T, item)) break
      items[index] = items[child] as T
      index = child
    }
    items[index] = item
  }
}
