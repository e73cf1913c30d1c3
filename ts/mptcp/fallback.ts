// Falling back to plain TCP, RFC 8684 §3.7: one infinite mapping over the same queues. From then on the
// first subflow's ACKs free the send buffer, and its FIN ends the data.

import type { CounterName } from '../counters.js'
import { firstPending } from '../tcp/receive.js'
import { type Connection, receivedEnd } from './connection.js'
import type { Context } from './context.js'
import { mapInfinitely } from './mapping.js'
import type { Subflow } from './subflow.js'

/**
 * Makes the connection plain TCP on `subflow`, which must be its only one. `counter` names the
 * reason.
 */
export function fallBack(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  counter: CounterName | null,
): void {
  if (connection.mode === 'fallback') return
  const wasMptcp = connection.mode === 'mptcp'
  connection.mode = 'fallback'
  connection.fallbackReason = counter
  if (counter !== null) context.counters[counter]++
  subflow.confirmed = true
  subflow.failDeadline = Number.POSITIVE_INFINITY
  subflow.pendingOptions.length = 0

  // Receiving: the next subflow byte is the next data byte.
  const shift = receivedEnd(context, connection) - firstPending(subflow.tcb)
  mapInfinitely(context, subflow.mappings, shift)
  // Sending: chunks already given to the subflow keep their place; what follows continues them.
  // To a peer that has seen our mappings, bytes without one say nothing: it must be told (§3.7).
  if (wasMptcp && connection.snd.nxt > 1) connection.snd.infiniteMappingOwed = true
  connection.reinjections.length = 0
  const { timers, pathManager } = connection
  timers.retransmit = Number.POSITIVE_INFINITY
  timers.dataFin = Number.POSITIVE_INFINITY
  // What was announced is not said again.
  for (const each of pathManager.announcements) each.deadline = Number.POSITIVE_INFINITY
  if (connection.localToken !== 0) context.tokens.delete(connection.localToken)
}
