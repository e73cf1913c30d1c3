// The deadlines of a connection: those of its subflows' TCP, the third ACK of a join, and the data
// level's own (retransmission, window probe, DATA_FIN, giving up on the peer).

import { askForAck } from '../tcp/keep-alive.js'
import { oweAckNow } from '../tcp/receive.js'
import { MAX_RTO_MS, MIN_RTO_MS } from '../tcp/rtt.js'
import { setState } from '../tcp/state.js'
import {
  GIVEN_UP,
  giveUp,
  MAX_RETRIES,
  nextDeadline,
  repeatsForMs,
  TIMED_OUT,
  timersFire,
} from '../tcp/timers.js'
import { RESET_MIDDLEBOX, RESET_UNSPECIFIED } from '../wire/mptcp-options.js'
import { abort, isForsaken } from './close.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { isDataClosed } from './data-state.js'
import { doubtIsOver, unmappedForLong } from './input.js'
import { nextThirdAck } from './mp-join.js'
import { announceDeadline, announceDue } from './path-manager/announcements.js'
import { retryDue } from './path-manager/manage.js'
import { retryDeadline } from './path-manager/retries.js'
import { probeStale, reinjectOldest, subflowTimedOut } from './reinject.js'
import { replaceScheduler } from './scheduler/ask.js'
import { isDataFinDue } from './segment-options.js'
import { isCorked } from './send-queue.js'
import { canCarryData, isLive, type Subflow } from './subflow.js'

/** Doublings of the data-level timers. */
const MAX_BACKOFF = 6
/** Data sent again at once when the data level times out. */
const REINJECT_BYTES = 64 * 1024

const GAVE_NOTHING =
  'schedule() gave no subflow anything for a whole timeout, while nothing was in flight and data waited'

/** The earliest deadline; Infinity if none. */
export function connectionDeadline(connection: Connection): number {
  const { timers } = connection
  let deadline = Math.min(
    timers.retransmit,
    timers.cork,
    timers.probe,
    timers.dataFin,
    timers.scheduler,
    timers.close,
  )
  for (const subflow of connection.subflows) {
    deadline = Math.min(
      deadline,
      nextDeadline(subflow.tcb),
      subflow.thirdAckDeadline,
      subflow.staleProbeDeadline,
      subflow.failDeadline,
      subflow.unmappedDeadline,
      subflow.doubt === null ? Number.POSITIVE_INFINITY : subflow.doubt.until,
    )
  }
  return Math.min(deadline, announceDeadline(connection), retryDeadline(connection))
}

/** The timeout of the data level: that of the slowest subflow. */
function dataTimeout(connection: Connection, backoff: number): number {
  let rto = 0
  for (const subflow of connection.subflows) rto = Math.max(rto, subflow.tcb.rtt.rtoMs)
  return Math.max(rto, MIN_RTO_MS) * 2 ** Math.min(backoff, MAX_BACKOFF)
}

/** Between window probes: as TCP's, they back off for longer than the data level's timeouts. */
function probeTimeout(connection: Connection): number {
  const first = dataTimeout(connection, 0)
  return Math.min(first * 2 ** connection.timers.probeBackoff, MAX_RTO_MS)
}

/** That of the fastest subflow. */
function shortestTimeout({ subflows }: Connection): number {
  return subflows.reduce((least, { tcb }) => Math.min(least, tcb.rtt.rtoMs), Number.MAX_VALUE)
}

function runsRetransmission({ tcb, stale }: Subflow): boolean {
  return !stale && tcb.timers.retransmit !== Number.POSITIVE_INFINITY
}

/**
 * How long data may go without DATA_ACK: as Linux, for as long as a subflow's own timer still runs; where
 * none does, all of it was acknowledged there, and something on the way took the DATA_ACK, or the data.
 */
function retransmitTimeout(connection: Connection, backoff: number, now: number): number {
  let left = 0
  for (const subflow of connection.subflows) {
    if (runsRetransmission(subflow)) left = Math.max(left, subflow.tcb.timers.retransmit - now)
  }
  return (left > 0 ? left : MIN_RTO_MS) * 2 ** Math.min(backoff, MAX_BACKOFF)
}

