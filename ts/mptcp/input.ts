// One segment of one subflow: TCP first, then the MPTCP options of an acceptable segment, then what can
// be passed up. RFC 8684 §3. Leaves notes in the state; output.ts pays them.

import { closeSending } from '../tcp/close.js'
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
import { oweAckNow } from '../tcp/receive.js'
import { windowOf } from '../tcp/window.js'
import {
  ADD_ADDR,
  DSS,
  type DssOption,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  type MpFailOption,
  REMOVE_ADDR,
} from '../wire/mptcp-options.js'
import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import { dataOffsetOf32, dataOffsetOf64, dsnHigh, dsnLow, offsetOf } from '../wire/seq.js'
import { dataFinAcknowledged, dataFinReceived } from './close.js'
import { type Connection, EVENT_ESTABLISHED, EVENT_SUBFLOWS, receivedEnd } from './connection.js'
import type { Context } from './context.js'
import { fallBack, pendingBytes } from './fallback.js'
import { addMapping } from './mapping.js'
import { synAckArrived, thirdAckArrived, thirdAckVerdict } from './mp-capable.js'
import {
  joinAckVerdict,
  joinSynAckArrived,
  RESET_MIDDLEBOX,
  RESET_MPTCP_ERROR,
  RESET_UNSPECIFIED,
} from './mp-join.js'
import { addAddrArrived, removeAddrArrived, start } from './path-manager/path-manager.js'
import { checkDataFin, deliver, mappedOffset } from './receive-queue.js'
import { consumed, staleSubflowHeard, subflowRecovered } from './reinject.js'
import { dataAcknowledged } from './send-queue.js'
import { setMptcpState } from './state.js'
import type { Subflow } from './subflow.js'
import { equalBytes } from './token.js'

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
    } else context.oweReset(segment)
    return
  }
  if (outcome & RESET) {
    resetArrived(context, connection, subflow, segment)
    return
  }
  if ((outcome & ACCEPTABLE) === 0) return
  if (subflow.stale && (outcome & ACKED) === 0) staleSubflowHeard(subflow)
  const sent = acknowledgedEnd(connection)
  const received = receivedEnd(context, connection)
  if (outcome & SYN_ACKED && !handshakeDone(context, connection, subflow, segment, now)) return
  if (outcome & ACKED) subflowAcked(context, connection, subflow, segment)
  if (connection.mode === 'mptcp') takeOptions(context, connection, subflow, segment, now)
  if (connection.mode === 'fallback') fallbackArrives(context, connection, subflow)
  passUp(context, connection, subflow, segment, now)
  if (acknowledgedEnd(connection) > sent || receivedEnd(context, connection) > received) {
    connection.dataAckedAt = now
  }
  // A mapping that came after its bytes: TCP has acknowledged those long ago, the data level has not.
  if ((outcome & TEXT) === 0 && receivedEnd(context, connection) > received) oweAckNow(tcb)
  if (outcome & FIN_REACHED) finReached(context, connection, subflow, segment)
  if (checkDataFin(context, connection)) {
    dataFinReceived(connection)
    oweAckNow(tcb)
  }
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
    if (connection.mode !== 'fallback') {
      if (subflow.opener) synAckArrived(context, connection, subflow, segment)
      else thirdAckArrived(context, connection, subflow, segment)
    }
    subflow.confirmed = true
    connection.snd.right = Math.max(connection.snd.right, subflow.tcb.snd.right)
    setMptcpState(connection, 'M_ESTAB')
    connection.events |= EVENT_ESTABLISHED
    connection.establishedAt = now
    if (connection.fullyEstablished) start(context, connection, now)
    return true
  }
  if (subflow.opener) {
    if (joinSynAckArrived(context, connection, subflow, segment, now)) return true
    subflow.resetOwed = RESET_MPTCP_ERROR
    return false
  }
  subflow.confirmed = true
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
  // one way or the other, and never once another subflow may have carried data.
  if (
    connection.mode === 'mptcp' &&
    subflow.kind === 'initial' &&
    connection.snd.una === 1 &&
    subflow.tcb.snd.una > 1 &&
    segment.options.mptcp.length === 0 &&
    connection.nextSubflowId === 1
  ) {
    fallBack(context, connection, subflow, 'DssFallback')
  }
}

