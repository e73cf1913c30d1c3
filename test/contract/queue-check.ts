// What must hold of a core's memory at any time between two calls, read from the memory itself: the
// tree, the list and the chains of a queue agree, sums are true, and nothing is lost from the
// pools.

import { COALESCE_ABUT, KEY_NONE, type MptcpCore } from '../../ts/core/core.js'
import {
  HEADER,
  HEADER_WORDS,
  QUEUE_END_OFFSET,
  QUEUE_FIRST_RUN,
  QUEUE_HEAD_OFFSET,
  QUEUE_HINTS,
  QUEUE_LAST_OFFSET,
  QUEUE_LAST_RUN,
  QUEUE_MODE,
  QUEUE_QUEUED_BYTES,
  QUEUE_RECORDS,
  QUEUE_ROOT,
  QUEUE_RUNS,
  RECORD_EXTENSION,
  RECORD_KEY,
  RECORD_LENGTH,
  RECORD_NEXT,
  RECORD_OFFSET,
  RECORD_POINTER,
  RECORD_SUM,
  RUN_END,
  RUN_FIRST,
  RUN_LAST,
  RUN_LEFT,
  RUN_NEXT,
  RUN_PARENT,
  RUN_PREVIOUS,
  RUN_PRIORITY,
  RUN_RIGHT,
  RUN_START,
  SLOT_BYTES,
} from '../../ts/core/layout.js'

export function headerWord(core: MptcpCore, name: keyof typeof HEADER_WORDS): number {
  return core.u32[(HEADER >> 2) + HEADER_WORDS[name]]!
}

export function setHeaderWord(
  core: MptcpCore,
  name: keyof typeof HEADER_WORDS,
  value: number,
): void {
  core.u32[(HEADER >> 2) + HEADER_WORDS[name]] = value
}

/** What is not in the free lists. */
export function inUse(core: MptcpCore) {
  const word = (name: keyof typeof HEADER_WORDS) => headerWord(core, name)
  return {
    accounts: word('ACCOUNT_COUNT') - word('ACCOUNTS_FREE'),
    extensions: word('EXTENSION_COUNT') - word('EXTENSIONS_FREE'),
    queues: word('QUEUE_COUNT') - word('QUEUES_FREE'),
    records: word('RECORD_COUNT') - word('RECORDS_FREE'),
    runs: word('RUN_COUNT') - word('RUNS_FREE'),
    slots: word('SLOT_COUNT') - word('SLOTS_FREE'),
  }
}

export const NOTHING_IN_USE = {
  accounts: 0,
  extensions: 0,
  queues: 0,
  records: 0,
  runs: 0,
  slots: 0,
}

/** Reads the freed list as TypeScript does and recycles its handles; returns them. */
export function recycleFreed(core: MptcpCore): number[] {
  const list = headerWord(core, 'FREED_BASE') >> 2
  const freed = [...core.u32.subarray(list, list + headerWord(core, 'FREED_COUNT'))]
  setHeaderWord(core, 'FREED_COUNT', 0)
  for (const handle of freed) core.kernel.mptcp_extension_recycle(handle)
  return freed
}

export function readRecord(core: MptcpCore, record: number) {
  const word = (field: number) => core.u32[(record + field) >> 2]!
  const length = word(RECORD_LENGTH)
  const pointer = word(RECORD_POINTER)
  return {
    offset: core.f64[(record + RECORD_OFFSET) >> 3]!,
    length,
    pointer,
    next: word(RECORD_NEXT),
    extension: word(RECORD_EXTENSION),
    key: word(RECORD_KEY),
    sum: word(RECORD_SUM),
    bytes: core.u8.subarray(pointer, pointer + length),
  }
}

export function readChain(core: MptcpCore, first: number) {
  const records: ReturnType<typeof readRecord>[] = []
  for (let record = first; record !== 0; record = records.at(-1)!.next) {
    records.push(readRecord(core, record))
  }
  return records
}

/** RFC 1071, two bytes at a time, with the contract's zero convention. */
export function naiveSum(bytes: Uint8Array, seed = 0): number {
  let sum = seed
  for (let i = 0; i < bytes.length; i++) sum += i & 1 ? bytes[i]! : bytes[i]! << 8
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return sum === 0 && bytes.length > 0 ? 0xffff : sum
}

