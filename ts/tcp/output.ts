// What one subflow sends next, RFC 9293 §3.8: the SYN, what was lost, new data, the FIN. One segment a
// call, until null. The caller adds MPTCP's options and puts it on the wire.

import { ACK, FIN, PSH, SYN } from '../wire/segment.js'
import { armRetransmit } from './ack.js'
import { inflightBytes, nextLost, retransmitted, splitSegment } from './recovery.js'
import { chunkAt } from './send-queue.js'
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
}

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
  if (!first && inflightBytes(tcb) + (segment.end - segment.start) > tcb.congestion.cwnd) {
    tcb.cwndLimited = true
    return null
  }
  const dataEnd = segment.end - (segment.control ? 1 : 0)
  const most = Math.max(payloadRoom(tcb, limits.optionBytes), limits.limit)
  if (dataEnd - segment.start > most) splitSegment(tcb, index, segment.start + most)
  retransmitted(tcb, segment, now)
  if (tcb.timers.retransmit === Number.POSITIVE_INFINITY) armRetransmit(tcb, now)
  // Closed before the handshake was done: its SYN/ACK still has to arrive.
  if (segment.control & SYN) return out(0, 0, SYN | ACK, null, true)
  const { control, start } = segment
  const length = segment.end - start - (control ? 1 : 0)
  dataSent(tcb, length, now)
  tcb.stats.bytesRetransmitted += length
  return out(start, length, ACK | control | push(segment.chunk, segment.end), segment.chunk, true)
}

function nextNew(tcb: Tcb, now: number, limits: Limits): Outgoing | null {
  const { snd } = tcb
  const room = tcb.congestion.cwnd - inflightBytes(tcb)
  if (snd.nxt < snd.end) {
    const chunk = chunkAt(tcb, snd.nxt)
    const mss = payloadRoom(tcb, limits.optionBytes)
    const most = limits.limit > mss ? Math.floor(limits.limit / mss) * mss : mss
    let length = Math.min(chunk.end - snd.nxt, most, limits.window - snd.nxt)
    if (length <= 0) return null
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
    dataSent(tcb, length, now)
    return out(offset, length, ACK | control | push(chunk, offset + length), chunk, false)
  }
  if (snd.fin >= 0 && snd.nxt === snd.fin) {
    book(tcb, snd.fin, snd.fin + 1, null, FIN, now)
    return out(snd.fin, 0, ACK | FIN, null, false)
  }
  return null
}

function dataSent(tcb: Tcb, length: number, now: number): void {
  if (length === 0) return
  tcb.stats.bytesSent += length
  tcb.stats.dataSegmentsSent++
  tcb.stats.dataSentAt = now
}

function push(chunk: Chunk | null, end: number): number {
  return chunk?.push && end >= chunk.end ? PSH : 0
}

function book(
  tcb: Tcb,
  start: number,
  end: number,
  chunk: Chunk | null,
  control: number,
  now: number,
): void {
  const segment: SentSegment = { start, end, chunk, control, sentAt: now, marks: 0 }
  if (tcb.sent.length === 0) tcb.timers.waitingSince = now
  tcb.sent.push(segment)
  tcb.snd.nxt = end
  tcb.cwndLimited = inflightBytes(tcb) + tcb.snd.mss > tcb.congestion.cwnd
  if (tcb.timers.retransmit === Number.POSITIVE_INFINITY) armRetransmit(tcb, now)
}

/** Payload bytes that cwnd allows beyond what is in flight and queued. */
export function usableWindow(tcb: Tcb): number {
  const queued = tcb.snd.end - Math.max(tcb.snd.nxt, 1)
  return Math.max(0, tcb.congestion.cwnd - inflightBytes(tcb) - Math.max(0, queued))
}
