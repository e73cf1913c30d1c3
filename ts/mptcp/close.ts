// Ending a connection, RFC 8684 §3.3.3 and §3.5: the data level first, then the subflows; a fast close;
// and giving everything back.

import { destroy } from '../tcp/close.js'
import { ACK_NONE } from '../tcp/tcb.js'
import { formatAddress } from '../wire/address.js'
import {
  type Connection,
  EVENT_CLOSED,
  EVENT_END,
  EVENT_READABLE,
  EVENT_SUBFLOWS,
  readableBytes,
  receivedEnd,
  type SubflowRecord,
} from './connection.js'
import type { Context } from './context.js'
import { awaitsDataFinAck, isDataClosed, setMptcpState } from './data-state.js'
import { forgetResting, giveBackReceiving, giveBackSending } from './idle.js'
import { clearMappings } from './mapping.js'
import { subflowEnded } from './path-manager/events.js'
import { noteEnd } from './path-manager/retries.js'
import { dropUnread } from './receive-queue.js'
import { reinjectAll } from './reinject.js'
import { releaseSendQueue } from './send-queue.js'
import { isBackup, isLive, type Subflow } from './subflow.js'

const ENDED_KEPT = 32

/** The application has written all: the DATA_FIN comes behind what is queued. */
export function closeSendingData(connection: Connection): void {
  const { snd } = connection
  if (snd.fin >= 0) return
  switch (connection.state) {
    case 'M_ESTAB':
      setMptcpState(connection, 'M_FIN_WAIT_1')
      break
    case 'M_CLOSE_WAIT':
      setMptcpState(connection, 'M_LAST_ACK')
      break
    default:
      return
  }
  snd.fin = snd.end
}

/** Whether the data has ended in one direction without that having been acted on. */
export function hasDataEnded(context: Context, connection: Connection): boolean {
  return isOurEndAcknowledged(connection) || isTheirEndReached(context, connection)
}

/**
 * Acts on the ends of the data, once TCP has answered the segments that told of them: as in Linux, where
 * the connection sees a DATA_FIN later than its subflow does.
 */
export function settleDataEnds(context: Context, connection: Connection): void {
  if (isOurEndAcknowledged(connection)) dataFinAcknowledged(connection)
  if (!isTheirEndReached(context, connection)) return
  connection.rcv.finReached = true
  // In plain TCP the FIN was the end, and is answered.
  connection.rcv.finAckOwed = connection.mode === 'mptcp'
  connection.events |= EVENT_END | EVENT_READABLE
  dataFinReceived(connection)
}

function isOurEndAcknowledged({ state, snd }: Connection): boolean {
  return awaitsDataFinAck(state) && snd.una > snd.fin
}

/** The DATA_FIN counts once all the data before it is there. */
function isTheirEndReached(context: Context, connection: Connection): boolean {
  const { rcv } = connection
  return !rcv.finReached && rcv.fin >= 0 && receivedEnd(context, connection) === rcv.fin
}

/** Our DATA_FIN (in plain TCP: our FIN) was acknowledged. */
function dataFinAcknowledged(connection: Connection): void {
  switch (connection.state) {
    case 'M_FIN_WAIT_1':
      setMptcpState(connection, 'M_FIN_WAIT_2')
      break
    case 'M_CLOSING':
      setMptcpState(connection, 'M_TIME_WAIT')
      break
    case 'M_LAST_ACK':
      setMptcpState(connection, 'M_CLOSED')
      break
    default:
      break
  }
}

/** The peer's DATA_FIN was reached. */
function dataFinReceived(connection: Connection): void {
  switch (connection.state) {
    case 'M_ESTAB':
      setMptcpState(connection, 'M_CLOSE_WAIT')
      break
    case 'M_FIN_WAIT_1':
      setMptcpState(connection, 'M_CLOSING')
      break
    case 'M_FIN_WAIT_2':
      setMptcpState(connection, 'M_TIME_WAIT')
      break
    default:
      break
  }
}

/** Ends it at once: RSTs on every subflow, with MP_FASTCLOSE (§3.5). */
export function abort(connection: Connection, error: string | null): void {
  connection.error ??= error
  for (const subflow of connection.subflows) {
    if (subflow.tcb.state === 'CLOSED') continue
    subflow.resetOwed = -1
    subflow.fastclose = true
  }
  if (connection.state !== 'M_CLOSED') setMptcpState(connection, 'M_CLOSED')
}

/** A subflow is gone: its data goes to the others, its memory back. */
export function subflowGone(context: Context, connection: Connection, subflow: Subflow): void {
  reinjectAll(connection, subflow)
  subflowEnded(connection, subflow)
  connection.ended.push(recordOf(subflow))
  if (connection.ended.length > ENDED_KEPT) connection.ended.shift()
  clearMappings(context, subflow.mappings)
  destroy(subflow.tcb)
  context.unbind(subflow)
  connection.events |= EVENT_SUBFLOWS
}

export function recordOf(subflow: Subflow): SubflowRecord {
  const { tcb } = subflow
  return {
    id: subflow.id,
    local: `${formatAddress(subflow.path.address)}:${subflow.localPort}`,
    remote: `${formatAddress(subflow.remote)}:${subflow.remotePort}`,
    state: tcb.state,
    bytesSent: tcb.stats.bytesSent,
    bytesReceived: tcb.stats.bytesReceived,
    rttMs: tcb.rtt.srttMs,
    cwndBytes: tcb.congestion.cwnd,
    retransmits: tcb.stats.retransmits,
    backup: isBackup(subflow),
  }
}

