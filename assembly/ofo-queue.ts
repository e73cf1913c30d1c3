// The out-of-order queue of one stream: records by offset, in runs of contiguous bytes, from which
// the bytes at head are popped. What is already there wins. The contract is ts/core/core.ts; the
// tree of runs is treap.ts, the joining of records coalesce.ts. ts/core/js/ofo-queue.ts is
// the twin.

import { collapseRun, joinNext, trimEnd, trimFront } from './coalesce'
import { ABUT, FREE, header, HINTS, Queue, Record, Run } from './layout'
import { mptcp_chain_free, mptcp_record_free, mptcp_record_slice } from './segment-buffers'
import { linkRun, removeRun, runAfter, runBefore } from './treap'

const IN_ORDER: u32 = 1
const TAIL: u32 = 2
const HINT: u32 = 3
const MERGED: u32 = 4
const NEW_RUN: u32 = 5
const NOTHING: u32 = 6

export function mptcp_queue_take(mode: u32, head: f64): Queue | null {
  if (mode > ABUT) unreachable()
  const queue = header.queueHead
  if (queue === null) return null
  header.queueHead = changetype<Queue | null>(queue.root)
  header.queuesFree -= 1
  queue.head = head
  queue.end = head
  queue.lastEnd = head
  queue.root = null
  queue.mode = mode
  queue.runs = 0
  queue.records = 0
  queue.queuedBytes = 0
  queue.firstRun = null
  queue.lastRun = null
  queue.hinted = 0
  for (let hint: u32 = 0; hint < HINTS; hint++) queue.setHint(hint, null)
  return queue
}

export function mptcp_queue_release(queue: Queue): void {
  if (queue.mode == FREE) unreachable()
  for (let run = queue.firstRun; run; run = queue.firstRun) {
    mptcp_chain_free(run.first)
    removeRun(queue, run, null)
  }
  queue.mode = FREE
  queue.root = changetype<Run | null>(header.queueHead)
  header.queueHead = queue
  header.queuesFree += 1
}

/** A second record over part of a queued one: its key moves along only in ABUT. */
function cut(mode: u32, record: Record, skip: u32, length: u32): Record | null {
  const slice = mptcp_record_slice(record, skip, length)
  if (slice !== null && mode != ABUT) slice.key = record.key
  return slice
}

/** Puts a record at the end of a run, before the next run. */
@inline
function append(queue: Queue, run: Run, record: Record): void {
  const tail = run.last
  const end = record.offset + record.length
  tail.next = record
  run.last = record
  run.end = end
  queue.records += 1
  queue.queuedBytes += record.length
  if (run.next === null) queue.lastEnd = end
  joinNext(queue, run, tail)
}

/**
 * Puts a record into the gap between two neighbouring runs, which become one with it where they
 * touch it; returns its run, or null if a new one cannot be had.
 */
function place(queue: Queue, record: Record, before: Run | null, after: Run | null): Run | null {
  const start = record.offset
  const end = start + record.length
  if (before !== null && before.end == start) {
    append(queue, before, record)
    if (after !== null && after.start == end) {
      const border = before.last
      border.next = after.first
      before.last = after.last
      before.end = after.end
      removeRun(queue, after, before)
      joinNext(queue, before, border)
    }
    return before
  }
  if (after !== null && after.start == end) {
    record.next = after.first
    after.first = record
    after.start = start
    queue.records += 1
    queue.queuedBytes += record.length
    joinNext(queue, after, record)
    return after
  }
  // Only the next in-order segment, which lets the rest be read, may have the last runs.
  if (start != queue.end && header.runsFree <= header.slotReserve) return null
  const run = linkRun(queue, before, after)
  if (run === null) return null
  run.start = start
  run.end = end
  run.first = record
  run.last = record
  queue.records += 1
  queue.queuedBytes += record.length
  if (after === null) queue.lastEnd = end
  return run
}

/** Whether this is the last run that starts at or before the record. */
function leadsTo(run: Run, record: Record): bool {
  const offset = record.offset
  if (run.start > offset) return false
  const after = run.next
  return after === null || after.start > offset
}

