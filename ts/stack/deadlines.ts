// The connections by their next deadline: a binary heap, and one timer of the clock for its top. A
// deadline that moved later stays where it is until it comes up; then it is looked at again.

import type { Clock, TimerHandle } from '../clock.js'
import type { Connection } from '../mptcp/connection.js'

interface Item {
  readonly deadline: number
  readonly connection: Connection
}

export class Deadlines {
  readonly #clock: Clock
  readonly #fire: () => void
  readonly #heap: Item[] = []
  /** The earliest item that each connection has in the heap. */
  readonly #queued = new Map<Connection, number>()
  #timer: TimerHandle | null = null

  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock
    this.#fire = fire
  }

  /** Says when the connection wants to be looked at; Infinity = it does not. */
  set(connection: Connection, deadline: number): void {
    if (deadline >= (this.#queued.get(connection) ?? Number.POSITIVE_INFINITY)) return
    this.#queued.set(connection, deadline)
    this.#push({ deadline, connection })
    this.#arm()
  }

  forget(connection: Connection): void {
    this.#queued.delete(connection)
  }

  /** Takes out a connection whose time has come; undefined if there is none. */
  take(now: number): Connection | undefined {
    while (this.#heap.length > 0 && this.#heap[0].deadline <= now) {
      const { connection, deadline } = this.#pop()
      if (this.#queued.get(connection) !== deadline) continue
      this.#queued.delete(connection)
      return connection
    }
    return undefined
  }

  /** One timer for the earliest deadline; one that is armed for earlier is left alone. */
  #arm(): void {
    if (this.#heap.length === 0) return
    const { deadline } = this.#heap[0]
    if (this.#timer !== null) {
      if (this.#timer.deadline <= deadline) return
      this.#clock.cancel(this.#timer)
    }
    this.#timer = this.#clock.at(deadline, () => {
      this.#timer = null
      this.#fire()
      this.#arm()
    })
  }

  close(): void {
    if (this.#timer !== null) this.#clock.cancel(this.#timer)
    this.#timer = null
    this.#heap.length = 0
    this.#queued.clear()
  }

  #push(item: Item): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent].deadline <= item.deadline) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = item
  }

  #pop(): Item {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop() as Item
    if (heap.length > 0) {
      let at = 0
      while (true) {
        let child = 2 * at + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && heap[child + 1].deadline < heap[child].deadline) child++
        if (heap[child].deadline >= last.deadline) break
        heap[at] = heap[child]
        at = child
      }
      heap[at] = last
    }
    return top
  }
}
