// The deadlines of a connection: those of its subflows' TCP, the third ACK of a join, and the data
// level's own (retransmission, window probe, DATA_FIN, giving up on the peer).

import { oweAckNow } from '../tcp/receive.js'
import { GIVEN_UP, nextDeadline, TIMED_OUT, timersFire } from '../tcp/timers.js'
import { abort } from './close.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { nextThirdAck, RESET_MIDDLEBOX } from './mp-join.js'
import { isDataFinDue } from './options.js'
import { announceDeadline, announceDue } from './path-manager/path-manager.js'
import { probeStale, reinjectOldest, subflowTimedOut } from './reinject.js'
import { canCarryData, isLive, type Subflow } from './subflow.js'

/** Doublings of the data-level timers. */
const MAX_BACKOFF = 6
/** A join that was never confirmed is given up after this many third ACKs. */
const MAX_THIRD_ACKS = 6
/** Data sent again at once when the data level times out. */
const REINJECT_BYTES = 64 * 1024

/** The earliest deadline; Infinity if none. */
export function connectionDeadline(connection: Connection): number {
  const { timers } = connection
  let deadline = Math.min(timers.retransmit, timers.probe, timers.dataFin, timers.close)
  for (const subflow of connection.subflows) {
    deadline = Math.min(
      deadline,
      nextDeadline(subflow.tcb),
      subflow.thirdAckDeadline,
      subflow.staleProbeDeadline,
      subflow.failDeadline,
    )
  }
  if (connection.pathManager.announcements.length > 0) {
    deadline = Math.min(deadline, announceDeadline(connection))
  }
  return deadline
}

/** The timeout of the data level: that of the slowest subflow. */
function dataTimeout(connection: Connection, backoff: number): number {
  let rto = 0
  for (const subflow of connection.subflows) rto = Math.max(rto, subflow.tcb.rtt.rtoMs)
  return Math.max(rto, 200) * 2 ** Math.min(backoff, MAX_BACKOFF)
}

/** Arms and disarms the data level's timers, by the state at the end of a turn. */
export function armTimers(context: Context, connection: Connection, now: number): void {
  const { timers, snd } = connection
  const live = connection.subflows.some(isLive)
  const dataOut = connection.mode === 'mptcp' && snd.una < Math.min(snd.nxt, snd.end) && live
  if (!dataOut) timers.retransmit = Number.POSITIVE_INFINITY
  else if (timers.retransmit === Number.POSITIVE_INFINITY) {
    timers.retransmit = now + dataTimeout(connection, timers.retransmitBackoff)
  }

  const blocked = live && snd.nxt < snd.end && snd.right <= snd.nxt && snd.una === snd.nxt
  if (!blocked) {
    timers.probe = Number.POSITIVE_INFINITY
    timers.probeBackoff = 0
  } else if (timers.probe === Number.POSITIVE_INFINITY) {
    timers.probe = now + dataTimeout(connection, timers.probeBackoff)
  }

  const finOut = live && isDataFinDue(connection) && snd.nxt > snd.fin
  if (!finOut) {
    timers.dataFin = Number.POSITIVE_INFINITY
    timers.dataFinBackoff = 0
  } else if (timers.dataFin === Number.POSITIVE_INFINITY) {
    timers.dataFin = now + dataTimeout(connection, timers.dataFinBackoff)
  }

  // A peer that never closes its side may not hold a connection that nobody uses, nor may a dead path
  // that still owes the ACK of a FIN.
  const lingering =
    connection.detached && connection.subflows.some(({ tcb }) => tcb.state !== 'TIME-WAIT')
  if (!lingering || snd.una < snd.end) timers.close = Number.POSITIVE_INFINITY
  else if (timers.close === Number.POSITIVE_INFINITY) {
    timers.close = now + context.config.closeTimeoutMs
  }
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
  if (timers.probe <= now) {
    timers.probe = Number.POSITIVE_INFINITY
    timers.probeBackoff++
    const subflow = connection.subflows.find(canCarryData)
    if (subflow !== undefined) {
      subflow.tcb.probe = true
      context.counters.WinProbe++
    }
  }
  if (timers.dataFin <= now) {
    timers.dataFin = Number.POSITIVE_INFINITY
    timers.dataFinBackoff++
    for (const subflow of connection.subflows) if (isLive(subflow)) oweAckNow(subflow.tcb)
  }
  if (timers.close <= now) {
    timers.close = Number.POSITIVE_INFINITY
    abort(connection, snd.una > snd.fin ? null : 'ETIMEDOUT')
  }
  if (connection.mode === 'mptcp') announceDue(context, connection, now)
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
      context.counters.TcpAttemptFails += tcb.state.startsWith('SYN') ? 1 : 0
      subflow.resetOwed = -1
      if (tcb.state === 'SYN-SENT') tcb.state = 'CLOSED'
    }
  }
  if (subflow.failDeadline <= now) {
    subflow.failDeadline = Number.POSITIVE_INFINITY
    subflow.resetOwed = RESET_MIDDLEBOX
  }
  if (subflow.staleProbeDeadline <= now) probeStale(context, subflow, now)
  if (subflow.thirdAckDeadline <= now) {
    if (subflow.thirdAckTries >= MAX_THIRD_ACKS) {
      subflow.thirdAckDeadline = Number.POSITIVE_INFINITY
      subflow.resetOwed = 0
    } else {
      subflow.thirdAckDeadline = nextThirdAck(subflow, now)
      oweAckNow(tcb)
    }
  }
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