/** Arms and disarms the data level's timers, by the state at the end of a turn. */
export function armTimers(context: Context, connection: Connection, now: number): void {
  const { timers, snd } = connection
  const live = connection.subflows.some(isLive)
  const dataOut = connection.mode === 'mptcp' && snd.una < Math.min(snd.nxt, snd.end) && live
  if (!dataOut) timers.retransmit = Number.POSITIVE_INFINITY
  else if (
    timers.retransmit === Number.POSITIVE_INFINITY ||
    !connection.subflows.some(runsRetransmission)
  ) {
    const timeout = retransmitTimeout(connection, timers.retransmitBackoff, now)
    timers.retransmit = Math.min(timers.retransmit, now + timeout)
  }

  // A corked end goes by itself after a timeout, unless ACKs are awaited that will let it go.
  const corked = live && isCorked(connection) && snd.nxt < snd.end && snd.una === snd.nxt
  if (!corked) timers.cork = Number.POSITIVE_INFINITY
  else if (timers.cork === Number.POSITIVE_INFINITY) timers.cork = now + dataTimeout(connection, 0)

  // Nothing in flight, and yet it waits: for a window that is closed, or too small to be worth it.
  const blocked = live && snd.nxt < snd.end && snd.right < snd.end && snd.una === snd.nxt
  if (!blocked) {
    timers.probe = Number.POSITIVE_INFINITY
    timers.probeBackoff = 0
  } else if (timers.probe === Number.POSITIVE_INFINITY) {
    timers.probe = now + probeTimeout(connection)
  }

  // Alone only once all data has come: before that it goes with the data that is repeated.
  const finOut = live && isDataFinDue(connection) && snd.nxt > snd.fin && snd.una >= snd.fin
  if (!finOut) {
    timers.dataFin = Number.POSITIVE_INFINITY
    timers.dataFinBackoff = 0
  } else if (timers.dataFin === Number.POSITIVE_INFINITY) {
    // As Linux: the second time after the same time as the first.
    timers.dataFin = now + dataTimeout(connection, Math.max(0, timers.dataFinBackoff - 1))
  }

  // A scheduler may wait for something; where nothing is in flight, nothing will come.
  const idle = connection.declined && connection.subflows.every(({ tcb }) => tcb.sent.length === 0)
  if (!idle) timers.scheduler = Number.POSITIVE_INFINITY
  else if (timers.scheduler === Number.POSITIVE_INFINITY) {
    timers.scheduler = now + shortestTimeout(connection)
  }

  // A peer that never closes its side, or never DATA_ACKs the rest, may not hold a connection that nobody
  // uses, nor may a dead path that still owes the ACK of a FIN; and one that is used is told when nothing it sent
  // was DATA_ACKed for as long as TCP would repeat it. A DATA_ACK that moves on starts it anew.
  const isOver = connection.detached || isDataClosed(connection.state)
  const lingering = isOver && connection.subflows.length > 0
  const unanswered = live && connection.mode === 'mptcp' && snd.una < snd.nxt
  const isLost = !live && (isForsaken(connection) || hasOnlyJoins(connection))
  if (!lingering && !unanswered && !isLost) timers.close = Number.POSITIVE_INFINITY
  else if (isLost || timers.close === Number.POSITIVE_INFINITY) {
    timers.close = Math.min(timers.close, now + patience(context, connection))
  }
}

/** Nothing is left but joins that nobody answers: one could follow the other for ever. */
function hasOnlyJoins({ mode, state, subflows }: Connection): boolean {
  const isOpening = mode === 'mptcp' && state !== 'M_INIT' && subflows.length > 0
  return isOpening && subflows.every(({ tcb }) => tcb.state === 'SYN-SENT')
}

/** What is left is the subflows' own end: nobody misses anything. */
function isAllDelivered({ state, detached, snd }: Connection): boolean {
  return isDataClosed(state) || (detached && snd.una > snd.fin)
}

/** What was written is repeated for as long as TCP would, or the user wants to; only then is it given up. */
function patience({ config }: Context, connection: Connection): number {
  const isLost = isForsaken(connection) || hasOnlyJoins(connection)
  if (isLost || isAllDelivered(connection)) return config.closeTimeoutMs
  return (
    connection.settings.userTimeoutMs ||
    Math.max(config.closeTimeoutMs, repeatsForMs(config.maxRtoMs))
  )
}

