// IP headers: IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200). Fragments are refused:
// TCP of our own sends none (DF, path MTU), and reassembly would be memory for anyone to fill. Also
// the pseudo-header sum, and a small ones' complement sum for headers; payload is summed by the core.

import { type IpAddress, readAddress4, readAddress6, writeAddress } from './address.js'
import { readU16, writeU16, writeU32 } from './big-endian.js'

export const PROTOCOL_ICMP = 1
export const PROTOCOL_TCP = 6
export const PROTOCOL_ICMPV6 = 58

const IPV4_HEADER = 20
const IPV6_HEADER = 40
const DONT_FRAGMENT = 0x4000
/** MF and the fragment offset. */
const FRAGMENT_MASK = 0x3fff

const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const DESTINATION_OPTIONS = 60

/** RFC 1122 §3.2.1.7 asks for a configurable TTL; 64 is IANA's recommended default (RFC 1700). */
export const DEFAULT_TTL = 64

/** What one IP header says; the bytes stay where they are. */
export interface IpPacket {
  source: IpAddress
  destination: IpAddress
  /** Of the payload, behind any extension headers. */
  protocol: number
  /** 2 bits. */
  ecn: number
  /** TTL or hop limit. */
  ttl: number
  /** Where the payload starts in the bytes that were parsed, and its length in bytes. */
  payloadOffset: number
  payloadLength: number
}

/** What `emitIp` writes: `tos`, `ecn` and `identification` default to 0, `ttl` to 64. */
export interface IpHeader {
  source: IpAddress
  destination: IpAddress
  protocol: number
  payloadLength: number
  /** TOS or traffic class without the two ECN bits, which are `ecn`. */
  tos?: number
  ecn?: number
  ttl?: number
  /** IPv4 only. */
  identification?: number
  /** IPv4 only: DF is not set. */
  mayFragment?: boolean
}

/**
 * The IP packet in `length` bytes from `offset` on; bytes behind its own length are padding. null if
 * it is not whole, not right, or a fragment.
 */
export function parseIp(bytes: Uint8Array, offset: number, length: number): IpPacket | null {
  if (length < IPV4_HEADER || offset + length > bytes.length) return null
  const version = bytes[offset]! >> 4
  if (version === 4) return parseIpv4(bytes, offset, length)
  if (version === 6) return parseIpv6(bytes, offset, length)
  return null
}

function parseIpv4(bytes: Uint8Array, offset: number, length: number): IpPacket | null {
  const headerLength = (bytes[offset]! & 0x0f) << 2
  const totalLength = readU16(bytes, offset + 2)
  if (headerLength < IPV4_HEADER || totalLength < headerLength || totalLength > length) return null
  if ((readU16(bytes, offset + 6) & FRAGMENT_MASK) !== 0) return null
  if (headerSum(bytes, offset, headerLength) !== 0xffff) return null
  return {
    source: readAddress4(bytes, offset + 12),
    destination: readAddress4(bytes, offset + 16),
    protocol: bytes[offset + 9]!,
    ecn: bytes[offset + 1]! & 3,
    ttl: bytes[offset + 8]!,
    payloadOffset: offset + headerLength,
    payloadLength: totalLength - headerLength,
  }
}

function parseIpv6(bytes: Uint8Array, offset: number, length: number): IpPacket | null {
  if (length < IPV6_HEADER) return null
  const end = offset + IPV6_HEADER + readU16(bytes, offset + 4)
  if (end > offset + length) return null
  let protocol = bytes[offset + 6]!
  let at = offset + IPV6_HEADER
  while (protocol === HOP_BY_HOP || protocol === ROUTING || protocol === DESTINATION_OPTIONS) {
    if (end - at < 8) return null
    // Segments left: not yet where it is going, RFC 8200 §4.4; its pseudo-header names another host.
    if (protocol === ROUTING && bytes[at + 3] !== 0) return null
    protocol = bytes[at]!
    at += (bytes[at + 1]! + 1) << 3
    if (at > end) return null
  }
  if (protocol === FRAGMENT) return null
  return {
    source: readAddress6(bytes, offset + 8),
    destination: readAddress6(bytes, offset + 24),
    protocol,
    ecn: (bytes[offset + 1]! >> 4) & 3,
    ttl: bytes[offset + 7]!,
    payloadOffset: at,
    payloadLength: end - at,
  }
}

/** Writes an IP header in front of `payloadLength` bytes and returns its length, 20 or 40. */
export function emitIp(bytes: Uint8Array, at: number, header: IpHeader): number {
  const tos = (header.tos ?? 0) | (header.ecn ?? 0)
  const ttl = header.ttl ?? DEFAULT_TTL
  if (header.source.family === 6) {
    if (header.payloadLength > 0xffff) throw new RangeError('IPv6 payload over 65,535 bytes')
    writeU32(bytes, at, 0x60000000 | (tos << 20))
    writeU16(bytes, at + 4, header.payloadLength)
    bytes[at + 6] = header.protocol
    bytes[at + 7] = ttl
    writeAddress(header.source, bytes, at + 8)
    writeAddress(header.destination, bytes, at + 24)
    return IPV6_HEADER
  }
  const totalLength = IPV4_HEADER + header.payloadLength
  if (totalLength > 0xffff) throw new RangeError('IPv4 packet over 65,535 bytes')
  bytes[at] = 0x45
  bytes[at + 1] = tos
  writeU16(bytes, at + 2, totalLength)
  writeU16(bytes, at + 4, header.identification ?? 0)
  writeU16(bytes, at + 6, header.mayFragment ? 0 : DONT_FRAGMENT)
  bytes[at + 8] = ttl
  bytes[at + 9] = header.protocol
  writeU16(bytes, at + 10, 0)
  writeU32(bytes, at + 12, header.source.w3)
  writeU32(bytes, at + 16, header.destination.w3)
  writeU16(bytes, at + 10, ~headerSum(bytes, at, IPV4_HEADER))
  return IPV4_HEADER
}

/**
 * Sum of the pseudo-header of TCP or ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1): ones' complement, 16 bits,
 * big-endian, not inverted, as `mptcp_checksum` takes for its seed. `length` = header and payload.
 */
export function pseudoHeaderSum(
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  length: number,
): number {
  let sum =
    (source.w3 >>> 16) +
    (source.w3 & 0xffff) +
    (destination.w3 >>> 16) +
    (destination.w3 & 0xffff) +
    protocol +
    (length >>> 16) +
    (length & 0xffff)
  if (source.family === 6) {
    sum += wordSum(source.w0) + wordSum(source.w1) + wordSum(source.w2)
    sum += wordSum(destination.w0) + wordSum(destination.w1) + wordSum(destination.w2)
  }
  return fold(sum)
}

/**
 * Ones' complement sum of `length` bytes, in the same form: for headers and ICMP messages, which are
 * short. Payload goes through the core.
 */
export function headerSum(bytes: Uint8Array, at: number, length: number, seed = 0): number {
  let sum = seed
  const end = at + length
  let i = at
  for (; i + 1 < end; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!
  if (i < end) sum += bytes[i]! << 8
  return fold(sum)
}

function wordSum(word: number): number {
  return (word >>> 16) + (word & 0xffff)
}

/** Exact for a sum below 2^32: that of 65,536 bytes and a seed. */
export function fold(sum: number): number {
  sum = (sum >>> 16) + (sum & 0xffff)
  return (sum >>> 16) + (sum & 0xffff)
}
