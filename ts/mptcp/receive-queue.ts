// From subflow order to data order: records leave the subflow's queue as soon as a mapping tells what
// they are, and the same records enter the connection's queue. One subflow is read while it is in order,
// then the next. RFC 8684 §3.3.1, §3.3.3.

import {
  INSERTED_IN_ORDER,
  INSERTED_MERGED,
  INSERTED_NOTHING,
  INSERTED_TAIL,
  KEY_NONE,
} from '../core/core.js'
import { slotsFree } from '../core/pools.js'
import {
  firstRecord,
  insertVerdict,
  nextRecord,
  queueEnd,
  queueHead,
  recordLength,
  recordOffset,
  recordPointer,
  setRecordExtension,
  setRecordKey,
  setRecordOffset,
} from '../core/records.js'
import { firstPending } from '../tcp/receive.js'
import { fold } from '../wire/ip.js'
import { DSS, type DssOption, MP_CAPABLE } from '../wire/mptcp-options.js'
import type { Segment } from '../wire/segment.js'
import { dataOffsetOf32, dataOffsetOf64, offsetOf } from '../wire/seq.js'
import { ETHERNET_MSS } from '../wire/tcp.js'
import { type Connection, EVENT_READABLE, readOffset, receivedEnd } from './connection.js'
import type { Context } from './context.js'
import { chainSum, pseudoHeaderSum } from './dss-checksum.js'
import { rest } from './idle.js'
import {
  dataOffsetAt,
  dropConsumed,
  type Mapping,
  type MappingQueue,
  mappingAt,
} from './mapping.js'
import type { Subflow } from './subflow.js'

export type DeliverVerdict =
  | 'DELIVERED'
  /** Bytes stand at the head and no mapping says what they are. */
  | 'NO_MAPPING'
  /** A checksummed mapping is not whole yet. */
  | 'WAIT_CHECKSUM'
  | 'BAD_CHECKSUM'
  | 'MAPPING_TOO_LONG'
  | 'OUT_OF_PLACE'

/**
 * Passes up what can be: in-order subflow bytes that a mapping explains. The mapping whose checksum
 * failed is left at the head of the subflow's queue.
 */
export function deliver(
  context: Context,
  connection: Connection,
  subflow: Subflow,
): DeliverVerdict {
  const { core } = context
  const { queue } = subflow.tcb.rcv
  let verdict: DeliverVerdict = 'DELIVERED'
  while (queue !== 0) {
    const head = queueHead(core, queue)
    const end = queueEnd(core, queue)
    if (head === end) break
    const mapping = mappingAt(subflow.mappings, head)
    if (mapping === undefined) {
      verdict = 'NO_MAPPING'
      break
    }
    if (!mapping.verified && !subflow.checksumsVoid) {
      // Once all is read the peer may send so much; until then the rest of the mapping waits for that.
      const { right, buffer } = connection.rcv
      const most = Math.max(buffer, right - readOffset(context, connection))
      if (mapping.end - mapping.start > most) {
        if (end < mapping.end && mapping.end > subflow.tcb.rcv.right) {
          context.counters.DataCsumTooLong++
          verdict = 'MAPPING_TOO_LONG'
          break
        }
      }
      if (end < mapping.end) {
        verdict = 'WAIT_CHECKSUM'
        break
      }
      if (!verifyChecksum(context, connection, subflow, mapping)) {
        context.counters.DataCsumErr++
        verdict = 'BAD_CHECKSUM'
        break
      }
      mapping.verified = true
    }
    const length = Math.min(mapping.end, end) - head
    const offset = dataOffsetAt(mapping, head)
    if (!followsOn(connection, subflow.mappings, offset, length)) {
      context.counters.DSSNotMatching++
      verdict = 'OUT_OF_PLACE'
      break
    }
    const record = core.kernel.mptcp_queue_pop(queue, length)
    if (record === 0) break
    insert(context, connection, subflow, record, offset, mapping.handle)
  }
  dropConsumed(context, subflow.mappings, firstPending(subflow.tcb))
  return verdict
}

