// Connections whose descriptors are gone and that have not ended on the wire.

import { isReleased } from '../mptcp/close.js'
import { type Connection, EVENT_CLOSED } from '../mptcp/connection.js'
import type { Stack } from '../stack/stack.js'

export class ClosingConnections {
  readonly #stack: Stack
  readonly #closing = new Set<Connection>()
  readonly #whenDrained = new Set<() => void>()

  constructor(stack: Stack) {
    this.#stack = stack
  }

  get size(): number {
    return this.#closing.size
  }

  /** Nobody owns it any more but `whenDrained`, until it has ended. */
  letGo(connection: Connection): void {
    // Its memory for sending is given back when its end is told.
    if (isReleased(connection)) {
      this.#stack.calls.own(connection, null)
      return
    }
    this.#closing.add(connection)
    this.#stack.calls.own(connection, (events) => {
      if ((events & EVENT_CLOSED) === 0) return
      this.#closing.delete(connection)
      this.#stack.calls.own(connection, null)
      if (this.#closing.size > 0) return
      this.#tellAll()
    })
  }

  /** Each in a scope of its own: one that throws keeps nobody waiting. */
  #tellAll(): void {
    for (const tell of this.#whenDrained) {
      this.#stack.context.say(() => {
        // It may have been taken back meanwhile.
        if (this.#whenDrained.delete(tell)) tell()
      })
    }
  }

  /** Calls `tell` once, as soon as none is left; the answer takes it back. */
  whenDrained(tell: () => void): () => void {
    if (this.#closing.size === 0) tell()
    else this.#whenDrained.add(tell)
    return () => this.#whenDrained.delete(tell)
  }
}
