// The phases of a sender that has lost something: fast recovery (RFC 6675; RFC 6582 where the peer has no
// SACK), the timeout (RFC 6298 §5), and back. Which segments, sent.ts books; output.ts sends them again.

import { tellLost, tellTimedOut } from './congestion/tell.js'
import { markLost, size, splitSegment } from './sent.js'
import { RETRANSMITTING, SACKED, type Tcb } from './tcb.js'

/** RFC 5681 §3.2. */
export const DUPLICATE_THRESHOLD = 3

/** Enters a recovery if there is a loss that belongs to none. */
export function enterRecovery(tcb: Tcb, now: number): void {
  const { recovery } = tcb
  if (recovery.phase !== 'open') return
  recovery.priorCwnd = tcb.congestion.cwnd
  recovery.delivered = 0
  recovery.sent = 0
  tellLost(tcb, now)
  recovery.phase = 'recovery'
  recovery.point = tcb.snd.nxt
  if (tcb.sackPermitted) tcb.counters.TcpExtTCPSackRecovery++
  else tcb.counters.TcpExtTCPRenoRecovery++
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
    if (recovery.phase === 'recovery' && !tcb.congestion.ownsCwnd) {
      tcb.congestion.cwnd = tcb.congestion.ssthresh
    }
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
  if (tcb.rtt.backoff === 0) tellTimedOut(tcb, now)
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