/**
 * On the only subflow that ever was, data comes in its order, or again, perhaps with more behind it (Linux sends all
 * again when another subflow could not be opened); what lies behind the end, or beyond the window, is dropped. A gap is
 * a box's doing, which no checksum tells where none was agreed on, and nobody knows any more what the rest is.
 * Deviates: from RFC 8684 §3.3.1, which allows gaps, and from Linux, which fills them.
 */
function followsOn(
  { nextSubflowId, rcv }: Connection,
  queue: MappingQueue,
  offset: number,
  length: number,
): boolean {
  if (nextSubflowId > 1) return true
  const end = offset + length
  if ((rcv.fin >= 0 && end > rcv.fin) || (offset > queue.dataEnd && end > rcv.right)) return true
  if (offset > queue.dataEnd) return false
  queue.dataEnd = Math.max(queue.dataEnd, end)
  return true
}

/** Gives one record its place in the data stream and links it into the connection's queue. */
function insert(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  record: number,
  offset: number,
  handle: number,
): void {
  const { core, counters, config } = context
  const { rcv } = connection
  const length = recordLength(core, record)
  if (rcv.shut) {
    // Nobody will read it: it is acknowledged and dropped once it is in order.
    dropUnread(context, connection)
  }
  const before = receivedEnd(context, connection)
  // What is in order is taken beyond the edge as well, as Linux does: TCP let it in, and has acknowledged
  // it. A peer can overestimate a window that its subflows share; the account bounds what is held.
  const beyond = offset > before && offset + length > rcv.right
  if (beyond || (rcv.fin >= 0 && offset + length > rcv.fin)) {
    counters.NoDSSInWindow++
    core.kernel.mptcp_record_free(record)
    return
  }
  const subflowOffset = recordOffset(core, record)
  setRecordOffset(core, record, offset)
  if (handle !== 0) {
    core.kernel.mptcp_extension_hold(handle)
    setRecordExtension(core, record, handle)
  }
  const key =
    config.coalesceKey !== null
      ? ownKey(context, connection, config.coalesceKey, offset)
      : config.coalesce === 'dss'
        ? mappingKey(subflow, subflowOffset)
        : KEY_NONE
  setRecordKey(core, record, key)
  const inOrder = offset === before
  const fresh = core.kernel.mptcp_queue_insert(rcv.queue, record, subflow.id & 7)
  if (!inOrder) countOutOfOrder(context, offset, before, fresh)
  const after = receivedEnd(context, connection)
  rcv.right = Math.max(rcv.right, after)
  if (after > before && !rcv.shut) connection.events |= EVENT_READABLE
}

/**
 * The key by which two records may be joined: contiguous on the same subflow as well as in the data. It
 * advances with the bytes (COALESCE_ABUT), so mappings that abut in both spaces abut in it.
 */
function mappingKey(subflow: Subflow, subflowOffset: number): number {
  const key = (Math.imul(subflow.id + 1, 0x9e3779b1) + subflowOffset) >>> 0
  return key === KEY_NONE ? 0 : key
}

/** The user's key. Once it has failed, nothing of the connection is joined any more: always right, only slower. */
function ownKey(
  context: Context,
  { rcv }: Connection,
  keyOf: (dataOffset: number) => number,
  offset: number,
): number {
  if (rcv.keyFailed) return KEY_NONE
  let error: unknown
  try {
    const key = keyOf(offset)
    if (Number.isInteger(key)) return key >>> 0
    error = new Error(
      `coalesceKey(${offset}) must return an integer of 32 bits, not ${String(key)}`,
    )
  } catch (thrown) {
    error = thrown
  }
  rcv.keyFailed = true
  context.coalesceKeyFailed(error)
  return KEY_NONE
}

