// SEGMENT ARRIVES, RFC 9293 §3.10.7.4: the checks in the RFC's order. Nothing is sent from here: what
// must be answered is left in `tcb.ack`, or said in the outcome.

import { ACK, FIN, RST, type Segment, SYN } from '../wire/segment.js'
import { offsetOf } from '../wire/seq.js'
import { ackArrives, armRetransmit } from './ack.js'
import {
  ACCEPTABLE,
  ACKED,
  FIN_ACKED,
  FIN_REACHED,
  type Outcome,
  RESET,
  SEND_RESET,
  SYN_ACKED,
  TEXT,
} from './outcome.js'
import { duplicateReported, oweAckNow, textArrives } from './receive.js'
import { markLost } from './sent.js'
import { isSynchronized, mayReceive, setState } from './state.js'
import { segmentArrivesInSynSent } from './syn-sent.js'
import type { Tcb } from './tcb.js'

/**
 * What the layer above has decided of the segment that would complete a passive opening: a MP_JOIN's
 * HMAC is checked before SYN-RECEIVED becomes ESTABLISHED. `wait`: not this segment.
 */
export type HandshakeVerdict = 'accept' | 'wait' | 'refuse'

/** Deviates: RFC 5961 §7 counts per host and second; one per connection and half second, as Linux. */
export const CHALLENGE_INTERVAL_MS = 500
/** RFC 7323 §5.5: a timestamp older than this says nothing. */
export const PAWS_IDLE_MS = 24 * 24 * 3600 * 1000

/** Offset of a segment's first byte (of its SYN, if it has one). */
export function sequenceOffset(tcb: Tcb, segment: Segment): number {
  return offsetOf(segment.sequence, tcb.irs, tcb.rcv.nxt)
}

/**
 * Takes one segment; `chain` holds its payload (0 if none) and is taken over in every case.
 */
export function segmentArrives(
  tcb: Tcb,
  segment: Segment,
  chain: number,
  now: number,
  verdict: HandshakeVerdict,
): Outcome {
  let rest = chain
  const free = (): void => {
    if (rest !== 0) tcb.core.kernel.mptcp_chain_free(rest)
    rest = 0
  }
  tcb.stats.segmentsReceived++
  if (tcb.state === 'SYN-SENT') {
    free()
    return segmentArrivesInSynSent(tcb, segment, now)
  }
  if (tcb.state === 'CLOSED' || tcb.state === 'LISTEN') {
    free()
    return segment.flags & RST ? 0 : SEND_RESET
  }
  const offset = sequenceOffset(tcb, segment)
  const { flags } = segment

  if (!checkSequence(tcb, segment, offset, now)) {
    free()
    return 0
  }
  // Second check, RFC 5961 §3.2: only the exact sequence number resets.
  if (flags & RST) {
    free()
    if (offset !== tcb.rcv.nxt) {
      challenge(tcb, now)
      return 0
    }
    return RESET | ACCEPTABLE
  }
  // Fourth check, RFC 5961 §4.2. A SYN again in SYN-RECEIVED is the peer's retransmission.
  if (flags & SYN && !answersOurSyn(tcb, segment, offset)) {
    free()
    if (tcb.state === 'SYN-RECEIVED' && offset === 0) {
      repeatSynAck(tcb, now)
      return 0
    }
    tcb.counters.TcpExtTCPSYNChallenge++
    challenge(tcb, now)
    return 0
  }
  if ((flags & ACK) === 0) {
    free()
    return 0
  }
  const outcome = checkAck(tcb, segment, offset, now, verdict)
  if ((outcome & ACCEPTABLE) === 0) {
    free()
    return outcome
  }
  tcb.timers.heardAt = now
  noteTimestamp(tcb, segment, offset, now)

  let result = outcome
  if (rest !== 0) {
    if (mayReceive(tcb.state)) {
      if (textArrives(tcb, rest, offset, segment.payloadLength, now)) result |= TEXT
    } else {
      // Text behind the FIN, or after the window closed for good: the peer is wrong, or late.
      free()
      oweAckNow(tcb)
    }
  }
  if (flags & FIN) finArrives(tcb, offset + segment.payloadLength)
  return result | checkFin(tcb)
}

