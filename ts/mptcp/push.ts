// Data to subflows: what each subflow's TCP has to send, then new and repeated data by the scheduler's choice,
// then the end of it. RFC 8684 §3.3.

import { append as appendChunk, unsentBytes } from '../tcp/chunk-queue.js'
import { closeSending, destroy } from '../tcp/close.js'
import { type Limits, nextSegment, noteCwndLimited, payloadRoom } from '../tcp/output.js'
import { oweAckNow } from '../tcp/receive.js'
import type { Tcb } from '../tcp/tcb.js'
import type { Connection, Reinjection } from './connection.js'
import type { Context } from './context.js'
import { isDataClosed } from './data-state.js'
import { emit } from './emit.js'
import { nextReinjection, takeReinjected } from './reinject.js'
import { ask, forEachFull, type Share } from './scheduler/ask.js'
import {
  CHUNK_DSS,
  CHUNK_INFINITE,
  CHUNK_MP_CAPABLE,
  CHUNK_PLAIN,
  DATA_OPTION_BYTES,
} from './segment-options.js'
import { isCorked, recordEnd, slices } from './send-queue.js'
import { isLive, type Subflow } from './subflow.js'

/** RFC 8684 §3.3.1: the length field has 16 bits; one is kept for a DATA_FIN. */
const MAX_MAPPING = 65_534

/** DATA_FINs without an answer, after which the FIN goes with it. */
const MAX_DATA_FINS = 5

const limits: Limits = {
  optionBytes: 0,
  window: Number.POSITIVE_INFINITY,
  limit: 0,
  leastBurst: 2,
  slowStartAfterIdle: false,
}

/**
 * Gives the subflows what there is: handshakes and what was lost, then new data. Returns whether that was all,
 * and each subflow may have a FIN to send.
 */
export function push(context: Context, connection: Connection, now: number): boolean {
  for (const subflow of connection.subflows) pump(context, connection, subflow, now)
  pushPending(context, connection, now)
  return endSending(context, connection)
}

/** Sends what this subflow's TCP has to send: handshake, lost segments, queued chunks, FIN. */
export function pump(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  const { tcb, path } = subflow
  const isPlain = connection.mode === 'fallback'
  limits.optionBytes = isPlain ? 0 : DATA_OPTION_BYTES
  // Deviates: RFC 8684 §3.3.5 keeps to each subflow's own window as well; as Linux, the connection's counts on
  // every subflow, since it is one buffer.
  limits.window = isPlain ? tcb.snd.right : Number.POSITIVE_INFINITY
  limits.limit = path.limit
  limits.leastBurst = context.config.leastBurst
  limits.slowStartAfterIdle = context.config.slowStartAfterIdle
  let outgoing = nextSegment(tcb, now, limits)
  while (outgoing !== null) {
    emit(context, connection, subflow, outgoing, now)
    outgoing = nextSegment(tcb, now, limits)
  }
}

/** Gives data to subflows for as long as the peer's window and the scheduler's answers allow. */
function pushPending(context: Context, connection: Connection, now: number): void {
  const { snd } = connection
  if (snd.released) return
  connection.declined = false
  // Bounded: each round gives something away, or is the last.
  while (true) {
    const reinjection = nextReinjection(connection)
    const fresh = Math.min(snd.end, snd.right) - snd.nxt
    if (reinjection === null && fresh <= 0) return
    if (reinjection !== null) {
      const { start, end } = reinjection
      if (giveRange(context, connection, start, end, reinjection, now)) continue
      // Where no other path has room for what was lost, new data may still go where it was lost.
    }
    if (fresh <= 0) break
    const end = Math.min(snd.nxt + fresh, recordEnd(connection, snd.nxt))
    if (!giveRange(context, connection, snd.nxt, end, null, now)) break
  }
  // What waits, waits for the windows of these.
  forEachFull(noteCwndLimited)
}

