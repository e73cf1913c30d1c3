// Everything that one connection sends in a turn: resets, the handshakes, retransmissions, new data by
// the scheduler, then the ACKs still owed. The only place from which segments leave.

import { noteWaiting, type Waiting } from '../tcp/chrono.js'
import { closeSending, destroy } from '../tcp/close.js'
import { takeKeepAlive, takeProbe } from '../tcp/keep-alive.js'
import {
  type Limits,
  nextSegment,
  noteAppLimited,
  type Outgoing,
  payloadRoom,
  segmentSent,
  usableWindow,
} from '../tcp/output.js'
import {
  ackSent,
  duplicateReported,
  hasSackRanges,
  oweAckNow,
  raiseRight,
  sackRanges,
} from '../tcp/receive.js'
import { append as appendChunk } from '../tcp/send-queue.js'
import { ACK_NOW, type Tcb, timestampNow } from '../tcp/tcb.js'
import { windowField } from '../tcp/window.js'
import { mptcpOptionLength, REMOVE_ADDR } from '../wire/mptcp-options.js'
import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import { seqOf } from '../wire/seq.js'
import { noOptions } from '../wire/tcp-options.js'
import { hasDataEnded, settleDataEnds } from './close.js'
import { type Connection, dataAck } from './connection.js'
import type { Context } from './context.js'
import {
  ackOptions,
  CHUNK_DSS,
  CHUNK_INFINITE,
  CHUNK_MP_CAPABLE,
  CHUNK_PLAIN,
  DATA_OPTION_BYTES,
  dataOptions,
  isDataFinDue,
  keysOption,
  needsKeys,
  resetOptions,
  synOptions,
} from './options.js'
import { windowEdge } from './receive-queue.js'
import { nextReinjection, takeReinjected } from './reinject.js'
import { pickSubflow } from './scheduler/candidates.js'
import { isCorked, recordEnd, slices } from './send-queue.js'
import { isDataClosed } from './state.js'
import { isLive, type Subflow } from './subflow.js'

/** RFC 8684 §3.3.1: the length field has 16 bits; one is kept for a DATA_FIN. */
const MAX_MAPPING = 65_534

/** Reused: a segment is on the wire before the next one is made. */
const options = noOptions()
const segment: Segment = {
  source: { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 },
  destination: { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 },
  sourcePort: 0,
  destinationPort: 0,
  sequence: 0,
  acknowledgment: 0,
  flags: 0,
  window: 0,
  urgentPointer: 0,
  ecn: 0,
  options,
  payloadOffset: 0,
  payloadLength: 0,
}
const limits: Limits = {
  optionBytes: 0,
  window: Number.POSITIVE_INFINITY,
  limit: 0,
  leastBurst: 2,
  slowStartAfterIdle: false,
}

