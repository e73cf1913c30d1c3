// The memory map of ../layout.ts as indices of 32-bit words: of the header's words from the start
// of memory, of an entry's fields from the entry's own index (its pointer >>> 2).
// assembly/layout.ts is the twin. Pools chain what is free through one field of it.

import {
  ACCOUNT_LIMIT,
  ACCOUNT_USED,
  HEADER,
  HEADER_WORDS,
  QUEUE_FIRST_RUN,
  QUEUE_HINTED,
  QUEUE_HINTS,
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
  RECORD_POINTER,
  RECORD_SUM,
  RUN_FIRST,
  RUN_LAST,
  RUN_LEFT,
  RUN_NEXT,
  RUN_PARENT,
  RUN_PREVIOUS,
  RUN_PRIORITY,
  RUN_RIGHT,
} from '../layout.js'

/** What may stand in an entry's place while it is free: no live one can have it. */
export const FREE = 0xffffffff
/** Marks a free extension; the other bits are the next free handle. */
export const EXTENSION_FREE = 0x80000000
/** Set in a record's sum while it is that of the record's bytes. */
export const SUM_VALID = 0x10000

const WORDS = HEADER >> 2
export const ACCOUNT_BASE = WORDS + HEADER_WORDS.ACCOUNT_BASE
export const ACCOUNT_COUNT = WORDS + HEADER_WORDS.ACCOUNT_COUNT
export const QUEUE_BASE = WORDS + HEADER_WORDS.QUEUE_BASE
export const QUEUE_COUNT = WORDS + HEADER_WORDS.QUEUE_COUNT
export const EXTENSION_BASE = WORDS + HEADER_WORDS.EXTENSION_BASE
export const EXTENSION_COUNT = WORDS + HEADER_WORDS.EXTENSION_COUNT
export const FREED_BASE = WORDS + HEADER_WORDS.FREED_BASE
export const SLOT_META_BASE = WORDS + HEADER_WORDS.SLOT_META_BASE
export const RUN_BASE = WORDS + HEADER_WORDS.RUN_BASE
export const RUN_COUNT = WORDS + HEADER_WORDS.RUN_COUNT
export const RECORD_BASE = WORDS + HEADER_WORDS.RECORD_BASE
export const RECORD_COUNT = WORDS + HEADER_WORDS.RECORD_COUNT
export const SLOT_BASE = WORDS + HEADER_WORDS.SLOT_BASE
export const SLOT_COUNT = WORDS + HEADER_WORDS.SLOT_COUNT
export const SLOT_RESERVE = WORDS + HEADER_WORDS.SLOT_RESERVE
export const SLOTS_FREE = WORDS + HEADER_WORDS.SLOTS_FREE
export const RECORDS_FREE = WORDS + HEADER_WORDS.RECORDS_FREE
export const RUNS_FREE = WORDS + HEADER_WORDS.RUNS_FREE
export const QUEUES_FREE = WORDS + HEADER_WORDS.QUEUES_FREE
export const ACCOUNTS_FREE = WORDS + HEADER_WORDS.ACCOUNTS_FREE
export const EXTENSIONS_FREE = WORDS + HEADER_WORDS.EXTENSIONS_FREE
export const FREED_COUNT = WORDS + HEADER_WORDS.FREED_COUNT
export const SLOT_HEAD = WORDS + HEADER_WORDS.SLOT_HEAD
export const RECORD_HEAD = WORDS + HEADER_WORDS.RECORD_HEAD
export const RUN_HEAD = WORDS + HEADER_WORDS.RUN_HEAD
export const QUEUE_HEAD = WORDS + HEADER_WORDS.QUEUE_HEAD
export const ACCOUNT_HEAD = WORDS + HEADER_WORDS.ACCOUNT_HEAD
export const EXTENSION_HEAD = WORDS + HEADER_WORDS.EXTENSION_HEAD
export const PRIORITY_STATE = WORDS + HEADER_WORDS.PRIORITY_STATE
export const RESULT_SUM = WORDS + HEADER_WORDS.RESULT_SUM
export const RESULT_VERDICT = WORDS + HEADER_WORDS.RESULT_VERDICT
export const RESULT_DUPLICATE = WORDS + HEADER_WORDS.RESULT_DUPLICATE
export const RESULT_REFUSED = WORDS + HEADER_WORDS.RESULT_REFUSED

/** While free: `used` is FREE, `limit` the next free account. */
export const USED = ACCOUNT_USED >> 2
export const LIMIT = ACCOUNT_LIMIT >> 2

/** While free: `pointer` is 0, `next` the next free record. */
export const LENGTH = RECORD_LENGTH >> 2
export const POINTER = RECORD_POINTER >> 2
export const NEXT = RECORD_NEXT >> 2
export const EXTENSION = RECORD_EXTENSION >> 2
export const KEY = RECORD_KEY >> 2
export const SUM = RECORD_SUM >> 2

/** While free: `next` is the next free run. */
export const LEFT = RUN_LEFT >> 2
export const RIGHT = RUN_RIGHT >> 2
export const PRIORITY = RUN_PRIORITY >> 2
export const FIRST = RUN_FIRST >> 2
export const LAST = RUN_LAST >> 2
export const PARENT = RUN_PARENT >> 2
export const AFTER = RUN_NEXT >> 2
export const BEFORE = RUN_PREVIOUS >> 2

/** While free: `mode` is FREE, `root` the next free queue. */
export const ROOT = QUEUE_ROOT >> 2
export const MODE = QUEUE_MODE >> 2
export const RUNS = QUEUE_RUNS >> 2
export const RECORDS = QUEUE_RECORDS >> 2
export const QUEUED_BYTES = QUEUE_QUEUED_BYTES >> 2
export const FIRST_RUN = QUEUE_FIRST_RUN >> 2
export const LAST_RUN = QUEUE_LAST_RUN >> 2
export const HINTED = QUEUE_HINTED >> 2
export const HINTS = QUEUE_HINTS >> 2

/** Doubles of a run and of a queue, from the pointer >>> 3; a record's offset is its first. */
export const START = 0
export const END = 1
export const QUEUE_START = 0
export const QUEUE_END = 1
export const QUEUE_LAST_END = 2
