// The memory map of ts/core/layout.ts as this twin sees it: the records in core memory as classes
// without a header, read and written in place. Pools chain what is free through one field of it.

export const SLOT_BYTES: u32 = 2048
/** What may stand in an entry's place while it is free: no live one can have it. */
export const FREE: u32 = 0xffffffff
export const KEY_NONE: u32 = 0xffffffff
/** Marks a free extension; the other bits are the next free handle. */
export const EXTENSION_FREE: u32 = 0x80000000
/** Set in a record's sum while it is that of the record's bytes. */
export const SUM_VALID: u32 = 0x10000

export const BYPASS: u32 = 0
export const EQUAL: u32 = 1
export const ABUT: u32 = 2

@unmanaged
export class Header {
  accountBase: usize
  accountCount: u32
  queueBase: usize
  queueCount: u32
  extensionBase: usize
  extensionCount: u32
  freedBase: usize
  slotMetaBase: usize
  runBase: usize
  runCount: u32
  recordBase: usize
  recordCount: u32
  slotBase: usize
  slotCount: u32
  slotReserve: u32
  private unused15: u32
  slotsFree: u32
  recordsFree: u32
  runsFree: u32
  queuesFree: u32
  accountsFree: u32
  extensionsFree: u32
  freedCount: u32
  private unused23: u32
  slotHead: u32
  recordHead: Record | null
  runHead: Run | null
  queueHead: Queue | null
  accountHead: usize
  extensionHead: u32
  priorityState: u32
  private unused31: u32
  resultSum: u32
  resultVerdict: u32
  resultDuplicate: u32
  resultRefused: u32
}

export const header = changetype<Header>(65536)

/** While free: `used` is FREE, `limit` the next free account. */
@unmanaged
export class Account {
  used: u32
  limit: u32
  private unused8: u32
  private unused12: u32
}

/** While free: no references, `account` the number of the next free slot. */
@unmanaged
export class SlotMeta {
  references: u32
  account: usize
}

/** While free: `pointer` is 0, `next` the next free record. */
@unmanaged
export class Record {
  offset: f64
  length: u32
  pointer: usize
  next: Record | null
  extension: u32
  key: u32
  sum: u32
}

/** While free: `next` is the next free run. */
@unmanaged
export class Run {
  start: f64
  end: f64
  left: Run | null
  right: Run | null
  priority: u32
  first: Record
  last: Record
  parent: Run | null
  next: Run | null
  previous: Run | null
}

export const HINTS: u32 = 8

/** While free: `mode` is FREE, `root` the next free queue. */
@unmanaged
export class Queue {
  head: f64
  end: f64
  lastEnd: f64
  root: Run | null
  mode: u32
  runs: u32
  records: u32
  queuedBytes: u32
  firstRun: Run | null
  lastRun: Run | null
  /** 1 if any hint may be set. */
  hinted: u32
  /** The first of eight: see `hintOf`. */
  private hints: Run | null

  @inline
  hintOf(hint: u32): Run | null {
    return load<Run | null>(
      changetype<usize>(this) + ((<usize>hint) << 2),
      offsetof<Queue>('hints'),
    )
  }

  @inline
  setHint(hint: u32, run: Run | null): void {
    store<Run | null>(
      changetype<usize>(this) + ((<usize>hint) << 2),
      run,
      offsetof<Queue>('hints'),
    )
  }
}

/** Sizes of the pools' entries: a queue's is wider than its fields say. */
export const ACCOUNT_BYTES: u32 = 16
export const QUEUE_BYTES: u32 = 96
export const RUN_BYTES: u32 = 48
export const RECORD_BYTES: u32 = 32
export const SLOT_META_BYTES: u32 = 8
