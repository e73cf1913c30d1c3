// Slots, the records that are slices of them, the accounts that they are charged to, and the
// counted extensions that records carry: see ts/core/core.ts. ts/core/js/segment-buffers.ts is the
// twin: the same functions in the same order, and the same memory image after the same calls.

import { mptcp_checksum, mptcp_copy_checksum } from './checksum'
import {
  ABUT,
  Account,
  EXTENSION_FREE,
  FREE,
  header,
  KEY_NONE,
  Record,
  SLOT_BYTES,
  SLOT_META_BYTES,
  SlotMeta,
  SUM_VALID,
} from './layout'
import { emptyPools } from './pools'

export function mptcp_reset(): void {
  emptyPools()
}

export function mptcp_account_take(limit: u32): usize {
  const pointer = header.accountHead
  if (pointer == 0) return 0
  const account = changetype<Account>(pointer)
  header.accountHead = account.limit
  header.accountsFree -= 1
  account.used = 0
  account.limit = limit
  return pointer
}

export function mptcp_account_release(pointer: usize): void {
  const account = changetype<Account>(pointer)
  if (account.used != 0) unreachable()
  account.used = FREE
  account.limit = <u32>header.accountHead
  header.accountHead = pointer
  header.accountsFree += 1
}

@inline
function extensionEntry(handle: u32): usize {
  return header.extensionBase + ((<usize>handle) << 2)
}

export function mptcp_extension_take(): u32 {
  const handle = header.extensionHead
  if (handle == 0) return 0
  const entry = extensionEntry(handle)
  header.extensionHead = load<u32>(entry) & ~EXTENSION_FREE
  header.extensionsFree -= 1
  store<u32>(entry, 1)
  return handle
}

export function mptcp_extension_hold(handle: u32): void {
  const entry = extensionEntry(handle)
  const count = load<u32>(entry)
  if (count == 0 || count >= EXTENSION_FREE) unreachable()
  store<u32>(entry, count + 1)
}

export function mptcp_extension_release(handle: u32): void {
  const entry = extensionEntry(handle)
  const count = load<u32>(entry)
  if (count == 0 || count >= EXTENSION_FREE) unreachable()
  store<u32>(entry, count - 1)
  if (count == 1) {
    // Bounded: a handle is listed at most once before it is recycled: there is room for all.
    store<u32>(header.freedBase + ((<usize>header.freedCount) << 2), handle)
    header.freedCount += 1
  }
}

export function mptcp_extension_recycle(handle: u32): void {
  const entry = extensionEntry(handle)
  if (handle == 0 || load<u32>(entry) != 0) unreachable()
  store<u32>(entry, EXTENSION_FREE | header.extensionHead)
  header.extensionHead = handle
  header.extensionsFree += 1
}

/** The entry of the slot of this number, from 1: 0 ends the free list. */
@inline
function slotMeta(slot: u32): SlotMeta {
  return changetype<SlotMeta>(header.slotMetaBase + (slot - 1) * SLOT_META_BYTES)
}

/** The entry of the slot that holds the byte at `pointer`. */
@inline
function slotMetaAt(pointer: usize): SlotMeta {
  return changetype<SlotMeta>(
    header.slotMetaBase + ((pointer - header.slotBase) / SLOT_BYTES) * SLOT_META_BYTES,
  )
}

/** Whether `slots` more slots, and as many records, may be taken for the account. */
@inline
function mayTake(account: Account, privileged: u32, slots: u32): bool {
  if (header.recordsFree < slots) return false
  if (privileged != 0) return header.slotsFree >= slots
  return (
    <u64>account.used + slots <= <u64>account.limit &&
    <u64>header.slotsFree >= <u64>header.slotReserve + slots
  )
}

/** A record out of the pool, which must not be empty; its fields are the caller's to set. */
@inline
function takeRecord(): Record {
  const record = header.recordHead!
  header.recordHead = record.next
  header.recordsFree -= 1
  return record
}

/** A record of length 0 over a fresh slot; both pools must have one. */
function takeOverSlot(account: Account): Record {
  const slot = header.slotHead
  const meta = slotMeta(slot)
  header.slotHead = <u32>meta.account
  header.slotsFree -= 1
  meta.references = 1
  meta.account = changetype<usize>(account)
  account.used += 1
  const record = takeRecord()
  record.offset = 0
  record.length = 0
  record.pointer = header.slotBase + (slot - 1) * SLOT_BYTES
  record.next = null
  record.extension = 0
  record.key = KEY_NONE
  record.sum = 0
  return record
}

export function mptcp_record_take(account: Account, privileged: u32): Record | null {
  return mayTake(account, privileged, 1) ? takeOverSlot(account) : null
}

