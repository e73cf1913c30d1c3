// The out-of-order queue of one stream: records by offset, in runs of contiguous bytes, from which
// the bytes at head are popped. What is already there wins. The contract is ../core.ts; the tree of
// runs is treap.ts, the joining of records coalesce.ts. assembly/ofo-queue.ts is the twin.

import {
  COALESCE_ABUT,
  INSERTED_HINT,
  INSERTED_IN_ORDER,
  INSERTED_MERGED,
  INSERTED_NEW_RUN,
  INSERTED_NOTHING,
  INSERTED_TAIL,
  type MptcpKernel,
} from '../core.js'
import { createCoalesce } from './coalesce.js'
import type { SegmentBuffers } from './segment-buffers.js'
import { createTreap } from './treap.js'
import {
  AFTER,
  END,
  FIRST,
  FIRST_RUN,
  FREE,
  HINTED,
  HINTS,
  KEY,
  LAST,
  LAST_RUN,
  LENGTH,
  MODE,
  NEXT,
  QUEUE_END,
  QUEUE_HEAD,
  QUEUE_LAST_END,
  QUEUE_START,
  QUEUED_BYTES,
  QUEUES_FREE,
  RECORDS,
  RESULT_DUPLICATE,
  RESULT_REFUSED,
  RESULT_VERDICT,
  ROOT,
  RUNS,
  RUNS_FREE,
  SLOT_RESERVE,
  SLOTS_FREE,
  START,
} from './words.js'

export type OfoQueue = Pick<
  MptcpKernel,
  | 'mptcp_queue_take'
  | 'mptcp_queue_release'
  | 'mptcp_queue_insert'
  | 'mptcp_queue_pop'
  | 'mptcp_queue_find_run'
  | 'mptcp_queue_collapse'
  | 'mptcp_queue_prune'
>

