// What an acknowledgment does to the sender: the fifth check of RFC 9293 §3.10.7.4, with SACK, the
// window update, the round-trip sample and the congestion window.

import { DSS } from '../wire/mptcp-options.js'
import { FIN, type Segment, SYN } from '../wire/segment.js'
import { offsetOf } from '../wire/seq.js'
import { release } from './chunk-queue.js'
import { tellAcknowledged } from './congestion/tell.js'
import { reduceRate } from './prr.js'
import { detectLosses } from './rack.js'
import { endSample } from './rate.js'
import { advanceRecovery, duplicateAckArrives } from './recovery.js'
import { takeSample, timeoutMs } from './rtt.js'
import { acknowledge, sackArrives } from './sent.js'
import type { Tcb } from './tcb.js'
import { windowOf } from './window.js'

/** Linux's tcp_syn_linear_timeouts. */
const LINEAR_SYNS = 4

/** Offsets of the segment's SACK blocks; the blocks are few, so the list is made anew. */
function sackOffsets(tcb: Tcb, segment: Segment): number[] | null {
  const wire = segment.options.sack
  if (wire === null || !tcb.sackPermitted) return null
  return wire.map((seq) => offsetOf(seq, tcb.iss, tcb.snd.una))
}

/** Re-arms the retransmission timer (RFC 6298 §5.2, §5.3). */
export function armRetransmit(tcb: Tcb, now: number): void {
  // Deviates: from RFC 6298 §5.5 as Linux: a SYN goes again four times before its timeout doubles.
  const linear = tcb.state === 'SYN-SENT' ? LINEAR_SYNS : 0
  const timeout = timeoutMs(tcb.rtt, linear)
  if (tcb.sent.length === 0) tcb.timers.retransmit = Number.POSITIVE_INFINITY
  else if (tcb.settings.userTimeoutMs === 0) tcb.timers.retransmit = now + timeout
  else {
    // The user's timeout may end the wait sooner.
    const end = tcb.timers.waitingSince + tcb.settings.userTimeoutMs
    tcb.timers.retransmit = Math.min(now + timeout, Math.max(now, end))
  }
}

/**
 * Takes an acceptable ACK; returns whether it acknowledged anything new. `offset` is the segment's
 * own first offset, `ack` its acknowledgment.
 */
export function ackArrives(
  tcb: Tcb,
  segment: Segment,
  offset: number,
  ack: number,
  now: number,
): boolean {
  const { snd, recovery } = tcb
  const before = snd.una
  const window = windowOf(tcb, segment.window, segment.flags)
  const sack = sackOffsets(tcb, segment)
  recovery.deliveredBefore = recovery.highestDelivered
  const sackedBytes = sack === null ? 0 : sackArrives(tcb, sack, now)
  let newBytes = sackedBytes
  let sampleMs = 0

  if (ack > snd.una) {
    const summary = acknowledge(tcb, ack, now)
    newBytes += summary.newBytes
    // Without SACK: each duplicate ACK has told of one already, though not of which.
    if (recovery.duplicateAcks > 0) {
      newBytes = Math.max(newBytes - recovery.duplicateAcks * snd.mss, Math.min(newBytes, snd.mss))
    }
    sampleMs = summary.sampleMs
    snd.una = ack
    release(tcb, ack)
    if (sampleMs > 0) takeSample(tcb.rtt, sampleMs)
    tcb.rtt.backoff = 0
    tcb.timers.waitingSince = now
    advanceRecovery(tcb)
    armRetransmit(tcb, now)
  } else if (
    !tcb.sackPermitted &&
    segment.payloadLength === 0 &&
    (segment.flags & (SYN | FIN)) === 0 &&
    tcb.sent.length > 0 &&
    ack + window === snd.right &&
    // RFC 8684 §3: what repeats an ACK to say something else is no sign of a loss.
    segment.options.mptcp.every((option) => option.subtype === DSS)
  ) {
    duplicateAckArrives(tcb, now)
    newBytes = snd.mss
  }

  const lostBefore = recovery.lostBytes
  detectLosses(tcb, now)
  if (recovery.phase === 'recovery') {
    reduceRate(tcb, newBytes, ack > before && recovery.lostBytes <= lostBefore)
  }
  if (newBytes > 0) {
    const sample = endSample(tcb.rate, tcb.rtt.minMs, newBytes, now)
    tellAcknowledged(tcb, now, newBytes, sampleMs, ack > before, sample)
  }
  takeWindow(tcb, offset, ack, window)
  return ack > before
}

/** The window update of the fifth check: only from a segment newer than the last one used. */
export function takeWindow(tcb: Tcb, offset: number, ack: number, window: number): void {
  const { snd } = tcb
  if (snd.wl1 < offset || (snd.wl1 === offset && snd.wl2 <= ack)) {
    snd.right = ack + window
    snd.maxWindow = Math.max(snd.maxWindow, window)
    snd.wl1 = offset
    snd.wl2 = ack
  }
}
