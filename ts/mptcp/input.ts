// One segment of one subflow: TCP first, then the MPTCP options of an acceptable segment, then what can
// be passed up. RFC 8684 §3. Leaves notes in the state; output.ts pays them.

import type { CounterName } from '../counters.js'
import { closeSending, resetArrived } from '../tcp/close.js'
import { segmentArrives } from '../tcp/input.js'
import {
  ACCEPTABLE,
  ACKED,
  FIN_REACHED,
  RESET,
  SEND_RESET,
  SYN_ACKED,
  TEXT,
} from '../tcp/outcome.js'
import { finAckMayWait, oweAckLater, oweAckNow, pendingBytes } from '../tcp/receive.js'
import { ACK_NOW } from '../tcp/tcb.js'
import {
  MP_FAIL,
  MP_FASTCLOSE,
  MP_TCPRST,
  type MpFailOption,
  RESET_MIDDLEBOX,
  RESET_MPTCP_ERROR,
  RESET_TRANSIENT,
} from '../wire/mptcp-options.js'
import { ACK, FIN, RST, type Segment, SYN } from '../wire/segment.js'
import { dsnHigh, dsnLow } from '../wire/seq.js'
import { type Connection, EVENT_ESTABLISHED, EVENT_SUBFLOWS, receivedEnd } from './connection.js'
import type { Context } from './context.js'
import { setMptcpState } from './data-state.js'
import { beginDoubt, takeInDoubt } from './doubt.js'
import { fallBack, isStraight } from './fallback.js'
import { dataOffsetAt } from './mapping.js'
import { synAckArrived, thirdAckArrived, thirdAckVerdict } from './mp-capable.js'
import { joinAckVerdict, joinSynAckArrived } from './mp-join.js'
import { dataAckArrives, fastcloseArrives, takeOptions } from './option-input.js'
import { connectionOpened, subflowOpened } from './path-manager/events.js'
import { deliver } from './receive-queue.js'
import { staleSubflowHeard, subflowRecovered } from './reinject.js'
import { hasFailed, type Subflow } from './subflow.js'
import { synDataAnswered } from './syn-data.js'

/** How long bytes may wait for a mapping that comes with other bytes. */
const UNMAPPED_MS = 3000
/** How long a peer may take to answer a MP_FAIL: Linux's TCP_RTO_MAX. */
const FAIL_ANSWER_MS = 120_000

/** Takes a segment; `chain` holds its payload (0 if none) and is taken over in every case. */
export function subflowSegment(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  chain: number,
  now: number,
): void {
  const { tcb } = subflow
  if (tcb.state === 'SYN-SENT' && subflow.kind === 'join' && isBareSyn(segment)) {
    // Both ends at once: a join has an opener, whose HMAC comes last (RFC 8684 §3.2).
    if (chain !== 0) context.core.kernel.mptcp_chain_free(chain)
    context.counters.MPJoinRejected++
    return
  }
  if (tcb.state === 'SYN-SENT' && connection.mode === 'undecided' && isBareSyn(segment)) {
    // MP_CAPABLE needs a SYN/ACK that answers it: without one it is plain TCP, as Linux.
    fallBack(context, connection, subflow, 'SimultConnectFallback')
  }
  const verdict =
    tcb.state !== 'SYN-RECEIVED'
      ? 'accept'
      : subflow.kind === 'initial'
        ? thirdAckVerdict(connection, segment)
        : joinAckVerdict(context, connection, subflow, segment)
  const outcome = segmentArrives(tcb, segment, chain, now, verdict)
  if (outcome & SEND_RESET) {
    if (verdict === 'refuse') {
      context.counters.TcpAttemptFails++
      subflow.resetOwed = RESET_MPTCP_ERROR
    } else context.oweReset(subflow, segment)
    return
  }
  if (outcome & RESET) {
    subflowReset(context, connection, subflow, segment)
    return
  }
  if ((outcome & ACCEPTABLE) === 0) return
  if (subflow.stale && (outcome & ACKED) === 0) staleSubflowHeard(context, subflow, now)
  const sent = acknowledgedEnd(connection)
  const received = receivedEnd(context, connection)
  if (outcome & SYN_ACKED && !handshakeDone(context, connection, subflow, segment, now)) return
  // As Linux: the ACK of a bare FIN waits a little, for the application to close as well.
  const bareFin = outcome & FIN_REACHED && segment.flags & FIN && segment.payloadLength === 0
  if (bareFin && connection.mode === 'fallback') finAckMayWait(tcb, now)
  if (outcome & ACKED) subflowAcked(context, connection, subflow, segment)
  if (connection.mode === 'mptcp') takeOptions(context, connection, subflow, segment, now)
  if (connection.mode === 'fallback') fallbackArrives(context, connection, subflow)
  if (takeInDoubt(context, subflow, segment, now)) subflow.resetOwed = RESET_MIDDLEBOX
  // The end is none that a peer comes to who still misses a DATA_ACK.
  if (outcome & FIN_REACHED && subflow.doubt !== null) doubtIsOver(context, connection, subflow)
  passUp(context, connection, subflow, segment, now)
  if (acknowledgedEnd(connection) > sent || receivedEnd(context, connection) > received) {
    connection.dataAckedAt = now
  }
  // A mapping that came after its bytes: TCP has acknowledged those long ago, the data level has not.
  if ((outcome & TEXT) === 0 && receivedEnd(context, connection) > received) oweAckNow(tcb)
  if (outcome & FIN_REACHED) finReached(context, connection, subflow, segment)
}

