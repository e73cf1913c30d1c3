// ICMP errors about our own segments: RFC 792 and RFC 1191 (IPv4), RFC 4443 (IPv6). Only those that
// quote a TCP header as far as its sequence number, which is what tells a true one from a guess
// (RFC 5927 §4.1). What to do about an error is TCP's affair.

import { type IpAddress, readAddress4, readAddress6 } from './address.js'
import { readU16, readU32, writeU16, writeU32 } from './big-endian.js'
import {
  emitIp,
  headerSum,
  type IpPacket,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  pseudoHeaderSum,
} from './ip.js'

export type IcmpKind =
  | 'unreachable-host'
  | 'unreachable-net'
  | 'unreachable-port'
  | 'unreachable-protocol'
  | 'prohibited'
  | 'packet-too-big'
  | 'time-exceeded'
  | 'parameter-problem'

export interface IcmpError {
  kind: IcmpKind
  /** Of the next hop, for `packet-too-big`; 0 = not told. */
  mtu: number
  /** Of the segment that the error is about. */
  quoted: {
    source: IpAddress
    destination: IpAddress
    sourcePort: number
    destinationPort: number
    sequence: number
  }
}

const ICMP_HEADER = 8
/** Ports and sequence number: all of TCP that RFC 792 promises to quote. */
const QUOTED_TCP = 8

const V4_UNREACHABLE = 3
const V4_FRAGMENTATION_NEEDED = 4
const V4_TIME_EXCEEDED = 11
const V4_PARAMETER_PROBLEM = 12

/** By code: RFC 792 (0 to 5), RFC 1122 §3.2.2.1 (6 to 12), RFC 1812 §5.2.7.1 (13 to 15). */
const V4_UNREACHABLE_KINDS: readonly IcmpKind[] = [
  'unreachable-net',
  'unreachable-host',
  'unreachable-protocol',
  'unreachable-port',
  'packet-too-big',
  'unreachable-host', // source route failed
  'unreachable-net', // network unknown
  'unreachable-host', // host unknown
  'unreachable-host', // source host isolated
  'prohibited',
  'prohibited',
  'unreachable-net', // for this type of service
  'unreachable-host', // for this type of service
  'prohibited',
  'prohibited',
  'prohibited',
]

const V6_UNREACHABLE = 1
const V6_PACKET_TOO_BIG = 2
const V6_TIME_EXCEEDED = 3
const V6_PARAMETER_PROBLEM = 4
const V6_UNRECOGNIZED_NEXT_HEADER = 1

/** By code: RFC 4443 §3.1. */
const V6_UNREACHABLE_KINDS: readonly IcmpKind[] = [
  'unreachable-net', // no route
  'prohibited',
  'unreachable-net', // beyond scope of source address
  'unreachable-host',
  'unreachable-port',
  'prohibited', // source address failed policy
  'prohibited', // reject route
]

/** The error that is the payload of `ip`; null if it is another message, not right, or about no TCP. */
export function parseIcmp(bytes: Uint8Array, ip: IpPacket): IcmpError | null {
  const at = ip.payloadOffset
  if (ip.payloadLength < ICMP_HEADER) return null
  const type = bytes[at]!
  const code = bytes[at + 1]!
  const v6 = ip.source.family === 6
  if (ip.protocol !== (v6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP)) return null
  const kind = v6 ? kindOf6(type, code) : kindOf4(type, code)
  if (kind === null) return null
  const seed = v6
    ? pseudoHeaderSum(ip.source, ip.destination, PROTOCOL_ICMPV6, ip.payloadLength)
    : 0
  if (headerSum(bytes, at, ip.payloadLength, seed) !== 0xffff) return null
  const end = at + ip.payloadLength
  const quoted = v6
    ? parseQuote6(bytes, at + ICMP_HEADER, end)
    : parseQuote4(bytes, at + ICMP_HEADER, end)
  if (quoted === null) return null
  let mtu = 0
  if (kind === 'packet-too-big') mtu = v6 ? readU32(bytes, at + 4) : readU16(bytes, at + 6)
  return { kind, mtu, quoted }
}

function kindOf4(type: number, code: number): IcmpKind | null {
  if (type === V4_UNREACHABLE) return V4_UNREACHABLE_KINDS[code] ?? null
  if (type === V4_TIME_EXCEEDED) return 'time-exceeded'
  if (type === V4_PARAMETER_PROBLEM) return 'parameter-problem'
  return null
}

function kindOf6(type: number, code: number): IcmpKind | null {
  if (type === V6_UNREACHABLE) return V6_UNREACHABLE_KINDS[code] ?? null
  if (type === V6_PACKET_TOO_BIG) return 'packet-too-big'
  if (type === V6_TIME_EXCEEDED) return 'time-exceeded'
  if (type !== V6_PARAMETER_PROBLEM) return null
  return code === V6_UNRECOGNIZED_NEXT_HEADER ? 'unreachable-protocol' : 'parameter-problem'
}

