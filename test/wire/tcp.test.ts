import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import { DSS } from '../../ts/wire/mptcp-options.js'
import { ACK, PSH, SYN } from '../../ts/wire/segment.js'
import {
  emitSegment,
  headerLength,
  parseSegment,
  readChecksum,
  writeChecksum,
  writePartialChecksum,
} from '../../ts/wire/tcp.js'
import { noOptions } from '../../ts/wire/tcp-options.js'
import { addressPair, PHASE_FLAGS, phase, tcpOptions, u8, u16, u32 } from './arbitraries.js'
import { emitPacket, guarded, HERE, hex, segmentFields, THERE } from './harness.js'

const FACTS = { source: HERE, destination: THERE, protocol: 6, ecn: 0, ttl: 64 }

/** A packet of some phase with random options and 0 to 40 bytes of payload, and its flags. */
const packet = phase.chain((of) =>
  fc
    .tuple(
      addressPair,
      tcpOptions(of),
      fc.record({
        sourcePort: u16,
        destinationPort: u16,
        sequence: u32,
        acknowledgment: u32,
        flags: u8.map((more) => (more & ~(SYN | ACK)) | PHASE_FLAGS[of]),
        window: u16,
        urgentPointer: u16,
        ecn: fc.integer({ min: 0, max: 3 }),
        payloadLength: fc.integer({ min: 0, max: 40 }),
      }),
    )
    .map(([[source, destination], options, fields]) => ({
      source,
      destination,
      segment: { ...fields, options },
    })),
)

describe('a data segment as Linux sends it', () => {
  // By hand: ports 40000 > 443, seq 0x01020304, ack 0xa1a2a3a4, PSH ACK, header 52 bytes.
  const bytes = hex(`
    9c40 01bb 01020304 a1a2a3a4 d018 01f6 dead 0000
    0101080a 00000011 00000022
    1e14200c 00000001 00000002 00000591 0003 beef
    616263`)
  const segment = {
    source: HERE,
    destination: THERE,
    sourcePort: 40000,
    destinationPort: 443,
    sequence: 0x01020304,
    acknowledgment: 0xa1a2a3a4,
    flags: PSH | ACK,
    window: 502,
    urgentPointer: 0,
    ecn: 0,
    options: {
      ...noOptions(),
      timestampValue: 0x11,
      timestampEcho: 0x22,
      mptcp: [
        {
          subtype: DSS,
          dataFin: false,
          dataAckBytes: 0,
          dataAckHigh: 0,
          dataAckLow: 0,
          dsnBytes: 8,
          dsnHigh: 1,
          dsnLow: 2,
          ssn: 0x591,
          length: 3,
          checksum: 0xbeef,
        },
      ],
    },
    payloadOffset: 52,
    payloadLength: 3,
  } as const

  test('is read', () => {
    const ip = { ...FACTS, payloadOffset: 0, payloadLength: bytes.length }
    expect(parseSegment(bytes, ip)).toEqual(segment)
    expect(readChecksum(bytes, 0)).toBe(0xdead)
  })

  test('is written, with 0 for its checksum', () => {
    const out = new Uint8Array(52).fill(0xff)
    expect(
      emitSegment(out, 0, {
        ...segment,
        options: { ...segment.options, mptcp: [...segment.options.mptcp] },
      }),
    ).toBe(52)
    const expected = bytes.slice(0, 52)
    expected[16] = expected[17] = 0
    expect(out).toEqual(expected)
  })
})

describe('what is not whole is refused', () => {
  const bytes = hex('9c4001bb 01020304 a1a2a3a4 8018 01f6 dead 0000 0101080a 00000011 00000022')

  test.each([
    ['19 bytes', 19, 0x50],
    ['a header shorter than 20 bytes', 32, 0x40],
    ['a header longer than the packet', 31, 0x80],
    ['a header of 60 bytes in 32', 32, 0xf0],
  ])('%s', (_, payloadLength, dataOffset) => {
    const wrong = bytes.slice()
    wrong[12] = dataOffset
    expect(parseSegment(wrong, { ...FACTS, payloadOffset: 0, payloadLength })).toBeNull()
  })

  test('and faults in its options are counted', () => {
    const wrong = bytes.slice()
    wrong.set(hex('1e0490000800'), 20)
    const faults = { tcp: 0, mptcp: 0 }
    const ip = { ...FACTS, payloadOffset: 0, payloadLength: 32 }
    expect(parseSegment(wrong, ip, faults)?.options).toEqual(noOptions())
    expect(faults).toEqual({ tcp: 1, mptcp: 1 })
  })
})

