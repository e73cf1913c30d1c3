import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../ts/wire/address.js'
import { emitIp, headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import { addressPair, bytesOf, u8, u16, u32 } from './arbitraries.js'
import { embedded, guarded, hex } from './harness.js'

// The example of https://en.wikipedia.org/wiki/Internet_checksum: UDP, 95 bytes of payload.
const EXAMPLE_V4 = hex('45000073 0000 4000 4011 b861 c0a80001 c0a800c7')

function withPayload(header: Uint8Array, payload: Uint8Array): Uint8Array {
  return Uint8Array.of(...header, ...payload)
}

/** Sets the IPv4 header's checksum right again after a change. */
function resum(packet: Uint8Array): Uint8Array {
  packet[10] = packet[11] = 0
  const sum = ~headerSum(packet, 0, (packet[0]! & 15) * 4)
  packet[10] = sum >>> 8
  packet[11] = sum
  return packet
}

describe('IPv4', () => {
  test('a known header is read, and written to the same bytes', () => {
    const packet = withPayload(EXAMPLE_V4, new Uint8Array(95))
    expect(parseIp(packet, 0, packet.length)).toEqual({
      source: parseAddress('192.168.0.1'),
      destination: parseAddress('192.168.0.199'),
      protocol: 17,
      ecn: 0,
      ttl: 64,
      payloadOffset: 20,
      payloadLength: 95,
    })
    const out = new Uint8Array(20)
    emitIp(out, 0, {
      source: parseAddress('192.168.0.1')!,
      destination: parseAddress('192.168.0.199')!,
      protocol: 17,
      payloadLength: 95,
    })
    expect(out).toEqual(EXAMPLE_V4)
  })

  test('options are skipped', () => {
    // IHL 6: one word of NOPs.
    const packet = resum(
      hex('46000020 0000 4000 4006 0000 c0a80001 c0a800c7 01010101 aabbccdd eeff0011'),
    )
    expect(parseIp(packet, 0, 32)).toMatchObject({ payloadOffset: 24, payloadLength: 8 })
  })

  test('padding behind the total length is cut', () => {
    const packet = withPayload(
      resum(hex('4500 0019 0000 4000 4006 0000 c0a80001 c0a800c7')),
      bytes(26),
    )
    expect(parseIp(packet, 0, 46)).toMatchObject({ payloadOffset: 20, payloadLength: 5 })
  })

  test.each([
    ['a first fragment', 6, 0x20],
    ['a later fragment', 7, 0x01],
    ['a header shorter than 20 bytes', 0, 0x44],
    ['a header longer than the packet', 0, 0x4f],
    ['a total length beyond the bytes', 2, 0x01],
    ['version 5', 0, 0x55],
  ])('%s is refused', (_, at, value) => {
    const packet = withPayload(EXAMPLE_V4, bytes(95)).slice(0, 55)
    packet[3] = 55
    expect(parseIp(resum(packet), 0, 55)).not.toBeNull()
    packet[at] = value
    expect(parseIp(resum(packet), 0, 55)).toBeNull()
  })

  test('any one wrong bit behind the version is refused', () => {
    const packet = withPayload(EXAMPLE_V4, bytes(95))
    for (let bit = 4; bit < 160; bit++) {
      const wrong = packet.slice()
      wrong[bit >> 3]! ^= 0x80 >> (bit & 7)
      expect(parseIp(wrong, 0, wrong.length), `bit ${bit}`).toBeNull()
    }
  })

  test('more than 65,535 bytes cannot be written', () => {
    const [source, destination] = [parseAddress('192.0.2.1')!, parseAddress('192.0.2.2')!]
    const header = { source, destination, protocol: 6, payloadLength: 65516 }
    expect(() => emitIp(new Uint8Array(20), 0, header)).toThrow(RangeError)
  })
})

describe('IPv6', () => {
  // Traffic class 0x01 (ECN 1), flow label 0xabcde, 16 bytes of payload, hop limit 63.
  const head = (next: string, length = '0010') =>
    `601abcde ${length} ${next} 3f 20010db8000000000000000000000001 20010db8000000000000000000000002`

  test('a header is read', () => {
    const packet = hex(`${head('06')} 00112233445566778899aabbccddeeff`)
    expect(parseIp(packet, 0, packet.length)).toEqual({
      source: parseAddress('2001:db8::1'),
      destination: parseAddress('2001:db8::2'),
      protocol: 6,
      ecn: 1,
      ttl: 63,
      payloadOffset: 40,
      payloadLength: 16,
    })
  })

  test.each([
    ['hop-by-hop options', '00', '0600010400000000'],
    ['destination options', '3c', '0600010400000000'],
    ['a routing header with no segment left', '2b', '0600000000000000'],
  ])('%s: skipped', (_, next, extension) => {
    const packet = hex(`${head(next)} ${extension} 0011223344556677`)
    expect(parseIp(packet, 0, packet.length)).toMatchObject({
      protocol: 6,
      payloadOffset: 48,
      payloadLength: 8,
    })
  })

  test.each([
    ['a fragment header', '2c', '0600000000000000'],
    ['a fragment header behind hop-by-hop options', '00', '2c00010400000000'],
    ['a routing header with a segment left', '2b', '0600000100000000'],
    ['an extension header that runs over the end', '00', '0602010400000000'],
    ['a chain of headers that runs over the end', '00', '0001010400000000'],
  ])('%s: refused', (_, next, extension) => {
    const packet = hex(`${head(next)} ${extension} 0011223344556677`)
    expect(parseIp(packet, 0, packet.length)).toBeNull()
  })

  test('a payload length beyond the bytes is refused, padding is cut', () => {
    const packet = hex(`${head('06')} 00112233445566778899aabbccddeeff`)
    expect(parseIp(packet, 0, packet.length - 1)).toBeNull()
    const padded = withPayload(packet, bytes(6))
    expect(parseIp(padded, 0, padded.length)).toMatchObject({ payloadLength: 16 })
  })
})

test('parse of emit gives the header back, at any offset', () => {
  fc.assert(
    fc.property(
      addressPair,
      fc.record({
        protocol: u8.filter((p) => ![0, 43, 44, 60].includes(p)),
        payload: fc.integer({ min: 0, max: 100 }),
        ecn: fc.integer({ min: 0, max: 3 }),
        ttl: u8,
        identification: u16,
      }),
      fc.integer({ min: 0, max: 10 }),
      ([source, destination], { payload, ...rest }, offset) => {
        const bytes = new Uint8Array(offset + 150).fill(0xee)
        const header = { source, destination, payloadLength: payload, ...rest }
        const written = emitIp(bytes, offset, header)
        expect(written).toBe(source.family === 4 ? 20 : 40)
        const { identification: _, ...fields } = header
        const guard = guarded(bytes, offset, written + payload)
        expect(parseIp(guard, offset, written + payload)).toEqual({
          ...fields,
          payloadOffset: offset + written,
        })
        expect(bytes[offset + written]).toBe(0xee)
      },
    ),
  )
})

test('random bytes never throw and are never read outside', () => {
  const start = fc.constantFrom(0x45, 0x46, 0x4f, 0x60, 0x61, 0x00)
  const next = fc.constantFrom(0, 6, 43, 44, 58, 60)
  fc.assert(
    fc.property(
      start,
      next,
      fc.uint8Array({ maxLength: 120 }),
      u8,
      (first, protocol, noise, fill) => {
        if (noise.length > 0) noise[0] = first
        if (noise.length > 6) noise[6] = protocol
        if (noise.length > 5) noise[4] = 0
        const { bytes, offset } = embedded(noise, fill)
        const guard = guarded(bytes, offset, noise.length)
        const ip = parseIp(guard, offset, noise.length)
        if (ip !== null) {
          expect(ip.payloadOffset).toBeGreaterThanOrEqual(offset + 20)
          expect(ip.payloadOffset + ip.payloadLength).toBeLessThanOrEqual(offset + noise.length)
          expect(ip.payloadLength).toBeGreaterThanOrEqual(0)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('a length beyond the array is refused', () => {
  expect(parseIp(EXAMPLE_V4, 0, 115)).toBeNull()
  expect(parseIp(new Uint8Array(0), 0, 0)).toBeNull()
})

test('the pseudo-header sum is the sum of the pseudo-header of RFC 9293 §3.1 or RFC 8200 §8.1', () => {
  fc.assert(
    fc.property(addressPair, u8, u32, ([source, destination], protocol, length) => {
      const v4 = source.family === 4
      const size = v4 ? length & 0xffff : length
      const words = [source, destination].flatMap((a) => (v4 ? [a.w3] : [a.w0, a.w1, a.w2, a.w3]))
      const pseudo = new DataView(new ArrayBuffer(words.length * 4 + 8))
      words.forEach((word, i) => {
        pseudo.setInt32(i * 4, word)
      })
      pseudo.setUint32(words.length * 4, size)
      pseudo.setUint32(words.length * 4 + 4, protocol)
      expect(pseudoHeaderSum(source, destination, protocol, size)).toBe(
        modelSum(new Uint8Array(pseudo.buffer)),
      )
    }),
  )
})

test('headerSum is the sum of RFC 1071, of odd lengths too', () => {
  // RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2.
  expect(headerSum(hex('0001f203f4f5f6f7'), 0, 8)).toBe(0xddf2)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 70 }).chain(bytesOf), (data) => {
      expect(headerSum(data, 0, data.length)).toBe(modelSum(data))
    }),
  )
})

/** RFC 1071 as remainder of division: 0 only for nothing but zeros. */
function modelSum(data: Uint8Array): number {
  let value = 0n
  for (let i = 0; i < data.length; i++) value += BigInt(data[i]!) << (i % 2 === 0 ? 8n : 0n)
  if (value === 0n) return 0
  return Number(value % 0xffffn === 0n ? 0xffffn : value % 0xffffn)
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xcc)
}
