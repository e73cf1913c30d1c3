// Data that a path holds and does not deliver is given to another: RFC 8684 §3.3.6. Ranges wait in
// order of data offset; those that were DATA_ACKed meanwhile drop out.

import { askForAck } from '../tcp/keep-alive.js'
import { retransmitFromOldest } from '../tcp/timers.js'
import type { Connection, Reinjection } from './connection.js'
import type { Context } from './context.js'
import { canCarryData, isLive, type Subflow } from './subflow.js'

/** Bounded: ranges are disjoint and lie in the send buffer; past this they are merged into one. */
const MAX_RANGES = 256
/** Between the first questions to a stale subflow, and at most: later, and while data waits that none carries. */
const STALE_PROBE_MS = 250
const MAX_STALE_PROBE_MS = 60_000
const MAX_STRANDED_PROBE_MS = 1500

/** Everything that `subflow` was given and the peer has not DATA_ACKed. */
export function reinjectAll(connection: Connection, subflow: Subflow): void {
  const { chunks } = subflow.tcb
  for (let i = 0; i < chunks.length; i++) {
    const chunk = chunks.at(i)
    add(connection, chunk.dataOffset, chunk.dataOffset + chunk.end - chunk.start, subflow)
  }
}

/** The oldest data, whichever subflow it was given to. */
export function reinjectOldest(connection: Connection, bytes: number, from: Subflow | null): void {
  const { snd } = connection
  add(connection, snd.una, Math.min(snd.una + bytes, snd.nxt), from)
}

function add(connection: Connection, start: number, end: number, from: Subflow | null): void {
  const { reinjections, snd } = connection
  const first = Math.max(start, snd.una)
  const last = Math.min(end, snd.end)
  if (first >= last) return
  for (const range of reinjections) {
    if (first <= range.end && last >= range.start) {
      range.start = Math.min(range.start, first)
      range.end = Math.max(range.end, last)
      if (range.from !== from) range.from = null
      return
    }
  }
  if (reinjections.length >= MAX_RANGES) {
    const tail = reinjections[reinjections.length - 1]
    tail.start = Math.min(tail.start, first)
    tail.end = Math.max(tail.end, last)
    return
  }
  reinjections.push({ start: first, end: last, from })
  reinjections.sort((a, b) => a.start - b.start)
}

/** The next range to send again, cut to what is still missing; null if there is none. */
export function nextReinjection(connection: Connection): Reinjection | null {
  const { reinjections, snd } = connection
  while (reinjections.length > 0) {
    const range = reinjections[0]
    range.start = Math.max(range.start, snd.una)
    if (range.start < range.end) {
      // With no other subflow left, its own TCP does the repeating.
      const other = connection.subflows.some(
        (subflow) => subflow !== range.from && canCarryData(subflow),
      )
      if (other) return range
      return null
    }
    reinjections.shift()
  }
  return null
}

/** The first range was sent again up to `end`. */
export function takeReinjected(connection: Connection, end: number): void {
  const range = connection.reinjections[0]
  range.start = end
  if (range.start >= range.end) connection.reinjections.shift()
}

/** A timeout on one subflow: out of use while another works, and its data goes to the others. */
export function subflowTimedOut(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  const { subflows } = connection
  // One that is being opened holds nothing, and what its handshake repeats says nothing of its path later on.
  if (!isLive(subflow)) return
  if (!subflows.some((other) => other !== subflow && canCarryData(other))) return
  if (!subflow.stale) {
    subflow.stale = true
    subflow.staleProbes = 0
    subflow.staleProbeDeadline = now + probeInterval(connection, subflow)
    context.counters.SubflowStale++
    reinjectAll(connection, subflow)
  }
  if (!isStranded(connection)) return
  for (const each of subflows) {
    const soon = now + probeInterval(connection, each)
    if (each.stale) each.staleProbeDeadline = Math.min(each.staleProbeDeadline, soon)
  }
}

/** Data waits, and every path that could carry it is silent. */
function isStranded({ subflows, snd }: Connection): boolean {
  return snd.una < snd.end && subflows.every((each) => each.stale || !canCarryData(each))
}

/** Intervals double, as those of a retransmission do; while data is stranded only so far. */
function probeInterval(connection: Connection, { staleProbes, tcb }: Subflow): number {
  const most = isStranded(connection) ? MAX_STRANDED_PROBE_MS : MAX_STALE_PROBE_MS
  return Math.min(most, Math.max(STALE_PROBE_MS, tcb.rtt.srttMs) * 2 ** staleProbes)
}

/**
 * A stale subflow is asked for an ACK, without data. Where its TCP has something to repeat, that asks as well;
 * but it backs off for minutes, as it must, and stranded data shall not wait as long.
 */
export function probeStale(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  if (subflow.tcb.sent.length === 0 || isStranded(connection)) {
    askForAck(subflow.tcb)
    context.counters.SubflowStaleProbe++
  }
  subflow.staleProbes++
  subflow.staleProbeDeadline = now + probeInterval(connection, subflow)
}

/**
 * Anything acceptable came on a stale subflow that acknowledges nothing: its path is alive, so its own data goes at
 * once. Not at each such answer: a queue that holds one packet would only ever pass the wrong one.
 */
export function staleSubflowHeard(context: Context, subflow: Subflow, now: number): void {
  // Nothing of its own can be acknowledged any more: that it is heard is all that can be known.
  if (subflow.tcb.sent.length === 0) {
    subflowRecovered(context, subflow)
    return
  }
  if (now < subflow.repeatsFrom) return
  subflow.repeatsFrom = now + subflow.tcb.rtt.rtoMs
  retransmitFromOldest(subflow.tcb, now)
}

/** It acknowledged something: back in use. */
export function subflowRecovered(context: Context, subflow: Subflow): void {
  if (!subflow.stale) return
  subflow.stale = false
  subflow.staleProbeDeadline = Number.POSITIVE_INFINITY
  context.counters.SubflowRecover++
}
