// The memory map of a core: one fixed block, the same for both twins. Everything is sized from the
// number of bytes once, written into header words, and read from there by assembly/ and js/ alike.
//
//   0          the WASM module's own static data (below HEADER)
//   HEADER     words: addresses and counts of all that follows, results, heads of free lists
//   SCRATCH    small messages, keys and digests
//   STAGING    frames that links receive into, then one frame that is being sent
//   tables     accounts, queues, extensions, freed list, slot references, runs, records
//   slots      2,048 bytes each

export const SLOT_BYTES = 2048

/** Where the header starts: the static data of the module lies below (a test holds it to that). */
export const HEADER = 65536
export const SCRATCH = HEADER + 4096
export const SCRATCH_BYTES = 4096
export const STAGING_RECEIVE = SCRATCH + SCRATCH_BYTES
/** Room for three of the largest packets, or for a batch of ordinary ones. */
export const STAGING_RECEIVE_BYTES = 256 * 1024
export const STAGING_SEND = STAGING_RECEIVE + STAGING_RECEIVE_BYTES
/** Room for one of the largest packets with its headers. */
export const STAGING_SEND_BYTES = 128 * 1024
const TABLES = STAGING_SEND + STAGING_SEND_BYTES

/** The smallest block that still holds a few hundred slots. */
export const MEMORY_MIN_BYTES = 1024 * 1024
/** 2 GiB less one WASM page: addresses come out of WASM as signed numbers and must stay positive. */
export const MEMORY_MAX_BYTES = 0x7fff0000

/** Header words: index of a u32 from HEADER. The layout's come first and are written by the host. */
export const HEADER_WORDS = {
  ACCOUNT_BASE: 0,
  ACCOUNT_COUNT: 1,
  QUEUE_BASE: 2,
  QUEUE_COUNT: 3,
  EXTENSION_BASE: 4,
  EXTENSION_COUNT: 5,
  FREED_BASE: 6,
  SLOT_META_BASE: 7,
  RUN_BASE: 8,
  RUN_COUNT: 9,
  RECORD_BASE: 10,
  RECORD_COUNT: 11,
  SLOT_BASE: 12,
  SLOT_COUNT: 13,
  /** Slots that only a privileged taking may use. */
  SLOT_RESERVE: 14,
  // State, kept by the twins.
  SLOTS_FREE: 16,
  RECORDS_FREE: 17,
  RUNS_FREE: 18,
  QUEUES_FREE: 19,
  ACCOUNTS_FREE: 20,
  EXTENSIONS_FREE: 21,
  /** Handles in the freed list; the host sets it to 0 after reading them. */
  FREED_COUNT: 22,
  // Heads of the free lists: a pointer (or, for slots and extensions, an index); 0 = empty.
  SLOT_HEAD: 24,
  RECORD_HEAD: 25,
  RUN_HEAD: 26,
  QUEUE_HEAD: 27,
  ACCOUNT_HEAD: 28,
  EXTENSION_HEAD: 29,
  /** Seed of the treap's priorities: xorshift32, the same in both twins. */
  PRIORITY_STATE: 30,
  // Results of the last call that gives more than one.
  RESULT_SUM: 32,
  RESULT_VERDICT: 33,
  RESULT_DUPLICATE: 34,
  RESULT_REFUSED: 35,
} as const

/** Fields of a record, in bytes from its pointer. */
export const RECORD_BYTES = 32
export const RECORD_OFFSET = 0 // f64: stream offset of the first byte
export const RECORD_LENGTH = 8
export const RECORD_POINTER = 12 // address of the first byte, inside one slot
export const RECORD_NEXT = 16
export const RECORD_EXTENSION = 20
export const RECORD_KEY = 24
export const RECORD_SUM = 28 // bits 0-15 the sum, bit 16 set while it is valid

/** Fields of a run (a node of a queue's treap). */
export const RUN_BYTES = 48
export const RUN_START = 0 // f64
export const RUN_END = 8 // f64
export const RUN_LEFT = 16
export const RUN_RIGHT = 20
export const RUN_PRIORITY = 24
export const RUN_FIRST = 28 // first record of the chain
export const RUN_LAST = 32 // last record of the chain
export const RUN_PARENT = 36 // for the twins' own use
export const RUN_NEXT = 40 // the runs are threaded as a list, in order of offset
export const RUN_PREVIOUS = 44

/** Fields of a queue. */
export const QUEUE_BYTES = 96
export const QUEUE_HEAD_OFFSET = 0 // f64: the first byte not yet popped
export const QUEUE_END_OFFSET = 8 // f64: end of the contiguous bytes from head
export const QUEUE_LAST_OFFSET = 16 // f64: end of the last run (= end when nothing is out of order)
export const QUEUE_ROOT = 24
export const QUEUE_MODE = 28
export const QUEUE_RUNS = 32
export const QUEUE_RECORDS = 36
export const QUEUE_QUEUED_BYTES = 40 // u32
export const QUEUE_FIRST_RUN = 44
export const QUEUE_LAST_RUN = 48
export const QUEUE_HINTED = 52 // 1 if any hint may be set
export const QUEUE_HINTS = 56 // eight u32: the run that this hint inserted into last, or 0