/** In plain TCP the subflow's own ACK and window are the data level's. */
function fallbackArrives(context: Context, connection: Connection, subflow: Subflow): void {
  const { snd } = connection
  const { tcb } = subflow
  snd.right = Math.max(snd.right, tcb.snd.right + snd.fallbackDelta)
  dataAckArrives(context, connection, tcb.snd.una + snd.fallbackDelta)
}

function dataAckArrives(context: Context, connection: Connection, ack: number): void {
  if (!dataAcknowledged(context, connection, ack)) return
  const { timers, snd } = connection
  timers.retransmit = Number.POSITIVE_INFINITY
  timers.retransmitBackoff = 0
  if (snd.fin >= 0 && snd.una > snd.fin) dataFinAcknowledged(connection)
}

function takeOptions(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): void {
  const { counters } = context
  for (const option of segment.options.mptcp) {
    switch (option.subtype) {
      case DSS:
        dssArrives(context, connection, subflow, segment, option, now)
        break
      case MP_CAPABLE:
        if (option.dataLength !== null && !subflow.opener && subflow.kind === 'initial') {
          subflow.sawDss = true
          // Its data has a DSN of 64 bits, though the option does not spell it out.
          connection.rcv.wideDsn = true
          takeMapping(context, connection, subflow, 1, option.dataLength, 1, option.checksum, false)
        }
        break
      case ADD_ADDR:
        addAddrArrived(context, connection, subflow, option, now)
        break
      case REMOVE_ADDR:
        removeAddrArrived(context, connection, option)
        break
      case MP_PRIO:
        counters.MPPrioRx++
        subflow.remoteBackup = option.backup
        break
      case MP_FASTCLOSE:
        fastcloseArrives(context, connection, option.receiverKey)
        break
      case MP_FAIL:
        counters.MPFailRx++
        failArrives(context, connection, subflow, option)
        break
      case MP_TCPRST:
        // Counts on a RST only.
        break
      case MP_JOIN:
        if (option.phase === 'ACK' && !subflow.opener) oweAckNow(subflow.tcb)
        break
      default:
        option satisfies never
    }
    // A reset decided by one option makes the others moot.
    if (subflow.resetOwed !== null) return
  }
  if (subflow.kind === 'join' && subflow.opener && !subflow.confirmed) {
    // The fourth ACK: the peer has our HMAC (RFC 8684 §3.2).
    if (segment.options.mptcp.some((option) => option.subtype === DSS)) {
      subflow.confirmed = true
      subflow.thirdAckDeadline = Number.POSITIVE_INFINITY
    }
  }
}

