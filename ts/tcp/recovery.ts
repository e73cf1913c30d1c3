// Finding out what was lost and when to say so: RACK's time-based rule over SACK (RFC 8985 §6.2, RFC
// 6675 for the pipe), duplicate ACKs where the peer has no SACK (RFC 6582), and the timeout (RFC 6298
// §5). Marks segments; output.ts sends what is marked.

import type { CongestionEvent } from './congestion/congestion-control.js'
import { LOST, RETRANSMITTED, RETRANSMITTING, SACKED, type SentSegment, type Tcb } from './tcb.js'

/** RFC 5681 §3.2. */
const DUPLICATE_THRESHOLD = 3

/** Bytes believed to be in the network (RFC 6675's pipe). */
export function inflightBytes(tcb: Tcb): number {
  const { sackedBytes, lostBytes, retransmitBytes, duplicateAcks } = tcb.recovery
  const reno = tcb.sackPermitted ? 0 : duplicateAcks * tcb.snd.mss
  // A SYN/ACK that is not acknowledged takes no room of Fast Open's first answer.
  const outstanding = tcb.snd.nxt - Math.max(tcb.snd.una, 1)
  return Math.max(0, outstanding - sackedBytes - lostBytes + retransmitBytes - reno)
}

const event: CongestionEvent = {
  now: 0,
  ackedBytes: 0,
  inflightBytes: 0,
  mss: 0,
  srttMs: 0,
  minRttMs: 0,
  rttMs: 0,
  cwndLimited: false,
}

/** The event object handed to congestion controls: one, filled anew each time. */
export function congestionEvent(
  tcb: Tcb,
  now: number,
  ackedBytes: number,
  rttMs: number,
): CongestionEvent {
  event.now = now
  event.ackedBytes = ackedBytes
  event.inflightBytes = inflightBytes(tcb) + ackedBytes
  event.mss = tcb.snd.mss
  event.srttMs = tcb.rtt.srttMs
  event.minRttMs = tcb.rtt.minMs
  event.rttMs = rttMs
  const { cwnd, ssthresh } = tcb.congestion
  event.cwndLimited = tcb.cwndLimited || (cwnd < ssthresh && cwnd < 2 * tcb.cwndUse.most)
  return event
}

