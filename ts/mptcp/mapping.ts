// DSS mappings of one subflow, received: which subflow bytes are which data bytes, RFC 8684 §3.3.1. They
// lie in a queue of their own, by subflow offset; they may come before, with, after or repeated on the
// bytes that they map, and may not change.

import type { MptcpCore } from '../core/core.js'

/** What an option says. */
export interface Announced {
  /** First subflow offset, and the one after the last. */
  readonly start: number
  readonly end: number
  /** Data offset of `start`. */
  readonly dataOffset: number
  /** The option's checksum; null where none is negotiated. */
  readonly checksum: number | null
  /** The length in the option counted a DATA_FIN as well. */
  readonly dataFin: boolean
}

export interface Mapping extends Announced {
  /** Counted handle in the core, held by this queue and by every record that it maps; 0 = none. */
  handle: number
  /** Verified, so that its bytes may be passed up; always true without a checksum. */
  verified: boolean
}

export type MappingVerdict =
  | 'MAPPING_OK'
  | 'MAPPING_REPEATED'
  | 'MAPPING_OLD'
  | 'MAPPING_CONFLICT'
  | 'MAPPING_TOO_MANY'

export interface MappingQueue {
  /** Ascending and disjoint; in plain TCP, one that is infinite. */
  list: Mapping[]
  /** All of them so far said the same: the subflow's bytes are the data's. */
  straight: boolean
  /** Where the data ends that was passed up so far, or dropped then. */
  dataEnd: number
}

/** Where a record's handle leads back to its mapping. */
interface MappingHandles {
  readonly core: MptcpCore
  readonly extensions: (Mapping | null)[]
}

/** Mappings that may wait whatever the window. */
const LEAST_MAPPINGS = 1024
/** Bytes of the window for each mapping that waits: about what keeping one costs. */
const BYTES_PER_MAPPING = 256

/**
 * Bounded: what a peer that sends mappings of data that never comes can make us hold. A healthy one has a mapping for
 * each segment behind a hole, as many as the window takes.
 */
function mostMappings(windowBytes: number): number {
  return Math.max(LEAST_MAPPINGS, Math.ceil(windowBytes / BYTES_PER_MAPPING))
}

/** `plain`: the subflow's bytes are the data from byte 1. */
export function createMappingQueue(plain: boolean): MappingQueue {
  return { list: plain ? [infiniteMapping(0)] : [], straight: true, dataEnd: 1 }
}

/** All bytes of the subflow, those that were passed up before as well: its offset 0 is data offset `shift`. */
function infiniteMapping(shift: number): Mapping {
  return {
    start: 0,
    end: Number.POSITIVE_INFINITY,
    dataOffset: shift,
    checksum: null,
    dataFin: false,
    handle: 0,
    verified: true,
  }
}

/** Whatever comes from now on is the data, moved by `shift`; other mappings do not count any more. */
export function mapInfinitely(context: MappingHandles, queue: MappingQueue, shift: number): void {
  clearMappings(context, queue)
  queue.list = [infiniteMapping(shift)]
}

/** Adds a mapping. `consumed`: the first subflow byte not yet passed up; `windowBytes`: what may wait in all. */
export function addMapping(
  context: MappingHandles,
  queue: MappingQueue,
  announced: Announced,
  consumed: number,
  windowBytes: number,
): MappingVerdict {
  const { list } = queue
  const { start, end, dataOffset, checksum, dataFin } = announced
  if (end <= consumed) return 'MAPPING_OLD'
  // Usually the last one again, or one behind it.
  let index = list.length
  while (index > 0 && list[index - 1].start >= start) index--
  const same = index < list.length ? list[index] : undefined
  if (same !== undefined && same.start === start) {
    if (same.end !== end || same.dataOffset !== dataOffset) return 'MAPPING_CONFLICT'
    // Linux adds the DATA_FIN to a mapping that is already under way: the length in the option is one
    // more then, and the checksum another.
    const isSame = same.checksum === checksum || same.dataFin !== dataFin
    return isSame ? 'MAPPING_REPEATED' : 'MAPPING_CONFLICT'
  }
  const before = index > 0 ? list[index - 1] : undefined
  if (before !== undefined && before.end > start) return 'MAPPING_CONFLICT'
  // Of bytes that another mapping has passed up: its checksum can never be taken.
  if (checksum !== null && start < consumed) return 'MAPPING_CONFLICT'
  if (same !== undefined && same.start < end) return 'MAPPING_CONFLICT'
  if (list.length >= mostMappings(windowBytes)) return 'MAPPING_TOO_MANY'
  queue.straight &&= dataOffset === start
  const handle = context.core.kernel.mptcp_extension_take()
  const mapping: Mapping = {
    start,
    end,
    dataOffset,
    checksum,
    dataFin,
    handle,
    verified: checksum === null,
  }
  if (handle !== 0) context.extensions[handle] = mapping
  list.splice(index, 0, mapping)
  return 'MAPPING_OK'
}

/** The mapping that holds `offset`; undefined if it has not come. */
export function mappingAt(queue: MappingQueue, offset: number): Mapping | undefined {
  const { list } = queue
  for (let i = 0; i < list.length; i++) {
    const mapping = list[i]
    if (mapping.end > offset) return mapping.start <= offset ? mapping : undefined
  }
  return undefined
}

/** The data offset of a subflow offset that lies in `mapping`. */
export function dataOffsetAt(mapping: Mapping, offset: number): number {
  return mapping.dataOffset + (offset - mapping.start)
}

/** Lets go of the mappings whose bytes have all been passed up. */
export function dropConsumed(context: MappingHandles, queue: MappingQueue, consumed: number): void {
  const { list } = queue
  let count = 0
  while (count < list.length && list[count].end <= consumed) {
    const { handle } = list[count]
    if (handle !== 0) context.core.kernel.mptcp_extension_release(handle)
    count++
  }
  if (count > 0) list.splice(0, count)
}

/** Lets go of all. */
export function clearMappings(context: MappingHandles, queue: MappingQueue): void {
  dropConsumed(context, queue, Number.POSITIVE_INFINITY)
}