test('options over 40 bytes are an error of our own', () => {
  const options = { ...noOptions(), sack: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }
  expect(() => emitSegment(new Uint8Array(100), 0, segmentFields({ options }))).toThrow(RangeError)
})

test('a checksum that was filled makes the sum of everything 0xffff', () => {
  fc.assert(
    fc.property(packet, ({ source, destination, segment }) => {
      const bytes = emitPacket(source, destination, segment)
      const ip = parseIp(bytes, 0, bytes.length)!
      const at = ip.payloadOffset
      const pseudo = pseudoHeaderSum(source, destination, 6, ip.payloadLength)
      writeChecksum(bytes, at, headerSum(bytes, at, ip.payloadLength, pseudo))
      expect(headerSum(bytes, at, ip.payloadLength, pseudo)).toBe(0xffff)
      writePartialChecksum(bytes, at, pseudo)
      expect(readChecksum(bytes, at)).toBe(pseudo)
    }),
  )
})

test('parse of emit gives the segment back', () => {
  fc.assert(
    fc.property(packet, ({ source, destination, segment }) => {
      const bytes = emitPacket(source, destination, segment)
      const ip = parseIp(bytes, 0, bytes.length)!
      const payloadOffset = ip.payloadOffset + headerLength(segment.options)
      const faults = { tcp: 0, mptcp: 0 }
      const guard = guarded(bytes, ip.payloadOffset, payloadOffset - ip.payloadOffset)
      expect(parseSegment(guard, ip, faults)).toEqual({
        ...segment,
        source,
        destination,
        payloadOffset,
      })
      expect(faults).toEqual({ tcp: 0, mptcp: 0 })
      expect(bytes.subarray(payloadOffset)).toEqual(
        new Uint8Array(segment.payloadLength).fill(0x70),
      )
    }),
    { numRuns: 2000 },
  )
})

test('no truncation and no mutation throws or is read outside', () => {
  const change = fc.tuple(fc.nat({ max: 119 }), u8)
  fc.assert(
    fc.property(packet, fc.array(change, { maxLength: 6 }), fc.nat(), (from, changes, cut) => {
      const bytes = emitPacket(from.source, from.destination, from.segment)
      const v4 = from.source.family === 4
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      if (v4) {
        // Right again, or the mutation would end at the header's checksum.
        bytes[10] = bytes[11] = 0
        const sum = ~headerSum(bytes, 0, (bytes[0]! & 15) * 4)
        bytes[10] = sum >>> 8
        bytes[11] = sum
      }
      const length = cut % 3 === 0 ? cut % (bytes.length + 1) : bytes.length
      const guard = guarded(bytes, 0, length)
      const ip = parseIp(guard, 0, length)
      if (ip === null) return
      const segment = parseSegment(guarded(bytes, ip.payloadOffset, ip.payloadLength), ip)
      if (segment === null) return
      expect(segment.payloadOffset + segment.payloadLength).toBe(
        ip.payloadOffset + ip.payloadLength,
      )
      expect(segment.payloadLength).toBeGreaterThanOrEqual(0)
    }),
    { numRuns: 3000 },
  )
})

test('random bytes never throw and are never read outside', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 90 }), u8, (noise, dataOffset) => {
      if (noise.length > 12) noise[12] = dataOffset
      const ip = { ...FACTS, payloadOffset: 0, payloadLength: noise.length }
      parseSegment(guarded(noise, 0, noise.length), ip)
    }),
    { numRuns: 3000 },
  )
})
