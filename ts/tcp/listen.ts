// A SYN in LISTEN and a passive opening, RFC 9293 §3.10.7.2. Who listens, and how many may wait, is the
// stack's business; what the SYN negotiates is here, shared with SYN-SENT.

import { type Segment, SYN } from '../wire/segment.js'
import { flightOf } from './rate.js'
import { setState } from './state.js'
import { RETRANSMITTED, type Tcb } from './tcb.js'
import { takePeerMss } from './window.js'

/** What SYN and SYN/ACK settle: the peer's ISN, and the options that both offered. */
export function negotiate(tcb: Tcb, segment: Segment, now: number): void {
  const { options } = segment
  tcb.irs = segment.sequence
  tcb.rcv.nxt = 1
  tcb.stats.dataSentAt = now
  tcb.stats.dataReceivedAt = now
  tcb.timestamps.enabled &&= options.timestampValue !== null
  if (tcb.timestamps.enabled) {
    tcb.timestamps.recent = options.timestampValue ?? 0
    tcb.timestamps.recentAt = now
  }
  tcb.windowScaling &&= options.windowScale !== null
  // RFC 7323 §2.3: a shift above 14 is used as 14.
  tcb.snd.shift = tcb.windowScaling ? Math.min(options.windowScale ?? 0, 14) : 0
  if (!tcb.windowScaling) tcb.rcv.shift = 0
  tcb.sackPermitted &&= options.sackPermitted
  takePeerMss(tcb, options.mss)
}

/** Answers a SYN: the tcb goes from CLOSED to SYN-RECEIVED, and owes its SYN/ACK. */
export function synArrives(tcb: Tcb, segment: Segment, now: number): void {
  negotiate(tcb, segment, now)
  // The window of a SYN is never scaled.
  tcb.snd.right = segment.window
  tcb.snd.maxWindow = segment.window
  setState(tcb, 'SYN-RECEIVED')
  tcb.timers.heardAt = now
}

/**
 * The SYN/ACK has left already, as a SYN cookie, before there was a tcb: books it as sent, at a time that
 * nobody knows.
 */
export function synAckWasSent(tcb: Tcb, now: number): void {
  tcb.sent.push({
    start: 0,
    end: 1,
    chunk: null,
    control: SYN,
    sentAt: now,
    marks: RETRANSMITTED,
    flight: flightOf(tcb.rate, tcb.sent.length === 0, now),
  })
  tcb.snd.nxt = 1
  tcb.timestamps.lastAckSent = 1
}

/** Before a SYN is taken again: the numbers that its SYN cookie has told the peer. */
export function useCookieNumbers(tcb: Tcb, iss: number, timestampBase: number): void {
  tcb.iss = iss
  tcb.timestamps.base = timestampBase
}

/** Before a SYN is taken: timestamps are not to be agreed on. */
export function refuseTimestamps(tcb: Tcb): void {
  tcb.timestamps.enabled = false
}
