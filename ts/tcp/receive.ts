// The receiver: puts text into the ofo queue, follows RCV.NXT, remembers what SACK and D-SACK should
// tell, and decides when an ACK is owed. RFC 9293 §3.10.7.4 (seventh check), RFC 2018, RFC 5681 §4.2.

import { COALESCE_BYPASS } from '../core/core.js'
import {
  insertDuplicate,
  insertRefused,
  nextRecord,
  queueEnd,
  queueHead,
  recordEndOffset,
  recordOffset,
  runEnd,
  runStart,
  setNextRecord,
} from '../core/records.js'
import { ACK_DELAYED, ACK_NONE, ACK_NOW, QUICK_ACKS, type Tcb } from './tcb.js'

/** RFC 5681 §4.2 allows half a second; Linux's usual delay. */
export const DELAYED_ACK_MS = 40
/** SACK blocks remembered: no option list has room for more. */
const RECENT_RUNS = 4

/** An ACK must leave in this turn. */
export function oweAckNow(tcb: Tcb): void {
  tcb.ack.owed = ACK_NOW
}

/** The ACK that is owed rides on data that follows at once. */
export function ackRides(tcb: Tcb): void {
  tcb.ack.owed = ACK_NONE
}

/** From now on the next ACKs leave at once, or (false) may wait. */
export function setQuickAcks(tcb: Tcb, on: boolean): void {
  tcb.ack.quick = on ? QUICK_ACKS : 0
  if (on && tcb.ack.owed === ACK_DELAYED) oweAckNow(tcb)
}

/** What the peer may send reaches to `right`, which never moves back. */
export function raiseRight({ rcv }: Tcb, right: number): void {
  rcv.right = Math.max(rcv.right, right)
}

/** An ACK is owed, but data will very likely carry it. */
export function oweAckLater(tcb: Tcb, now: number): void {
  tcb.ack.owed = ACK_DELAYED
  tcb.ack.interactive = true
  tcb.timers.delayedAck = now + DELAYED_ACK_MS
}

/** Payload that counts as a full segment: options, which we do not see, take some of the MSS. */
function fullSegment({ rcv }: Tcb): number {
  return Math.min(rcv.mss, 1400)
}

/** The ACK of a FIN waits as that of data would: what is left to say may carry it. */
export function finAckMayWait(tcb: Tcb, now: number): void {
  const { ack } = tcb
  if (tcb.state !== 'CLOSE-WAIT' || !ack.mayWait) return
  if (ack.unacked < fullSegment(tcb)) oweAckLater(tcb, now)
}

/** Takes a queue for text, unless there is one; false = the core has none left. */
export function takeQueue(tcb: Tcb): boolean {
  const { rcv, core } = tcb
  if (rcv.queue === 0) rcv.queue = core.kernel.mptcp_queue_take(COALESCE_BYPASS, emptyAt(tcb))
  return rcv.queue !== 0
}

/** Gives the queue back, with whatever lies in it. */
export function releaseQueue(tcb: Tcb): void {
  const { rcv, core } = tcb
  if (rcv.queue !== 0) core.kernel.mptcp_queue_release(rcv.queue)
  rcv.queue = 0
}

/** Where an empty queue stands: behind all the text that came in order. A FIN is no text. */
function emptyAt({ rcv }: Tcb): number {
  return rcv.fin >= 0 && rcv.nxt > rcv.fin ? rcv.fin : Math.max(rcv.nxt, 1)
}

/** The first byte of text that has not been passed up. */
export function firstPending(tcb: Tcb): number {
  return tcb.rcv.queue === 0 ? emptyAt(tcb) : queueHead(tcb.core, tcb.rcv.queue)
}

/** Bytes of text that are in order and not passed up. */
export function pendingBytes({ core, rcv }: Tcb): number {
  return rcv.queue === 0 ? 0 : queueEnd(core, rcv.queue) - queueHead(core, rcv.queue)
}

/** Cuts a chain at `right`: what lies beyond the window is not kept. */
function cutAt(tcb: Tcb, chain: number, right: number): number {
  const { core } = tcb
  const { kernel } = core
  let record = chain
  let previous = 0
  while (record !== 0) {
    const start = recordOffset(core, record)
    if (recordEndOffset(core, record) > right) {
      tcb.counters.TcpExtOutOfWindow++
      if (start >= right) {
        if (previous !== 0) setNextRecord(core, previous, 0)
        kernel.mptcp_chain_free(record)
        return previous === 0 ? 0 : chain
      }
      const after = nextRecord(core, record)
      if (after !== 0) kernel.mptcp_chain_free(after)
      const kept = kernel.mptcp_record_slice(record, 0, right - start)
      kernel.mptcp_record_free(record)
      if (previous !== 0) setNextRecord(core, previous, kept)
      return previous === 0 ? kept : chain
    }
    previous = record
    record = nextRecord(core, record)
  }
  return chain
}

/**
 * Takes over a segment's text, for which there is a queue: `chain` holds `length` bytes from `offset` on.
 * Returns whether RCV.NXT moved.
 */
