// Joining a record to the one before it in a run, by copying bytes behind those that its slot
// already holds: at insertion whole records only, under memory pressure (`packInto`) parts of them
// as well. The modes are those of `CoalesceMode` in ../core.ts; assembly/coalesce.ts is the twin.

import { COALESCE_ABUT, COALESCE_EQUAL, KEY_NONE } from '../core.js'
import { SLOT_BYTES } from '../layout.js'
import { isSole, joinSums, type SegmentBuffers } from './segment-buffers.js'
import { FIRST, KEY, LAST, LENGTH, MODE, NEXT, POINTER, RECORDS, SUM, SUM_VALID } from './words.js'

export interface Coalesce {
  /** Joins the record after `tail`, if there is one and the mode allows it. */
  joinNext(queue: number, run: number, tail: number): void
  /** Moves the bytes of a run's records towards its first, and frees the records left empty. */
  collapseRun(queue: number, run: number): void
  /** Takes `count` bytes, fewer than all, off the front. */
  trimFront(mode: number, record: number, count: number): void
  /** Takes off what lies behind the first `length` bytes, at least one. */
  trimEnd(record: number, length: number): void
}

export function createCoalesce(memory: ArrayBuffer, buffers: SegmentBuffers): Coalesce {
  const u8 = new Uint8Array(memory)
  const u32 = new Uint32Array(memory)
  const f64 = new Float64Array(memory)
  const { mptcp_record_free, mptcp_record_slack } = buffers

  /** Whether the mode lets `record`, which follows `tail` without a gap, be joined to it. */
  function mayJoin(mode: number, tail: number, record: number): boolean {
    const tailKey = u32[(tail >>> 2) + KEY]!
    const key = u32[(record >>> 2) + KEY]!
    if (mode === COALESCE_ABUT) {
      const wanted = (tailKey + u32[(tail >>> 2) + LENGTH]!) >>> 0
      return tailKey !== KEY_NONE && key !== KEY_NONE && wanted === key
    }
    return mode === COALESCE_EQUAL && tailKey !== KEY_NONE && tailKey === key
  }

  /** Copies the first `length` bytes of `record` behind those of `tail`. */
  function copyBehind(tail: number, record: number, length: number): void {
    const to = tail >>> 2
    const from = record >>> 2
    const source = u32[from + POINTER]!
    const tailLength = u32[to + LENGTH]!
    u8.copyWithin(u32[to + POINTER]! + tailLength, source, source + length)
    const first = u32[to + SUM]!
    const second = u32[from + SUM]!
    const summed = length === u32[from + LENGTH] && (first & second & SUM_VALID) !== 0
    u32[to + SUM] = summed ? joinSums(first & 0xffff, tailLength, second & 0xffff) | SUM_VALID : 0
    u32[to + LENGTH] = tailLength + length
  }

  /** Joins the whole of `record` to `tail` if mode and slot allow it; the caller then frees it. */
  function join(mode: number, tail: number, record: number): boolean {
    const length = u32[(record >>> 2) + LENGTH]!
    if (!mayJoin(mode, tail, record) || length > mptcp_record_slack(tail)) return false
    copyBehind(tail, record, length)
    return true
  }

  /**
   * Moves as many bytes of `record` as fit to `tail`, which first goes to the start of its slot;
   * returns their number. The caller takes them off `record`, or frees it.
   */
  function packInto(mode: number, tail: number, record: number): number {
    if (!mayJoin(mode, tail, record) || !isSole(u32, tail)) return 0
    const entry = tail >>> 2
    const pointer = u32[entry + POINTER]!
    const tailLength = u32[entry + LENGTH]!
    const slot = pointer & ~(SLOT_BYTES - 1)
    if (pointer !== slot) {
      u8.copyWithin(slot, pointer, pointer + tailLength)
      u32[entry + POINTER] = slot
    }
    const length = Math.min(SLOT_BYTES - tailLength, u32[(record >>> 2) + LENGTH]!)
    if (length !== 0) copyBehind(tail, record, length)
    return length
  }

  /** Takes the record after `tail` out of the run's chain and frees it. */
  function freeNext(queue: number, run: number, tail: number): void {
    const next = u32[(tail >>> 2) + NEXT]!
    u32[(tail >>> 2) + NEXT] = u32[(next >>> 2) + NEXT]!
    if (u32[(run >>> 2) + LAST] === next) u32[(run >>> 2) + LAST] = tail
    u32[(queue >>> 2) + RECORDS]! -= 1
    mptcp_record_free(next)
  }

  function joinNext(queue: number, run: number, tail: number): void {
    const next = u32[(tail >>> 2) + NEXT]!
    if (next !== 0 && join(u32[(queue >>> 2) + MODE]!, tail, next)) freeNext(queue, run, tail)
  }

  function collapseRun(queue: number, run: number): void {
    const mode = u32[(queue >>> 2) + MODE]!
    let record = u32[(run >>> 2) + FIRST]!
    let next = u32[(record >>> 2) + NEXT]!
    while (next !== 0) {
      const moved = packInto(mode, record, next)
      if (moved === u32[(next >>> 2) + LENGTH]) {
        freeNext(queue, run, record)
      } else {
        if (moved !== 0) trimFront(mode, next, moved)
        record = next
      }
      next = u32[(record >>> 2) + NEXT]!
    }
  }

  function trimFront(mode: number, record: number, count: number): void {
    const entry = record >>> 2
    f64[record >>> 3]! += count
    u32[entry + LENGTH]! -= count
    u32[entry + POINTER]! += count
    if (mode === COALESCE_ABUT && u32[entry + KEY] !== KEY_NONE) u32[entry + KEY]! += count
    u32[entry + SUM] = 0
  }

  function trimEnd(record: number, length: number): void {
    const entry = record >>> 2
    u32[entry + LENGTH] = length
    u32[entry + SUM] = 0
  }

  return { joinNext, collapseRun, trimFront, trimEnd }
}