/** Some thousand times a test: `expect` would take most of its time. */
function agree(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}`)
}

export interface SeenQueue {
  head: number
  end: number
  lastEnd: number
  runs: { start: number; end: number; bytes: Uint8Array; records: number }[]
}

/**
 * Throws unless the queue's parts agree; returns what it holds. `keysFollow` says that in ABUT the
 * keys were given as offset + KEY_BASE.
 */
export function checkQueue(core: MptcpCore, queue: number, { keysFollow = true } = {}): SeenQueue {
  const word = (pointer: number, field: number) => core.u32[(pointer + field) >> 2]!
  const double = (pointer: number, field: number) => core.f64[(pointer + field) >> 3]!
  const mode = word(queue, QUEUE_MODE)

  const listed: number[] = []
  for (let run = word(queue, QUEUE_FIRST_RUN); run !== 0; run = word(run, RUN_NEXT)) {
    agree(word(run, RUN_PREVIOUS), listed.at(-1) ?? 0, 'the run before')
    listed.push(run)
  }
  agree(word(queue, QUEUE_LAST_RUN), listed.at(-1) ?? 0, 'the last run')
  agree(word(queue, QUEUE_RUNS), listed.length, 'the number of runs')

  const inTree: number[] = []
  const walk = (run: number, parent: number): void => {
    if (run === 0) return
    agree(word(run, RUN_PARENT), parent, 'the parent')
    const heap = parent === 0 || word(run, RUN_PRIORITY) <= word(parent, RUN_PRIORITY)
    agree(heap, true, 'the order of priorities')
    walk(word(run, RUN_LEFT), run)
    inTree.push(run)
    walk(word(run, RUN_RIGHT), run)
  }
  walk(word(queue, QUEUE_ROOT), 0)
  agree(inTree.join(), listed.join(), 'the order in the tree')
  for (let hint = 0; hint < 8; hint++) {
    const run = word(queue, QUEUE_HINTS + 4 * hint)
    agree(run === 0 || listed.includes(run), true, 'whether a hint is a run of the queue')
  }

  const head = double(queue, QUEUE_HEAD_OFFSET)
  let records = 0
  let queuedBytes = 0
  let previousEnd = -1
  const runs: SeenQueue['runs'] = []
  for (const run of listed) {
    const start = double(run, RUN_START)
    const end = double(run, RUN_END)
    agree(start > previousEnd && start >= head, true, 'whether a gap is before the run')
    const bytes = new Uint8Array(end - start)
    let at = start
    let last = 0
    let count = 0
    for (let record = word(run, RUN_FIRST); record !== 0; record = word(record, RECORD_NEXT)) {
      const seen = readRecord(core, record)
      agree(seen.offset, at, 'the offset of a record')
      const inSlot = seen.length > 0 && (seen.pointer % SLOT_BYTES) + seen.length <= SLOT_BYTES
      agree(inSlot, true, 'whether a record lies in its slot')
      if (seen.sum !== 0) agree(seen.sum & 0xffff, naiveSum(seen.bytes), 'the sum of a record')
      if (keysFollow && mode === COALESCE_ABUT && seen.key !== KEY_NONE) {
        agree(seen.key, (seen.offset + KEY_BASE) >>> 0, 'the key of a record')
      }
      bytes.set(seen.bytes, at - start)
      at += seen.length
      last = record
      count++
    }
    agree(at, end, 'the end of a chain')
    agree(word(run, RUN_LAST), last, 'the last record')
    runs.push({ start, end, bytes, records: count })
    records += count
    queuedBytes += end - start
    previousEnd = end
  }
  agree(word(queue, QUEUE_RECORDS), records, 'the number of records')
  agree(word(queue, QUEUE_QUEUED_BYTES), queuedBytes, 'the queued bytes')
  const end = runs[0]?.start === head ? runs[0].end : head
  agree(double(queue, QUEUE_END_OFFSET), end, 'the end')
  const lastEnd = runs.at(-1)?.end ?? head
  agree(double(queue, QUEUE_LAST_OFFSET), lastEnd, 'the end of the last run')
  return { head, end, lastEnd, runs }
}

/** Where the tests' other number space stands: key = offset + KEY_BASE, over the wrap of 2^32. */
export const KEY_BASE = 0xffff_0000
