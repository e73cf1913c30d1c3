// The books of what is in flight: segments as they leave, arrive (acknowledged or SACKed), are counted as lost
// and go again; the pipe of RFC 6675 follows from them. What is lost, rack.ts and recovery.ts say.

import { flightOf, sampleDelivered } from './rate.js'
import { LOST, RETRANSMITTED, RETRANSMITTING, SACKED, type SentSegment, type Tcb } from './tcb.js'

/** Bytes believed to be in the network (RFC 6675's pipe). */
export function inflightBytes(tcb: Tcb): number {
  const { sackedBytes, lostBytes, retransmitBytes, duplicateAcks } = tcb.recovery
  const reno = tcb.sackPermitted ? 0 : duplicateAcks * tcb.snd.mss
  // A SYN/ACK that is not acknowledged takes no room of Fast Open's first answer.
  const outstanding = tcb.snd.nxt - Math.max(tcb.snd.una, 1)
  return Math.max(0, outstanding - sackedBytes - lostBytes + retransmitBytes - reno)
}

export function size(segment: SentSegment): number {
  return segment.end - segment.start
}

/** Cuts segment `index` at `offset`, which lies inside it. */
export function splitSegment(tcb: Tcb, index: number, offset: number): void {
  const whole = tcb.sent.at(index)
  const rest: SentSegment = { ...whole, start: offset }
  whole.end = offset
  whole.control = 0
  tcb.sent.splice(index + 1, 0, rest)
  if (whole.marks & SACKED) tcb.recovery.sackedSegments++
}

/** Notes that a transmission of `segment` has arrived. */
function noteDelivered(tcb: Tcb, segment: SentSegment, now: number): void {
  const { recovery } = tcb
  const retransmitted = (segment.marks & RETRANSMITTED) !== 0
  // What one ACK reports has no order of its own.
  if (!retransmitted && segment.end < recovery.deliveredBefore) {
    recovery.reorderingSeen = true
    const far = Math.ceil((recovery.deliveredBefore - segment.start) / tcb.snd.mss)
    recovery.reorderingSegments = Math.max(recovery.reorderingSegments, far)
  }
  recovery.highestDelivered = Math.max(recovery.highestDelivered, segment.end)
  // The SYN says nothing of the order of data.
  if (segment.start === 0) return
  // An ACK sooner than any round trip is of the original, not of the retransmission.
  if (retransmitted && now - segment.sentAt < tcb.rtt.minMs) return
  recovery.rackRttMs = now - segment.sentAt
  if (
    segment.sentAt > recovery.rackSentAt ||
    (segment.sentAt === recovery.rackSentAt && segment.end > recovery.rackEnd)
  ) {
    recovery.rackSentAt = segment.sentAt
    recovery.rackEnd = segment.end
  }
}

/** Takes `segment`, acknowledged, off the books; returns the bytes that are news. */
function settle(tcb: Tcb, segment: SentSegment, now: number): number {
  const { recovery } = tcb
  const bytes = size(segment)
  if (segment.marks & RETRANSMITTING) recovery.retransmitBytes -= bytes
  if (segment.marks & SACKED) {
    recovery.sackedBytes -= bytes
    recovery.sackedSegments--
    return 0
  }
  if (segment.marks & LOST) recovery.lostBytes -= bytes
  tcb.stats.delivered += Math.ceil(bytes / tcb.snd.mss)
  sampleDelivered(segment)
  noteDelivered(tcb, segment, now)
  return bytes
}

/** A sample of the round trip, or 0: when the newest segment that was never retransmitted was sent. */
export interface AckSummary {
  newBytes: number
  sampleMs: number
}
const summary: AckSummary = { newBytes: 0, sampleMs: 0 }