/** First check: acceptability by the window, and PAWS (RFC 7323 §5.3). */
function checkSequence(tcb: Tcb, segment: Segment, offset: number, now: number): boolean {
  const { rcv, timestamps } = tcb
  const { flags, options } = segment
  if (timestamps.enabled && options.timestampValue !== null && (flags & RST) === 0) {
    const old = (options.timestampValue - timestamps.recent) | 0
    if (
      old < 0 &&
      now - timestamps.recentAt < PAWS_IDLE_MS &&
      !isOvertakenAck(tcb, segment, offset)
    ) {
      tcb.counters.TcpExtPAWSEstab++
      oweLimitedAck(tcb, now)
      return false
    }
  }
  const length = segment.payloadLength + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)
  const windowEnd = Math.max(rcv.right, rcv.nxt)
  // Deviates: a segment that begins at the right edge is taken too, as Linux does: of two ends that have filled
  // each other's windows every segment stands there, and its ACK must count. Its text finds no room.
  const begins = offset <= windowEnd
  if (begins && (length === 0 ? offset >= rcv.nxt : offset + length > rcv.nxt)) return true
  // The peer's retransmission of its SYN while our SYN/ACK is lost.
  if (flags & SYN && tcb.state === 'SYN-RECEIVED' && offset === 0) return true
  tcb.counters.TcpExtOutOfWindow++
  if ((flags & RST) === 0) {
    if (segment.payloadLength > 0 && offset + length <= rcv.nxt) {
      // An old segment again: its ACK was lost, or it is a zero-window probe.
      rcv.duplicateLeft = offset
      rcv.duplicateRight = offset + segment.payloadLength
      tcb.counters.TcpExtTCPDSACKOldSent++
      oweAckNow(tcb)
    } else if (length > 0) oweAckNow(tcb)
    // Bounded: two ends that someone made disagree would answer each other's pure ACKs for ever.
    else oweLimitedAck(tcb, now)
  }
  return false
}

/**
 * A pure ACK that others overtook: not old, only late. Deviates: from RFC 7323 §5.3, as Linux does, or
 * reordering would cost its SACK blocks.
 */
function isOvertakenAck(tcb: Tcb, segment: Segment, offset: number): boolean {
  const lateMs = (tcb.timestamps.recent - (segment.options.timestampValue ?? 0)) | 0
  return segment.payloadLength === 0 && offset === tcb.rcv.nxt && lateMs <= tcb.rtt.rtoMs
}

/** Fifth check. */
function checkAck(
  tcb: Tcb,
  segment: Segment,
  offset: number,
  now: number,
  verdict: HandshakeVerdict,
): Outcome {
  const { snd } = tcb
  const ack = offsetOf(segment.acknowledgment, tcb.iss, snd.una)
  let outcome: Outcome = ACCEPTABLE
  if (tcb.state === 'SYN-RECEIVED') {
    if (ack <= 0 || ack > snd.nxt) return SEND_RESET
    if (verdict === 'refuse') return SEND_RESET
    if (verdict === 'wait') return 0
    setState(tcb, 'ESTABLISHED')
    tcb.timers.open = Number.POSITIVE_INFINITY
    snd.wl1 = -1
    outcome |= SYN_ACKED
  }
  // RFC 5961 §5.2: older than the largest window, or of what was never sent.
  if (ack > snd.nxt || ack < snd.una - Math.max(snd.maxWindow, 1)) {
    challenge(tcb, now)
    return 0
  }
  if (ackArrives(tcb, segment, offset, ack, now)) outcome |= ACKED
  if (snd.fin >= 0 && snd.una > snd.fin) outcome |= finAcked(tcb)
  return outcome
}