/** Fields of an account; an account is the pointer to it. */
export const ACCOUNT_BYTES = 16
export const ACCOUNT_USED = 0
export const ACCOUNT_LIMIT = 4

/** An extension's entry: its count; its pointer is EXTENSION_BASE + 4 * handle; handle 0 = none. */
export const EXTENSION_BYTES = 4

/** A slot's entry: references (u32), then the account that it is charged to (u32). */
export const SLOT_META_BYTES = 8

export interface CoreLayout {
  readonly memoryBytes: number
  readonly slotCount: number
  readonly recordCount: number
  readonly words: Readonly<Record<keyof typeof HEADER_WORDS, number>>
}

/** What one active connection may hold: an account each way, and queues for itself and its subflows. */
const ACCOUNTS_PER_CONNECTION = 2
const QUEUES_PER_CONNECTION = 4
const CONNECTION_BYTES =
  ACCOUNTS_PER_CONNECTION * ACCOUNT_BYTES + QUEUES_PER_CONNECTION * QUEUE_BYTES
/** By default so many slots an active connection. */
const SLOTS_PER_CONNECTION = 16
/** Fewer are no use: the reserve would be empty. */
const LEAST_SLOTS = 64

/**
 * Sizes every table for a block of `memoryBytes`, of which `maxActiveConnections` (default: a sixteenth of
 * the slots) may have data under way; RangeError outside the limits above, or if too few slots are left.
 */
export function layOut(memoryBytes: number, maxActiveConnections?: number): CoreLayout {
  if (!(memoryBytes >= MEMORY_MIN_BYTES && memoryBytes <= MEMORY_MAX_BYTES)) {
    throw new RangeError(
      `memoryBytes must be from ${MEMORY_MIN_BYTES} to ${MEMORY_MAX_BYTES}, not ${memoryBytes}`,
    )
  }
  // For each slot: itself, its entry, two records, one run, one extension and its place in the freed list.
  const perSlot = SLOT_BYTES + SLOT_META_BYTES + 2 * RECORD_BYTES + RUN_BYTES + 2 * EXTENSION_BYTES
  const room = memoryBytes - TABLES - SLOT_BYTES - 1024
  const connections =
    maxActiveConnections ?? Math.floor(room / (SLOTS_PER_CONNECTION * perSlot + CONNECTION_BYTES))
  const slotCount = Math.floor((room - connections * CONNECTION_BYTES) / perSlot)
  if (!Number.isInteger(connections) || connections < 1 || slotCount < LEAST_SLOTS) {
    throw new RangeError(
      `maxActiveConnections must be a whole number that memoryBytes has room for, not ${connections}`,
    )
  }
  const recordCount = 2 * slotCount
  const extensionCount = slotCount
  const queueCount = QUEUES_PER_CONNECTION * connections
  const accountCount = ACCOUNTS_PER_CONNECTION * connections
  let at = TABLES
  const place = (bytes: number, align: number): number => {
    const start = Math.ceil(at / align) * align
    at = start + bytes
    return start
  }
  const words = Object.fromEntries(Object.keys(HEADER_WORDS).map((name) => [name, 0])) as Record<
    keyof typeof HEADER_WORDS,
    number
  >
  words.ACCOUNT_BASE = place(accountCount * ACCOUNT_BYTES, 16)
  words.ACCOUNT_COUNT = accountCount
  words.QUEUE_BASE = place(queueCount * QUEUE_BYTES, 16)
  words.QUEUE_COUNT = queueCount
  words.EXTENSION_BASE = place((extensionCount + 1) * EXTENSION_BYTES, 16)
  words.EXTENSION_COUNT = extensionCount
  words.FREED_BASE = place(extensionCount * 4, 16)
  words.SLOT_META_BASE = place(slotCount * SLOT_META_BYTES, 16)
  words.RUN_BASE = place(slotCount * RUN_BYTES, 16)
  words.RUN_COUNT = slotCount
  words.RECORD_BASE = place(recordCount * RECORD_BYTES, 16)
  words.RECORD_COUNT = recordCount
  words.SLOT_BASE = place(slotCount * SLOT_BYTES, SLOT_BYTES)
  words.SLOT_COUNT = slotCount
  words.SLOT_RESERVE = Math.min(64, slotCount >> 4)
  words.PRIORITY_STATE = 0x9e3779b9
  return { memoryBytes, slotCount, recordCount, words }
}
