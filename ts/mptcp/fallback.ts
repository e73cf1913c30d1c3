// Falling back to plain TCP, RFC 8684 §3.7: one infinite mapping over the same queues. From then on the
// first subflow's ACKs free the send buffer, and its FIN ends the data.

import type { CounterName } from '../counters.js'
import { firstPending } from '../tcp/receive.js'
import { type Connection, receivedEnd } from './connection.js'
import type { Context } from './context.js'
import { mapInfinitely } from './mapping.js'
import type { Subflow } from './subflow.js'

/**
 * Whether the bytes of this subflow say by themselves where they belong, in both directions: it is the only one that
 * ever was, nothing went or came on it twice, and no data is missing. Only then may bytes without a mapping be
 * taken for the data that follows; as Linux judges (allow_infinite_fallback).
 */
export function isStraight(context: Context, connection: Connection, subflow: Subflow): boolean {
  if (connection.nextSubflowId > 1 || connection.snd.retransmits > 0) return false
  if (!subflow.mappings.straight) return false
  return receivedEnd(context, connection) === firstPending(subflow.tcb)
}

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