/** Our FIN is acknowledged. */
function finAcked(tcb: Tcb): Outcome {
  switch (tcb.state) {
    case 'FIN-WAIT-1':
      setState(tcb, 'FIN-WAIT-2')
      return FIN_ACKED
    case 'CLOSING':
      setState(tcb, 'TIME-WAIT')
      return FIN_ACKED
    case 'LAST-ACK':
      setState(tcb, 'CLOSED')
      return FIN_ACKED
    default:
      return 0
  }
}

/** Eighth check, first half: where the peer's FIN stands. It may come before the text does. */
function finArrives(tcb: Tcb, offset: number): void {
  const { rcv } = tcb
  if (rcv.fin < 0) {
    if (offset < rcv.nxt || offset >= rcv.right + 1) return
    rcv.fin = offset
  }
  oweAckNow(tcb)
}

/** Eighth check, second half: the FIN counts once all the text before it is there. */
function checkFin(tcb: Tcb): Outcome {
  const { rcv } = tcb
  if (rcv.fin < 0 || rcv.nxt !== rcv.fin) return 0
  rcv.nxt = rcv.fin + 1
  // Nothing more will come to fill or to repeat: as Linux, no SACK and no D-SACK from here on.
  duplicateReported(tcb)
  oweAckNow(tcb)
  switch (tcb.state) {
    case 'ESTABLISHED':
      setState(tcb, 'CLOSE-WAIT')
      break
    case 'FIN-WAIT-1':
      setState(tcb, 'CLOSING')
      break
    case 'FIN-WAIT-2':
      setState(tcb, 'TIME-WAIT')
      break
    default:
      break
  }
  return FIN_REACHED
}

/** RFC 7323 §4.3: the timestamp to echo is that of the earliest segment not yet acknowledged. */
function noteTimestamp(tcb: Tcb, segment: Segment, offset: number, now: number): void {
  const { timestamps } = tcb
  const value = segment.options.timestampValue
  if (!timestamps.enabled || value === null) return
  if (((value - timestamps.recent) | 0) >= 0 && offset <= timestamps.lastAckSent) {
    timestamps.recent = value
    timestamps.recentAt = now
  }
}

/** RFC 5961 §7: a challenge ACK, unless one was sent just now. */
function challenge(tcb: Tcb, now: number): void {
  if (oweLimitedAck(tcb, now)) tcb.counters.TcpExtTCPChallengeACK++
}

function oweLimitedAck(tcb: Tcb, now: number): boolean {
  if (!isSynchronized(tcb.state) || now - tcb.ack.lastChallenge < CHALLENGE_INTERVAL_MS) {
    tcb.counters.TcpExtTCPACKSkipped++
    return false
  }
  tcb.ack.lastChallenge = now
  oweAckNow(tcb)
  return true
}

/** Of a simultaneous opening: the peer's SYN again, with the ACK of ours (RFC 9293 §3.5, figure 7). */
function answersOurSyn(tcb: Tcb, segment: Segment, offset: number): boolean {
  if (tcb.state !== 'SYN-RECEIVED' || offset !== 0 || (segment.flags & ACK) === 0) return false
  return segment.payloadLength === 0 && offsetOf(segment.acknowledgment, tcb.iss, tcb.snd.una) === 1
}

/**
 * Our SYN/ACK was lost: it goes again now, and the timeout begins anew, as it was; it is none. Bounded, as
 * Linux: SYNs in a row would be answered one by one.
 */
function repeatSynAck(tcb: Tcb, now: number): void {
  const first = tcb.sent.first()
  if (first === undefined || (first.control & SYN) === 0) return
  if (now - tcb.ack.lastChallenge < CHALLENGE_INTERVAL_MS) {
    tcb.counters.TcpExtTCPACKSkipped++
    return
  }
  tcb.ack.lastChallenge = now
  markLost(tcb, first)
  armRetransmit(tcb, now)
}
