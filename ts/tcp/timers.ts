// The deadlines of one tcb and what happens when they pass: delayed ACK, retransmission, reordering,
// giving up an opening.

import { armRetransmit } from './ack.js'
import { keepAliveDeadline, keepAliveFires } from './keep-alive.js'
import type { Outcome } from './outcome.js'
import { reduceRate } from './prr.js'
import { detectLosses } from './rack.js'
import { oweAckNow } from './receive.js'
import { timeoutFires } from './recovery.js'
import { MIN_RTO_MS } from './rtt.js'
import { ACK_DELAYED, type Tcb } from './tcb.js'

/** Timeouts in a row before a connection is given up, if it began with the shortest: Linux's tcp_retries2. */
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

/**
 * The path answers again: what is in flight goes again from the oldest on, with this turn's output and before
 * anything else. No timeout: the next one backs off no further.
 */
export function retransmitFromOldest(tcb: Tcb, now: number): void {
  if (tcb.sent.length === 0) return
  const { backoff } = tcb.rtt
  timeoutFires(tcb, now)
  tcb.rtt.backoff = backoff
  armRetransmit(tcb, now)
}

/** The path is known to be back: what is in flight goes again with the next timers, and what backed off begins anew. */
export function retransmitAfresh(tcb: Tcb): void {
  tcb.rtt.backoff = 0
  if (tcb.sent.length > 0) tcb.timers.retransmit = Number.NEGATIVE_INFINITY
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
    else if (isInVain(tcb, now)) return giveUp(tcb)
    else {
      timeoutFires(tcb, now)
      armRetransmit(tcb, now)
      outcome |= TIMED_OUT
    }
  }
  if (timers.open <= now) {
    timers.open = Number.POSITIVE_INFINITY
    return giveUp(tcb)
  }
  if (tcb.settings.keepAlive && keepAliveDeadline(tcb) <= now && !keepAliveFires(tcb, now)) {
    return giveUp(tcb)
  }
  return outcome
}

/** Nobody answers: that is how it ends. */
export function giveUp(tcb: Tcb): Outcome {
  tcb.error = 'ETIMEDOUT'
  return GIVEN_UP
}

/** Whether the oldest segment has been repeated often enough, or for as long as the user wants (RFC 9293 §3.8.3). */
function isInVain({ state, rtt, settings, timers }: Tcb, now: number): boolean {
  const waitedMs = now - timers.waitingSince
  if (settings.userTimeoutMs > 0 && waitedMs >= settings.userTimeoutMs) return true
  if (state === 'SYN-SENT') return rtt.backoff >= (settings.synRetries || MAX_SYN_RETRIES)
  if (state === 'SYN-RECEIVED') return rtt.backoff >= MAX_SYNACK_RETRIES
  // Not by their number: a path that is alive and takes nothing has them at every answer.
  return settings.userTimeoutMs === 0 && rtt.backoff > 0 && waitedMs >= repeatsForMs(rtt.maxRtoMs)
}

/** How long TCP repeats what nobody acknowledges: Linux's tcp_model_timeout; 924.6 s for 120 s at most. */
export function repeatsForMs(maxRtoMs: number): number {
  const doublings = Math.min(MAX_RETRIES, Math.floor(Math.log2(Math.max(1, maxRtoMs / MIN_RTO_MS))))
  return (2 ** (doublings + 1) - 1) * MIN_RTO_MS + (MAX_RETRIES - doublings) * maxRtoMs
}
