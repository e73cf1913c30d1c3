// The core's records, runs and queues by name, for those above it: layout.ts stays inside core/. Measured:
// V8 inlines every one of these; a stream in memory is as fast as with the indexing written out.

import type { MptcpCore } from './core.js'
import {
  HEADER,
  HEADER_WORDS,
  QUEUE_END_OFFSET,
  QUEUE_FIRST_RUN,
  QUEUE_HEAD_OFFSET,
  RECORD_EXTENSION,
  RECORD_KEY,
  RECORD_LENGTH,
  RECORD_NEXT,
  RECORD_OFFSET,
  RECORD_POINTER,
  RUN_END,
  RUN_FIRST,
  RUN_START,
  SLOT_BYTES,
} from './layout.js'

const WORDS = HEADER >> 2

/** Stream offset of the record's first byte. */
export function recordOffset(core: MptcpCore, record: number): number {
  return core.f64[(record + RECORD_OFFSET) >> 3]
}

export function setRecordOffset(core: MptcpCore, record: number, offset: number): void {
  core.f64[(record + RECORD_OFFSET) >> 3] = offset
}

export function recordLength(core: MptcpCore, record: number): number {
  return core.u32[(record + RECORD_LENGTH) >> 2]
}

export function setRecordLength(core: MptcpCore, record: number, length: number): void {
  core.u32[(record + RECORD_LENGTH) >> 2] = length
}

/** Stream offset behind the record's last byte. */
export function recordEndOffset(core: MptcpCore, record: number): number {
  return recordOffset(core, record) + recordLength(core, record)
}

/** Address of the record's first byte. */
export function recordPointer(core: MptcpCore, record: number): number {
  return core.u32[(record + RECORD_POINTER) >> 2]
}

/** The next record of the chain; 0 = it is the last. */
export function nextRecord(core: MptcpCore, record: number): number {
  return core.u32[(record + RECORD_NEXT) >> 2]
}

export function setNextRecord(core: MptcpCore, record: number, next: number): void {
  core.u32[(record + RECORD_NEXT) >> 2] = next
}

/** Gives the record a handle whose count the caller has raised. */
export function setRecordExtension(core: MptcpCore, record: number, extension: number): void {
  core.u32[(record + RECORD_EXTENSION) >> 2] = extension
}

export function setRecordKey(core: MptcpCore, record: number, key: number): void {
  core.u32[(record + RECORD_KEY) >> 2] = key
}

/** Bytes from the record's end to the end of its slot, whoever else refers to the slot. */
export function recordRoom(core: MptcpCore, record: number): number {
  const pointer = recordPointer(core, record)
  const slotEnd = (Math.floor(pointer / SLOT_BYTES) + 1) * SLOT_BYTES
  return slotEnd - pointer - recordLength(core, record)
}

export function runStart(core: MptcpCore, run: number): number {
  return core.f64[(run + RUN_START) >> 3]
}

export function runEnd(core: MptcpCore, run: number): number {
  return core.f64[(run + RUN_END) >> 3]
}

/** The first byte not yet popped. */
export function queueHead(core: MptcpCore, queue: number): number {
  return core.f64[(queue + QUEUE_HEAD_OFFSET) >> 3]
}

/** End of the contiguous bytes from head. */
export function queueEnd(core: MptcpCore, queue: number): number {
  return core.f64[(queue + QUEUE_END_OFFSET) >> 3]
}

/** The record of the lowest offset in a queue; 0 = the queue is empty. */
export function firstRecord(core: MptcpCore, queue: number): number {
  const run = core.u32[(queue + QUEUE_FIRST_RUN) >> 2]
  return run === 0 ? 0 : core.u32[(run + RUN_FIRST) >> 2]
}

/** What the last `mptcp_queue_insert` did: INSERTED_IN_ORDER and the others. */
export function insertVerdict(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.RESULT_VERDICT]
}

/** Bytes that the last `mptcp_queue_insert` refused as already there or popped. */
export function insertDuplicate(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.RESULT_DUPLICATE]
}

/** Bytes that the last `mptcp_queue_insert` dropped for lack of runs or records. */
export function insertRefused(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.RESULT_REFUSED]
}

/** Ones' complement sum of what the last `mptcp_payload_take` copied. */
export function payloadSum(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.RESULT_SUM]
}