// A quote is cut short and was altered on its way (TTL, checksum), so `parseIp` would refuse it.

function parseQuote4(bytes: Uint8Array, at: number, end: number): IcmpError['quoted'] | null {
  if (end - at < 20 || bytes[at]! >> 4 !== 4) return null
  const headerBytes = (bytes[at]! & 0x0f) << 2
  if (headerBytes < 20 || at + headerBytes + QUOTED_TCP > end) return null
  if (bytes[at + 9] !== PROTOCOL_TCP) return null
  // Only the first fragment begins with the TCP header.
  if ((readU16(bytes, at + 6) & 0x1fff) !== 0) return null
  return parseQuotedTcp(
    bytes,
    at + headerBytes,
    readAddress4(bytes, at + 12),
    readAddress4(bytes, at + 16),
  )
}

function parseQuote6(bytes: Uint8Array, at: number, end: number): IcmpError['quoted'] | null {
  // Our own segments have no extension headers.
  if (end - at < 40 + QUOTED_TCP || bytes[at]! >> 4 !== 6) return null
  if (bytes[at + 6] !== PROTOCOL_TCP) return null
  return parseQuotedTcp(bytes, at + 40, readAddress6(bytes, at + 8), readAddress6(bytes, at + 24))
}

function parseQuotedTcp(
  bytes: Uint8Array,
  at: number,
  source: IpAddress,
  destination: IpAddress,
): IcmpError['quoted'] {
  return {
    source,
    destination,
    sourcePort: readU16(bytes, at),
    destinationPort: readU16(bytes, at + 2),
    sequence: readU32(bytes, at + 4),
  }
}

const V4_WIRE: Readonly<Record<IcmpKind, readonly [type: number, code: number]>> = {
  'unreachable-net': [V4_UNREACHABLE, 0],
  'unreachable-host': [V4_UNREACHABLE, 1],
  'unreachable-protocol': [V4_UNREACHABLE, 2],
  'unreachable-port': [V4_UNREACHABLE, 3],
  'packet-too-big': [V4_UNREACHABLE, V4_FRAGMENTATION_NEEDED],
  prohibited: [V4_UNREACHABLE, 13],
  'time-exceeded': [V4_TIME_EXCEEDED, 0],
  'parameter-problem': [V4_PARAMETER_PROBLEM, 0],
}

const V6_WIRE: Readonly<Record<IcmpKind, readonly [type: number, code: number]>> = {
  'unreachable-net': [V6_UNREACHABLE, 0],
  prohibited: [V6_UNREACHABLE, 1],
  'unreachable-host': [V6_UNREACHABLE, 3],
  'unreachable-port': [V6_UNREACHABLE, 4],
  'packet-too-big': [V6_PACKET_TOO_BIG, 0],
  'time-exceeded': [V6_TIME_EXCEEDED, 0],
  'unreachable-protocol': [V6_PARAMETER_PROBLEM, V6_UNRECOGNIZED_NEXT_HEADER],
  'parameter-problem': [V6_PARAMETER_PROBLEM, 0],
}

/**
 * Writes an ICMP message (no IP header) that `source` sends to `destination`, all of one family with
 * what is quoted, and returns its length: 36 or 56 bytes. For emulated routers and tests.
 */
export function emitIcmp(
  bytes: Uint8Array,
  at: number,
  source: IpAddress,
  destination: IpAddress,
  error: IcmpError,
): number {
  const v6 = source.family === 6
  const [type, code] = (v6 ? V6_WIRE : V4_WIRE)[error.kind]
  bytes[at] = type
  bytes[at + 1] = code
  writeU32(bytes, at + 2, 0)
  writeU32(bytes, at + 4, 0)
  if (error.kind === 'packet-too-big') {
    if (v6) writeU32(bytes, at + 4, error.mtu)
    else writeU16(bytes, at + 6, error.mtu)
  }
  const quoted = error.quoted
  let next = at + ICMP_HEADER
  next += emitIp(bytes, next, {
    source: quoted.source,
    destination: quoted.destination,
    protocol: PROTOCOL_TCP,
    payloadLength: 20,
    ttl: 1,
  })
  writeU16(bytes, next, quoted.sourcePort)
  writeU16(bytes, next + 2, quoted.destinationPort)
  writeU32(bytes, next + 4, quoted.sequence)
  const length = next + QUOTED_TCP - at
  const seed = v6 ? pseudoHeaderSum(source, destination, PROTOCOL_ICMPV6, length) : 0
  writeU16(bytes, at + 2, ~headerSum(bytes, at, length, seed))
  return length
}
