// What one subflow sends next, RFC 9293 §3.8: the SYN, what was lost, new data, the FIN. One segment a
// call, until null. The caller adds MPTCP's options and puts it on the wire.

import { ACK, FIN, PSH, SYN } from '../wire/segment.js'
import { armRetransmit } from './ack.js'
import { chunkAt } from './chunk-queue.js'
import { INITIAL_SEGMENTS } from './congestion/congestion-control.js'
import { tellSent } from './congestion/tell.js'
import { flightOf, limitRate } from './rate.js'
import { DELAYED_ACK_MS } from './receive.js'
import { inflightBytes, nextLost, retransmitted, sentAgain, splitSegment } from './sent.js'
import type { Chunk, SentSegment, Tcb } from './tcb.js'

/** A segment to send: `length` payload bytes from `offset`, of `chunk`. */
export interface Outgoing {
  offset: number
  length: number
  flags: number
  chunk: Chunk | null
  retransmission: boolean
}

export interface Limits {
  /** Bytes that MPTCP's options take in a segment with data. */
  optionBytes: number
  /** Right edge, in subflow offsets, of what may be sent now; Infinity where MPTCP has seen to it. */
  window: number
  /** Most payload of one segment: above the MSS where the link cuts super-segments. */
  limit: number
  /** Segments of a burst for such a link, at least. */
  leastBurst: number
  /** cwnd is cut after an idle time. */
  slowStartAfterIdle: boolean
}

/** Linux's tcp_tso_rtt_log: bursts halve for each 512 microseconds of round trip. */
const SHORT_PATH_SHIFTS_PER_MS = 1000 / 512

const outgoing: Outgoing = { offset: 0, length: 0, flags: 0, chunk: null, retransmission: false }

function out(
  offset: number,
  length: number,
  flags: number,
  chunk: Chunk | null,
  retransmission: boolean,
): Outgoing {
  outgoing.offset = offset
  outgoing.length = length
  outgoing.flags = flags
  outgoing.chunk = chunk
  outgoing.retransmission = retransmission
  return outgoing
}

/** The next segment with something in it, booked as sent; null if there is none to send now. */
export function nextSegment(tcb: Tcb, now: number, limits: Limits): Outgoing | null {
  switch (tcb.state) {
    case 'SYN-SENT':
      return nextSyn(tcb, now)
    case 'SYN-RECEIVED':
      return nextSyn(tcb, now) ?? nextEarly(tcb, now, limits)
    case 'ESTABLISHED':
    case 'CLOSE-WAIT':
    case 'FIN-WAIT-1':
    case 'CLOSING':
    case 'LAST-ACK':
      return nextRetransmission(tcb, now, limits) ?? nextNew(tcb, now, limits)
    case 'FIN-WAIT-2':
    case 'TIME-WAIT':
    case 'CLOSED':
    case 'LISTEN':
      return null
    default:
      return tcb.state satisfies never
  }
}

function nextSyn(tcb: Tcb, now: number): Outgoing | null {
  const flags = tcb.state === 'SYN-RECEIVED' ? SYN | ACK : SYN
  if (tcb.snd.nxt === 0) {
    book(tcb, 0, 1, null, SYN, now)
    const chunk = tcb.state === 'SYN-SENT' ? tcb.chunks.first() : undefined
    if (chunk === undefined) return out(0, 0, flags, null, false)
    // Fast Open: the first SYN carries the data that is queued already.
    const length = chunk.end - chunk.start
    book(tcb, chunk.start, chunk.end, chunk, 0, now)
    tcb.stats.bytesSent += length
    return out(0, length, flags, chunk, false)
  }
  const index = nextLost(tcb)
  // A SYN that goes again goes without data (RFC 7413 §4.1.3.1).
  if (index < 0 || (tcb.sent.at(index).control & SYN) === 0) return null
  retransmitted(tcb, tcb.sent.at(index), now)
  return out(0, 0, flags, null, true)
}

/** Data before the handshake is done, where Fast Open has taken the SYN's (RFC 7413 §3). */
function nextEarly(tcb: Tcb, now: number, limits: Limits): Outgoing | null {
  return tcb.fastOpen?.accepted ? nextNew(tcb, now, limits) : null
}

/** Payload room of one wire segment. */
export function payloadRoom(tcb: Tcb, optionBytes: number): number {
  return Math.max(1, tcb.snd.mss - optionBytes)
}