/** Fires what is due at `now`. */
export function connectionTimersFire(context: Context, connection: Connection, now: number): void {
  const { timers, snd } = connection
  for (const subflow of connection.subflows) fireSubflow(context, connection, subflow, now)
  if (timers.retransmit <= now) {
    timers.retransmit = Number.POSITIVE_INFINITY
    timers.retransmitBackoff++
    dataTimedOut(connection)
  }
  if (timers.cork <= now) {
    timers.cork = Number.POSITIVE_INFINITY
    snd.pushed = snd.end
    snd.more = false
  }
  if (timers.scheduler <= now) {
    timers.scheduler = Number.POSITIVE_INFINITY
    replaceScheduler(context, connection, new Error(GAVE_NOTHING))
  }
  if (timers.probe <= now) probeWindow(context, connection, now)
  if (timers.dataFin <= now) {
    timers.dataFin = Number.POSITIVE_INFINITY
    timers.dataFinBackoff++
    for (const subflow of connection.subflows) if (isLive(subflow)) oweAckNow(subflow.tcb)
  }
  if (timers.close <= now) {
    timers.close = Number.POSITIVE_INFINITY
    const isNone = isAllDelivered(connection)
    const given = isForsaken(connection) ? connection.lostBy : isNone ? null : 'ETIMEDOUT'
    if (given === 'ETIMEDOUT') context.counters.TcpExtTCPAbortOnTimeout++
    abort(connection, given)
  }
  announceDue(context, connection, now)
  retryDue(context, connection, now)
}

function fireSubflow(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  const { tcb } = subflow
  if (nextDeadline(tcb) <= now) {
    const outcome = timersFire(tcb, now)
    if (outcome & TIMED_OUT) subflowTimedOut(context, connection, subflow, now)
    if (outcome & GIVEN_UP) {
      if (tcb.state.startsWith('SYN')) context.counters.TcpAttemptFails++
      else context.counters.TcpExtTCPAbortOnTimeout++
      subflow.resetOwed = -1
      if (tcb.state === 'SYN-SENT') setState(tcb, 'CLOSED')
    }
  }
  if (subflow.failDeadline <= now) {
    subflow.failDeadline = Number.POSITIVE_INFINITY
    subflow.resetOwed = RESET_MIDDLEBOX
  }
  if (subflow.doubt !== null && subflow.doubt.until <= now)
    doubtIsOver(context, connection, subflow)
  if (subflow.unmappedDeadline <= now) unmappedForLong(context, connection, subflow)
  if (subflow.staleProbeDeadline <= now) probeStale(context, connection, subflow, now)
  if (subflow.thirdAckDeadline <= now) {
    if (now >= subflow.thirdAckUntil) {
      subflow.thirdAckDeadline = Number.POSITIVE_INFINITY
      giveUp(tcb)
      subflow.resetOwed = RESET_UNSPECIFIED
    } else {
      subflow.thirdAckDeadline = nextThirdAck(subflow, now)
      oweAckNow(tcb)
    }
  }
}

/**
 * The peer's window is shut: every path asks whether it still is, for ever if the peer answers (RFC 9293
 * §3.8.6.1). One that does not is given up, as Linux does, after as many probes as TCP repeats data.
 */
function probeWindow(context: Context, connection: Connection, now: number): void {
  const { timers, snd, subflows } = connection
  timers.probe = Number.POSITIVE_INFINITY
  timers.probeBackoff++
  // Where the window has some room, what fits goes instead (RFC 9293 §3.8.6.2.1, the override timeout).
  if (snd.right > snd.nxt) return
  const isAnswered = subflows.some(
    (each) => isLive(each) && each.tcb.timers.heardAt >= timers.probedAt,
  )
  timers.probesUnanswered = isAnswered ? 0 : timers.probesUnanswered + 1
  if (timers.probesUnanswered > MAX_RETRIES) {
    context.counters.TcpExtTCPAbortOnTimeout++
    abort(connection, 'ETIMEDOUT')
    return
  }
  timers.probedAt = now
  for (const subflow of subflows) if (canCarryData(subflow)) askForAck(subflow.tcb)
  context.counters.WinProbe++
}

/** Nothing was DATA_ACKed for too long: the oldest data goes again, on another subflow if it is still
 * under way on one. */
function dataTimedOut(connection: Connection): void {
  const { snd } = connection
  let holder: Subflow | null = null
  for (const subflow of connection.subflows) {
    const { chunks } = subflow.tcb
    for (let i = 0; i < chunks.length; i++) {
      const chunk = chunks.at(i)
      if (chunk.dataOffset <= snd.una && snd.una < chunk.dataOffset + chunk.end - chunk.start) {
        holder = subflow
      }
    }
  }
  reinjectOldest(connection, REINJECT_BYTES, holder)
}