/** Sends what the connection has to send at `now`. */
export function output(context: Context, connection: Connection, now: number): void {
  // What waits for an ACK of its own goes first: an ADD_ADDR's echo before the SYN of the join that follows
  // from it, a REMOVE_ADDR before the RSTs.
  for (const subflow of connection.subflows) {
    const { resetOwed, pendingOptions } = subflow
    if (resetOwed === null || pendingOptions.some((each) => each.subtype === REMOVE_ADDR)) {
      sendPending(context, connection, subflow, now)
    }
  }
  for (const subflow of connection.subflows) {
    if (subflow.resetOwed !== null) sendReset(context, connection, subflow, now)
  }
  const dataFinReached = answerBeforeTheEnd(context, connection, now)
  for (const subflow of connection.subflows) pump(context, connection, subflow, now)
  pushPending(context, connection, now)
  closeSubflows(context, connection)
  for (const subflow of connection.subflows) {
    if (connection.snd.fin >= 0) pump(context, connection, subflow, now)
    // Also behind a FIN that has said it: as Linux.
    if (dataFinReached && isLive(subflow)) oweAckNow(subflow.tcb)
    sendAcks(context, connection, subflow, now)
  }
  connection.rcv.windowOwed = false
  for (const { tcb } of connection.subflows) {
    noteWaiting(tcb, waitingFor(connection, tcb), now)
    if (connection.snd.nxt >= connection.snd.end) noteAppLimited(tcb)
  }
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
 * the DATA_ACK of its own. Returns whether the peer's DATA_FIN is to be DATA_ACKed on every subflow.
 */
function answerBeforeTheEnd(context: Context, connection: Connection, now: number): boolean {
  if (!hasDataEnded(context, connection)) return false
  for (const subflow of connection.subflows) replyNow(context, connection, subflow, now)
  return settleDataEnds(context, connection)
}

/** Sends what this subflow's TCP has to send: handshake, lost segments, queued chunks, FIN. */
function pump(context: Context, connection: Connection, subflow: Subflow, now: number): void {
  const { tcb, path } = subflow
  limits.optionBytes = connection.mode === 'fallback' ? 0 : DATA_OPTION_BYTES
  // Deviates: RFC 8684 §3.3.5 keeps to each subflow's own window as well; as Linux, the connection's counts on
  // every subflow, since it is one buffer.
  limits.window =
    connection.mode === 'fallback' ? fallbackEdge(connection) : Number.POSITIVE_INFINITY
  limits.limit = path.limit
  limits.leastBurst = context.config.leastBurst
  limits.slowStartAfterIdle = context.config.slowStartAfterIdle
  let outgoing = nextSegment(tcb, now, limits)
  while (outgoing !== null) {
    emit(context, connection, subflow, outgoing, now)
    outgoing = nextSegment(tcb, now, limits)
  }
}

/** In plain TCP the data window is the subflow's, moved by the infinite mapping. */
function fallbackEdge(connection: Connection): number {
  return connection.snd.right - connection.snd.fallbackDelta
}

/** Maps new data to subflows for as long as the peer's window and a scheduler's choice allow. */
function pushPending(context: Context, connection: Connection, now: number): void {
  const { snd } = connection
  if (snd.account === 0) return
  while (true) {
    let reinjection = nextReinjection(connection)
    const fresh = Math.min(snd.end, snd.right) - snd.nxt
    if (reinjection === null && fresh <= 0) return
    let subflow = pickSubflow(connection, reinjection?.from ?? null)
    if (subflow === null && reinjection !== null && fresh > 0) {
      // No other path has room for what was lost; new data may still go where it was lost.
      subflow = pickSubflow(connection, null)
      reinjection = null
    }
    if (subflow === null) return
    const { tcb, path } = subflow
    const infinite = connection.mode === 'fallback' && snd.infiniteMappingOwed
    const bare = connection.mode === 'fallback' && !infinite
    const mss = payloadRoom(tcb, bare ? 0 : DATA_OPTION_BYTES)
    const offset = reinjection === null ? snd.nxt : reinjection.start
    const end = reinjection === null ? recordEnd(connection, offset) : reinjection.end
    const available = Math.min(reinjection === null ? fresh : end - offset, end - offset)
    let length = Math.min(available, Math.max(usableWindow(tcb), mss), MAX_MAPPING)
    if (connection.checksum)
      length = Math.min(length, Math.max(mss, path.limit > mss ? MAX_MAPPING : 0))
    // One segment of plain TCP that has room for the infinite mapping.
    if (infinite) length = Math.min(length, mss)
    if (length > mss) {
      // Full segments; the last, partial one rides along where it need not wait.
      const partial = length % mss
      const ends = reinjection === null && offset + length === end
      if (!ends || isHeld(connection, tcb, offset + length)) length -= partial
    } else if (length < mss && reinjection === null && isHeld(connection, tcb, offset + length))
      return
    const record = slices(context, connection, offset, length)
    if (record === 0) return
    const chunk = appendChunk(
      tcb,
      record,
      length,
      offset,
      // The end of what was written, or of what the window takes: nothing follows soon.
      (offset + length === end && (end < snd.end || !snd.more)) || offset + length === snd.right,
      chunkKind(connection, subflow, offset),
    )
    if (chunk.kind === CHUNK_INFINITE) context.counters.InfiniteMapTx++
    if (reinjection === null) {
      snd.nxt = offset + length
      // What Fast Open's SYN had carried goes again, and is no small write.
      const again = offset <= (tcb.fastOpen?.dataBytes ?? 0)
      if (length % mss !== 0 && !again) snd.smallEnd = snd.nxt
      subflow.dataBytesSent += length
    } else {
      takeReinjected(connection, offset + length)
      context.counters.MPTCPRetrans++
      snd.retransmits++
      snd.bytesRetransmitted += length
    }
    pump(context, connection, subflow, now)
  }
}

function chunkKind(connection: Connection, subflow: Subflow, offset: number): number {
  if (connection.mode === 'fallback') {
    if (!connection.snd.infiniteMappingOwed) return CHUNK_PLAIN
    connection.snd.infiniteMappingOwed = false
    return CHUNK_INFINITE
  }
  const first = subflow.opener && subflow.kind === 'initial' && offset === 1 + subflow.synDataSent
  return first && !connection.fullyEstablished ? CHUNK_MP_CAPABLE : CHUNK_DSS
}

/**
 * Whether a piece below a full segment that ends at `end` waits, at the data level: for Nagle's algorithm
 * while an earlier such piece is unacknowledged, and against silly windows if the peer's window cut it short
 * (RFC 9293 §3.8.6.2.1). Deviates: from §3.7.4, any unacknowledged data, as Linux: the tail of a long write
 * need not wait.
 */
function isHeld(connection: Connection, tcb: Tcb, end: number): boolean {
  const { snd } = connection
  if (isCorked(connection)) return true
  if (snd.nxt === snd.una) {
    // MPTCP's window is shared: what fits goes, as in Linux.
    const isCut = connection.mode === 'fallback' && end === snd.right && end < snd.end
    return isCut && end - snd.nxt < tcb.snd.maxWindow / 2 && connection.timers.probeBackoff === 0
  }
  // The end of a record, with more behind it.
  if (end === snd.recordEnds[0] && end < snd.end) return false
  if (end < snd.end) return true
  return !snd.noDelay && snd.fin < 0 && snd.smallEnd > snd.una
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

/** Closes the subflows once the data level is closed in both directions, or in plain TCP at once. */
function closeSubflows(context: Context, connection: Connection): void {
  const { snd } = connection
  if (snd.fin < 0 || snd.nxt < snd.fin) return
  if (connection.mode === 'fallback') {
    for (const subflow of connection.subflows) closeSending(subflow.tcb)
    if (snd.nxt === snd.fin && connection.subflows.length > 0) snd.nxt = snd.fin + 1
    return
  }
  if (connection.mode !== 'mptcp') return
  if (snd.nxt === snd.fin) {
    snd.nxt = snd.fin + 1
    for (const subflow of connection.subflows) {
      if (isLive(subflow)) oweAckNow(subflow.tcb)
    }
  }
  // The optimisation of §3.3.3: at most the DATA_FIN is outstanding, and the peer has sent its own.
  const onlyFin = context.config.finWithDataFin && connection.rcv.finReached && snd.una >= snd.fin
  if (isDataClosed(connection.state) || onlyFin) {
    for (const { tcb } of connection.subflows) {
      // A join that nobody has answered yet is called off (RFC 9293 §3.10.4).
      if (tcb.state === 'SYN-SENT') destroy(tcb)
      else closeSending(tcb)
    }
  }
}

function sendReset(context: Context, connection: Connection, subflow: Subflow, now: number): void {
  if (subflow.tcb.state !== 'CLOSED' && subflow.tcb.state !== 'SYN-SENT') {
    begin(context, connection, subflow, RST | ACK, subflow.tcb.snd.nxt, now)
    resetOptions(context, connection, subflow, options.mptcp)
    segment.window = 0
    context.counters.TcpOutRsts++
    context.transmit(subflow, segment, 0)
  }
  subflow.resetOwed = null
  subflow.pendingOptions.length = 0
  destroy(subflow.tcb)
}

/** Fills the segment's fields but for the MPTCP options. */
function begin(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  flags: number,
  offset: number,
  now: number,
): void {
  const { tcb } = subflow
  segment.source = subflow.path.address
  segment.destination = subflow.remote
  segment.sourcePort = subflow.localPort
  segment.destinationPort = subflow.remotePort
  segment.sequence = seqOf(offset, tcb.iss)
  segment.acknowledgment = flags & ACK ? seqOf(tcb.rcv.nxt, tcb.irs) : 0
  segment.flags = flags
  segment.payloadLength = 0
  segment.window = windowField(tcb, announceWindow(context, connection, subflow, flags), flags)
  options.mss = null
  options.windowScale = null
  options.sackPermitted = false
  options.sack = null
  options.timestampValue = null
  options.fastOpen = null
  options.mptcp.length = 0
  if (tcb.timestamps.enabled) {
    options.timestampValue = timestampNow(tcb, now)
    options.timestampEcho = flags & ACK ? tcb.timestamps.recent : 0
  }
  if (flags & SYN) {
    options.mss = tcb.rcv.mss
    if (tcb.windowScaling) options.windowScale = tcb.rcv.shift
    options.sackPermitted = tcb.sackPermitted
  }
}

/**
 * The window to tell, in bytes from the DATA_ACK (in plain TCP: from the ACK), and what it means for
 * what this subflow may accept.
 */
function announceWindow(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  flags: number,
): number {
  const { rcv } = connection
  const { tcb } = subflow
  if (rcv.queue === 0) return 0
  const edge = windowEdge(context, connection)
  const from = dataAck(context, connection)
  const window = Math.max(0, edge - from)
  // What the field can say is what was promised: it is rounded down, and in a SYN has 16 bits.
  const field = windowField(tcb, window, flags)
  const told = field * (tcb.windowScaling && (flags & SYN) === 0 ? 2 ** tcb.rcv.shift : 1)
  rcv.right = Math.max(rcv.right, from + told)
  const shared = rcv.right - from
  for (const other of connection.subflows) {
    raiseRight(other.tcb, other.tcb.rcv.nxt + shared)
  }
  return window
}

function emit(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  outgoing: Outgoing,
  now: number,
): void {
  const { tcb } = subflow
  const { flags, offset, length, chunk } = outgoing
  begin(context, connection, subflow, flags, offset, now)
  let sum = 0
  if (chunk !== null && length > 0) {
    // The data of a SYN lies behind it.
    sum = context.gather(chunk.record, Math.max(0, offset - chunk.start), length)
    if (length === chunk.end - chunk.start) chunk.sum = sum
  }
  if (flags & SYN) {
    // As Linux: a SYN or SYN/ACK that goes again does without Fast Open, which may be what stopped it.
    if (!outgoing.retransmission) options.fastOpen = tcb.fastOpen?.option ?? null
    synOptions(context, connection, subflow, flags, options.mptcp)
  } else if (length > 0) dataOptions(context, connection, subflow, outgoing, options.mptcp)
  else ackOptions(context, connection, subflow, options.mptcp)
  segment.payloadLength = length
  segmentSent(tcb)
  if (!outgoing.retransmission) context.counters.TcpOutSegs++
  context.transmit(subflow, segment, sum)
  if (flags & ACK) ackSent(tcb)
}

/** A pure ACK. */
function emitAck(context: Context, connection: Connection, subflow: Subflow, now: number): void {
  const { tcb } = subflow
  begin(context, connection, subflow, ACK, tcb.snd.nxt, now)
  ackOptions(context, connection, subflow, options.mptcp)
  addSack(subflow)
  segmentSent(tcb)
  context.counters.TcpOutSegs++
  context.transmit(subflow, segment, 0)
  ackSent(tcb)
}

/**
 * A zero-window probe, or a keep-alive. Deviates: from RFC 9293 §3.8.6.1, which sends a byte of data; like Linux, an old
 * sequence number without data, which must be answered with an ACK just the same.
 */
function emitProbe(context: Context, connection: Connection, subflow: Subflow, now: number): void {
  const { tcb } = subflow
  begin(context, connection, subflow, ACK, tcb.snd.una - 1, now)
  ackOptions(context, connection, subflow, options.mptcp)
  segmentSent(tcb)
  context.counters.TcpOutSegs++
  context.transmit(subflow, segment, 0)
}

/** SACK blocks, as many as the options leave room for. */
function addSack(subflow: Subflow): void {
  const { tcb } = subflow
  if (!hasSackRanges(tcb)) return
  const used = (options.timestampValue === null ? 0 : 12) + mptcpBytes()
  const most = Math.min(4, Math.floor((40 - used - 4) / 8))
  if (most < 1) return
  const ranges = sackRanges(tcb, most)
  if (ranges.length > 0) options.sack = ranges.map((offset) => seqOf(offset, tcb.irs))
  duplicateReported(tcb)
}

/** Bytes of the MPTCP options now in the list, padded. */
function mptcpBytes(): number {
  let bytes = 0
  for (const option of options.mptcp) bytes += (mptcpOptionLength(option) + 3) & ~3
  return bytes
}
