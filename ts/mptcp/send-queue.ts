// What the application wrote and the peer has not DATA_ACKed: records in data order. Bytes are copied
// into slots once, here; mappings made later are slices of the same slots.

import { accountLimit, accountUsed, hasCommonMemory, SLOT_BYTES } from '../core/pools.js'
import {
  recordEndOffset,
  recordLength,
  recordOffset,
  recordPointer,
  recordRoom,
  setNextRecord,
  setRecordLength,
  setRecordOffset,
} from '../core/records.js'
import type { Connection } from './connection.js'
import { EVENT_WRITABLE } from './connection.js'
import type { Context } from './context.js'
import { possibleSenders, readyToSend } from './idle.js'

/** Takes as much of `bytes` as the buffer has room for; returns the number taken. */
export function append(context: Context, connection: Connection, bytes: Uint8Array): number {
  const { core } = context
  const { snd } = connection
  const room = sendRoom(connection)
  const most = Math.min(bytes.length, Math.max(0, room))
  if (most === 0) return 0
  if (!readyToSend(context, connection)) {
    context.unserved.add(connection)
    return 0
  }
  let taken = 0
  let record = snd.records.last() ?? 0
  // A slot that mappings refer to already may still take bytes behind theirs: they hold slices that end
  // before it, and this record is the only one that grows.
  let slack = record === 0 ? 0 : recordRoom(core, record)
  while (taken < most) {
    if (slack === 0) {
      record = core.kernel.mptcp_record_take(snd.account, 0)
      if (record === 0) {
        context.starved.add(connection)
        break
      }
      setRecordOffset(core, record, snd.end)
      snd.records.push(record)
      slack = SLOT_BYTES
    }
    const count = Math.min(slack, most - taken)
    const length = recordLength(core, record)
    const part =
      count === bytes.length && taken === 0 ? bytes : bytes.subarray(taken, taken + count)
    core.u8.set(part, recordPointer(core, record) + length)
    setRecordLength(core, record, length + count)
    snd.end += count
    taken += count
    slack -= count
  }
  return taken
}

/**
 * Whether a connection without memory may go on, where there is any: slots come back with the ACKs of any subflow of any
 * connection, not only with a DATA_ACK of its own. A quarter, so that it is not woken for every slot.
 */
function hasSendMemory(context: Context, connection: Connection): boolean {
  const { core } = context
  const { account } = connection.snd
  const limit = accountLimit(core, account)
  return limit - accountUsed(core, account) >= limit / 4
}

/**
 * Tells `wake` of those that had no memory for sending and may go on. Bounded: the starved are active; of the
 * others, as many as may become so.
 */
export function wakeStarved(context: Context, wake: (connection: Connection) => void): void {
  const { core, starved, unserved } = context
  if (starved.size > 0 && hasCommonMemory(core)) {
    for (const connection of starved) {
      if (!hasSendMemory(context, connection)) continue
      starved.delete(connection)
      wake(connection)
    }
  }
  if (unserved.size === 0) return
  let left = possibleSenders(context)
  for (const connection of unserved) {
    if (left-- <= 0) return
    unserved.delete(connection)
    wake(connection)
  }
}

/** Whether a write would find no memory, until some comes back. */
export function isStarved({ starved, unserved }: Context, connection: Connection): boolean {
  return starved.has(connection) || unserved.has(connection)
}

/** A chain of slices that covers [offset, offset + length) of the data; 0 if records ran out. */
export function slices(
  context: Context,
  connection: Connection,
  offset: number,
  length: number,
): number {
  const { core } = context
  const { kernel } = core
  const { records } = connection.snd
  const endOf = (record: number): number => recordEndOffset(core, record)
  let index = records.lowerBound(offset + 1, endOf)
  let at = offset
  let first = 0
  let last = 0
  while (at < offset + length) {
    const record = records.at(index++)
    const skip = at - recordOffset(core, record)
    const count = Math.min(recordLength(core, record) - skip, offset + length - at)
    const slice = kernel.mptcp_record_slice(record, skip, count)
    if (slice === 0) {
      context.starved.add(connection)
      if (first !== 0) kernel.mptcp_chain_free(first)
      return 0
    }
    if (last === 0) first = slice
    else setNextRecord(core, last, slice)
    last = slice
    at += count
  }
  return first
}

/** The peer has everything before `offset`: frees it. Returns whether that was news. */
export function dataAcknowledged(
  context: Context,
  connection: Connection,
  offset: number,
): boolean {
  const { snd } = connection
  const limit = snd.fin >= 0 && snd.nxt === snd.fin ? snd.fin + 1 : snd.nxt
  if (offset <= snd.una || offset > limit) return false
  snd.una = offset
  const { core } = context
  let record = snd.records.first()
  while (record !== undefined) {
    if (recordEndOffset(core, record) > offset) break
    snd.records.shift()
    core.kernel.mptcp_record_free(record)
    record = snd.records.first()
  }
  // A quarter, so that a writer is not woken for every segment.
  if (connection.wantsWrite && sendRoom(connection) >= snd.bufferBytes / 4) {
    connection.wantsWrite = false
    connection.events |= EVENT_WRITABLE
  }
  return true
}

/** Bytes that a write would take now. */
export function sendRoom(connection: Connection): number {
  const { snd } = connection
  return Math.max(0, snd.bufferBytes - (snd.end - snd.una))
}

/**
 * Whether the end of what was written is held: by TCP_CORK, or by MSG_MORE, which as in Linux holds only
 * until the next acknowledgment.
 */
export function isCorked(connection: Connection): boolean {
  const { snd } = connection
  const isHeld = snd.cork || (snd.more && snd.moreSince === snd.una)
  return isHeld && snd.pushed < snd.end && snd.fin < 0
}

/** Bytes that the application wrote and no subflow has been given. */
export function unsentBytes(connection: Connection): number {
  return connection.snd.end - connection.snd.nxt
}

/** Bounded: ends of records that an application may have queued; those beyond are no ends. */
const MOST_RECORD_ENDS = 1024

/** MSG_EOR: what is written next goes in a segment of its own. */
export function endRecord({ mode, snd }: Connection): void {
  // MPTCP has no such thing, as in Linux.
  if (mode === 'fallback' && snd.recordEnds.length < MOST_RECORD_ENDS) snd.recordEnds.push(snd.end)
}

/** Where the record that begins at `offset`, or has begun before, ends: what was written, if not marked. */
export function recordEnd({ snd }: Connection, offset: number): number {
  while (snd.recordEnds.length > 0 && snd.recordEnds[0]! <= offset) snd.recordEnds.shift()
  return snd.recordEnds[0] ?? snd.end
}

/** Frees all. */
export function releaseSendQueue(context: Context, connection: Connection): void {
  const { records } = connection.snd
  while (records.length > 0) context.core.kernel.mptcp_record_free(records.shift())
}
