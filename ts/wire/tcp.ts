// The TCP header, RFC 9293 §3.1: bytes of an IP packet <-> Segment. The checksum is neither verified
// nor filled here: the core sums header and payload in the pass that copies them, from
// `pseudoHeaderSum` on.

import { readU16, readU32, writeU16, writeU32 } from './big-endian.js'
import type { IpPacket } from './ip.js'
import type { Segment } from './segment.js'
import { emitTcpOptions, emittedLength, type OptionFaults, parseTcpOptions } from './tcp-options.js'

/** The TCP header without options. */
export const TCP_HEADER = 20

/** Payload of a segment without options over IPv4 on Ethernet. */
export const ETHERNET_MSS = 1460

/** The fields of a segment that the TCP header carries. */
export type SegmentHeader = Pick<
  Segment,
  | 'sourcePort'
  | 'destinationPort'
  | 'sequence'
  | 'acknowledgment'
  | 'flags'
  | 'window'
  | 'urgentPointer'
  | 'options'
>

/**
 * The segment that is the payload of `ip`; null if its header is not whole. `faults`, if given, counts
 * the options that could not be read.
 */
export function parseSegment(
  bytes: Uint8Array,
  ip: IpPacket,
  faults: OptionFaults | null = null,
): Segment | null {
  const at = ip.payloadOffset
  if (ip.payloadLength < TCP_HEADER) return null
  const headerBytes = (bytes[at + 12]! >> 4) << 2
  if (headerBytes < TCP_HEADER || headerBytes > ip.payloadLength) return null
  const flags = bytes[at + 13]!
  return {
    source: ip.source,
    destination: ip.destination,
    sourcePort: readU16(bytes, at),
    destinationPort: readU16(bytes, at + 2),
    sequence: readU32(bytes, at + 4),
    acknowledgment: readU32(bytes, at + 8),
    flags,
    window: readU16(bytes, at + 14),
    urgentPointer: readU16(bytes, at + 18),
    ecn: ip.ecn,
    options: parseTcpOptions(bytes, at + TCP_HEADER, at + headerBytes, flags, faults),
    payloadOffset: at + headerBytes,
    payloadLength: ip.payloadLength - headerBytes,
  }
}

/** Length of the TCP header with these options, in bytes. */
export function headerLength(options: Segment['options']): number {
  return TCP_HEADER + emittedLength(options)
}

/**
 * Writes the TCP header at `at`, with 0 for its checksum, and returns its length. RangeError if the
 * options take more than 40 bytes.
 */
export function emitSegment(bytes: Uint8Array, at: number, segment: SegmentHeader): number {
  const length = TCP_HEADER + emitTcpOptions(segment.options, bytes, at + TCP_HEADER)
  writeU16(bytes, at, segment.sourcePort)
  writeU16(bytes, at + 2, segment.destinationPort)
  writeU32(bytes, at + 4, segment.sequence)
  writeU32(bytes, at + 8, segment.acknowledgment)
  bytes[at + 12] = length << 2
  bytes[at + 13] = segment.flags
  writeU16(bytes, at + 14, segment.window)
  writeU16(bytes, at + 16, 0)
  writeU16(bytes, at + 18, segment.urgentPointer)
  return length
}

/** The checksum field of the TCP header at `at`, as it stands. */
export function readChecksum(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + 16)
}

/**
 * Fills the checksum field of the TCP header at `at`. `sum`, as `mptcp_checksum` gives it, covers
 * pseudo-header, header (with 0 in the field) and payload; what is written is its complement.
 */
export function writeChecksum(bytes: Uint8Array, at: number, sum: number): void {
  writeU16(bytes, at + 16, ~sum)
}

/** Writes the pseudo-header sum itself: the device is to finish the checksum (`needsCsum`). */
export function writePartialChecksum(bytes: Uint8Array, at: number, pseudoSum: number): void {
  writeU16(bytes, at + 16, pseudoSum)
}
