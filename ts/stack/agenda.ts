// What is to be done, and when: the connections that exist and who is told of them, those that something
// happened to, and the deadlines of all. A turn settles what is dirty; settling is sending what is owed,
// telling the owner, and setting the next deadline.

import type { Clock } from '../clock.js'
import { releaseConnection } from '../mptcp/close.js'
import { type Connection, EVENT_WRITABLE, type Notify } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import { hasSendMemory } from '../mptcp/send-queue.js'
import { armTimers, connectionDeadline, connectionTimersFire } from '../mptcp/timers.js'
import { settle } from '../mptcp/turn.js'
import { Deadlines } from './deadlines.js'

/** Rounds that what happens within a turn may add to it before time must move on. */
const MAX_ROUNDS = 16

export class Agenda {
  readonly #context: Context
  readonly #clock: Clock
  readonly #turn: (now: number) => void
  readonly #connections = new Set<Connection>()
  readonly #deadlines: Deadlines
  #dirty: Connection[] = []
  #isTurnScheduled = false
  #isSettling = false
  #isClosed = false

  /** `turn`: what is dirty wants to be settled, by way of `settleAll`. */
  constructor(context: Context, clock: Clock, turn: (now: number) => void) {
    this.#context = context
    this.#clock = clock
    this.#turn = turn
    this.#deadlines = new Deadlines(clock, () => this.#timersFire())
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  /** How many of them wait for a deadline. */
  get deadlineCount(): number {
    return this.#deadlines.size
  }

  /** A new connection, and who is told of its events. */
  adopt(connection: Connection, owner: Notify): void {
    this.#connections.add(connection)
    connection.agenda.owner = owner
  }

  /** Something happened to the connection: it is settled in the turn that runs, or in the next one. */
  touch(connection: Connection): void {
    if (!connection.agenda.dirty) {
      connection.agenda.dirty = true
      this.#dirty.push(connection)
    }
    if (!this.#isSettling) this.#scheduleTurn()
  }

  /** As `touch`, by who sees to the turn himself. */
  mark(connection: Connection): void {
    if (connection.agenda.dirty) return
    connection.agenda.dirty = true
    this.#dirty.push(connection)
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled || this.#isClosed) return
    this.#isTurnScheduled = true
    this.#clock.soon(() => {
      this.#isTurnScheduled = false
      this.#turn(this.#clock.now())
    })
  }

  #timersFire(): void {
    if (this.#isClosed) return
    const now = this.#clock.now()
    let connection = this.#deadlines.take(now)
    while (connection !== undefined) {
      connectionTimersFire(this.#context, connection, now)
      this.mark(connection)
      connection = this.#deadlines.take(now)
    }
    this.#turn(now)
  }

  /** Brings everything that is dirty to rest. What is dirty after so many rounds has another turn. */
  settleAll(now: number): void {
    this.#isSettling = true
    try {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        this.#feedStarved()
        if (this.#dirty.length === 0) break
        const batch = this.#dirty
        this.#dirty = []
        for (const connection of batch) {
          connection.agenda.dirty = false
          if (this.#connections.has(connection)) this.#settle(connection, now)
        }
      }
    } finally {
      this.#isSettling = false
    }
    if (this.#dirty.length > 0) this.#scheduleTurn()
  }

  /** Memory came back: those that had none for sending go on. */
  #feedStarved(): void {
    const { starved } = this.#context
    for (const connection of starved) {
      if (connection.snd.account === 0) starved.delete(connection)
      else if (hasSendMemory(this.#context, connection)) {
        starved.delete(connection)
        connection.events |= EVENT_WRITABLE
        this.mark(connection)
      }
    }
  }

  #settle(connection: Connection, now: number): void {
    settle(this.#context, connection, now)
    armTimers(this.#context, connection, now)
    const { events } = connection
    if (events !== 0) {
      connection.events = 0
      connection.agenda.owner?.(events)
      if (this.#isClosed) return
    }
    if (connection.subflows.length === 0 && connection.state === 'M_CLOSED') {
      if (connection.rcv.queue === 0 || connection.detached) this.#forget(connection)
      return
    }
    this.#deadlines.set(connection, connectionDeadline(connection))
  }

  #forget(connection: Connection): void {
    releaseConnection(this.#context, connection)
    this.#connections.delete(connection)
    this.#deadlines.forget(connection)
    connection.agenda.owner = null
  }

  /** Ends all at once, without a word to anyone. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#connections) {
      releaseConnection(this.#context, connection)
      connection.agenda.owner = null
    }
    this.#connections.clear()
    this.#deadlines.close()
    this.#dirty.length = 0
  }
}