/** Inserts one record without a next; returns its new bytes. */
function insertRecord(queue: Queue, record: Record, hint: u32): u32 {
  const mode = queue.mode
  let start = record.offset
  const end = start + record.length
  const head = queue.head
  if (end <= head || record.length == 0) {
    header.resultDuplicate += record.length
    mptcp_record_free(record)
    return 0
  }
  if (start < head) {
    const popped = <u32>(head - start)
    header.resultDuplicate += popped
    trimFront(mode, record, popped)
    start = head
  }

  // The run to begin at: the last one that starts at or before the record.
  let before: Run | null
  let continued = MERGED
  if (start == queue.end) {
    before = start == head ? null : queue.firstRun
  } else {
    const hinted = queue.hintOf(hint)
    const last = queue.lastRun
    if (hinted !== null && leadsTo(hinted, record)) {
      before = hinted
      continued = HINT
    } else if (last !== null && last.start <= start) {
      before = last
      continued = TAIL
    } else {
      before = runBefore(queue, record)
    }
  }

  if (before !== null && before.end == start) {
    const after = before.next
    if (after === null || end < after.start) {
      const length = record.length
      append(queue, before, record)
      if (start == queue.end) {
        queue.end = end
        header.resultVerdict = IN_ORDER
      } else {
        queue.setHint(hint, before)
        queue.hinted = 1
        header.resultVerdict = continued
      }
      return length
    }
  }

  // Every round fills one gap, from left to right, until the record's end is reached.
  // Bounded: by the runs that the record reaches over.
  let added: u32 = 0
  let verdict = NOTHING
  while (true) {
    if (before !== null && before.end > start) {
      if (before.end >= end) {
        header.resultDuplicate += record.length
        mptcp_record_free(record)
        break
      }
      const doubled = <u32>(before.end - start)
      header.resultDuplicate += doubled
      trimFront(mode, record, doubled)
      start = before.end
      continued = MERGED
    }
    const after: Run | null = before !== null ? before.next : queue.firstRun
    let rest: Record | null = null
    if (after !== null && after.start < end) {
      if (after.end < end) {
        const behind = <u32>(end - after.end)
        rest = cut(mode, record, <u32>(after.end - start), behind)
        if (rest === null) header.resultRefused += behind
      }
      header.resultDuplicate += <u32>(min(end, after.end) - after.start)
      trimEnd(record, <u32>(after.start - start))
    }
    const length = record.length
    const joins = before !== null && before.end == start
    const merges = after !== null && after.start == start + length
    const inOrder = start == queue.end
    const run = place(queue, record, before, after)
    if (run === null) {
      header.resultRefused += length
      mptcp_record_free(record)
      break
    }
    added += length
    if (inOrder) {
      queue.end = run.end
      verdict = IN_ORDER
    } else {
      queue.setHint(hint, run)
      queue.hinted = 1
      if (verdict != IN_ORDER) verdict = merges ? MERGED : joins ? continued : NEW_RUN
    }
    if (rest === null) break
    record = rest
    start = record.offset
    before = run
    continued = MERGED
  }
  header.resultVerdict = verdict
  return added
}

export function mptcp_queue_insert(queue: Queue, chain: Record | null, hint: u32): u32 {
  if (queue.mode == FREE || hint >= HINTS) unreachable()
  header.resultVerdict = NOTHING
  header.resultDuplicate = 0
  header.resultRefused = 0
  let added: u32 = 0
  let record = chain
  while (record) {
    const next = record.next
    record.next = null
    added += insertRecord(queue, record, hint)
    record = next
  }
  return added
}

export function mptcp_queue_pop(queue: Queue, limit: u32): Record | null {
  if (queue.mode == FREE) unreachable()
  const run = queue.firstRun
  if (run === null || run.start != queue.head || limit == 0) return null
  const first = run.first
  let popped: Record
  if (first.length > limit) {
    const slice = cut(queue.mode, first, 0, limit)
    // There are two records for each slot: a queue that runs out of them waits for another's to go.
    if (slice === null) return null
    popped = slice
    trimFront(queue.mode, first, limit)
  } else {
    popped = first
    queue.records -= 1
  }
  const head = run.start + popped.length
  queue.head = head
  queue.queuedBytes -= popped.length
  if (popped !== first) {
    run.start = head
  } else {
    const next = first.next
    first.next = null
    if (next === null) {
      removeRun(queue, run, null)
    } else {
      run.first = next
      run.start = head
    }
  }
  return popped
}

export function mptcp_queue_find_run(queue: Queue, offset: f64): Run | null {
  return runAfter(queue, offset)
}

export function mptcp_queue_collapse(queue: Queue): u32 {
  if (queue.mode == FREE) unreachable()
  const free = header.slotsFree
  let run = queue.firstRun
  while (run) {
    collapseRun(queue, run)
    run = run.next
  }
  return header.slotsFree - free
}

export function mptcp_queue_prune(queue: Queue): u32 {
  if (queue.mode == FREE) unreachable()
  const run = queue.lastRun
  if (run === null || run.start == queue.head) return 0
  for (let record: Record | null = run.first; record; record = record.next) queue.records -= 1
  mptcp_chain_free(run.first)
  const bytes = <u32>(run.end - run.start)
  queue.queuedBytes -= bytes
  removeRun(queue, run, null)
  const last = queue.lastRun
  queue.lastEnd = last !== null ? last.end : queue.head
  return bytes
}