function countOutOfOrder(context: Context, offset: number, before: number, fresh: number): void {
  const { counters, core } = context
  const verdict = insertVerdict(core)
  if (fresh === 0 || offset < before || verdict === INSERTED_NOTHING) {
    counters.DuplicateData++
    return
  }
  if (verdict === INSERTED_IN_ORDER) return
  counters.OFOQueue++
  if (verdict === INSERTED_MERGED) counters.OFOMerge++
  else if (verdict === INSERTED_TAIL) counters.OFOQueueTail++
}

/** Whether the checksum of a whole mapping is right, RFC 8684 §3.3.1. */
function verifyChecksum(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  mapping: Mapping,
): boolean {
  const { core } = context
  const { queue } = subflow.tcb.rcv
  let sum = pseudoHeaderSum(
    connection.remoteIdsnHigh,
    connection.remoteIdsnLow,
    mapping.dataOffset,
    mapping.start - subflow.synDataReceived,
    mapping.end - mapping.start + (mapping.dataFin ? 1 : 0),
    mapping.checksum ?? 0,
  )
  sum += chainSum(core, firstRecord(core, queue), mapping.end - mapping.start)
  return fold(sum) === 0xffff
}

/** Copies at most `target.length` bytes of in-order data out; returns how many. */
export function read(context: Context, connection: Connection, target: Uint8Array): number {
  const { core } = context
  const { rcv } = connection
  if (rcv.queue === 0) return 0
  let copied = 0
  while (copied < target.length) {
    const record = core.kernel.mptcp_queue_pop(rcv.queue, target.length - copied)
    if (record === 0) break
    const pointer = recordPointer(core, record)
    const length = recordLength(core, record)
    target.set(core.u8.subarray(pointer, pointer + length), copied)
    core.kernel.mptcp_record_free(record)
    copied += length
  }
  rcv.copied += copied
  rest(context, connection)
  return copied
}

/** As `read`, and leaves the bytes where they are. */
export function peek(context: Context, connection: Connection, target: Uint8Array): number {
  const { core } = context
  if (connection.rcv.queue === 0) return 0
  const from = readOffset(context, connection)
  const end = Math.min(receivedEnd(context, connection), from + target.length)
  let record = firstRecord(core, connection.rcv.queue)
  while (record !== 0) {
    const start = recordOffset(core, record)
    if (start >= end) break
    const skip = Math.max(0, from - start)
    const length = Math.min(recordLength(core, record), end - start) - skip
    if (length > 0) {
      const pointer = recordPointer(core, record) + skip
      target.set(core.u8.subarray(pointer, pointer + length), start + skip - from)
    }
    record = nextRecord(core, record)
  }
  return end - from
}

/** Frees in-order data that nobody will read. */
export function dropUnread(context: Context, connection: Connection): void {
  const { core } = context
  while (true) {
    const record = core.kernel.mptcp_queue_pop(connection.rcv.queue, Number.MAX_SAFE_INTEGER)
    if (record === 0) return
    connection.rcv.copied += recordLength(core, record)
    core.kernel.mptcp_record_free(record)
  }
}

/**
 * Grows the buffer with the application's appetite: twice what it read in a round trip, up to the
 * setting and to what memory is left (Linux's dynamic right-sizing).
 */
export function adjustBuffer(context: Context, connection: Connection, now: number): void {
  const { rcv } = connection
  let srtt = 0
  for (const subflow of connection.subflows) srtt = Math.max(srtt, subflow.tcb.rtt.srttMs)
  if (now - rcv.measuredAt < Math.max(srtt, 1)) return
  const wanted = 2 * rcv.copied
  if (wanted > rcv.buffer) {
    const free = slotsFree(context.core) * 1024
    rcv.buffer = Math.max(
      rcv.buffer,
      Math.min(Math.max(wanted, 2 * rcv.buffer), rcv.bufferMost, free),
    )
  }
  rcv.copied = 0
  rcv.measuredAt = now
}

/**
 * The right edge that may be told now: what the application has read plus the buffer. It never moves
 * back, and moves only by a worthwhile step (RFC 9293 §3.8.6.2.2).
 */
