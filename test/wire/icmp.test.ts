import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../ts/wire/address.js'
import { emitIcmp, type IcmpError, parseIcmp } from '../../ts/wire/icmp.js'
import {
  headerSum,
  type IpPacket,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  pseudoHeaderSum,
} from '../../ts/wire/ip.js'
import { icmpError, u8 } from './arbitraries.js'
import { guarded, hex } from './harness.js'

const ROUTER = parseAddress('203.0.113.1')!
const HOST = parseAddress('192.0.2.1')!
const ROUTER6 = parseAddress('2001:db8:ffff::1')!
const HOST6 = parseAddress('2001:db8::1')!

function ipOf(length: number, v6: boolean): IpPacket {
  return {
    source: v6 ? ROUTER6 : ROUTER,
    destination: v6 ? HOST6 : HOST,
    protocol: v6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP,
    ecn: 0,
    ttl: 60,
    payloadOffset: 0,
    payloadLength: length,
  }
}

/** Sets the checksum of an ICMP message right. */
function resum(message: Uint8Array, v6: boolean): Uint8Array {
  if (message.length < 4) return message
  message[2] = message[3] = 0
  const ip = ipOf(message.length, v6)
  const seed = v6 ? pseudoHeaderSum(ip.source, ip.destination, PROTOCOL_ICMPV6, message.length) : 0
  const sum = ~headerSum(message, 0, message.length, seed)
  message[2] = sum >>> 8
  message[3] = sum
  return message
}

// The quoted packets are cut after 8 bytes of TCP; their checksums and TTL are as a router leaves them.
const QUOTE4 = '450005dc abcd4000 01060000 c0000201 c6336402 9c4001bb deadbeef'
const QUOTE6 = `60000000 05b4 06 01 ${'20010db8000000000000000000000001'} ${'20010db8000000000000000000000002'} 9c4001bb deadbeef`

const quoted4 = {
  source: HOST,
  destination: parseAddress('198.51.100.2'),
  sourcePort: 40000,
  destinationPort: 443,
  sequence: 0xdeadbeef,
}
const quoted6 = { ...quoted4, source: HOST6, destination: parseAddress('2001:db8::2') }

function read(text: string, v6: boolean): IcmpError | null {
  const bytes = resum(hex(text), v6)
  return parseIcmp(guarded(bytes, 0, bytes.length), ipOf(bytes.length, v6))
}

describe('ICMPv4, RFC 792', () => {
  test.each([
    ['0300 0000 00000000', 'unreachable-net', 0],
    ['0301 0000 00000000', 'unreachable-host', 0],
    ['0302 0000 00000000', 'unreachable-protocol', 0],
    ['0303 0000 00000000', 'unreachable-port', 0],
    ['0304 0000 00000578', 'packet-too-big', 1400],
    ['0304 0000 00000000', 'packet-too-big', 0],
    ['0309 0000 00000000', 'prohibited', 0],
    ['030d 0000 00000000', 'prohibited', 0],
    ['0b00 0000 00000000', 'time-exceeded', 0],
    ['0c00 0000 14000000', 'parameter-problem', 0],
  ])('%s is %s', (head, kind, mtu) => {
    expect(read(`${head} ${QUOTE4}`, false)).toEqual({ kind, mtu, quoted: quoted4 })
  })

  test.each([
    ['an echo request', `0800 0000 00000000 ${QUOTE4}`],
    ['source quench, RFC 6633', `0400 0000 00000000 ${QUOTE4}`],
    ['an unknown code', `0310 0000 00000000 ${QUOTE4}`],
    ['a quote of UDP', `0303 0000 00000000 ${QUOTE4.replace('0106', '0111')}`],
    ['a quote of a later fragment', `0303 0000 00000000 ${QUOTE4.replace('4000', '0001')}`],
    ['a quote without the sequence number', `0303 0000 00000000 ${QUOTE4.slice(0, -2)}`],
    ['a quote whose header is longer than it', `0303 0000 00000000 4f${QUOTE4.slice(2)}`],
    ['a quote of IPv6', `0303 0000 00000000 65${QUOTE4.slice(2)}`],
    ['a head without a quote', '0303 0000 00000000'],
    ['half a head', '0303 0000'],
  ])('%s is none of TCP', (_, text) => {
    expect(read(text, false)).toBeNull()
  })

  test('options in the quoted header are skipped', () => {
    const quote = QUOTE4.replace('450005dc', '460005dc').replace('c6336402', 'c6336402 01010101')
    expect(read(`0303 0000 00000000 ${quote}`, false)).toMatchObject({ quoted: quoted4 })
  })
})