function size(segment: SentSegment): number {
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

function markLost(tcb: Tcb, segment: SentSegment): void {
  const { recovery } = tcb
  if (segment.marks & RETRANSMITTING) {
    recovery.retransmitBytes -= size(segment)
    segment.marks &= ~RETRANSMITTING
  }
  if ((segment.marks & LOST) === 0) {
    segment.marks |= LOST
    recovery.lostBytes += size(segment)
  }
  recovery.scan = Math.min(recovery.scan, segment.start)
}

/** Enters a recovery if there is a loss that belongs to none. */
function enterRecovery(tcb: Tcb, now: number): void {
  const { recovery } = tcb
  if (recovery.phase !== 'open') return
  recovery.priorCwnd = tcb.congestion.cwnd
  recovery.delivered = 0
  recovery.sent = 0
  tcb.congestion.onCongestion(congestionEvent(tcb, now, 0, 0))
  recovery.phase = 'recovery'
  recovery.point = tcb.snd.nxt
  if (tcb.sackPermitted) tcb.counters.TcpExtTCPSackRecovery++
  else tcb.counters.TcpExtTCPRenoRecovery++
}

/**
 * RACK, RFC 8985 §6.2 steps 4 and 5: a segment is lost once one that was sent a reordering window
 * later has arrived. Arms the reordering timer for those that are not yet.
 */
export function detectLosses(tcb: Tcb, now: number): void {
  const { recovery, sent, rtt } = tcb
  tcb.timers.reorder = Number.POSITIVE_INFINITY
  if (recovery.sackedSegments === 0 && recovery.retransmitBytes === 0) return
  // One record may stand for a burst of several segments.
  const sacked = Math.max(recovery.sackedSegments, Math.floor(recovery.sackedBytes / tcb.snd.mss))
  const certain =
    !recovery.reorderingSeen && (sacked >= DUPLICATE_THRESHOLD || recovery.phase !== 'open')
  const reorderWindow = certain ? 0 : Math.min(rtt.minMs / 4, rtt.srttMs)
  let wait = 0
  for (let i = 0; i < sent.length; i++) {
    const segment = sent.at(i)
    if (segment.start >= recovery.rackEnd && segment.sentAt > recovery.rackSentAt) break
    if (segment.marks & SACKED) continue
    if ((segment.marks & (LOST | RETRANSMITTING)) === LOST) continue
    const sentBefore =
      segment.sentAt < recovery.rackSentAt ||
      (segment.sentAt === recovery.rackSentAt && segment.end < recovery.rackEnd)
    if (!sentBefore) continue
    const remaining = segment.sentAt + recovery.rackRttMs + reorderWindow - now
    if (remaining <= 0) {
      enterRecovery(tcb, now)
      markLost(tcb, segment)
    } else wait = Math.max(wait, remaining)
  }
  if (wait > 0) tcb.timers.reorder = now + wait
}

/**
 * Proportional rate reduction, RFC 9937 §6: cwnd comes down to ssthresh by as much as the ACKs say has left
 * the network, so that the sender neither stops nor bursts. `safe`: SND.UNA advanced and nothing more is lost.
 */
export function reduceRate(tcb: Tcb, deliveredBytes: number, safe: boolean): void {
  const { recovery, congestion, snd } = tcb
  if (recovery.phase !== 'recovery' || deliveredBytes <= 0 || recovery.priorCwnd <= 0) return
  recovery.delivered += deliveredBytes
  const inflight = inflightBytes(tcb)
  const below = congestion.ssthresh - inflight
  let room: number
  if (below < 0) {
    const share = (congestion.ssthresh * recovery.delivered) / recovery.priorCwnd
    room = Math.ceil(share / snd.mss) * snd.mss - recovery.sent
  } else {
    room = Math.max(recovery.delivered - recovery.sent, deliveredBytes) + (safe ? snd.mss : 0)
    room = Math.min(room, below)
  }
  // The first retransmission always goes.
  congestion.cwnd = inflight + Math.max(room, recovery.sent > 0 ? 0 : snd.mss)
}

/** A duplicate ACK from a peer without SACK, RFC 6582 §3.2. */
export function duplicateAckArrives(tcb: Tcb, now: number): void {
  const { recovery } = tcb
  const inFlight = Math.ceil((tcb.snd.nxt - tcb.snd.una) / tcb.snd.mss)
  recovery.duplicateAcks = Math.min(recovery.duplicateAcks + 1, inFlight)
  if (recovery.phase === 'open' && recovery.duplicateAcks === DUPLICATE_THRESHOLD) {
    if (tcb.sent.length === 0) return
    enterRecovery(tcb, now)
    markFirstLost(tcb)
  }
}

/** The oldest segment is lost; of a burst, the first of its segments. */
function markFirstLost(tcb: Tcb): void {
  const first = tcb.sent.at(0)
  if (size(first) > tcb.snd.mss) splitSegment(tcb, 0, first.start + tcb.snd.mss)
  markLost(tcb, first)
}

/** After an ACK of new data: leaves the phase, or goes on with the next hole of a partial ACK. */
export function advanceRecovery(tcb: Tcb): void {
  const { recovery } = tcb
  if (recovery.phase === 'open') {
    recovery.duplicateAcks = 0
    return
  }
  if (tcb.snd.una >= recovery.point) {
    if (recovery.phase === 'recovery') tcb.congestion.cwnd = tcb.congestion.ssthresh
    recovery.phase = 'open'
    recovery.duplicateAcks = 0
    return
  }
  if (tcb.sackPermitted) return
  recovery.duplicateAcks = 0
  const first = tcb.sent.first()
  if (recovery.phase === 'recovery' && first !== undefined && first.start < recovery.point) {
    if ((first.marks & RETRANSMITTING) === 0) markFirstLost(tcb)
  }
}

/** RFC 6298 §5.4 to §5.7: everything in flight counts as lost, and the timer backs off. */
export function timeoutFires(tcb: Tcb, now: number): void {
  const { recovery } = tcb
  if (tcb.rtt.backoff === 0) {
    tcb.congestion.onTimeout(congestionEvent(tcb, now, 0, 0))
  }
  // The oldest segment SACKed and yet not acknowledged: the peer dropped what it had (RFC 2018 §8), and
  // no mark of it counts any more.
  const reneged = ((tcb.sent.first()?.marks ?? 0) & SACKED) !== 0
  for (let i = 0; i < tcb.sent.length; i++) {
    const segment = tcb.sent.at(i)
    if (reneged && segment.marks & SACKED) {
      segment.marks &= ~SACKED
      recovery.sackedBytes -= size(segment)
      recovery.sackedSegments--
    }
    if ((segment.marks & SACKED) === 0) markLost(tcb, segment)
  }
  recovery.phase = 'loss'
  recovery.point = tcb.snd.nxt
  recovery.duplicateAcks = 0
  tcb.rtt.backoff++
  tcb.counters.TcpExtTCPTimeouts++
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

/**
 * The path takes no segments as large as those in flight: they go again, in smaller ones. It says nothing of
 * congestion (RFC 1191 §6.5), so that cwnd stays.
 */
export function segmentsTooBig(tcb: Tcb): void {
  const { recovery, sent, snd } = tcb
  for (let i = 0; i < sent.length; i++) {
    const segment = sent.at(i)
    if (size(segment) > snd.mss && (segment.marks & SACKED) === 0) markLost(tcb, segment)
  }
  if (recovery.lostBytes === 0) return
  recovery.phase = 'loss'
  recovery.point = snd.nxt
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
  tcb.recovery.retransmitBytes += size(segment)
  tcb.recovery.sent += size(segment)
  tcb.stats.retransmits++
  tcb.counters.TcpRetransSegs++
  if (tcb.recovery.phase === 'recovery') tcb.counters.TcpExtTCPFastRetrans++
}
