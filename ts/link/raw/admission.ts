// What a raw link lets through: TCP to our addresses and ports, and ICMP errors that quote what we sent
// from them. IPv6 sockets give neither the IP header nor the destination, so a header is written in
// front, with the path's own address as destination, or the one of ours that the checksum fits: a packet for another
// address of the device then fails its TCP checksum in the stack. Traffic class and ECN of IPv6 packets are lost.

import { type IpAddress, parseAddress, readAddress6, writeAddress } from '../../wire/address.js'
import { readI32, readU16, writeU16 } from '../../wire/big-endian.js'
import {
  emitIp,
  fold,
  headerSum,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  pseudoHeaderSum,
} from '../../wire/ip.js'
import { readChecksum } from '../../wire/tcp.js'
import type { OwnAddresses } from './own-addresses.js'
import type { PortSet } from './ports.js'
import type { Admission } from './receiver.js'

const IPV4_HEADER = 20
const IPV6_HEADER = 40
const TCP_HEADER = 20
/** RFC 792 and RFC 4443: the quoted packet stands behind 8 bytes of ICMP. */
const ICMP_HEADER = 8
/** Of the quoted TCP header, the least that shows ports and sequence number. */
const QUOTED_TCP = 8
/** Bounded: sources remembered in parsed form; forged ones would otherwise fill the memory. */
const KNOWN_SOURCES = 256

export function admitTcp4(own: OwnAddresses, ports: PortSet): Admission {
  return {
    headroom: 0,
    admit(bytes, at, received) {
      const header = (bytes[at]! & 0x0f) << 2
      if (header < IPV4_HEADER || received < header + TCP_HEADER) return 0
      if (!own.has4(readI32(bytes, at + 16))) return 0
      return ports.has(readU16(bytes, at + header + 2)) ? received : 0
    },
  }
}

/** `address`: the path's own, taken where it is the only one. */
export function admitTcp6(address: IpAddress, own: OwnAddresses, ports: PortSet): Admission {
  const writeHeader = headerWriter(address, PROTOCOL_TCP)
  return {
    headroom: IPV6_HEADER,
    admit(bytes, at, received, source) {
      if (received < TCP_HEADER) return 0
      if (!ports.has(readU16(bytes, at + IPV6_HEADER + 2))) return 0
      const length = writeHeader(bytes, at, received, source)
      if (length > 0 && own.v6.length > 1) findDestination(bytes, at, received, own.v6)
      return length
    },
  }
}

export function admitIcmp4(address: IpAddress, ports: PortSet): Admission {
  return {
    headroom: 0,
    admit(bytes, at, received) {
      const quoted = at + ((bytes[at]! & 0x0f) << 2) + ICMP_HEADER
      const end = at + received
      if (quoted + IPV4_HEADER > end || readI32(bytes, quoted + 12) !== address.w3) return 0
      const tcp = quoted + ((bytes[quoted]! & 0x0f) << 2)
      if (tcp + QUOTED_TCP > end || bytes[quoted + 9] !== PROTOCOL_TCP) return 0
      return ports.has(readU16(bytes, tcp)) ? received : 0
    },
  }
}

export function admitIcmp6(address: IpAddress, ports: PortSet): Admission {
  const writeHeader = headerWriter(address, PROTOCOL_ICMPV6)
  return {
    headroom: IPV6_HEADER,
    admit(bytes, at, received, source) {
      const quoted = at + IPV6_HEADER + ICMP_HEADER
      const tcp = quoted + IPV6_HEADER
      if (tcp + QUOTED_TCP > at + IPV6_HEADER + received) return 0
      // We send no extension headers, so the quoted TCP header follows at once.
      if (bytes[quoted + 6] !== PROTOCOL_TCP || !isAt(address, bytes, quoted + 8)) return 0
      if (!ports.has(readU16(bytes, tcp))) return 0
      return writeHeader(bytes, at, received, source)
    },
  }
}

/**
 * Which of our addresses a packet was for, which the socket does not say: the one that its checksum is right with, or
 * whose pseudo-header sum a local sender left there for its device. Its bytes are summed once. None: left as it is,
 * and the stack drops it.
 */
function findDestination(
  bytes: Uint8Array,
  at: number,
  length: number,
  own: readonly IpAddress[],
): void {
  const tcp = at + IPV6_HEADER
  const sum = headerSum(bytes, tcp, length)
  const field = readChecksum(bytes, tcp)
  const source = readAddress6(bytes, at + 8)
  for (const address of own) {
    const pseudo = pseudoHeaderSum(source, address, PROTOCOL_TCP, length)
    if (fold(sum + pseudo) !== 0xffff && field !== pseudo) continue
    writeAddress(address, bytes, at + 24)
    return
  }
}

/** Writes the IPv6 header that the kernel took off; returns the packet's length. */
function headerWriter(destination: IpAddress, protocol: number) {
  const template = new Uint8Array(IPV6_HEADER)
  emitIp(template, 0, { source: destination, destination, protocol, payloadLength: 0 })
  const sources = new Map<string, IpAddress>()
  let lastText = ''
  let last: IpAddress | null = null
  return (bytes: Uint8Array, at: number, received: number, text: string): number => {
    if (text !== lastText) {
      last = sources.get(text) ?? parseAddress(text)
      if (last === null || last.family !== 6) return 0
      if (sources.size >= KNOWN_SOURCES) sources.clear()
      sources.set(text, last)
      lastText = text
    }
    if (last === null) return 0
    bytes.set(template, at)
    writeU16(bytes, at + 4, received)
    writeAddress(last, bytes, at + 8)
    return IPV6_HEADER + received
  }
}

function isAt(address: IpAddress, bytes: Uint8Array, at: number): boolean {
  return (
    readI32(bytes, at) === address.w0 &&
    readI32(bytes, at + 4) === address.w1 &&
    readI32(bytes, at + 8) === address.w2 &&
    readI32(bytes, at + 12) === address.w3
  )
}