describe('ICMPv6, RFC 4443', () => {
  test.each([
    ['0100 0000 00000000', 'unreachable-net', 0],
    ['0101 0000 00000000', 'prohibited', 0],
    ['0103 0000 00000000', 'unreachable-host', 0],
    ['0104 0000 00000000', 'unreachable-port', 0],
    ['0106 0000 00000000', 'prohibited', 0],
    ['0200 0000 00000500', 'packet-too-big', 1280],
    ['0300 0000 00000000', 'time-exceeded', 0],
    ['0400 0000 00000006', 'parameter-problem', 0],
    ['0401 0000 00000006', 'unreachable-protocol', 0],
  ])('%s is %s', (head, kind, mtu) => {
    expect(read(`${head} ${QUOTE6}`, true)).toEqual({ kind, mtu, quoted: quoted6 })
  })

  test.each([
    ['an echo request', `8000 0000 00000000 ${QUOTE6}`],
    ['a neighbour solicitation', `8700 0000 00000000 ${QUOTE6}`],
    ['an unknown code', `0107 0000 00000000 ${QUOTE6}`],
    ['a quote without the sequence number', `0104 0000 00000000 ${QUOTE6.slice(0, -2)}`],
    ['a quote of UDP', `0104 0000 00000000 ${QUOTE6.replace('06 01', '11 01')}`],
  ])('%s is none of TCP', (_, text) => {
    expect(read(text, true)).toBeNull()
  })
})

test('a wrong checksum is refused', () => {
  for (const v6 of [false, true]) {
    const text = v6 ? `0104 0000 00000000 ${QUOTE6}` : `0303 0000 00000000 ${QUOTE4}`
    const bytes = resum(hex(text), v6)
    for (let at = 0; at < bytes.length; at++) {
      const wrong = bytes.slice()
      wrong[at]! ^= 0x10
      expect(parseIcmp(wrong, ipOf(wrong.length, v6)), `byte ${at}`).toBeNull()
    }
  }
})

test('the protocol has to be that of the family', () => {
  const bytes = resum(hex(`0303 0000 00000000 ${QUOTE4}`), false)
  const ip = ipOf(bytes.length, false)
  expect(parseIcmp(bytes, { ...ip, protocol: PROTOCOL_ICMPV6 })).toBeNull()
  expect(parseIcmp(bytes, { ...ip, protocol: 6 })).toBeNull()
})

test('parse of emit gives the error back', () => {
  fc.assert(
    fc.property(icmpError, (error) => {
      const v6 = error.quoted.source.family === 6
      const bytes = new Uint8Array(64).fill(0xee)
      const { source, destination } = ipOf(0, v6)
      const length = emitIcmp(bytes, 3, source, destination, error)
      expect(bytes[2]).toBe(0xee)
      expect(bytes[3 + length]).toBe(0xee)
      const ip = { ...ipOf(length, v6), payloadOffset: 3 }
      expect(parseIcmp(guarded(bytes, 3, length), ip)).toEqual(error)
    }),
  )
})

test('no truncation and no mutation throws or is read outside', () => {
  const change = fc.tuple(fc.nat({ max: 63 }), u8)
  fc.assert(
    fc.property(icmpError, fc.array(change, { maxLength: 5 }), fc.nat(), (error, changes, cut) => {
      const v6 = error.quoted.source.family === 6
      const whole = new Uint8Array(64)
      const { source, destination } = ipOf(0, v6)
      const length = emitIcmp(whole, 0, source, destination, error)
      for (const [at, value] of changes) whole[at] = value
      const bytes = resum(whole.slice(0, cut % 2 === 0 ? cut % (length + 1) : length), v6)
      parseIcmp(guarded(bytes, 0, bytes.length), ipOf(bytes.length, v6))
    }),
    { numRuns: 2000 },
  )
})
