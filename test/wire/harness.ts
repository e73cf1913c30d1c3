// What the wire tests share: bytes from readable hex, whole packets, and memory that tells when a
// parser looks at a byte that is not its own.

import { addressFromBytes, type IpAddress } from '../../ts/wire/address.js'
import { emitIp, type IpHeader } from '../../ts/wire/ip.js'
import type { Segment } from '../../ts/wire/segment.js'
import { emitSegment, headerLength, type SegmentHeader } from '../../ts/wire/tcp.js'

/** '1e04 01 01' -> bytes; blanks are for the reader. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s/g, '')
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${text}`)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

export const HERE: IpAddress = addressFromBytes(Uint8Array.of(192, 0, 2, 1))
export const THERE: IpAddress = addressFromBytes(Uint8Array.of(198, 51, 100, 2))

/**
 * A view of `bytes` in which reading outside [offset, offset + length) throws. (Reading past the end
 * of a real array gives undefined, which would pass for 0 unnoticed.)
 */
export function guarded(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  return new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^-?\d+$/.test(key)) {
        const index = Number(key)
        if (index < offset || index >= offset + length) {
          throw new Error(`read at ${index}, outside [${offset}, ${offset + length})`)
        }
      }
      return Reflect.get(target, key, target)
    },
  })
}

/** `packet` in the middle of a larger array, and where it starts. */
export function embedded(packet: Uint8Array, fill: number): { bytes: Uint8Array; offset: number } {
  const offset = 24
  const bytes = new Uint8Array(packet.length + 2 * offset).fill(fill)
  bytes.set(packet, offset)
  return { bytes, offset }
}

/** A whole IP packet around a segment with a payload of the byte 0x70. */
export function emitPacket(
  source: IpAddress,
  destination: IpAddress,
  segment: SegmentHeader & Pick<Segment, 'payloadLength' | 'ecn'>,
  more: Partial<IpHeader> = {},
): Uint8Array {
  const header = headerLength(segment.options)
  const bytes = new Uint8Array(40 + header + segment.payloadLength)
  const ipBytes = emitIp(bytes, 0, {
    source,
    destination,
    protocol: 6,
    payloadLength: header + segment.payloadLength,
    ecn: segment.ecn,
    ...more,
  })
  const end = ipBytes + emitSegment(bytes, ipBytes, segment)
  bytes.fill(0x70, end, end + segment.payloadLength)
  return bytes.slice(0, end + segment.payloadLength)
}

/** A segment's fields with defaults, as an ACK that carries nothing. */
export function segmentFields(
  fields: Partial<Segment> & Pick<Segment, 'options'>,
): SegmentHeader & Pick<Segment, 'payloadLength' | 'ecn'> {
  return {
    sourcePort: 40000,
    destinationPort: 443,
    sequence: 1000,
    acknowledgment: 2000,
    flags: 0x10,
    window: 65535,
    urgentPointer: 0,
    ecn: 0,
    payloadLength: 0,
    ...fields,
  }
}
