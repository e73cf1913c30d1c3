// What a core has left, and what it gives back: slots, records, accounts, and the freed extensions, by name
// for those above it.

import type { MptcpCore } from './core.js'
import { ACCOUNT_LIMIT, ACCOUNT_USED, HEADER, HEADER_WORDS } from './layout.js'

export { SLOT_BYTES } from './layout.js'

const WORDS = HEADER >> 2

export function slotsFree(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.SLOTS_FREE]
}

export function slotsUsed(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.SLOT_COUNT] - slotsFree(core)
}

/** Whether a taking that is not privileged finds a slot and a record. */
export function hasCommonMemory({ u32 }: MptcpCore): boolean {
  const reserve = u32[WORDS + HEADER_WORDS.SLOT_RESERVE]
  return (
    u32[WORDS + HEADER_WORDS.SLOTS_FREE] > reserve &&
    u32[WORDS + HEADER_WORDS.RECORDS_FREE] > reserve
  )
}

export function accountsFree(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.ACCOUNTS_FREE]
}

export function accountCount(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.ACCOUNT_COUNT]
}

export function queuesFree(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.QUEUES_FREE]
}

/** Slots charged to an account, and the most that may be. */
export function accountUsed(core: MptcpCore, account: number): number {
  return core.u32[(account + ACCOUNT_USED) >> 2]
}

export function accountLimit(core: MptcpCore, account: number): number {
  return core.u32[(account + ACCOUNT_LIMIT) >> 2]
}

/** Extension handles run from 1 to this. */
export function extensionCount(core: MptcpCore): number {
  return core.u32[WORDS + HEADER_WORDS.EXTENSION_COUNT]
}

/** The destructor: tells `freed` of each handle that nothing refers to any more, and recycles it. */
export function drainFreed({ u32, kernel }: MptcpCore, freed: (extension: number) => void): void {
  const count = u32[WORDS + HEADER_WORDS.FREED_COUNT]
  if (count === 0) return
  const base = u32[WORDS + HEADER_WORDS.FREED_BASE] >> 2
  u32[WORDS + HEADER_WORDS.FREED_COUNT] = 0
  for (let i = 0; i < count; i++) {
    const extension = u32[base + i]
    freed(extension)
    kernel.mptcp_extension_recycle(extension)
  }
}

/** Whoever knew the treap's priorities could choose offsets that make a list of it. */
export function seedPriorities(core: MptcpCore, seed: number): void {
  core.u32[WORDS + HEADER_WORDS.PRIORITY_STATE] = seed | 1
}
