// A first-in, first-out list with access by index: what was sent, in order, and what waits to be.

export class Fifo<T> {
  #items: T[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  at(index: number): T {
    return this.#items[this.#head + index]
  }

  /** The first item, or undefined. */
  first(): T | undefined {
    return this.#items[this.#head]
  }

  last(): T | undefined {
    return this.length > 0 ? this.#items[this.#items.length - 1] : undefined
  }

  shift(): T {
    const item = this.#items[this.#head++]
    if (this.#head === this.#items.length) {
      if (this.#head === 1) this.#items.pop()
      else this.#items.length = 0
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return item
  }

  /** Replaces item `index` by `items`, in order. */
  splice(index: number, count: number, ...items: T[]): void {
    this.#items.splice(this.#head + index, count, ...items)
  }

  /**
   * The first index whose item is not below `key` by `keyOf` (items ascend by it); length if none.
   */
  lowerBound(key: number, keyOf: (item: T) => number): number {
    let low = this.#head
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (keyOf(this.#items[middle]) < key) low = middle + 1
      else high = middle
    }
    return low - this.#head
  }

  clear(): void {
    this.#items.length = 0
    this.#head = 0
  }
}
