// What one connection sends in a turn, and in which order: options that wait, resets, the handshakes and
// retransmissions, new data, the ends, then the ACKs still owed.

import { noteWaiting, type Waiting } from '../tcp/chrono.js'
import { takeKeepAlive, takeProbe } from '../tcp/keep-alive.js'
import { noteAppLimited, usableWindow } from '../tcp/output.js'
import { oweAckNow } from '../tcp/receive.js'
import { ACK_NOW, type Tcb } from '../tcp/tcb.js'
import { REMOVE_ADDR } from '../wire/mptcp-options.js'
import { hasDataEnded, settleDataEnds } from './close.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { emitAck, emitProbe, emitReset } from './emit.js'
import { pump, push } from './push.js'
import { isDataFinDue, keysOption, needsKeys } from './segment-options.js'
import { isLive, type Subflow } from './subflow.js'

/** Sends what the connection has to send at `now`. */
export function output(context: Context, connection: Connection, now: number): void {
  const { subflows, snd, rcv } = connection
  // What waits for an ACK of its own goes first: an ADD_ADDR's echo before the SYN of the join that follows
  // from it, a REMOVE_ADDR before the RSTs.
  for (const subflow of subflows) {
    const { resetOwed, pendingOptions } = subflow
    if (resetOwed === null || pendingOptions.some((each) => each.subtype === REMOVE_ADDR)) {
      sendPending(context, connection, subflow, now)
    }
  }
  for (const subflow of subflows) {
    if (subflow.resetOwed !== null) emitReset(context, connection, subflow, now)
  }
  const isEnding = push(context, connection, now)
  for (const subflow of subflows) {
    if (isEnding) pump(context, connection, subflow, now)
    // Also behind a FIN that has said it: as Linux.
    if (rcv.finAckOwed && isLive(subflow)) oweAckNow(subflow.tcb)
    sendAcks(context, connection, subflow, now)
    noteWaiting(subflow.tcb.chrono, waitingFor(connection, subflow.tcb), now)
    if (snd.nxt >= snd.end) noteAppLimited(subflow.tcb)
  }
  rcv.finAckOwed = false
  rcv.windowOwed = false
}

/** What the sender waits for, for TCP_INFO. */
function waitingFor({ snd, wantsWrite }: Connection, tcb: Tcb): Waiting {
  if (snd.nxt < snd.end) {
    // What is held back although nothing is in flight, the window holds back.
    return snd.right <= snd.nxt || (tcb.sent.length === 0 && !snd.cork) ? 'window' : 'network'
  }
  // A SYN alone is no data.
  if (tcb.sent.length === 0 || tcb.snd.una === 0) return 'nothing'
  return wantsWrite && usableWindow(tcb) > 0 ? 'buffer' : 'network'
}

/** Only the ACKs that must leave at once: called inside a batch, where a reply is owed. */
export function replyNow(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  // A subflow that is to be reset has nothing more to say than that.
  if (subflow.resetOwed !== null) return
  if (subflow.tcb.ack.owed === ACK_NOW) sendAcks(context, connection, subflow, now)
}

/**
 * Where the data ends: TCP first answers the segments, then the connection acts on their DATA_FIN, or on
 * the DATA_ACK of its own.
 */
export function settleEnds(context: Context, connection: Connection, now: number): void {
  if (!hasDataEnded(context, connection)) return
  for (const subflow of connection.subflows) replyNow(context, connection, subflow, now)
  settleDataEnds(context, connection)
}

/** ACKs that are owed, and the options that wait for an ACK of their own. */
function sendAcks(context: Context, connection: Connection, subflow: Subflow, now: number): void {
  if (!isLive(subflow) && subflow.tcb.state !== 'TIME-WAIT') return
  const { tcb } = subflow
  // A DATA_FIN has no room beside other options: it needs an ACK of its own.
  const finOwed = tcb.ack.owed === ACK_NOW && isDataFinDue(connection)
  // Nor beside the keys, which only data or the third ACK carries: that one has not left, or was lost.
  const keysMissing = tcb.timestamps.lastAckSent === 0 || connection.timers.dataFinBackoff > 0
  if (finOwed && keysMissing && needsKeys(connection, subflow)) {
    subflow.pendingOptions.push(keysOption(connection))
  }
  sendPending(context, connection, subflow, now)
  if (takeProbe(tcb)) {
    context.counters.TcpExtTCPZeroWindowProbe++
    emitProbe(context, connection, subflow, now)
  }
  if (takeKeepAlive(tcb)) {
    context.counters.TcpExtTCPKeepAlive++
    emitProbe(context, connection, subflow, now)
  }
  if (finOwed || tcb.ack.owed === ACK_NOW || connection.rcv.windowOwed) {
    emitAck(context, connection, subflow, now)
  }
}

/** An ACK for each option that waits for one. */
function sendPending(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  if (!isLive(subflow)) return
  // Bounded: each one sent takes one option off the list.
  while (subflow.pendingOptions.length > 0) emitAck(context, connection, subflow, now)
}
