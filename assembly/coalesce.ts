// Joining a record to the one before it in a run, by copying bytes behind those that its slot
// already holds: at insertion whole records only, under memory pressure (`packInto`) parts of them
// as well. The modes are those of `CoalesceMode` in ts/core/core.ts; the twin is
// ts/core/js/coalesce.ts.

import { ABUT, EQUAL, KEY_NONE, Queue, Record, Run, SLOT_BYTES, SUM_VALID } from './layout'
import { isSole, joinSums, mptcp_record_free, mptcp_record_slack } from './segment-buffers'

/** Whether the mode lets `record`, which follows `tail` without a gap, be joined to it. */
@inline
function mayJoin(mode: u32, tail: Record, record: Record): bool {
  if (mode == ABUT) {
    return tail.key != KEY_NONE && record.key != KEY_NONE && tail.key + tail.length == record.key
  }
  return mode == EQUAL && tail.key != KEY_NONE && tail.key == record.key
}

/** Copies the first `length` bytes of `record` behind those of `tail`. */
@inline
function copyBehind(tail: Record, record: Record, length: u32): void {
  memory.copy(tail.pointer + tail.length, record.pointer, length)
  const summed = length == record.length && (tail.sum & record.sum & SUM_VALID) != 0
  tail.sum = summed
    ? joinSums(tail.sum & 0xffff, tail.length, record.sum & 0xffff) | SUM_VALID
    : 0
  tail.length += length
}

/** Joins the whole of `record` to `tail` if mode and slot allow it; the caller then frees it. */
function join(mode: u32, tail: Record, record: Record): bool {
  if (!mayJoin(mode, tail, record) || record.length > mptcp_record_slack(tail)) return false
  copyBehind(tail, record, record.length)
  return true
}

/**
 * Moves as many bytes of `record` as fit to `tail`, which first goes to the start of its slot;
 * returns their number. The caller takes them off `record`, or frees it.
 */
function packInto(mode: u32, tail: Record, record: Record): u32 {
  if (!mayJoin(mode, tail, record) || !isSole(tail)) return 0
  const slot = tail.pointer & ~(<usize>SLOT_BYTES - 1)
  if (tail.pointer != slot) {
    memory.copy(slot, tail.pointer, tail.length)
    tail.pointer = slot
  }
  const length = min(SLOT_BYTES - tail.length, record.length)
  if (length != 0) copyBehind(tail, record, length)
  return length
}

/** Takes the record after `tail` out of the run's chain and frees it. */
function freeNext(queue: Queue, run: Run, tail: Record): void {
  const next = tail.next!
  tail.next = next.next
  if (run.last === next) run.last = tail
  queue.records -= 1
  mptcp_record_free(next)
}

/** Joins the record after `tail`, if there is one and the mode allows it. */
@inline
export function joinNext(queue: Queue, run: Run, tail: Record): void {
  const next = tail.next
  if (next !== null && join(queue.mode, tail, next)) freeNext(queue, run, tail)
}

/** Moves the bytes of a run's records towards its first, and frees the records left empty. */
export function collapseRun(queue: Queue, run: Run): void {
  const mode = queue.mode
  let record = run.first
  let next = record.next
  while (next) {
    const moved = packInto(mode, record, next)
    if (moved == next.length) {
      freeNext(queue, run, record)
    } else {
      if (moved != 0) trimFront(mode, next, moved)
      record = next
    }
    next = record.next
  }
}

/** Takes `count` bytes, fewer than all, off the front. */
export function trimFront(mode: u32, record: Record, count: u32): void {
  record.offset += count
  record.length -= count
  record.pointer += count
  if (mode == ABUT && record.key != KEY_NONE) record.key += count
  record.sum = 0
}

/** Takes off what lies behind the first `length` bytes, at least one. */
export function trimEnd(record: Record, length: u32): void {
  record.length = length
  record.sum = 0
}