function nextRetransmission(tcb: Tcb, now: number, limits: Limits): Outgoing | null {
  const index = nextLost(tcb)
  if (index < 0) return null
  const segment = tcb.sent.at(index)
  const { recovery } = tcb
  // The first retransmission of a phase always goes; the others as the window has room.
  const first = recovery.retransmitBytes === 0
  const mss = payloadRoom(tcb, limits.optionBytes)
  const room = tcb.congestion.cwnd - inflightBytes(tcb)
  if (!first && Math.min(segment.end - segment.start, mss) > room) {
    tcb.cwndLimited = true
    return null
  }
  const dataEnd = segment.end - (segment.control ? 1 : 0)
  const most = Math.min(burstBytes(tcb, mss, limits), Math.max(1, Math.floor(room / mss)) * mss)
  if (dataEnd - segment.start > most) splitSegment(tcb, index, segment.start + most)
  retransmitted(tcb, segment, now)
  if (tcb.timers.retransmit === Number.POSITIVE_INFINITY) armRetransmit(tcb, now)
  // Closed before the handshake was done: its SYN/ACK still has to arrive.
  if (segment.control & SYN) return out(0, 0, SYN | ACK, null, true)
  const { control, start } = segment
  const length = segment.end - start - (control ? 1 : 0)
  dataSent(tcb, length, now, limits)
  tcb.stats.bytesRetransmitted += length
  const flags = ACK | control | push(tcb, segment.chunk, start, segment.end, limits)
  return out(start, length, flags, segment.chunk, true)
}

function nextNew(tcb: Tcb, now: number, limits: Limits): Outgoing | null {
  const { snd } = tcb
  if (snd.nxt < snd.end) {
    const chunk = chunkAt(tcb, snd.nxt)
    const mss = payloadRoom(tcb, limits.optionBytes)
    if (limits.window <= snd.nxt) return null
    if (limits.slowStartAfterIdle && tcb.sent.length === 0) restartAfterIdle(tcb, now)
    const room = tcb.congestion.cwnd - inflightBytes(tcb)
    const most = burstBytes(tcb, mss, limits)
    let length = Math.min(chunk.end - snd.nxt, most, limits.window - snd.nxt)
    if (room < Math.min(length, mss) && snd.una < snd.nxt) {
      tcb.cwndLimited = true
      return null
    }
    if (length > mss) length = Math.max(mss, Math.floor(Math.min(length, room) / mss) * mss)
    length = Math.min(length, chunk.end - snd.nxt)
    const offset = snd.nxt
    let control = 0
    if (snd.fin === offset + length) control = FIN
    book(tcb, offset, offset + length + (control ? 1 : 0), chunk, control, now)
    dataSent(tcb, length, now, limits)
    const newest = tcb.sent.last()
    if (tcb.fastOpen !== null && offset <= tcb.fastOpen.dataBytes && newest !== undefined) {
      sentAgain(tcb, newest, now)
    }
    const flags = ACK | control | push(tcb, chunk, offset, offset + length, limits)
    return out(offset, length, flags, chunk, false)
  }
  if (snd.fin >= 0 && snd.nxt === snd.fin) {
    book(tcb, snd.fin, snd.fin + 1, null, FIN, now)
    return out(snd.fin, 0, ACK | FIN, null, false)
  }
  return null
}

function dataSent(tcb: Tcb, length: number, now: number, limits: Limits): void {
  if (length === 0) return
  tellSent(tcb, now, length)
  tcb.stats.bytesSent += length
  tcb.stats.dataSegmentsSent++
  tcb.stats.dataSentAt = now
  const { ack, stats } = tcb
  // In plain TCP: with MPTCP the ACK is a DATA_ACK too, which the peer's other subflows wait for.
  const isPlain = limits.optionBytes === 0
  if (isPlain && ack.mayWait && now - stats.dataReceivedAt < DELAYED_ACK_MS) {
    ack.interactive = true
  }
}

/** The end of what was written; and, as Linux, what the link cuts into several segments. */
function push(tcb: Tcb, chunk: Chunk | null, start: number, end: number, limits: Limits): number {
  if (end - start > payloadRoom(tcb, limits.optionBytes)) return PSH
  return chunk?.push && end >= chunk.end ? PSH : 0
}