function dssArrives(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  option: DssOption,
  now: number,
): void {
  subflow.sawDss = true
  if (!connection.fullyEstablished) {
    connection.fullyEstablished = true
    start(context, connection, now)
  }
  if (option.dataAckBytes !== 0) {
    const ack =
      option.dataAckBytes === 8
        ? dataOffsetOf64(
            option.dataAckHigh,
            option.dataAckLow,
            connection.localIdsnHigh,
            connection.localIdsnLow,
          )
        : dataOffsetOf32(option.dataAckLow, connection.localIdsnLow, connection.snd.una)
    if (ack >= 1 && ack <= connection.snd.nxt) {
      dataAckArrives(context, connection, ack)
      const window = windowOf(subflow.tcb, segment.window, segment.flags)
      if (ack + window > connection.snd.right) {
        connection.snd.right = ack + window
        // Linux acknowledges on the subflow, and drops, what it has no room for: once it has, that goes
        // at once, not when a timer that has backed off says.
        const { timers } = connection
        if (timers.retransmitBackoff > 0 && timers.retransmit !== Number.POSITIVE_INFINITY) {
          timers.retransmitBackoff = 0
          timers.retransmit = now
        }
      }
    }
  }
  if (option.dsnBytes === 0) return
  const dataOffset = mappedOffset(context, connection, option)
  if (dataOffset < 1) {
    context.counters.NoDSSInWindow++
    return
  }
  if (option.length === 0) {
    // Without data it maps nothing, and says nothing: as Linux, ignored.
    if (segment.payloadLength === 0) return
    infiniteMappingArrives(context, connection, subflow)
    return
  }
  if (option.dataFin && option.length === 1) {
    dataFinArrives(context, connection, dataOffset)
    // Acknowledged whatever it was: the DATA_ACK may have been lost.
    oweAckNow(subflow.tcb)
    return
  }
  // RFC 8684 §3.3.2: a DSN of 8 bytes is answered with a DATA_ACK of 8. Deviates: as Linux, that of the
  // last mapping of data decides; a DATA_FIN alone does not.
  connection.rcv.wideDsn = option.dsnBytes === 8
  const length = option.length - (option.dataFin ? 1 : 0)
  const subflowOffset = offsetOf(option.ssn, 0, subflow.tcb.rcv.nxt)
  takeMapping(
    context,
    connection,
    subflow,
    subflowOffset,
    length,
    dataOffset,
    option.checksum,
    option.dataFin,
  )
  if (option.dataFin) dataFinArrives(context, connection, dataOffset + length)
}

function takeMapping(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  subflowOffset: number,
  length: number,
  dataOffset: number,
  checksum: number | null,
  dataFin: boolean,
): void {
  if (subflow.tcb.rcv.queue === 0) return
  if (subflowOffset < 1 || (connection.checksum && checksum === null)) {
    context.counters.DSSNoMatchTCP++
    subflow.resetOwed = RESET_MPTCP_ERROR
    return
  }
  const verdict = addMapping(
    context,
    subflow.mappings,
    subflowOffset,
    length,
    dataOffset,
    connection.checksum ? checksum : null,
    dataFin,
    consumed(context, subflow),
  )
  switch (verdict) {
    case 'MAPPING_OK':
    case 'MAPPING_REPEATED':
    case 'MAPPING_OLD':
      break
    case 'MAPPING_CONFLICT':
    case 'MAPPING_TOO_MANY':
      context.counters.DSSNotMatching++
      subflow.resetOwed = RESET_MPTCP_ERROR
      break
    default:
      verdict satisfies never
  }
}

/** Where the peer's data ends; said again it must be the same place. */
function dataFinArrives(context: Context, connection: Connection, offset: number): void {
  const { rcv } = connection
  if (rcv.fin >= 0) return
  if (offset < receivedEnd(context, connection) || offset > rcv.right) {
    context.counters.NoDSSInWindow++
    return
  }
  rcv.fin = offset
}

function infiniteMappingArrives(context: Context, connection: Connection, subflow: Subflow): void {
  context.counters.InfiniteMapRx++
  if (connection.subflows.length > 1) {
    subflow.resetOwed = RESET_MPTCP_ERROR
    return
  }
  const reason = hasFailed(subflow) ? 'DSSCorruptionFallback' : 'DssFallback'
  fallBack(context, connection, subflow, reason)
}

/**
 * MP_FAIL on an ACK: the peer could not use our data's mapping (RFC 8684 §3.7). It is answered with the
 * same, and with an infinite mapping on the next data: without the answer Linux resets the subflow.
 */
function failArrives(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  option: MpFailOption,
): void {
  const isAnswer = hasFailed(subflow)
  // Once another subflow has carried data, no infinite mapping explains what is in flight.
  if (connection.nextSubflowId > 1) {
    subflow.resetOwed = RESET_MIDDLEBOX
    return
  }
  fallBack(context, connection, subflow, 'DSSCorruptionFallback')
  connection.snd.infiniteMappingOwed = true
  if (!isAnswer) subflow.pendingOptions.push(option)
}