/** Where the payload that the peer has DATA_ACKed ends. */
function acknowledgedEnd({ snd }: Connection): number {
  return Math.min(snd.una, snd.end)
}

function isBareSyn(segment: Segment): boolean {
  return (segment.flags & (SYN | ACK | RST)) === SYN
}

/** SYN-SENT or SYN-RECEIVED became ESTABLISHED; false = the subflow must be reset. */
function handshakeDone(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): boolean {
  connection.events |= EVENT_SUBFLOWS
  if (subflow.kind === 'initial') {
    if (subflow.opener) {
      synDataAnswered(context, connection, subflow, segment)
      // As Linux: what a writer waits to send is the third ACK.
      const { ack } = subflow.tcb
      const isPlain = connection.mode === 'fallback' && ack.owed === ACK_NOW
      if (isPlain && connection.wantsWrite) oweAckLater(subflow.tcb, now)
    }
    if (connection.mode !== 'fallback') {
      if (subflow.opener) synAckArrived(context, connection, subflow, segment, now)
      else thirdAckArrived(context, connection, subflow, segment)
    }
    subflow.confirmed = true
    connection.snd.right = Math.max(connection.snd.right, subflow.tcb.snd.right)
    // The SYN's data has no DSN: its ACK is all that frees it.
    if (connection.mode === 'mptcp') dataAckArrives(context, connection, 1 + subflow.synDataSent)
    // With Fast Open the application may have had it since the SYN.
    if (connection.state === 'M_INIT') setMptcpState(connection, 'M_ESTAB')
    connection.events |= EVENT_ESTABLISHED
    connection.establishedAt = now
    connectionOpened(connection)
    return true
  }
  if (subflow.opener) {
    if (joinSynAckArrived(context, connection, subflow, segment, now)) {
      subflowOpened(connection, subflow, now)
      return true
    }
    subflow.resetOwed = RESET_MPTCP_ERROR
    return false
  }
  subflow.confirmed = true
  subflowOpened(connection, subflow, now)
  // The opener may send only after this ACK (RFC 8684 §3.2).
  oweAckNow(subflow.tcb)
  return true
}