export function windowEdge(context: Context, connection: Connection): number {
  const { rcv } = connection
  if (rcv.released) return rcv.right
  const edge = readOffset(context, connection) + rcv.buffer
  const step = Math.min(rcv.buffer / 2, ETHERNET_MSS)
  return edge - rcv.right >= step ? edge : rcv.right
}

/**
 * After the application has read: whether the window opened so much that the peer should hear of it
 * without waiting for an ACK: from nothing, or by a quarter of the buffer.
 */
export function oweWindowUpdate(context: Context, connection: Connection): void {
  const { rcv } = connection
  const end = receivedEnd(context, connection)
  // What no window field can say is not told.
  const edge = Math.min(windowEdge(context, connection), end + largestWindow(connection))
  const open = rcv.right - end
  if (edge > rcv.right && (open < 2 * ETHERNET_MSS || edge - rcv.right >= rcv.buffer / 4)) {
    rcv.windowOwed = true
  }
}

/** The largest window that any of the subflows can tell. */
function largestWindow(connection: Connection): number {
  let largest = 0
  for (const { tcb } of connection.subflows) {
    largest = Math.max(largest, 0xffff * (tcb.windowScaling ? 1 << tcb.rcv.shift : 1))
  }
  return largest
}

/**
 * Memory is short: repacks this connection's queues, then gives up its out-of-order data at the
 * subflow level (unacknowledged there beyond SACK, so that the peer still has it). Returns whether it
 * freed anything.
 */
export function relieve(context: Context, connection: Connection): boolean {
  const { kernel } = context.core
  let freed = connection.rcv.queue === 0 ? 0 : kernel.mptcp_queue_collapse(connection.rcv.queue)
  for (const subflow of connection.subflows) {
    if (subflow.tcb.rcv.queue !== 0) freed += kernel.mptcp_queue_collapse(subflow.tcb.rcv.queue)
  }
  context.counters.TcpExtTCPRcvCollapsed += freed
  if (freed > 0) return true
  for (const subflow of connection.subflows) {
    const { queue } = subflow.tcb.rcv
    if (queue === 0) continue
    const bytes = kernel.mptcp_queue_prune(queue)
    if (bytes > 0) {
      context.counters.TcpExtOfoPruned += bytes
      return true
    }
  }
  return false
}

/**
 * Whether a segment at `offset` of this subflow is the very one that the connection waits for, and
 * the application has read all before it: that one may use the memory held in reserve. A reader that
 * stalls has no claim to it, nor has data that only waits behind a hole of another subflow.
 */
export function isNextInOrder(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  offset: number,
): boolean {
  if (offset > subflow.tcb.rcv.nxt) return false
  const end = receivedEnd(context, connection)
  if (end !== readOffset(context, connection)) return false
  if (connection.mode === 'undecided') return true
  const mapping = mappingAt(subflow.mappings, offset)
  if (mapping !== undefined) return dataOffsetAt(mapping, offset) <= end
  const { synDataReceived } = subflow
  return segment.options.mptcp.some(
    (option) =>
      (option.subtype === MP_CAPABLE && option.dataLength !== null) ||
      (option.subtype === DSS &&
        option.dsnBytes !== 0 &&
        mappedOffset(context, connection, option) +
          (offset - synDataReceived) -
          offsetOf(option.ssn, 0, offset - synDataReceived) <=
          end),
  )
}

/** The data offset that a DSS's mapping starts at; below 1 where no honest peer can be. */
export function mappedOffset(context: Context, connection: Connection, option: DssOption): number {
  const { remoteIdsnHigh, remoteIdsnLow } = connection
  return option.dsnBytes === 8
    ? dataOffsetOf64(option.dsnHigh, option.dsnLow, remoteIdsnHigh, remoteIdsnLow)
    : dataOffsetOf32(option.dsnLow, remoteIdsnLow, receivedEnd(context, connection))
}
