// What is to be done, and when: the connections that exist and who is told of them, those that something
// happened to, and the deadlines of all. A turn settles what is dirty; settling is sending what is owed,
// collecting what is to be said, and setting the next deadline. No application's code runs inside a turn.

import type { Clock } from '../clock.js'
import { cutOff, releaseConnection } from '../mptcp/close.js'
import {
  type Connection,
  EVENT_READABLE,
  EVENT_WRITABLE,
  type Notify,
} from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import { rest } from '../mptcp/idle.js'
import { wakeStarved } from '../mptcp/send-queue.js'
import { armTimers, connectionDeadline, connectionTimersFire } from '../mptcp/timers.js'
import { settle } from '../mptcp/turn.js'
import { Fifo } from '../tcp/fifo.js'
import { Deadlines } from './deadlines.js'

/** Rounds that what happens within a turn may add to it before time must move on. */
const MAX_ROUNDS = 16

export class Agenda {
  readonly #context: Context
  readonly #clock: Clock
  readonly #turn: (now: number, before?: (now: number) => void) => void
  readonly #connections = new Set<Connection>()
  readonly #deadlines: Deadlines
  #dirty: Connection[] = []
  /** The other of two lists that take turns. */
  #spare: Connection[] = []
  /** What applications are to be told, in order: events of a connection, or anything else. */
  readonly #toSay = new Fifo<Connection | (() => void)>()
  /** Made once: every turn asks for these. */
  readonly #sayNext = (): void => {
    const next = this.#toSay.shift()
    this.#isSaying = true
    try {
      this.#say(next)
    } finally {
      this.#isSaying = false
      if (this.#dirty.length > 0) this.#turn(this.#clock.now())
    }
  }
  readonly #wake = (connection: Connection): void => {
    connection.events |= EVENT_WRITABLE
    this.mark(connection)
  }
  readonly #timersFire = (now: number): void => {
    let connection = this.#deadlines.take(now)
    while (connection !== undefined) {
      connectionTimersFire(this.#context, connection, now)
      this.mark(connection)
      connection = this.#deadlines.take(now)
    }
  }
  #isTurnScheduled = false
  #isSettling = false
  #isSaying = false
  #isClosed = false

  /** `turn`: what is dirty, or becomes so by `before`, wants to be settled, by way of `settleAll`. */
  constructor(
    context: Context,
    clock: Clock,
    turn: (now: number, before?: (now: number) => void) => void,
  ) {
    this.#context = context
    this.#clock = clock
    this.#turn = turn
    this.#deadlines = new Deadlines(clock, () => turn(clock.now(), this.#timersFire))
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** How many of them wait for a deadline. */
  get deadlineCount(): number {
    return this.#deadlines.size
  }

  /** A new connection. `ear`: who of the stack is told of its events, inside the turn; null = nobody. */
  adopt(connection: Connection, ear: Notify | null): void {
    this.#connections.add(connection)
    connection.agenda.ear = ear
  }

  /** The application that is told of its events from now on, after the turn; null = nobody any more. */
  own(connection: Connection, owner: Notify | null): void {
    connection.agenda.ear = null
    connection.agenda.owner = owner
    if (owner !== null) connection.accepted = true
  }

  /**
   * Runs an application's code, after the turn, in a scope of its own: what it throws reaches whoever runs the
   * clock, and costs nobody else anything; no native code that called the stack is under it. What it does to
   * connections is settled right after it.
   */
  say(application: () => void): void {
    this.#toSay.push(application)
    this.#clock.soon(this.#sayNext)
  }

  /** The owner is told once more that there may be something to read or room to write. */
  tellAgain(connection: Connection): void {
    connection.events |= EVENT_READABLE | EVENT_WRITABLE
    this.#tell(connection)
  }

  #tell(connection: Connection): void {
    const { agenda } = connection
    if (agenda.telling) return
    agenda.telling = true
    this.#toSay.push(connection)
    this.#clock.soon(this.#sayNext)
  }

  /** Something happened to the connection: it is settled in the turn that runs, or in the next one. */
  touch(connection: Connection): void {
    this.mark(connection)
    if (!this.#isSettling && !this.#isSaying) this.#scheduleTurn()
  }

  /** As `touch`, by who sees to the turn himself. */
  mark(connection: Connection): void {
    // A closed stack has no more turns.
    if (connection.agenda.dirty || this.#isClosed) return
    connection.agenda.dirty = true
    this.#dirty.push(connection)
  }

  #say(next: Connection | (() => void)): void {
    if (typeof next === 'function') {
      next()
      return
    }
    const { events, agenda } = next
    next.events = 0
    agenda.telling = false
    agenda.owner?.(events)
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled || this.#isClosed) return
    this.#isTurnScheduled = true
    this.#clock.soon(() => {
      this.#isTurnScheduled = false
      this.#turn(this.#clock.now())
    })
  }

  /** Brings everything that is dirty to rest. What is dirty after so many rounds has another turn. */
  settleAll(now: number): void {
    this.#isSettling = true
    try {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        this.#feedStarved()
        if (this.#dirty.length === 0) break
        this.#settleRound(now)
      }
    } finally {
      this.#isSettling = false
    }
    this.#feedStarved()
    if (this.#dirty.length > 0) this.#scheduleTurn()
  }

  /** Those that are dirty now; what becomes so meanwhile is for the next round. */
  #settleRound(now: number): void {
    const batch = this.#dirty
    this.#dirty = this.#spare
    this.#spare = batch
    let at = 0
    try {
      while (at < batch.length) {
        const connection = batch[at++]
        connection.agenda.dirty = false
        if (this.#connections.has(connection)) this.#settle(connection, now)
      }
    } finally {
      // A fault of our own in one costs the others no turn.
      for (; at < batch.length; at++) this.#dirty.push(batch[at])
      while (batch.length > 0) batch.pop()
    }
  }

  /** Memory came back: those that had none for sending go on. */
  #feedStarved(): void {
    wakeStarved(this.#context, this.#wake)
  }

  #settle(connection: Connection, now: number): void {
    settle(this.#context, connection, now)
    armTimers(this.#context, connection, now)
    if (connection.events !== 0) this.#announce(connection)
    if (connection.subflows.length === 0 && connection.state === 'M_CLOSED') {
      if (connection.rcv.released || connection.detached) this.#forget(connection)
      return
    }
    rest(this.#context, connection)
    this.#deadlines.set(connection, connectionDeadline(connection))
  }

  #announce(connection: Connection): void {
    const { ear, owner } = connection.agenda
    if (owner !== null) {
      this.#tell(connection)
      return
    }
    const { events } = connection
    connection.events = 0
    ear?.(events)
  }

  /** Its owner may still be told how it ended. */
  #forget(connection: Connection): void {
    releaseConnection(this.#context, connection)
    this.#connections.delete(connection)
    this.#deadlines.forget(connection)
  }

  /** Ends all at once, without a word to the peers; whose they are is told, with an error where data is lost. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#connections) {
      cutOff(this.#context, connection)
      if (connection.agenda.owner !== null) this.#tell(connection)
    }
    this.#connections.clear()
    this.#deadlines.close()
    this.#dirty.length = 0
  }
}
