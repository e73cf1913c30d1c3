// Slots, the records that are slices of them, the accounts that they are charged to, and the
// counted extensions that records carry: see ../core.ts. assembly/segment-buffers.ts is the twin:
// the same functions in the same order, and the same memory image after the same calls.

import { COALESCE_ABUT, KEY_NONE, type MptcpKernel } from '../core.js'
import { SLOT_BYTES } from '../layout.js'
import { emptyPools } from './pools.js'
import {
  ACCOUNT_HEAD,
  ACCOUNTS_FREE,
  EXTENSION,
  EXTENSION_BASE,
  EXTENSION_FREE,
  EXTENSION_HEAD,
  EXTENSIONS_FREE,
  FREE,
  FREED_BASE,
  FREED_COUNT,
  KEY,
  LENGTH,
  LIMIT,
  NEXT,
  POINTER,
  RECORD_HEAD,
  RECORDS_FREE,
  RESULT_SUM,
  SLOT_BASE,
  SLOT_HEAD,
  SLOT_META_BASE,
  SLOT_RESERVE,
  SLOTS_FREE,
  SUM,
  SUM_VALID,
  USED,
} from './words.js'

export type SegmentBuffers = Pick<
  MptcpKernel,
  | 'mptcp_reset'
  | 'mptcp_account_take'
  | 'mptcp_account_release'
  | 'mptcp_extension_take'
  | 'mptcp_extension_hold'
  | 'mptcp_extension_release'
  | 'mptcp_extension_recycle'
  | 'mptcp_record_take'
  | 'mptcp_record_slice'
  | 'mptcp_record_free'
  | 'mptcp_chain_free'
  | 'mptcp_record_slack'
  | 'mptcp_record_sum'
  | 'mptcp_payload_take'
  | 'mptcp_chain_copy'
>

type Checksum = Pick<MptcpKernel, 'mptcp_checksum' | 'mptcp_copy_checksum'>

/** The ones' complement sum of two sums: 0 only if both are. */
function addSums(a: number, b: number): number {
  const sum = a + b
  return (sum & 0xffff) + (sum >>> 16)
}

/** The sum of the same bytes when they start at an odd place. */
function swapSum(sum: number): number {
  return ((sum & 0xff) << 8) | (sum >>> 8)
}

/** The sum of bytes whose first `length` have the sum `first`, and the others `second`. */
export function joinSums(first: number, length: number, second: number): number {
  return addSums(first, length & 1 ? swapSum(second) : second)
}

/** Index of the entry of the slot that holds the byte at `pointer`. */
function slotMetaAt(u32: Uint32Array, pointer: number): number {
  return (u32[SLOT_META_BASE]! >>> 2) + (((pointer - u32[SLOT_BASE]!) >>> 11) << 1)
}

/** Whether nobody else refers to the record's slot. */
export function isSole(u32: Uint32Array, record: number): boolean {
  return u32[slotMetaAt(u32, u32[(record >>> 2) + POINTER]!)] === 1
}