function fastcloseArrives(context: Context, connection: Connection, key: Uint8Array): void {
  if (!equalBytes(key, connection.localKey)) {
    context.counters.MPFastcloseBadKey++
    return
  }
  context.counters.MPFastcloseRx++
  connection.error ??= 'ECONNRESET'
  for (const subflow of connection.subflows) subflow.resetOwed = RESET_UNSPECIFIED
}

/** A valid RST: this subflow is gone, with MP_FASTCLOSE the connection. */
function resetArrived(
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
    if (option.subtype === MP_TCPRST) context.counters.MPRstRx++
    else if (option.subtype === MP_FASTCLOSE) {
      fastcloseArrives(context, connection, option.receiverKey)
    } else if (option.subtype === MP_FAIL) context.counters.MPFailRx++
  }
  tcb.error = opening && subflow.opener ? 'ECONNREFUSED' : 'ECONNRESET'
  tcb.state = 'CLOSED'
}

/** Passes in-order bytes up, and acts on what stands in the way. */
function passUp(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): void {
  if (subflow.tcb.rcv.queue === 0 || connection.rcv.queue === 0) return
  if (connection.mode === 'undecided' || subflow.resetOwed !== null) return
  if (hasFailed(subflow)) return
  const verdict = deliver(context, connection, subflow)
  switch (verdict) {
    case 'DELIVERED':
    case 'WAIT_CHECKSUM':
      return
    case 'NO_MAPPING':
      unmapped(context, connection, subflow, segment)
      return
    case 'BAD_CHECKSUM':
      corrupted(context, connection, subflow, now)
      return
    case 'MAPPING_TOO_LONG':
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
): void {
  const first = !subflow.sawDss && subflow.mappings.list.length === 0
  if (first && segment.payloadLength > 0 && segment.options.mptcp.length === 0) {
    if (subflow.kind === 'initial' && connection.subflows.length === 1) {
      fallBack(context, connection, subflow, 'MPCapableDataFallback')
      fallbackArrives(context, connection, subflow)
      deliver(context, connection, subflow)
    } else subflow.resetOwed = RESET_MIDDLEBOX
    return
  }
  if (pendingBytes(context, subflow) >= connection.rcv.buffer) {
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
  if (connection.nextSubflowId === 1) {
    subflow.failDeadline = now + FAIL_ANSWER_MS
    oweAckNow(subflow.tcb)
    return
  }
  context.counters.DSSCorruptionReset++
  subflow.resetOwed = RESET_MIDDLEBOX
}

/** Whether a mapping failed here and the peer has not answered yet. */
function hasFailed(subflow: Subflow): boolean {
  return subflow.failDeadline !== Number.POSITIVE_INFINITY
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
  if (hasFailed(subflow)) {
    fallBack(context, connection, subflow, 'DSSCorruptionFallback')
    fallbackArrives(context, connection, subflow)
    deliver(context, connection, subflow)
  }
  // The peer ends it without ever having sent a DSS: to it this is plain TCP (our third ACK was lost, or
  // its options were).
  if (
    connection.mode === 'mptcp' &&
    subflow.kind === 'initial' &&
    connection.subflows.length === 1 &&
    !subflow.sawDss &&
    segment.options.mptcp.length === 0
  ) {
    fallBack(context, connection, subflow, 'DssFallback')
    fallbackArrives(context, connection, subflow)
  }
  if (connection.mode === 'fallback') {
    if (rcv.fin < 0) rcv.fin = subflow.tcb.rcv.fin + rcv.fallbackDelta
    return
  }
  // Nothing more comes on it, so nothing more goes: the data left on it is repeated by its TCP.
  closeSending(subflow.tcb)
}