export function createOfoQueue(memory: ArrayBuffer, buffers: SegmentBuffers): OfoQueue {
  const u32 = new Uint32Array(memory)
  const f64 = new Float64Array(memory)
  const { mptcp_chain_free, mptcp_record_free, mptcp_record_slice } = buffers
  const { collapseRun, joinNext, trimEnd, trimFront } = createCoalesce(memory, buffers)
  const { linkRun, removeRun, runAfter, runBefore } = createTreap(memory)

  function mptcp_queue_take(mode: number, head: number): number {
    if (mode > COALESCE_ABUT) throw new Error('a queue has no such mode')
    const queue = u32[QUEUE_HEAD]!
    if (queue === 0) return 0
    const owner = queue >>> 2
    u32[QUEUE_HEAD] = u32[owner + ROOT]!
    u32[QUEUES_FREE]! -= 1
    f64[(queue >>> 3) + QUEUE_START] = head
    f64[(queue >>> 3) + QUEUE_END] = head
    f64[(queue >>> 3) + QUEUE_LAST_END] = head
    u32[owner + ROOT] = 0
    u32[owner + MODE] = mode
    u32[owner + RUNS] = 0
    u32[owner + RECORDS] = 0
    u32[owner + QUEUED_BYTES] = 0
    u32[owner + FIRST_RUN] = 0
    u32[owner + LAST_RUN] = 0
    u32[owner + HINTED] = 0
    u32.fill(0, owner + HINTS, owner + HINTS + 8)
    return queue
  }

  function checkTaken(queue: number): void {
    if (u32[(queue >>> 2) + MODE] === FREE) throw new Error('a queue is used while free')
  }

  function mptcp_queue_release(queue: number): void {
    checkTaken(queue)
    const owner = queue >>> 2
    for (let run = u32[owner + FIRST_RUN]!; run !== 0; run = u32[owner + FIRST_RUN]!) {
      mptcp_chain_free(u32[(run >>> 2) + FIRST]!)
      removeRun(queue, run, 0)
    }
    u32[owner + MODE] = FREE
    u32[owner + ROOT] = u32[QUEUE_HEAD]!
    u32[QUEUE_HEAD] = queue
    u32[QUEUES_FREE]! += 1
  }

  /** A second record over part of a queued one: its key moves along only in ABUT. */
  function cut(mode: number, record: number, skip: number, length: number): number {
    const slice = mptcp_record_slice(record, skip, length)
    if (slice !== 0 && mode !== COALESCE_ABUT) u32[(slice >>> 2) + KEY] = u32[(record >>> 2) + KEY]!
    return slice
  }

  /** Puts a record at the end of a run, before the next run. */
  function append(queue: number, run: number, record: number): void {
    const end = f64[record >>> 3]! + u32[(record >>> 2) + LENGTH]!
    const owner = queue >>> 2
    const entry = run >>> 2
    const tail = u32[entry + LAST]!
    u32[(tail >>> 2) + NEXT] = record
    u32[entry + LAST] = record
    f64[(run >>> 3) + END] = end
    u32[owner + RECORDS]! += 1
    u32[owner + QUEUED_BYTES]! += u32[(record >>> 2) + LENGTH]!
    if (u32[entry + AFTER] === 0) f64[(queue >>> 3) + QUEUE_LAST_END] = end
    joinNext(queue, run, tail)
  }

  /**
   * Puts a record into the gap between two neighbouring runs, which become one with it where they
   * touch it; returns its run, or 0 if a new one cannot be had.
   */
  function place(queue: number, record: number, before: number, after: number): number {
    const owner = queue >>> 2
    const length = u32[(record >>> 2) + LENGTH]!
    const start = f64[record >>> 3]!
    const end = start + length
    if (before !== 0 && f64[(before >>> 3) + END] === start) {
      append(queue, before, record)
      if (after !== 0 && f64[(after >>> 3) + START] === end) {
        const entry = before >>> 2
        const border = u32[entry + LAST]!
        u32[(border >>> 2) + NEXT] = u32[(after >>> 2) + FIRST]!
        u32[entry + LAST] = u32[(after >>> 2) + LAST]!
        f64[(before >>> 3) + END] = f64[(after >>> 3) + END]!
        removeRun(queue, after, before)
        joinNext(queue, before, border)
      }
      return before
    }
    if (after !== 0 && f64[(after >>> 3) + START] === end) {
      u32[(record >>> 2) + NEXT] = u32[(after >>> 2) + FIRST]!
      u32[(after >>> 2) + FIRST] = record
      f64[(after >>> 3) + START] = start
      u32[owner + RECORDS]! += 1
      u32[owner + QUEUED_BYTES]! += length
      joinNext(queue, after, record)
      return after
    }
    // Only the next in-order segment, which lets the rest be read, may have the last runs.
    const inOrder = start === f64[(queue >>> 3) + QUEUE_END]
    if (!inOrder && u32[RUNS_FREE]! <= u32[SLOT_RESERVE]!) return 0
    const run = linkRun(queue, before, after)
    if (run === 0) return 0
    f64[(run >>> 3) + START] = start
    f64[(run >>> 3) + END] = end
    u32[(run >>> 2) + FIRST] = record
    u32[(run >>> 2) + LAST] = record
    u32[owner + RECORDS]! += 1
    u32[owner + QUEUED_BYTES]! += length
    if (after === 0) f64[(queue >>> 3) + QUEUE_LAST_END] = end
    return run
  }

  /** Whether this is the last run that starts at or before the record. */
  function leadsTo(run: number, record: number): boolean {
    const offset = f64[record >>> 3]!
    if (f64[(run >>> 3) + START]! > offset) return false
    const after = u32[(run >>> 2) + AFTER]!
    return after === 0 || f64[(after >>> 3) + START]! > offset
  }

  /** Inserts one record without a next; returns its new bytes. */
  function insertRecord(queue: number, record: number, hint: number): number {
    const owner = queue >>> 2
    const mode = u32[owner + MODE]!
    const length = u32[(record >>> 2) + LENGTH]!
    let start = f64[record >>> 3]!
    const end = start + length
    const head = f64[(queue >>> 3) + QUEUE_START]!
    if (end <= head || length === 0) {
      u32[RESULT_DUPLICATE]! += length
      mptcp_record_free(record)
      return 0
    }
    if (start < head) {
      u32[RESULT_DUPLICATE]! += head - start
      trimFront(mode, record, head - start)
      start = head
    }

    // The run to begin at: the last one that starts at or before the record.
    let before: number
    let continued = INSERTED_MERGED
    if (start === f64[(queue >>> 3) + QUEUE_END]) {
      before = start === head ? 0 : u32[owner + FIRST_RUN]!
    } else {
      const hinted = u32[owner + HINTS + hint]!
      const last = u32[owner + LAST_RUN]!
      if (hinted !== 0 && leadsTo(hinted, record)) {
        before = hinted
        continued = INSERTED_HINT
      } else if (last !== 0 && f64[(last >>> 3) + START]! <= start) {
        before = last
        continued = INSERTED_TAIL
      } else {
        before = runBefore(queue, record)
      }
    }

    if (before !== 0 && f64[(before >>> 3) + END] === start) {
      const after = u32[(before >>> 2) + AFTER]!
      if (after === 0 || end < f64[(after >>> 3) + START]!) {
        const placed = u32[(record >>> 2) + LENGTH]!
        append(queue, before, record)
        if (start === f64[(queue >>> 3) + QUEUE_END]) {
          f64[(queue >>> 3) + QUEUE_END] = end
          u32[RESULT_VERDICT] = INSERTED_IN_ORDER
        } else {
          u32[owner + HINTS + hint] = before
          u32[owner + HINTED] = 1
          u32[RESULT_VERDICT] = continued
        }
        return placed
      }
    }

    // Every round fills one gap, from left to right, until the record's end is reached.
    // Bounded: by the runs that the record reaches over.
    let added = 0
    let verdict = INSERTED_NOTHING
    while (true) {
      if (before !== 0) {
        const beforeEnd = f64[(before >>> 3) + END]!
        if (beforeEnd > start) {
          if (beforeEnd >= end) {
            u32[RESULT_DUPLICATE]! += u32[(record >>> 2) + LENGTH]!
            mptcp_record_free(record)
            break
          }
          u32[RESULT_DUPLICATE]! += beforeEnd - start
          trimFront(mode, record, beforeEnd - start)
          start = beforeEnd
          continued = INSERTED_MERGED
        }
      }
      const after = before !== 0 ? u32[(before >>> 2) + AFTER]! : u32[owner + FIRST_RUN]!
      let rest = 0
      let merges = false
      if (after !== 0) {
        const afterStart = f64[(after >>> 3) + START]!
        merges = afterStart <= end
        if (afterStart < end) {
          const afterEnd = f64[(after >>> 3) + END]!
          if (afterEnd < end) {
            rest = cut(mode, record, afterEnd - start, end - afterEnd)
            if (rest === 0) u32[RESULT_REFUSED]! += end - afterEnd
          }
          u32[RESULT_DUPLICATE]! += Math.min(end, afterEnd) - afterStart
          trimEnd(record, afterStart - start)
        }
      }
      const joins = before !== 0 && f64[(before >>> 3) + END] === start
      const inOrder = start === f64[(queue >>> 3) + QUEUE_END]
      const placed = u32[(record >>> 2) + LENGTH]!
      const run = place(queue, record, before, after)
      if (run === 0) {
        u32[RESULT_REFUSED]! += placed
        mptcp_record_free(record)
        break
      }
      added += placed
      if (inOrder) {
        f64[(queue >>> 3) + QUEUE_END] = f64[(run >>> 3) + END]!
        verdict = INSERTED_IN_ORDER
      } else {
        u32[owner + HINTS + hint] = run
        u32[owner + HINTED] = 1
        if (verdict !== INSERTED_IN_ORDER) {
          verdict = merges ? INSERTED_MERGED : joins ? continued : INSERTED_NEW_RUN
        }
      }
      if (rest === 0) break
      record = rest
      start = f64[record >>> 3]!
      before = run
      continued = INSERTED_MERGED
    }
    u32[RESULT_VERDICT] = verdict
    return added
  }

  function mptcp_queue_insert(queue: number, chain: number, hint: number): number {
    checkTaken(queue)
    if (hint > 7) throw new Error('a hint is a number from 0 to 7')
    u32[RESULT_VERDICT] = INSERTED_NOTHING
    u32[RESULT_DUPLICATE] = 0
    u32[RESULT_REFUSED] = 0
    let added = 0
    let record = chain
    while (record !== 0) {
      const next = u32[(record >>> 2) + NEXT]!
      u32[(record >>> 2) + NEXT] = 0
      added += insertRecord(queue, record, hint)
      record = next
    }
    return added
  }

  function mptcp_queue_pop(queue: number, limit: number): number {
    checkTaken(queue)
    const owner = queue >>> 2
    const run = u32[owner + FIRST_RUN]!
    if (run === 0 || limit === 0) return 0
    let head = f64[(run >>> 3) + START]!
    if (head !== f64[(queue >>> 3) + QUEUE_START]) return 0
    const first = u32[(run >>> 2) + FIRST]!
    let next = first
    let popped = first
    if (u32[(first >>> 2) + LENGTH]! > limit) {
      popped = cut(u32[owner + MODE]!, first, 0, limit)
      // There are two records for each slot: a queue that runs out of them waits for another's to
      // go.
      if (popped === 0) return 0
      trimFront(u32[owner + MODE]!, first, limit)
    } else {
      next = u32[(first >>> 2) + NEXT]!
      u32[(first >>> 2) + NEXT] = 0
      u32[owner + RECORDS]! -= 1
    }
    const length = u32[(popped >>> 2) + LENGTH]!
    head += length
    f64[(queue >>> 3) + QUEUE_START] = head
    u32[owner + QUEUED_BYTES]! -= length
    if (next === 0) {
      removeRun(queue, run, 0)
    } else {
      u32[(run >>> 2) + FIRST] = next
      f64[(run >>> 3) + START] = head
    }
    return popped
  }

  function mptcp_queue_find_run(queue: number, offset: number): number {
    return runAfter(queue, offset)
  }

  function mptcp_queue_collapse(queue: number): number {
    checkTaken(queue)
    const free = u32[SLOTS_FREE]!
    let run = u32[(queue >>> 2) + FIRST_RUN]!
    while (run !== 0) {
      collapseRun(queue, run)
      run = u32[(run >>> 2) + AFTER]!
    }
    return u32[SLOTS_FREE]! - free
  }

  function mptcp_queue_prune(queue: number): number {
    checkTaken(queue)
    const owner = queue >>> 2
    const run = u32[owner + LAST_RUN]!
    if (run === 0) return 0
    const bytes = f64[(run >>> 3) + END]! - f64[(run >>> 3) + START]!
    if (f64[(run >>> 3) + START] === f64[(queue >>> 3) + QUEUE_START]) return 0
    let record = u32[(run >>> 2) + FIRST]!
    for (; record !== 0; record = u32[(record >>> 2) + NEXT]!) u32[owner + RECORDS]! -= 1
    mptcp_chain_free(u32[(run >>> 2) + FIRST]!)
    u32[owner + QUEUED_BYTES]! -= bytes
    removeRun(queue, run, 0)
    const last = u32[owner + LAST_RUN]!
    f64[(queue >>> 3) + QUEUE_LAST_END] =
      last !== 0 ? f64[(last >>> 3) + END]! : f64[(queue >>> 3) + QUEUE_START]!
    return bytes
  }

  return {
    mptcp_queue_take,
    mptcp_queue_release,
    mptcp_queue_insert,
    mptcp_queue_pop,
    mptcp_queue_find_run,
    mptcp_queue_collapse,
    mptcp_queue_prune,
  }
}