/** Takes subflows that are closed off the list, and ends the connection when none is left. */
export function reap(context: Context, connection: Connection, now: number): void {
  const { subflows } = connection
  let error: string | null = null
  let haveStood = false
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]
    if (!isGone(subflow)) continue
    if (subflow.tcb.state === 'TIME-WAIT') context.keepTimeWait(subflow, now)
    error ??= subflow.tcb.error
    haveStood ||= subflow.confirmed
    noteEnd(connection, subflow, now)
    subflowGone(context, connection, subflow)
    subflows.splice(i--, 1)
  }
  // What an application does meanwhile, or a join that fails, changes nothing of how long it waits.
  if (haveStood && isForsaken(connection)) {
    // As Linux: that of a path that died; a reset of all of them is none.
    connection.lostBy = error === 'ECONNRESET' ? null : error
    connection.timers.close = Number.POSITIVE_INFINITY
  }
  if (subflows.length > 0) return
  settleDataEnds(context, connection)
  if (isForsaken(connection)) return
  if (!isDataClosed(connection.state) && !isComplete(connection)) {
    connection.error ??= error ?? 'ECONNRESET'
  }
  if (connection.state !== 'M_CLOSED') setMptcpState(connection, 'M_CLOSED')
  if (isReleased(connection)) return
  connection.events |= EVENT_CLOSED | EVENT_READABLE
  if (connection.localToken !== 0) context.tokens.delete(connection.localToken)
  releaseSending(context, connection)
  if (connection.detached || readableBytes(context, connection) === 0) {
    releaseReceiving(context, connection)
  }
}

/** Nothing of it is needed any more but, in TIME-WAIT, its name and numbers; the last ACK has left. */
export function isGone({ tcb }: Subflow): boolean {
  return tcb.state === 'CLOSED' || (tcb.state === 'TIME-WAIT' && tcb.ack.owed === ACK_NONE)
}

/**
 * The last subflow ended in order: did the data, in both directions? Only the DATA_ACK of our
 * DATA_FIN may be missing: FIN and DATA_FIN left together (RFC 8684 §3.3.3).
 */
function isComplete(connection: Connection): boolean {
  const { rcv, snd } = connection
  return rcv.finReached && snd.fin >= 0 && snd.una >= snd.fin
}

/**
 * Established and in use, but all its subflows ended without the data having ended: another one may be
 * opened, by either side, until `closeTimeoutMs` have passed.
 */
export function isForsaken(connection: Connection): boolean {
  const { state, mode, error, accepted, detached, subflows, lostAddress } = connection
  if (mode !== 'mptcp' || error !== null || !accepted || subflows.some(isLive)) return false
  // Deviates: from Linux, which waits for the next address only where neither side has ended anything.
  if (lostAddress) return state !== 'M_INIT' && !isDataClosed(state)
  return state === 'M_ESTAB' && !detached
}

/** Nothing is left of it but what the application has not read: subflows hold nothing for it any more. */
export function isReleased(connection: Connection): boolean {
  return connection.snd.released
}

function releaseSending(context: Context, connection: Connection): void {
  const { snd } = connection
  if (snd.released) return
  snd.released = true
  releaseSendQueue(context, connection)
  giveBackSending(context, connection)
  connection.reinjections.length = 0
}

/** Gives the receive queue back: all is read, or nobody will read. */
export function releaseReceiving(context: Context, connection: Connection): void {
  const { rcv } = connection
  if (rcv.released) return
  rcv.released = true
  giveBackReceiving(context, connection)
}

/** Frees everything at once, without a segment: the stack closes. */
export function releaseConnection(context: Context, connection: Connection): void {
  for (const subflow of connection.subflows) subflowGone(context, connection, subflow)
  connection.subflows.length = 0
  if (connection.localToken !== 0) context.tokens.delete(connection.localToken)
  releaseSending(context, connection)
  releaseReceiving(context, connection)
  forgetResting(context, connection)
  context.starved.delete(connection)
  context.unserved.delete(connection)
  setMptcpState(connection, 'M_CLOSED')
}

/** The stack closes under it: what was under way, or waits to be read, is lost, and that is an error. */
export function cutOff(context: Context, connection: Connection): void {
  if (isLoss(context, connection)) {
    connection.error ??= 'ECONNABORTED'
    context.counters.TcpExtTCPAbortOnClose++
  }
  releaseConnection(context, connection)
  connection.events |= EVENT_CLOSED | EVENT_READABLE
}

/** Whether something would be missing, here or there, if nothing more was sent or read. */
function isLoss(context: Context, connection: Connection): boolean {
  const { state, snd, detached } = connection
  if (!snd.released && (state === 'M_INIT' || snd.una < snd.end)) return true
  return !detached && readableBytes(context, connection) > 0
}

/** The application will not read any more. */
export function shutReceiving(context: Context, connection: Connection): void {
  connection.rcv.shut = true
  if (connection.rcv.queue !== 0) dropUnread(context, connection)
}
