// Packets made of other packets: headers written anew, bytes turned, data cut or made longer, checksums right
// again. What attackers and boxes of the tests are built from.

import { emitIp, headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import type { Segment } from '../../ts/wire/segment.js'
import { emitSegment, headerLength, parseSegment, writeChecksum } from '../../ts/wire/tcp.js'
import { emittedLength } from '../../ts/wire/tcp-options.js'

/** The longest headers of IPv6 and TCP. */
const MAX_HEADERS = 40 + 60
export const MAX_OPTION_BYTES = 40

/** The packet with its headers written anew, after `change`; the packet itself where it is none of TCP's. */
export function rewritten(bytes: Uint8Array, change: (segment: Segment) => void): Uint8Array {
  const ip = parseIp(bytes, 0, bytes.length)
  const segment = ip === null ? null : parseSegment(bytes, ip)
  if (ip === null || segment === null) return bytes
  change(segment)
  // What does not fit into a header nobody can send.
  if (emittedLength(segment.options) > MAX_OPTION_BYTES) return bytes
  const data = bytes.subarray(segment.payloadOffset, segment.payloadOffset + segment.payloadLength)
  const out = new Uint8Array(MAX_HEADERS + data.length)
  const payloadLength = headerLength(segment.options) + data.length
  const at = emitIp(out, 0, { ...ip, payloadLength })
  const header = emitSegment(out, at, segment)
  out.set(data, at + header)
  return summed(out.subarray(0, at + payloadLength))
}

/** One byte from the TCP header on is set, or some of its bits turned. */
export function changedByte(
  packet: Uint8Array,
  at: number,
  value: number,
  mode: number,
): Uint8Array {
  const bytes = packet.slice()
  const header = bytes[0]! >> 4 === 4 ? 20 : 40
  const place = header + (at % Math.max(1, bytes.length - header))
  bytes[place] = (mode & 1) === 0 ? value : bytes[place]! ^ value
  return summed(bytes)
}

/** `length` bytes of data: the packet's own, then zeros. */
export function resized(bytes: Uint8Array, length: number): Uint8Array {
  const ip = parseIp(bytes, 0, bytes.length)
  const segment = ip === null ? null : parseSegment(bytes, ip)
  if (ip === null || segment === null) return bytes
  const out = new Uint8Array(segment.payloadOffset + Math.min(length, 9000))
  out.set(bytes.subarray(0, out.length))
  const payloadLength = out.length - ip.payloadOffset
  if (ip.source.family === 6) {
    out[4] = payloadLength >> 8
    out[5] = payloadLength
  } else {
    out[2] = out.length >> 8
    out[3] = out.length
  }
  return summed(out)
}

/** With right checksums of IPv4 and TCP; in place. */
export function summed(bytes: Uint8Array): Uint8Array {
  if (bytes[0]! >> 4 === 4) {
    bytes[10] = bytes[11] = 0
    const sum = ~headerSum(bytes, 0, 20)
    bytes[10] = sum >> 8
    bytes[11] = sum
  }
  const ip = parseIp(bytes, 0, bytes.length)
  if (ip === null || ip.payloadLength < 20) return bytes
  const at = ip.payloadOffset
  writeChecksum(bytes, at, 0xffff)
  const seed = pseudoHeaderSum(ip.source, ip.destination, 6, ip.payloadLength)
  writeChecksum(bytes, at, headerSum(bytes, at, ip.payloadLength, seed))
  return bytes
}
