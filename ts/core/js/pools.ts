// Empties the pools of a core: everything free, in lists that hand out the lowest address first.
// assembly/pools.ts is the twin.

import {
  ACCOUNT_BYTES,
  ACCOUNT_LIMIT,
  QUEUE_BYTES,
  QUEUE_MODE,
  QUEUE_ROOT,
  RECORD_BYTES,
  RECORD_NEXT,
  RUN_BYTES,
  RUN_NEXT,
} from '../layout.js'
import {
  ACCOUNT_BASE,
  ACCOUNT_COUNT,
  ACCOUNT_HEAD,
  ACCOUNTS_FREE,
  EXTENSION_BASE,
  EXTENSION_COUNT,
  EXTENSION_FREE,
  EXTENSION_HEAD,
  EXTENSIONS_FREE,
  FREE,
  FREED_COUNT,
  PRIORITY_STATE,
  QUEUE_BASE,
  QUEUE_COUNT,
  QUEUE_HEAD,
  QUEUES_FREE,
  RECORD_BASE,
  RECORD_COUNT,
  RECORD_HEAD,
  RECORDS_FREE,
  RESULT_DUPLICATE,
  RESULT_REFUSED,
  RESULT_SUM,
  RESULT_VERDICT,
  RUN_BASE,
  RUN_COUNT,
  RUN_HEAD,
  RUNS_FREE,
  SLOT_BASE,
  SLOT_COUNT,
  SLOT_HEAD,
  SLOT_META_BASE,
  SLOTS_FREE,
  USED,
} from './words.js'

/** Chains `count` entries of `bytes` through the word at `link`, lowest address first. */
function chainPool(
  u32: Uint32Array,
  base: number,
  count: number,
  bytes: number,
  link: number,
): void {
  for (let i = 1; i < count; i++) {
    const entry = base + (i - 1) * bytes
    u32[(entry + link) >>> 2] = entry + bytes
  }
}

export function emptyPools(u8: Uint8Array, u32: Uint32Array): void {
  u8.fill(0, u32[ACCOUNT_BASE]!, u32[SLOT_BASE]!)

  const accounts = u32[ACCOUNT_BASE]!
  chainPool(u32, accounts, u32[ACCOUNT_COUNT]!, ACCOUNT_BYTES, ACCOUNT_LIMIT)
  for (let i = 0; i < u32[ACCOUNT_COUNT]!; i++) {
    u32[((accounts + i * ACCOUNT_BYTES) >>> 2) + USED] = FREE
  }
  u32[ACCOUNT_HEAD] = accounts
  u32[ACCOUNTS_FREE] = u32[ACCOUNT_COUNT]!

  const queues = u32[QUEUE_BASE]!
  chainPool(u32, queues, u32[QUEUE_COUNT]!, QUEUE_BYTES, QUEUE_ROOT)
  for (let i = 0; i < u32[QUEUE_COUNT]!; i++) {
    u32[(queues + i * QUEUE_BYTES + QUEUE_MODE) >>> 2] = FREE
  }
  u32[QUEUE_HEAD] = queues
  u32[QUEUES_FREE] = u32[QUEUE_COUNT]!

  chainPool(u32, u32[RUN_BASE]!, u32[RUN_COUNT]!, RUN_BYTES, RUN_NEXT)
  u32[RUN_HEAD] = u32[RUN_BASE]!
  u32[RUNS_FREE] = u32[RUN_COUNT]!

  chainPool(u32, u32[RECORD_BASE]!, u32[RECORD_COUNT]!, RECORD_BYTES, RECORD_NEXT)
  u32[RECORD_HEAD] = u32[RECORD_BASE]!
  u32[RECORDS_FREE] = u32[RECORD_COUNT]!

  const extensions = u32[EXTENSION_COUNT]!
  for (let handle = 1; handle <= extensions; handle++) {
    u32[(u32[EXTENSION_BASE]! >>> 2) + handle] =
      EXTENSION_FREE | (handle < extensions ? handle + 1 : 0)
  }
  u32[EXTENSION_HEAD] = 1
  u32[EXTENSIONS_FREE] = extensions
  u32[FREED_COUNT] = 0

  for (let slot = 1; slot < u32[SLOT_COUNT]!; slot++) {
    u32[(u32[SLOT_META_BASE]! >>> 2) + 2 * slot - 1] = slot + 1
  }
  u32[SLOT_HEAD] = 1
  u32[SLOTS_FREE] = u32[SLOT_COUNT]!

  // xorshift32 stays at 0 for ever; any other state is the host's to choose.
  if (u32[PRIORITY_STATE] === 0) u32[PRIORITY_STATE] = 0x9e3779b9
  u32[RESULT_SUM] = 0
  u32[RESULT_VERDICT] = 0
  u32[RESULT_DUPLICATE] = 0
  u32[RESULT_REFUSED] = 0
}
