// IP addresses as four 32-bit words, so that comparing and hashing never touches text. IPv4 stands in
// its mapped form (::ffff:a.b.c.d, RFC 4291 §2.5.5.2) with its family beside it. The words are signed:
// V8 stores signed 32-bit numbers in the object itself, and larger ones in a box each.

import ipaddr from 'ipaddr.js'
import { readI32, writeU32 } from './big-endian.js'

export interface IpAddress {
  readonly family: 4 | 6
  /** Signed 32-bit, as are the others; the first 32 bits of the address. */
  readonly w0: number
  readonly w1: number
  readonly w2: number
  /** All of an IPv4 address. */
  readonly w3: number
}

const MAPPED_PREFIX = 0x0000ffff

/**
 * Text to address, or null. IPv4 in four decimal parts, IPv6 in any form of RFC 4291 §2.2; nothing
 * around it (brackets, blanks, a zone). An IPv4-mapped IPv6 address becomes the IPv4 address.
 */
export function parseAddress(text: string): IpAddress | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return addressFromBytes(Uint8Array.from(ipaddr.IPv4.parse(text).octets))
  }
  // ipaddr.js allows a zone, and blanks around an embedded IPv4 address.
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !ipaddr.IPv6.isValid(text)) return null
  const parsed = ipaddr.IPv6.parse(text)
  if (parsed.isIPv4MappedAddress()) {
    return addressFromBytes(Uint8Array.from(parsed.toIPv4Address().octets))
  }
  return addressFromBytes(Uint8Array.from(parsed.toByteArray()))
}

/** Dotted decimal, or the canonical text of RFC 5952 §4. */
export function formatAddress(address: IpAddress): string {
  const bytes = addressBytes(address)
  if (address.family === 4) return bytes.join('.')
  return (ipaddr.fromByteArray(Array.from(bytes)) as ipaddr.IPv6).toRFC5952String()
}

export function sameAddress(a: IpAddress, b: IpAddress): boolean {
  return a.w3 === b.w3 && a.w2 === b.w2 && a.w1 === b.w1 && a.w0 === b.w0 && a.family === b.family
}

export function readAddress4(bytes: Uint8Array, at: number): IpAddress {
  return { family: 4, w0: 0, w1: 0, w2: MAPPED_PREFIX, w3: readI32(bytes, at) }
}

export function readAddress6(bytes: Uint8Array, at: number): IpAddress {
  return {
    family: 6,
    w0: readI32(bytes, at),
    w1: readI32(bytes, at + 4),
    w2: readI32(bytes, at + 8),
    w3: readI32(bytes, at + 12),
  }
}

/** Writes 4 or 16 bytes and returns how many. */
export function writeAddress(address: IpAddress, bytes: Uint8Array, at: number): number {
  if (address.family === 4) {
    writeU32(bytes, at, address.w3)
    return 4
  }
  writeU32(bytes, at, address.w0)
  writeU32(bytes, at + 4, address.w1)
  writeU32(bytes, at + 8, address.w2)
  writeU32(bytes, at + 12, address.w3)
  return 16
}

/** The address as it stands on the wire: 4 or 16 bytes. */
export function addressBytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(address.family === 4 ? 4 : 16)
  writeAddress(address, bytes, 0)
  return bytes
}

/** The family is told by the length; RangeError if that is neither 4 nor 16. */
export function addressFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return readAddress4(bytes, 0)
  if (bytes.length === 16) return readAddress6(bytes, 0)
  throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`)
}