/** Removes what `ack` acknowledges from the segments in flight. */
export function acknowledge(tcb: Tcb, ack: number, now: number): AckSummary {
  summary.newBytes = 0
  summary.sampleMs = 0
  let ambiguous = false
  let segment = tcb.sent.first()
  while (segment !== undefined && segment.start < ack) {
    if (segment.end > ack) splitSegment(tcb, 0, ack)
    tcb.sent.shift()
    const clean = (segment.marks & (RETRANSMITTED | SACKED)) === 0
    if (segment.marks & RETRANSMITTED) ambiguous = true
    summary.newBytes += settle(tcb, segment, now)
    if (clean) summary.sampleMs = Math.max(now - segment.sentAt, 0.001)
    segment = tcb.sent.first()
  }
  // Where ACKs were lost, one for a retransmission also covers segments that arrived long ago.
  if (ambiguous) summary.sampleMs = 0
  return summary
}

/** Marks what SACK blocks (offsets, flat pairs) report; returns the bytes that are news. */
export function sackArrives(tcb: Tcb, blocks: readonly number[], now: number): number {
  const { recovery, sent } = tcb
  let newBytes = 0
  for (let i = 0; i + 1 < blocks.length; i += 2) {
    const left = blocks[i]
    const right = blocks[i + 1]
    // A D-SACK, or nonsense: nothing that is outstanding.
    if (left >= right || left < tcb.snd.una || right > tcb.snd.nxt) continue
    let index = sent.lowerBound(left + 1, (segment) => segment.end)
    while (index < sent.length) {
      const segment = sent.at(index)
      if (segment.start >= right) break
      if ((segment.marks & SACKED) === 0) {
        if (segment.start < left) {
          splitSegment(tcb, index, left)
          index++
          continue
        }
        if (segment.end > right) splitSegment(tcb, index, right)
        newBytes += settle(tcb, segment, now)
        segment.marks = (segment.marks & RETRANSMITTED) | SACKED
        recovery.sackedBytes += size(segment)
        recovery.sackedSegments++
      }
      index++
    }
  }
  return newBytes
}

export function markLost(tcb: Tcb, segment: SentSegment): void {
  const { recovery } = tcb
  if (segment.marks & RETRANSMITTING) {
    recovery.retransmitBytes -= size(segment)
    segment.marks &= ~RETRANSMITTING
  }
  if ((segment.marks & LOST) === 0) {
    segment.marks |= LOST
    recovery.lostBytes += size(segment)
    tcb.rate.lost += size(segment)
  }
  recovery.scan = Math.min(recovery.scan, segment.start)
}

/** Index in `sent` of the next lost segment that is not on its way again; -1 if there is none. */
export function nextLost(tcb: Tcb): number {
  const { recovery, sent } = tcb
  if (recovery.lostBytes === 0) return -1
  let index = sent.lowerBound(recovery.scan, (segment) => segment.start)
  while (index < sent.length) {
    const segment = sent.at(index)
    if ((segment.marks & (LOST | RETRANSMITTING)) === LOST) {
      recovery.scan = segment.start
      return index
    }
    index++
  }
  recovery.scan = Number.POSITIVE_INFINITY
  return -1
}

/** Data that Fast Open's SYN carried in vain goes once more: as Linux, a retransmission. */
export function sentAgain(tcb: Tcb, segment: SentSegment, now: number): void {
  markLost(tcb, segment)
  retransmitted(tcb, segment, now)
}

/** Books a retransmission of segment `index`. */
export function retransmitted(tcb: Tcb, segment: SentSegment, now: number): void {
  segment.marks |= RETRANSMITTING | RETRANSMITTED
  segment.sentAt = now
  segment.flight = flightOf(tcb.rate, tcb.sent.length === 0, now)
  tcb.recovery.retransmitBytes += size(segment)
  tcb.recovery.sent += size(segment)
  tcb.stats.retransmits++
  tcb.counters.TcpRetransSegs++
  if (tcb.recovery.phase === 'recovery') tcb.counters.TcpExtTCPFastRetrans++
}