export function createSegmentBuffers(memory: ArrayBuffer, checksum: Checksum): SegmentBuffers {
  const u8 = new Uint8Array(memory)
  const u32 = new Uint32Array(memory)
  const f64 = new Float64Array(memory)
  const { mptcp_checksum, mptcp_copy_checksum } = checksum

  function mptcp_reset(): void {
    emptyPools(u8, u32)
  }

  function mptcp_account_take(limit: number): number {
    const account = u32[ACCOUNT_HEAD]!
    if (account === 0) return 0
    const entry = account >>> 2
    u32[ACCOUNT_HEAD] = u32[entry + LIMIT]!
    u32[ACCOUNTS_FREE]! -= 1
    u32[entry + USED] = 0
    u32[entry + LIMIT] = limit
    return account
  }

  function mptcp_account_release(account: number): void {
    const entry = account >>> 2
    if (u32[entry + USED] !== 0) throw new Error('an account is released with slots in use')
    u32[entry + USED] = FREE
    u32[entry + LIMIT] = u32[ACCOUNT_HEAD]!
    u32[ACCOUNT_HEAD] = account
    u32[ACCOUNTS_FREE]! += 1
  }

  function extensionEntry(handle: number): number {
    return (u32[EXTENSION_BASE]! >>> 2) + handle
  }

  function mptcp_extension_take(): number {
    const handle = u32[EXTENSION_HEAD]!
    if (handle === 0) return 0
    const entry = extensionEntry(handle)
    u32[EXTENSION_HEAD] = u32[entry]! & ~EXTENSION_FREE
    u32[EXTENSIONS_FREE]! -= 1
    u32[entry] = 1
    return handle
  }

  function mptcp_extension_hold(handle: number): void {
    const entry = extensionEntry(handle)
    const count = u32[entry]!
    if (count === 0 || count >= EXTENSION_FREE) throw new Error('an extension is held while free')
    u32[entry] = count + 1
  }

  function mptcp_extension_release(handle: number): void {
    const entry = extensionEntry(handle)
    const count = u32[entry]!
    if (count === 0 || count >= EXTENSION_FREE) throw new Error('an extension is released twice')
    u32[entry] = count - 1
    if (count === 1) {
      // Bounded: a handle is listed at most once before it is recycled: there is room for all.
      u32[(u32[FREED_BASE]! >>> 2) + u32[FREED_COUNT]!] = handle
      u32[FREED_COUNT]! += 1
    }
  }

  function mptcp_extension_recycle(handle: number): void {
    const entry = extensionEntry(handle)
    if (handle === 0 || u32[entry] !== 0) throw new Error('an extension is recycled while in use')
    u32[entry] = EXTENSION_FREE | u32[EXTENSION_HEAD]!
    u32[EXTENSION_HEAD] = handle
    u32[EXTENSIONS_FREE]! += 1
  }

  /** Index of the entry of the slot of this number, from 1: 0 ends the free list. */
  function slotMeta(slot: number): number {
    return (u32[SLOT_META_BASE]! >>> 2) + ((slot - 1) << 1)
  }

  /** Whether `slots` more slots, and as many records, may be taken for the account. */
  function mayTake(account: number, privileged: number, slots: number): boolean {
    if (u32[RECORDS_FREE]! < slots) return false
    if (privileged !== 0) return u32[SLOTS_FREE]! >= slots
    const entry = account >>> 2
    return (
      u32[entry + USED]! + slots <= u32[entry + LIMIT]! &&
      u32[SLOTS_FREE]! >= u32[SLOT_RESERVE]! + slots
    )
  }

  /** A record out of the pool, which must not be empty; its fields are the caller's to set. */
  function takeRecord(): number {
    const record = u32[RECORD_HEAD]!
    u32[RECORD_HEAD] = u32[(record >>> 2) + NEXT]!
    u32[RECORDS_FREE]! -= 1
    return record
  }

  /** A record of length 0 over a fresh slot; both pools must have one. */
  function takeOverSlot(account: number): number {
    const slot = u32[SLOT_HEAD]!
    const meta = slotMeta(slot)
    u32[SLOT_HEAD] = u32[meta + 1]!
    u32[SLOTS_FREE]! -= 1
    u32[meta] = 1
    u32[meta + 1] = account
    u32[(account >>> 2) + USED]! += 1
    const record = takeRecord()
    const entry = record >>> 2
    f64[record >>> 3] = 0
    u32[entry + LENGTH] = 0
    u32[entry + POINTER] = u32[SLOT_BASE]! + (slot - 1) * SLOT_BYTES
    u32[entry + NEXT] = 0
    u32[entry + EXTENSION] = 0
    u32[entry + KEY] = KEY_NONE
    u32[entry + SUM] = 0
    return record
  }

  function mptcp_record_take(account: number, privileged: number): number {
    return mayTake(account, privileged, 1) ? takeOverSlot(account) : 0
  }

  function mptcp_record_slice(record: number, skip: number, length: number): number {
    const from = record >>> 2
    const whole = u32[from + LENGTH]!
    // A slice of no bytes at the end of a full slot would point into the next one.
    if (length === 0 || skip > whole || length > whole - skip) {
      throw new Error('a slice reaches over its record')
    }
    if (u32[RECORDS_FREE] === 0) return 0
    const pointer = u32[from + POINTER]!
    u32[slotMetaAt(u32, pointer)]! += 1
    const extension = u32[from + EXTENSION]!
    if (extension !== 0) mptcp_extension_hold(extension)
    const slice = takeRecord()
    const entry = slice >>> 2
    const key = u32[from + KEY]!
    f64[slice >>> 3] = f64[record >>> 3]! + skip
    u32[entry + LENGTH] = length
    u32[entry + POINTER] = pointer + skip
    u32[entry + NEXT] = 0
    u32[entry + EXTENSION] = extension
    u32[entry + KEY] = key === KEY_NONE ? KEY_NONE : key + skip
    u32[entry + SUM] = length === whole ? u32[from + SUM]! : 0
    return slice
  }

  function mptcp_record_free(record: number): void {
    const entry = record >>> 2
    const pointer = u32[entry + POINTER]!
    if (record === 0 || pointer === 0) throw new Error('a record is freed twice')
    const meta = slotMetaAt(u32, pointer)
    const references = u32[meta]! - 1
    if (references < 0) throw new Error('a slot is freed twice')
    u32[meta] = references
    if (references === 0) {
      u32[(u32[meta + 1]! >>> 2) + USED]! -= 1
      u32[meta + 1] = u32[SLOT_HEAD]!
      u32[SLOT_HEAD] = ((pointer - u32[SLOT_BASE]!) >>> 11) + 1
      u32[SLOTS_FREE]! += 1
    }
    const extension = u32[entry + EXTENSION]!
    if (extension !== 0) mptcp_extension_release(extension)
    u32[entry + POINTER] = 0
    u32[entry + NEXT] = u32[RECORD_HEAD]!
    u32[RECORD_HEAD] = record
    u32[RECORDS_FREE]! += 1
  }

  function mptcp_chain_free(chain: number): void {
    let record = chain
    while (record !== 0) {
      const next = u32[(record >>> 2) + NEXT]!
      mptcp_record_free(record)
      record = next
    }
  }

  function mptcp_record_slack(record: number): number {
    if (!isSole(u32, record)) return 0
    const entry = record >>> 2
    return SLOT_BYTES - (u32[entry + POINTER]! & (SLOT_BYTES - 1)) - u32[entry + LENGTH]!
  }

  function mptcp_record_sum(record: number): number {
    const entry = record >>> 2
    const known = u32[entry + SUM]!
    if (known & SUM_VALID) return known & 0xffff
    const sum = mptcp_checksum(u32[entry + POINTER]!, u32[entry + LENGTH]!, 0)
    u32[entry + SUM] = sum | SUM_VALID
    return sum
  }

  function mptcp_payload_take(
    account: number,
    privileged: number,
    source: number,
    length: number,
    offset: number,
    extension: number,
    key: number,
    mode: number,
  ): number {
    u32[RESULT_SUM] = 0
    key >>>= 0
    const slots = (length + SLOT_BYTES - 1) >>> 11
    if (slots === 0 || !mayTake(account, privileged, slots)) return 0
    const advance = mode === COALESCE_ABUT && key !== KEY_NONE
    let sum = 0
    let first = 0
    let last = 0
    for (let done = 0; done < length; done += SLOT_BYTES) {
      const record = takeOverSlot(account)
      const entry = record >>> 2
      const part = Math.min(length - done, SLOT_BYTES)
      const partSum = mptcp_copy_checksum(u32[entry + POINTER]!, source + done, part, 0)
      sum = addSums(sum, partSum)
      f64[record >>> 3] = offset + done
      u32[entry + LENGTH] = part
      u32[entry + EXTENSION] = extension
      u32[entry + KEY] = advance ? key + done : key
      u32[entry + SUM] = partSum | SUM_VALID
      if (extension !== 0) mptcp_extension_hold(extension)
      if (last !== 0) u32[(last >>> 2) + NEXT] = record
      else first = record
      last = record
    }
    u32[RESULT_SUM] = sum
    return first
  }

  function mptcp_chain_copy(chain: number, skip: number, length: number, target: number): number {
    let record = chain
    while (length !== 0 && skip >= u32[(record >>> 2) + LENGTH]!) {
      skip -= u32[(record >>> 2) + LENGTH]!
      record = u32[(record >>> 2) + NEXT]!
      if (record === 0) throw new Error('a chain is shorter than what is copied')
    }
    let sum = 0
    let done = 0
    while (done < length) {
      if (record === 0) throw new Error('a chain is shorter than what is copied')
      const entry = record >>> 2
      const whole = u32[entry + LENGTH]!
      const pointer = u32[entry + POINTER]!
      const part = Math.min(length - done, whole - skip)
      let partSum: number
      if (part === whole && u32[entry + SUM]! & SUM_VALID) {
        partSum = u32[entry + SUM]! & 0xffff
        u8.copyWithin(target + done, pointer, pointer + part)
      } else {
        partSum = mptcp_copy_checksum(target + done, pointer + skip, part, 0)
        if (part === whole) u32[entry + SUM] = partSum | SUM_VALID
      }
      sum = joinSums(sum, done, partSum)
      done += part
      skip = 0
      record = u32[entry + NEXT]!
    }
    return sum
  }

  return {
    mptcp_reset,
    mptcp_account_take,
    mptcp_account_release,
    mptcp_extension_take,
    mptcp_extension_hold,
    mptcp_extension_release,
    mptcp_extension_recycle,
    mptcp_record_take,
    mptcp_record_slice,
    mptcp_record_free,
    mptcp_chain_free,
    mptcp_record_slack,
    mptcp_record_sum,
    mptcp_payload_take,
    mptcp_chain_copy,
  }
}
