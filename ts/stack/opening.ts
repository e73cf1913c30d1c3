// A connection that a peer has opened, until an application accepts it: half open, then ready.

import { type Connection, EVENT_CLOSED, EVENT_ESTABLISHED } from '../mptcp/connection.js'
import type { Agenda } from './agenda.js'
import type { Listener } from './listener.js'

/** The listener is told of the connection's events until an application accepts it. */
export function adoptOpening(agenda: Agenda, listener: Listener, connection: Connection): void {
  listener.opening.add(connection)
  agenda.adopt(connection, (events) => happened(agenda, listener, connection, events))
}

/** It may be accepted. What happened before that is told to whoever accepts it. */
export function becomeReady(agenda: Agenda, listener: Listener, connection: Connection): void {
  listener.opening.delete(connection)
  if (!listener.ready.includes(connection)) listener.ready.push(connection)
  tell(agenda, listener)
}

/** Tells who listens. Who takes some and throws is told of the rest; who takes none, with the next one. */
function tell(agenda: Agenda, listener: Listener): void {
  if (listener.telling) return
  listener.telling = true
  agenda.say(() => {
    listener.telling = false
    if (agenda.isClosed) return
    const before = listener.ready.length
    try {
      listener.notify?.()
    } finally {
      const left = listener.ready.length
      if (left > 0 && left < before) tell(agenda, listener)
    }
  })
}

function happened(
  agenda: Agenda,
  listener: Listener,
  connection: Connection,
  events: number,
): void {
  if (events & EVENT_CLOSED) {
    listener.opening.delete(connection)
    // One that waits to be accepted goes on waiting: who accepts it hears of its end.
    if (!listener.ready.includes(connection)) {
      connection.detached = true
      return
    }
  }
  if (events & EVENT_ESTABLISHED) becomeReady(agenda, listener, connection)
}