/** Something of ours was acknowledged on this subflow. */
function subflowAcked(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
): void {
  subflowRecovered(context, subflow)
  // §3.7: data acknowledged without any MPTCP option, before a DATA_ACK ever came: a box strips them
  // one way or the other.
  if (connection.mode !== 'mptcp' || segment.options.mptcp.length > 0) return
  if (subflow.tcb.snd.una <= 1 + subflow.synDataSent) return
  if (subflow.kind === 'join') {
    if (!subflow.sawDss) subflow.resetOwed = RESET_MIDDLEBOX
    return
  }
  // After a failed checksum Linux is plain TCP before its infinite mapping has reached us.
  if (subflow.checksumsVoid) {
    becomePlain(context, connection, subflow, 'DSSCorruptionFallback')
    return
  }
  // Later as well: a peer that speaks MPTCP says DATA_ACK with every ACK. Never once another subflow may have
  // carried data.
  const acked = Math.min(subflow.tcb.snd.una, connection.snd.end)
  if (connection.nextSubflowId === 1 && acked > connection.snd.una) {
    becomePlain(context, connection, subflow, 'DssFallback')
  }
}

/**
 * To the peer this subflow is plain TCP, or a box makes it so: so it is here, with what was kept, if its bytes are
 * the data. Where they might not be it is of no use, and never a guess (RFC 8684 §3.7).
 */
function becomePlain(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  counter: CounterName,
): void {
  if (!isStraight(context, connection, subflow)) {
    subflow.resetOwed = RESET_MIDDLEBOX
    return
  }
  fallBack(context, connection, subflow, counter)
  fallbackArrives(context, connection, subflow)
  if (subflow.sawDss && !subflow.checksumsVoid) beginDoubt(subflow)
  else deliver(context, connection, subflow)
}

/** The peer has not said it again: it knows. */
export function doubtIsOver(context: Context, connection: Connection, subflow: Subflow): void {
  subflow.doubt = null
  if (!subflow.tcb.rcv.released && !connection.rcv.released) deliver(context, connection, subflow)
}

/** Bytes have waited too long for their mapping: a box has taken it, or laid two segments together. */
export function unmappedForLong(context: Context, connection: Connection, subflow: Subflow): void {
  subflow.unmappedDeadline = Number.POSITIVE_INFINITY
  if (connection.mode === 'mptcp') becomePlain(context, connection, subflow, 'DssFallback')
}

/** In plain TCP the subflow's own ACK and window are the data level's. */
function fallbackArrives(context: Context, connection: Connection, subflow: Subflow): void {
  const { snd } = connection
  const { tcb } = subflow
  // What it was given ends at the same place in both; a DATA_FIN that was sent took no byte of it.
  const shift = Math.min(snd.nxt, snd.end) - tcb.snd.end
  // Plain TCP's window may shrink (RFC 9293 §3.8.6), where MPTCP's may not.
  snd.right = tcb.snd.right + shift
  dataAckArrives(context, connection, tcb.snd.una + shift)
}

/** A valid RST: this subflow is gone, with MP_FASTCLOSE the connection. */
function subflowReset(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
): void {
  const { tcb } = subflow
  const opening = tcb.state === 'SYN-SENT' || tcb.state === 'SYN-RECEIVED'
  if (opening) context.counters.TcpAttemptFails++
  else context.counters.TcpEstabResets++
  for (const option of segment.options.mptcp) {
    if (option.subtype === MP_TCPRST) {
      context.counters.MPRstRx++
      subflow.resetReason = option.reason
      subflow.resetTransient = (option.flags & RESET_TRANSIENT) !== 0
    } else if (option.subtype === MP_FASTCLOSE) {
      fastcloseArrives(context, connection, option.receiverKey)
    } else if (option.subtype === MP_FAIL) context.counters.MPFailRx++
  }
  resetArrived(tcb, opening && subflow.opener ? 'ECONNREFUSED' : 'ECONNRESET')
}