/** Gives the beginning of [start, end) to whom the scheduler names; false if nothing was given. */
function giveRange(
  context: Context,
  connection: Connection,
  start: number,
  end: number,
  reinjection: Reinjection | null,
  now: number,
): boolean {
  const shares = ask(context, connection, start, end - start, reinjection)
  if (shares.length === 0) return false
  const { subflow } = shares[0]
  const { snd } = connection
  const mss = segmentRoom(connection, subflow.tcb)
  const length = pieceLength(connection, shares[0], start, end, mss, reinjection !== null)
  if (length === 0 || !give(context, connection, subflow, start, length, end)) return false
  if (reinjection === null) {
    snd.nxt = start + length
    // What Fast Open's SYN had carried goes again, and is no small write.
    const again = start <= (subflow.tcb.fastOpen?.dataBytes ?? 0)
    if (length % mss !== 0 && !again) snd.smallEnd = snd.nxt
    subflow.dataBytesSent += length
  } else {
    takeReinjected(connection, start + length)
    context.counters.MPTCPRetrans++
    snd.retransmits++
    snd.bytesRetransmitted += length
  }
  pump(context, connection, subflow, now)
  // Redundancy: the same data, on the others named too. Bounded: one that is far behind goes without.
  for (let i = 1; i < shares.length; i++) {
    const other = shares[i].subflow
    if (unsentBytes(other.tcb) > other.tcb.congestion.cwnd) continue
    if (give(context, connection, other, start, length, end)) pump(context, connection, other, now)
  }
  return true
}

/** Payload of a full segment beside the options that data has here. */
function segmentRoom({ mode, snd }: Connection, tcb: Tcb): number {
  const isBare = mode === 'fallback' && !snd.infiniteMappingOwed
  return payloadRoom(tcb, isBare ? 0 : DATA_OPTION_BYTES)
}

/** How much of [start, end) one mapping on the subflow takes now; 0 = it waits for more to come. */
function pieceLength(
  connection: Connection,
  { subflow, bytes }: Share,
  start: number,
  end: number,
  mss: number,
  again: boolean,
): number {
  const { tcb, path } = subflow
  let length = Math.min(end - start, bytes, MAX_MAPPING)
  // What is cut by the scheduler waits for nothing: there is more, which it would not have in one segment.
  const isQuantum = bytes < mss && bytes < end - start
  if (connection.checksum) {
    length = Math.min(length, Math.max(mss, path.limit > mss ? MAX_MAPPING : 0))
  }
  // One segment of plain TCP that has room for the infinite mapping.
  if (connection.snd.infiniteMappingOwed) length = Math.min(length, mss)
  if (length > mss) {
    // Full segments; the last, partial one rides along where it need not wait.
    const isEnd = !again && start + length === recordEnd(connection, start)
    if (!isEnd || isHeld(connection, tcb, start + length)) length -= length % mss
  } else if (length < mss && !again && !isQuantum && isHeld(connection, tcb, start + length))
    return 0
  return length
}

/** Maps [start, start + length) of the data to the subflow; false if memory ran out. */
function give(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  start: number,
  length: number,
  end: number,
): boolean {
  const { snd } = connection
  const record = slices(context, connection, start, length)
  if (record === 0) return false
  // The end of what was written, or of what the window takes: nothing follows soon.
  const isEnd = start + length === end && (end < snd.end || !snd.more)
  const isPushed = isEnd || start + length === snd.right
  const kind = chunkKind(connection, subflow, start)
  appendChunk(subflow.tcb, record, length, start, isPushed, kind)
  if (kind === CHUNK_INFINITE) context.counters.InfiniteMapTx++
  return true
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

/**
 * All data is given: the DATA_FIN is due, and once the data level is closed in both directions, or in plain TCP
 * at once, the FINs. Returns whether there may be FINs to send.
 */
function endSending(context: Context, connection: Connection): boolean {
  const { snd, subflows } = connection
  if (snd.fin < 0 || snd.nxt < snd.fin) return false
  if (connection.mode === 'fallback') {
    for (const subflow of subflows) closeSending(subflow.tcb)
    if (snd.nxt === snd.fin && subflows.length > 0) snd.nxt = snd.fin + 1
    return true
  }
  if (connection.mode !== 'mptcp') return false
  if (snd.nxt === snd.fin) {
    snd.nxt = snd.fin + 1
    for (const subflow of subflows) if (isLive(subflow)) oweAckNow(subflow.tcb)
  }
  // The optimisation of §3.3.3: at most the DATA_FIN is outstanding, and the peer has sent its own.
  const onlyFin = context.config.finWithDataFin && connection.rcv.finReached && snd.una >= snd.fin
  // Said again and again in vain on the only path: a box may take it away, but no FIN.
  const unheard = connection.timers.dataFinBackoff > MAX_DATA_FINS && connection.nextSubflowId === 1
  if (!isDataClosed(connection.state) && !onlyFin && !unheard) return false
  for (const { tcb } of subflows) {
    // A join that nobody has answered yet is called off (RFC 9293 §3.10.4).
    if (tcb.state === 'SYN-SENT') destroy(tcb)
    else closeSending(tcb)
  }
  return true
}