/**
 * Most payload of one segment given to the link, whole segments of `mss`: what leaves in a millisecond at the
 * rate of cwnd and round trip, more where the path is short, and never above half of cwnd. As Linux.
 */
function burstBytes(tcb: Tcb, mss: number, limits: Limits): number {
  if (limits.limit <= mss) return mss
  const { congestion, rtt } = tcb
  const gain = congestion.cwnd < congestion.ssthresh / 2 ? 2 : 1.2
  let bytes = (gain * congestion.cwnd) / Math.max(rtt.srttMs, 1)
  const shift = rtt.minMs * SHORT_PATH_SHIFTS_PER_MS
  if (shift < 16) bytes += limits.limit / 2 ** Math.floor(shift)
  const segments = Math.floor(Math.min(bytes, limits.limit) / mss)
  const half = Math.max(1, Math.floor(congestion.cwnd / mss / 2))
  return Math.min(Math.max(segments, limits.leastBurst), half) * mss
}

function book(
  tcb: Tcb,
  start: number,
  end: number,
  chunk: Chunk | null,
  control: number,
  now: number,
): void {
  const segment: SentSegment = {
    start,
    end,
    chunk,
    control,
    sentAt: now,
    marks: 0,
    flight: flightOf(tcb.rate, tcb.sent.length === 0, now),
  }
  if (tcb.sent.length === 0) tcb.timers.waitingSince = now
  tcb.sent.push(segment)
  tcb.snd.nxt = end
  noteUse(tcb, now)
  if (tcb.recovery.phase === 'recovery') tcb.recovery.sent += end - start
  if (tcb.timers.retransmit === Number.POSITIVE_INFINITY) armRetransmit(tcb, now)
}

/** Something has been sent: what it says of how much of cwnd is used, as Linux's tcp_cwnd_validate(). */
function noteUse(tcb: Tcb, now: number): void {
  const { cwndUse, snd } = tcb
  const limited = inflightBytes(tcb) + snd.mss > tcb.congestion.cwnd
  const outstanding = snd.nxt - snd.una
  cwndUse.idleSince = now
  if (snd.una >= cwndUse.since || limited || (!tcb.cwndLimited && outstanding > cwndUse.most)) {
    tcb.cwndLimited = limited
    cwndUse.most = outstanding
    cwndUse.since = snd.nxt
  }
}

/**
 * RFC 5681 §4.1: what cwnd said of the path grows old when nothing is sent. Deviates: halved for each RTO down
 * to the initial window, as Linux (RFC 2861), not cut at once.
 */
function restartAfterIdle(tcb: Tcb, now: number): void {
  const { cwndUse, congestion, rtt } = tcb
  const least = INITIAL_SEGMENTS * tcb.snd.mss
  if (congestion.ownsCwnd || cwndUse.idleSince === 0 || congestion.cwnd <= least) return
  if (now - cwndUse.idleSince <= rtt.rtoMs) return
  congestion.ssthresh = Math.max(congestion.ssthresh, 0.75 * congestion.cwnd)
  while (now - cwndUse.idleSince > rtt.rtoMs && congestion.cwnd > least) {
    congestion.cwnd = Math.max(congestion.cwnd / 2, least)
    cwndUse.idleSince += rtt.rtoMs
  }
}

/** One segment has left, of whichever kind. */
export function segmentSent(tcb: Tcb): void {
  tcb.stats.segmentsSent++
}

/** There was data for it, and cwnd had no room. */
export function noteCwndLimited(tcb: Tcb): void {
  tcb.cwndLimited = true
}

/**
 * At the end of a turn: all has left that was to leave. Where cwnd allows more, the path is not to be judged by
 * what it delivers of that (rate.ts).
 */
export function noteAppLimited(tcb: Tcb): void {
  const { rate, recovery, snd, congestion } = tcb
  if (snd.end - snd.nxt >= snd.mss || recovery.lostBytes > recovery.retransmitBytes) return
  const inflight = inflightBytes(tcb)
  if (inflight + snd.mss > congestion.cwnd) return
  limitRate(rate, rate.delivered + inflight)
}

/** Payload bytes that cwnd allows beyond what is in flight and queued. */
export function usableWindow(tcb: Tcb): number {
  const queued = tcb.snd.end - Math.max(tcb.snd.nxt, 1)
  return Math.max(0, tcb.congestion.cwnd - inflightBytes(tcb) - Math.max(0, queued))
}