export function mptcp_record_slice(record: Record, skip: u32, length: u32): Record | null {
  // A slice of no bytes at the end of a full slot would point into the next one.
  if (length == 0 || skip > record.length || length > record.length - skip) unreachable()
  if (header.recordsFree == 0) return null
  slotMetaAt(record.pointer).references += 1
  if (record.extension != 0) mptcp_extension_hold(record.extension)
  const slice = takeRecord()
  slice.offset = record.offset + skip
  slice.length = length
  slice.pointer = record.pointer + skip
  slice.next = null
  slice.extension = record.extension
  slice.key = record.key == KEY_NONE ? KEY_NONE : record.key + skip
  slice.sum = length == record.length ? record.sum : 0
  return slice
}

export function mptcp_record_free(record: Record): void {
  if (changetype<usize>(record) == 0 || record.pointer == 0) unreachable()
  const meta = slotMetaAt(record.pointer)
  if (meta.references == 0) unreachable()
  meta.references -= 1
  if (meta.references == 0) {
    changetype<Account>(meta.account).used -= 1
    meta.account = header.slotHead
    header.slotHead = <u32>((record.pointer - header.slotBase) / SLOT_BYTES) + 1
    header.slotsFree += 1
  }
  if (record.extension != 0) mptcp_extension_release(record.extension)
  record.pointer = 0
  record.next = header.recordHead
  header.recordHead = record
  header.recordsFree += 1
}

export function mptcp_chain_free(chain: Record | null): void {
  let record = chain
  while (record) {
    const next = record.next
    mptcp_record_free(record)
    record = next
  }
}

/** Whether nobody else refers to the record's slot. */
export function isSole(record: Record): bool {
  return slotMetaAt(record.pointer).references == 1
}

export function mptcp_record_slack(record: Record): u32 {
  if (!isSole(record)) return 0
  return SLOT_BYTES - <u32>(record.pointer & (SLOT_BYTES - 1)) - record.length
}

export function mptcp_record_sum(record: Record): u32 {
  const known = record.sum
  if (known & SUM_VALID) return known & 0xffff
  const sum = mptcp_checksum(record.pointer, record.length, 0)
  record.sum = sum | SUM_VALID
  return sum
}

/** The ones' complement sum of two sums: 0 only if both are. */
@inline
function addSums(a: u32, b: u32): u32 {
  const sum = a + b
  return (sum & 0xffff) + (sum >>> 16)
}

/** The sum of the same bytes when they start at an odd place. */
@inline
function swapSum(sum: u32): u32 {
  return ((sum & 0xff) << 8) | (sum >>> 8)
}

/** The sum of bytes whose first `length` have the sum `first`, and the others `second`. */
export function joinSums(first: u32, length: u32, second: u32): u32 {
  return addSums(first, length & 1 ? swapSum(second) : second)
}

export function mptcp_payload_take(
  account: Account,
  privileged: u32,
  source: usize,
  length: u32,
  offset: f64,
  extension: u32,
  key: u32,
  mode: u32,
): Record | null {
  header.resultSum = 0
  const slots = length / SLOT_BYTES + <u32>(length % SLOT_BYTES != 0)
  if (slots == 0 || !mayTake(account, privileged, slots)) return null
  const advance = mode == ABUT && key != KEY_NONE
  let sum: u32 = 0
  let first: Record | null = null
  let last: Record | null = null
  for (let done: u32 = 0; done < length; done += SLOT_BYTES) {
    const record = takeOverSlot(account)
    const part = min(length - done, SLOT_BYTES)
    const partSum = mptcp_copy_checksum(record.pointer, source + done, part, 0)
    sum = addSums(sum, partSum)
    record.offset = offset + done
    record.length = part
    record.extension = extension
    record.key = advance ? key + done : key
    record.sum = partSum | SUM_VALID
    if (extension != 0) mptcp_extension_hold(extension)
    if (last) last.next = record
    else first = record
    last = record
  }
  header.resultSum = sum
  return first
}

export function mptcp_chain_copy(chain: Record, skip: u32, length: u32, target: usize): u32 {
  let record = chain
  while (length != 0 && skip >= record.length) {
    skip -= record.length
    record = record.next!
    if (changetype<usize>(record) == 0) unreachable()
  }
  let sum: u32 = 0
  let done: u32 = 0
  while (done < length) {
    if (changetype<usize>(record) == 0) unreachable()
    const part = min(length - done, record.length - skip)
    let partSum: u32
    if (part == record.length && record.sum & SUM_VALID) {
      partSum = record.sum & 0xffff
      memory.copy(target + done, record.pointer, part)
    } else {
      partSum = mptcp_copy_checksum(target + done, record.pointer + skip, part, 0)
      if (part == record.length) record.sum = partSum | SUM_VALID
    }
    sum = joinSums(sum, done, partSum)
    done += part
    skip = 0
    record = record.next!
  }
  return sum
}
