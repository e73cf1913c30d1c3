// The connections by their next deadline: a binary heap in which each connection stands at most once and
// knows its place (`agenda.position`), and one timer of the clock for its top.

import type { Clock, TimerHandle } from '../clock.js'
import type { Connection } from '../mptcp/connection.js'

export class Deadlines {
  readonly #clock: Clock
  readonly #fire: () => void
  /** Bounded: one place for each connection that exists. */
  readonly #heap: Connection[] = []
  #timer: TimerHandle | null = null

  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock
    this.#fire = fire
  }

  get size(): number {
    return this.#heap.length
  }

  /** Says when the connection wants to be looked at, sooner or later than before; Infinity = it does not. */
  set(connection: Connection, deadline: number): void {
    const { agenda } = connection
    if (agenda.deadline === deadline) return
    if (deadline === Number.POSITIVE_INFINITY) {
      this.forget(connection)
      return
    }
    agenda.deadline = deadline
    if (agenda.position < 0) {
      this.#heap.push(connection)
      this.#rise(this.#heap.length - 1, connection)
    } else this.#settle(agenda.position, connection)
    this.#arm()
  }

  /** Takes it out, wherever it stands. */
  forget(connection: Connection): void {
    const { agenda } = connection
    const { position } = agenda
    agenda.deadline = Number.POSITIVE_INFINITY
    agenda.position = -1
    if (position < 0) return
    const last = this.#heap.pop() as Connection
    if (last !== connection) this.#settle(position, last)
  }

  /** Takes out a connection whose time has come; undefined if there is none. */
  take(now: number): Connection | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.agenda.deadline > now) return undefined
    this.forget(first)
    return first
  }

  /** One timer for the earliest deadline; one that is armed for earlier is left alone. */
  #arm(): void {
    if (this.#heap.length === 0) return
    const { deadline } = this.#heap[0].agenda
    if (this.#timer !== null) {
      if (this.#timer.deadline <= deadline) return
      this.#clock.cancel(this.#timer)
    }
    this.#timer = this.#clock.at(deadline, () => {
      this.#timer = null
      try {
        this.#fire()
      } finally {
        this.#arm()
      }
    })
  }

  close(): void {
    if (this.#timer !== null) this.#clock.cancel(this.#timer)
    this.#timer = null
    for (const { agenda } of this.#heap) {
      agenda.deadline = Number.POSITIVE_INFINITY
      agenda.position = -1
    }
    this.#heap.length = 0
  }

  /** Gives `connection` the place `at`, or the one above or below that its deadline asks for. */
  #settle(at: number, connection: Connection): void {
    const parent = (at - 1) >> 1
    const isEarlier = at > 0 && this.#heap[parent].agenda.deadline > connection.agenda.deadline
    if (isEarlier) this.#rise(at, connection)
    else this.#sink(at, connection)
  }

  #rise(from: number, connection: Connection): void {
    const heap = this.#heap
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent].agenda.deadline <= connection.agenda.deadline) break
      this.#put(at, heap[parent])
      at = parent
    }
    this.#put(at, connection)
  }

  #sink(from: number, connection: Connection): void {
    const heap = this.#heap
    let at = from
    while (true) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      const right = child + 1
      if (right < heap.length && heap[right].agenda.deadline < heap[child].agenda.deadline) {
        child = right
      }
      if (heap[child].agenda.deadline >= connection.agenda.deadline) break
      this.#put(at, heap[child])
      at = child
    }
    this.#put(at, connection)
  }

  #put(at: number, connection: Connection): void {
    this.#heap[at] = connection
    connection.agenda.position = at
  }
}