export function textArrives(
  tcb: Tcb,
  chain: number,
  offset: number,
  length: number,
  now: number,
): boolean {
  const { rcv, core, ack } = tcb
  const kept = offset + length > rcv.right ? cutAt(tcb, chain, rcv.right) : chain
  if (kept === 0) {
    oweAckNow(tcb)
    return false
  }
  const inOrder = offset === rcv.nxt
  const hadHoles = rcv.recentRuns.length > 0
  const before = rcv.nxt
  noteDuplicate(tcb, offset, Math.min(offset + length, rcv.right))
  const fresh = core.kernel.mptcp_queue_insert(rcv.queue, kept, 0)
  const duplicates = insertDuplicate(core)
  if (insertRefused(core) > 0) tcb.counters.TcpExtTCPRcvQDrop++
  tcb.stats.bytesReceived += fresh
  tcb.stats.dataSegmentsReceived++
  tcb.stats.dataReceivedAt = now
  rcv.nxt = Math.max(rcv.nxt, queueEnd(core, rcv.queue))
  ack.unacked += fresh
  ack.mayWait ||= tcb.state !== 'SYN-RECEIVED'

  if (duplicates > 0) tcb.counters.TcpExtTCPDSACKOldSent++
  if (!inOrder && fresh > 0 && offset > before) {
    tcb.counters.TcpExtTCPOFOQueue++
    rememberRun(tcb, offset)
  }
  if (rcv.recentRuns.length > 0) forgetFilled(tcb)

  // At once for anything but plain in-order text: a hole, a filled hole, a duplicate, the start.
  const quick = ack.quick > 0 && !ack.interactive
  if (!inOrder || hadHoles || duplicates > 0 || fresh === 0 || quick) {
    if (ack.quick > 0) ack.quick--
    if (!quick) ack.interactive = false
    ack.owed = ACK_NOW
  } else if (ack.unacked >= 2 * fullSegment(tcb)) {
    ack.owed = ACK_NOW
  } else if (ack.owed === ACK_NONE) {
    ack.owed = ACK_DELAYED
    tcb.timers.delayedAck = now + DELAYED_ACK_MS
  }
  return rcv.nxt > before
}

/** RFC 2883 §4: the first range of [start, end) that is there already is reported, once. */
function noteDuplicate(tcb: Tcb, start: number, end: number): void {
  const { rcv, core } = tcb
  if (start < rcv.nxt) {
    rcv.duplicateLeft = start
    rcv.duplicateRight = Math.min(end, rcv.nxt)
    return
  }
  if (rcv.recentRuns.length === 0) return
  const run = core.kernel.mptcp_queue_find_run(rcv.queue, start)
  if (run === 0) return
  const left = Math.max(start, runStart(core, run))
  const right = Math.min(end, runEnd(core, run))
  if (left >= right) return
  rcv.duplicateLeft = left
  rcv.duplicateRight = right
}

function rememberRun(tcb: Tcb, offset: number): void {
  const runs = tcb.rcv.recentRuns
  const known = runs.indexOf(offset)
  if (known >= 0) runs.splice(known, 1)
  runs.unshift(offset)
  if (runs.length > RECENT_RUNS * 2) runs.length = RECENT_RUNS * 2
}

function forgetFilled(tcb: Tcb): void {
  const { rcv } = tcb
  rcv.recentRuns = rcv.recentRuns.filter((offset) => offset > rcv.nxt)
}

/** The ranges to report now, most recent first, as flat offset pairs; D-SACK before all. */
export function sackRanges(tcb: Tcb, most: number): number[] {
  const { rcv, core } = tcb
  const ranges: number[] = []
  if (rcv.duplicateRight > rcv.duplicateLeft) {
    ranges.push(rcv.duplicateLeft, rcv.duplicateRight)
  }
  if (rcv.queue === 0) return ranges
  const first = ranges.length
  for (const offset of rcv.recentRuns) {
    if (ranges.length >= most * 2) break
    const run = core.kernel.mptcp_queue_find_run(rcv.queue, offset)
    if (run === 0) continue
    const start = runStart(core, run)
    const end = runEnd(core, run)
    if (start <= rcv.nxt || start > offset) continue
    let seen = false
    for (let i = first; i < ranges.length; i += 2) seen ||= ranges[i] === start
    if (!seen) ranges.push(start, end)
  }
  return ranges.slice(0, most * 2)
}

/** Whether an ACK would carry SACK blocks. */
export function hasSackRanges(tcb: Tcb): boolean {
  const { rcv } = tcb
  return tcb.sackPermitted && (rcv.recentRuns.length > 0 || rcv.duplicateRight > rcv.duplicateLeft)
}

/** After any segment with an ACK has left: nothing is owed. */
export function ackSent(tcb: Tcb): void {
  const { ack, rcv } = tcb
  ack.owed = ACK_NONE
  ack.unacked = 0
  tcb.timers.delayedAck = Number.POSITIVE_INFINITY
  tcb.timestamps.lastAckSent = rcv.nxt
}

/** D-SACK is reported once only (RFC 2883 §4). */
export function duplicateReported(tcb: Tcb): void {
  tcb.rcv.duplicateLeft = 0
  tcb.rcv.duplicateRight = 0
}
