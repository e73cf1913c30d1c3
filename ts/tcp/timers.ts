// The deadlines of one tcb and what happens when they pass: delayed ACK, retransmission, reordering,
// giving up an opening.

import { armRetransmit } from './ack.js'
import { keepAliveDeadline, keepAliveFires } from './keep-alive.js'
import type { Outcome } from './outcome.js'
import { reduceRate } from './prr.js'
import { detectLosses } from './rack.js'
import { oweAckNow } from './receive.js'
import { timeoutFires } from './recovery.js'
import { ACK_DELAYED, type Tcb } from './tcb.js'

/** Timeouts in a row before a connection is given up: Linux's tcp_retries2, about 15 minutes. */
export const MAX_RETRIES = 15
/** The same while opening: Linux's tcp_syn_retries, with the linear ones, and tcp_synack_retries. */
const MAX_SYN_RETRIES = 10
const MAX_SYNACK_RETRIES = 5

/** timersFire's outcome: the retransmission timer went off. */
export const TIMED_OUT = 1
/** The connection is given up; `tcb.error` says why. */
export const GIVEN_UP = 2

/** The timers that are deadlines; Infinity = not armed. */
export const DEADLINES = ['retransmit', 'delayedAck', 'reorder', 'open'] as const

/** What is in flight goes again with the next timers, not at the timeout. */
export function retransmitNow(tcb: Tcb): void {
  if (tcb.sent.length > 0) tcb.timers.retransmit = Number.NEGATIVE_INFINITY
}

/** The path is known to be back: what is in flight goes again at once, and what backed off begins anew. */
export function retransmitAfresh(tcb: Tcb): void {
  tcb.rtt.backoff = 0
  retransmitNow(tcb)
}

/** The earliest deadline; Infinity if none. */
export function nextDeadline(tcb: Tcb): number {
  const { timers } = tcb
  return Math.min(
    timers.retransmit,
    timers.delayedAck,
    timers.reorder,
    timers.open,
    tcb.settings.keepAlive ? keepAliveDeadline(tcb) : Number.POSITIVE_INFINITY,
  )
}

/** Fires what is due at `now`. */
export function timersFire(tcb: Tcb, now: number): Outcome {
  const { timers } = tcb
  let outcome = 0
  if (timers.delayedAck <= now) {
    timers.delayedAck = Number.POSITIVE_INFINITY
    tcb.ack.interactive = false
    if (tcb.ack.owed === ACK_DELAYED) oweAckNow(tcb)
  }
  if (timers.reorder <= now) {
    const wasOpen = tcb.recovery.phase !== 'recovery'
    detectLosses(tcb, now)
    if (wasOpen) reduceRate(tcb, tcb.snd.mss, false)
  }
  if (timers.retransmit <= now) {
    if (tcb.sent.length === 0) timers.retransmit = Number.POSITIVE_INFINITY
    else if (tcb.rtt.backoff >= retryLimit(tcb) || userTimedOut(tcb, now)) {
      tcb.error = 'ETIMEDOUT'
      return GIVEN_UP
    } else {
      timeoutFires(tcb, now)
      armRetransmit(tcb, now)
      outcome |= TIMED_OUT
    }
  }
  if (timers.open <= now) {
    timers.open = Number.POSITIVE_INFINITY
    tcb.error = 'ETIMEDOUT'
    return GIVEN_UP
  }
  if (tcb.settings.keepAlive && keepAliveDeadline(tcb) <= now && !keepAliveFires(tcb, now)) {
    tcb.error = 'ETIMEDOUT'
    return GIVEN_UP
  }
  return outcome
}

function retryLimit(tcb: Tcb): number {
  if (tcb.state === 'SYN-SENT') return tcb.settings.synRetries || MAX_SYN_RETRIES
  if (tcb.state === 'SYN-RECEIVED') return MAX_SYNACK_RETRIES
  return MAX_RETRIES
}

/** RFC 9293 §3.8.3: the oldest segment has waited for its ACK longer than the user wants to. */
function userTimedOut(tcb: Tcb, now: number): boolean {
  const { userTimeoutMs } = tcb.settings
  return userTimeoutMs > 0 && now - tcb.timers.waitingSince >= userTimeoutMs
}