/** Passes in-order bytes up, and acts on what stands in the way. */
function passUp(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): void {
  if (subflow.tcb.rcv.released || connection.rcv.released) return
  if (connection.mode === 'undecided' || subflow.resetOwed !== null) return
  if (hasFailed(subflow) || subflow.doubt !== null) return
  const verdict = deliver(context, connection, subflow)
  switch (verdict) {
    case 'DELIVERED':
    case 'WAIT_CHECKSUM':
      subflow.unmappedDeadline = Number.POSITIVE_INFINITY
      return
    case 'NO_MAPPING':
      unmapped(context, connection, subflow, segment, now)
      return
    case 'BAD_CHECKSUM':
      corrupted(context, connection, subflow, now)
      return
    case 'MAPPING_TOO_LONG':
    case 'OUT_OF_PLACE':
      subflow.resetOwed = RESET_MPTCP_ERROR
      return
    default:
      verdict satisfies never
  }
}

/** Bytes that no mapping explains: held for one receive window, or the sign of a fallback. */
function unmapped(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): void {
  // Where there are others its data comes on one of them at once, rather than when a window is full.
  if (segment.payloadLength > 0 && segment.options.mptcp.length === 0) {
    const first = subflow.sawDss ? 'DssFallback' : 'MPCapableDataFallback'
    const reason = subflow.checksumsVoid ? 'DSSCorruptionFallback' : first
    // Behind others that wait for their mapping, nobody can tell what it is.
    if (subflow.unmappedDeadline === Number.POSITIVE_INFINITY) {
      becomePlain(context, connection, subflow, reason)
      takeInDoubt(context, subflow, segment, now)
    } else subflow.resetOwed = RESET_MIDDLEBOX
    return
  }
  // Their mapping may still come, with another segment.
  subflow.unmappedDeadline = Math.min(subflow.unmappedDeadline, now + UNMAPPED_MS)
  if (pendingBytes(subflow.tcb) >= connection.rcv.buffer) {
    context.counters.UnmappedReset++
    subflow.resetOwed = RESET_MIDDLEBOX
  }
}

/**
 * A wrong DSS checksum, RFC 8684 §3.7. Where another subflow has ever been, this one ends, with MP_FAIL.
 * Alone it says MP_FAIL on an ACK and keeps the bytes: an infinite mapping is to follow.
 */
function corrupted(context: Context, connection: Connection, subflow: Subflow, now: number): void {
  const fail = failOption(connection, subflow.mappings.list[0].dataOffset)
  subflow.pendingOptions.length = 0
  subflow.pendingOptions.push(fail)
  if (isStraight(context, connection, subflow)) {
    subflow.failDeadline = now + FAIL_ANSWER_MS
    oweAckNow(subflow.tcb)
    return
  }
  context.counters.DSSCorruptionReset++
  subflow.resetOwed = RESET_MIDDLEBOX
}

function failOption(connection: Connection, dataOffset: number): MpFailOption {
  return {
    subtype: MP_FAIL,
    dsnHigh: dsnHigh(dataOffset, connection.remoteIdsnLow, connection.remoteIdsnHigh),
    dsnLow: dsnLow(dataOffset, connection.remoteIdsnLow),
  }
}

/** The peer's FIN: in plain TCP the end of the data, else the end of this subflow only. */
function finReached(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
): void {
  const { rcv } = connection
  // The end of a stream in which a mapping failed: what is kept is all that will come.
  if (hasFailed(subflow)) becomePlain(context, connection, subflow, 'DSSCorruptionFallback')
  // The peer ends it without a word of MPTCP, and without a DATA_FIN: to it this is plain TCP (our third ACK was
  // lost, or its options were).
  if (
    connection.mode === 'mptcp' &&
    rcv.fin < 0 &&
    segment.options.mptcp.length === 0 &&
    isStraight(context, connection, subflow)
  ) {
    becomePlain(context, connection, subflow, 'DssFallback')
  }
  if (connection.mode === 'fallback') {
    if (rcv.fin < 0) rcv.fin = dataOffsetAt(subflow.mappings.list[0], subflow.tcb.rcv.fin)
    return
  }
  // Nothing more comes on it, so nothing more goes: the data left on it is repeated by its TCP. Once the
  // peer's data has ended it stays, for ours and for the DATA_ACKs.
  if (connection.state === 'M_ESTAB' && rcv.fin < 0) closeSending(subflow.tcb)
}
