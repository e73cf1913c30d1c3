// Vectors written out by hand from the figures of RFC 8684, named by section.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emitMptcpOption } from '../../ts/wire/emit-mptcp.js'
import {
  ADD_ADDR,
  DSS,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  type MpCapableOption,
  type MptcpOption,
  mptcpOptionLength,
  REMOVE_ADDR,
} from '../../ts/wire/mptcp-options.js'
import { parseMptcpOption } from '../../ts/wire/parse-mptcp.js'
import { ACK, SYN } from '../../ts/wire/segment.js'
import { mptcpOption, PHASE_FLAGS, phase, u8 } from './arbitraries.js'
import { embedded, guarded, hex } from './harness.js'

const KEY_A = hex('0102030405060708')
const KEY_B = hex('1112131415161718')
const HMAC_8 = hex('a0a1a2a3a4a5a6a7')
const HMAC_20 = hex('c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3')
const V6 = hex('20010db8000000000000000000000002')

function parse(text: string, flags: number): MptcpOption | null {
  const bytes = hex(text)
  return parseMptcpOption(bytes, 0, bytes.length, flags)
}

function emit(option: MptcpOption): Uint8Array {
  const bytes = new Uint8Array(64)
  return bytes.slice(0, emitMptcpOption(option, bytes, 0))
}

const capable: MpCapableOption = {
  subtype: MP_CAPABLE,
  version: 1,
  checksumRequired: false,
  extensibility: false,
  denyJoin: false,
  algorithms: 1,
  senderKey: null,
  receiverKey: null,
  dataLength: null,
  checksum: null,
}

const noMapping = { dsnBytes: 0, dsnHigh: 0, dsnLow: 0, ssn: 0, length: 0, checksum: null } as const
const noDataAck = { dataAckBytes: 0, dataAckHigh: 0, dataAckLow: 0 } as const

const VECTORS: [name: string, flags: number, bytes: string, option: MptcpOption][] = [
  ['§3.1 MP_CAPABLE on a SYN', SYN, '1e04 01 01', capable],
  [
    '§3.1 MP_CAPABLE with A and C on a SYN/ACK',
    SYN | ACK,
    '1e0c 01 a1 0102030405060708',
    { ...capable, checksumRequired: true, denyJoin: true, senderKey: KEY_A },
  ],
  [
    '§3.1 MP_CAPABLE on the third ACK',
    ACK,
    '1e14 01 01 0102030405060708 1112131415161718',
    { ...capable, senderKey: KEY_A, receiverKey: KEY_B },
  ],
  [
    '§3.1 MP_CAPABLE with data',
    ACK,
    '1e16 01 01 0102030405060708 1112131415161718 7a60',
    { ...capable, senderKey: KEY_A, receiverKey: KEY_B, dataLength: 31328 },
  ],
  [
    '§3.1 MP_CAPABLE with data and checksum, B set',
    ACK,
    '1e18 01 c1 0102030405060708 1112131415161718 0590 beef',
    {
      ...capable,
      checksumRequired: true,
      extensibility: true,
      senderKey: KEY_A,
      receiverKey: KEY_B,
      dataLength: 1424,
      checksum: 0xbeef,
    },
  ],
  [
    '§3.2 MP_JOIN on a SYN',
    SYN,
    '1e0c 11 02 deadbeef 80000001',
    {
      subtype: MP_JOIN,
      phase: 'SYN',
      backup: true,
      addressId: 2,
      token: 0xdeadbeef,
      nonce: 0x80000001,
    },
  ],
  [
    '§3.2 MP_JOIN on a SYN/ACK',
    SYN | ACK,
    '1e10 10 05 a0a1a2a3a4a5a6a7 00c0ffee',
    {
      subtype: MP_JOIN,
      phase: 'SYN/ACK',
      backup: false,
      addressId: 5,
      hmac: HMAC_8,
      nonce: 0x00c0ffee,
    },
  ],
  [
    '§3.2 MP_JOIN on the third ACK',
    ACK,
    '1e18 10 00 c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3',
    { subtype: MP_JOIN, phase: 'ACK', hmac: HMAC_20 },
  ],
  [
    '§3.3 DSS: DATA_ACK of 4 bytes',
    ACK,
    '1e08 20 01 fedcba98',
    {
      subtype: DSS,
      dataFin: false,
      dataAckBytes: 4,
      dataAckHigh: 0,
      dataAckLow: 0xfedcba98,
      ...noMapping,
    },
  ],
  [
    '§3.3 DSS: DATA_ACK of 8 bytes',
    ACK,
    '1e0c 20 03 01234567 89abcdef',
    {
      subtype: DSS,
      dataFin: false,
      dataAckBytes: 8,
      dataAckHigh: 0x01234567,
      dataAckLow: 0x89abcdef,
      ...noMapping,
    },
  ],
  [
    '§3.3 DSS: everything, with checksum',
    ACK,
    '1e1c 20 0f 01234567 89abcdef f0f1f2f3 f4f5f6f7 00000591 0590 cafe',
    {
      subtype: DSS,
      dataFin: false,
      dataAckBytes: 8,
      dataAckHigh: 0x01234567,
      dataAckLow: 0x89abcdef,
      dsnBytes: 8,
      dsnHigh: 0xf0f1f2f3,
      dsnLow: 0xf4f5f6f7,
      ssn: 0x591,
      length: 1424,
      checksum: 0xcafe,
    },
  ],
  [
    '§3.3.3 DSS: a DATA_FIN alone is SSN 0, length 1',
    ACK,
    '1e0e 20 14 f4f5f6f7 00000000 0001',
    {
      subtype: DSS,
      dataFin: true,
      ...noDataAck,
      dsnBytes: 4,
      dsnHigh: 0,
      dsnLow: 0xf4f5f6f7,
      ssn: 0,
      length: 1,
      checksum: null,
    },
  ],
  [
    '§3.7 DSS: an infinite mapping, checksum 0',
    ACK,
    '1e14 20 0c 00000000 f4f5f6f7 00000001 0000 0000',
    {
      subtype: DSS,
      dataFin: false,
      ...noDataAck,
      dsnBytes: 8,
      dsnHigh: 0,
      dsnLow: 0xf4f5f6f7,
      ssn: 1,
      length: 0,
      checksum: 0,
    },
  ],
  [
    '§3.4.1 ADD_ADDR, IPv4',
    ACK,
    '1e10 30 03 c0000201 a0a1a2a3a4a5a6a7',
    {
      subtype: ADD_ADDR,
      echo: false,
      addressId: 3,
      address: hex('c0000201'),
      port: null,
      hmac: HMAC_8,
    },
  ],
  [
    '§3.4.1 ADD_ADDR, IPv6 with port',
    ACK,
    '1e1e 30 03 20010db8000000000000000000000002 1f90 a0a1a2a3a4a5a6a7',
    { subtype: ADD_ADDR, echo: false, addressId: 3, address: V6, port: 8080, hmac: HMAC_8 },
  ],
  [
    '§3.4.1 ADD_ADDR echo, IPv4 with port',
    ACK,
    '1e0a 31 03 c0000201 1f90',
    {
      subtype: ADD_ADDR,
      echo: true,
      addressId: 3,
      address: hex('c0000201'),
      port: 8080,
      hmac: null,
    },
  ],
  [
    '§3.4.1 ADD_ADDR echo, IPv6',
    ACK,
    '1e14 31 09 20010db8000000000000000000000002',
    { subtype: ADD_ADDR, echo: true, addressId: 9, address: V6, port: null, hmac: null },
  ],
  [
    '§3.4.2 REMOVE_ADDR of three',
    ACK,
    '1e06 40 01 02 ff',
    { subtype: REMOVE_ADDR, addressIds: [1, 2, 255] },
  ],
  ['§3.3.8 MP_PRIO', ACK, '1e03 51', { subtype: MP_PRIO, backup: true, addressId: null }],
  [
    'RFC 6824 §3.3.8 MP_PRIO with an address id',
    ACK,
    '1e04 50 07',
    { subtype: MP_PRIO, backup: false, addressId: 7 },
  ],
  [
    '§3.7 MP_FAIL',
    ACK,
    '1e0c 60 00 01234567 89abcdef',
    { subtype: MP_FAIL, dsnHigh: 0x01234567, dsnLow: 0x89abcdef },
  ],
  [
    '§3.5 MP_FASTCLOSE',
    ACK,
    '1e0c 70 00 0102030405060708',
    { subtype: MP_FASTCLOSE, receiverKey: KEY_A },
  ],
  ['§3.6 MP_TCPRST, transient', ACK, '1e04 81 05', { subtype: MP_TCPRST, flags: 1, reason: 5 }],
]

describe.each(VECTORS)('%s', (_, flags, text, option) => {
  test('is read', () => {
    expect(parse(text, flags)).toEqual(option)
  })

  test('is written', () => {
    expect(emit(option)).toEqual(hex(text))
    expect(mptcpOptionLength(option)).toBe(hex(text).length)
  })

  test('is refused one byte shorter or longer', () => {
    const bytes = Uint8Array.of(...hex(text), 0)
    // Two have lengths that follow each other; a REMOVE_ADDR has any; a checksum takes two bytes.
    const shorter = option.subtype === MP_PRIO ? option.addressId === null : true
    const longer = option.subtype === MP_PRIO ? option.addressId !== null : true
    if (option.subtype === REMOVE_ADDR) return
    if (shorter) expect(parseMptcpOption(bytes, 0, bytes.length - 2, flags)).toBeNull()
    if (longer) expect(parseMptcpOption(bytes, 0, bytes.length, flags)).toBeNull()
  })
})

describe('forms that belong to one phase', () => {
  test.each([
    ['MP_CAPABLE of 4 on an ACK', '1e040101', ACK],
    ['MP_CAPABLE of 12 on a SYN', '1e0c01010102030405060708', SYN],
    ['MP_CAPABLE of 20 on a SYN/ACK', '1e14010101020304050607081112131415161718', SYN | ACK],
    ['MP_JOIN of 12 on a SYN/ACK', '1e0c1102deadbeef80000001', SYN | ACK],
    ['MP_JOIN of 16 on an ACK', '1e101005a0a1a2a3a4a5a6a700c0ffee', ACK],
    ['MP_JOIN of 24 on a SYN', '1e181000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3', SYN],
    ['MP_JOIN of 24 without ACK', '1e181000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3', 0],
  ])('%s is refused', (_, text, flags) => {
    expect(parse(text, flags)).toBeNull()
  })
})

describe('lengths', () => {
  test.each([
    ['no subtype', '1e02'],
    ['REMOVE_ADDR of nothing', '1e0340'],
    ['a non-echo ADD_ADDR without HMAC', '1e083003c0000201'],
    ['an echo ADD_ADDR with HMAC', '1e103103c0000201a0a1a2a3a4a5a6a7'],
    ['a DSS with two bytes too many and no mapping', '1e0a2001fedcba980000'],
    ['subtype 9', '1e049000'],
    ['the experimental subtype 0xf', '1e08f00000000000'],
  ])('%s is refused', (_, text) => {
    expect(parse(text, ACK)).toBeNull()
  })
})

describe('other versions of MP_CAPABLE', () => {
  // RFC 6824 §3.1: version 0 has the sender's key on the SYN.
  test.each([
    ['SYN', SYN, '1e0c 00 81 0102030405060708'],
    ['SYN/ACK', SYN | ACK, '1e0c 00 81 0102030405060708'],
    ['ACK', ACK, '1e14 00 81 0102030405060708 1112131415161718'],
  ])('version 0 on a %s gives the version and no keys', (_, flags, text) => {
    expect(parse(text, flags)).toEqual({ ...capable, version: 0, checksumRequired: true })
  })

  test('version 0 of another length is refused', () => {
    expect(parse('1e040001', SYN)).toBeNull()
    expect(parse('1e0c00010102030405060708', ACK)).toBeNull()
  })

  test('version 2 gives the version, whatever its length', () => {
    expect(parse('1e040201', SYN)).toEqual({ ...capable, version: 2 })
    expect(parse('1e0802010000beef', SYN)).toEqual({ ...capable, version: 2 })
    expect(parse('1e0302', SYN)).toBeNull()
  })
})

test('reserved bits are ignored', () => {
  expect(parse('1e082fe1fedcba98', ACK)).toEqual(parse('1e082001fedcba98', ACK))
  expect(parse('1e0c6fff0123456789abcdef', ACK)).toEqual(parse('1e0c60000123456789abcdef', ACK))
  // DSS: a and m mean nothing without A and M.
  expect(parse('1e04200a', ACK)).toEqual(parse('1e042000', ACK))
})

test('what parse gives is a copy, of a Buffer too', () => {
  const bytes = Buffer.from(hex('1e0c70000102030405060708'))
  const option = parseMptcpOption(bytes, 0, bytes.length, ACK)
  bytes.fill(0)
  expect(option).toEqual({ subtype: MP_FASTCLOSE, receiverKey: KEY_A })
})

test('parse of emit gives the option back', () => {
  const phased = phase.chain((of) => fc.tuple(fc.constant(of), mptcpOption(of)))
  fc.assert(
    fc.property(phased, u8, ([of, option], fill) => {
      const bytes = new Uint8Array(64).fill(fill)
      const length = emitMptcpOption(option, bytes, 3)
      expect(length).toBe(mptcpOptionLength(option))
      expect(bytes[1 + 3]).toBe(length)
      expect(bytes.subarray(0, 3)).toEqual(new Uint8Array(3).fill(fill))
      expect(bytes.subarray(3 + length)).toEqual(new Uint8Array(61 - length).fill(fill))
      expect(parseMptcpOption(guarded(bytes, 3, length), 3, length, PHASE_FLAGS[of])).toEqual(
        option,
      )
    }),
    { numRuns: 2000 },
  )
})

test('random bytes never throw, are never read outside, and what is read can be written', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 40 }), u8, u8, (noise, flags, fill) => {
      noise[0] = 30
      noise[1] = noise.length
      const { bytes, offset } = embedded(noise, fill)
      const option = parseMptcpOption(
        guarded(bytes, offset, noise.length),
        offset,
        noise.length,
        flags,
      )
      if (option === null || (option.subtype === MP_CAPABLE && option.version !== 1)) return
      expect(parseMptcpOption(emit(option), 0, noise.length, flags)).toEqual(option)
    }),
    { numRuns: 5000 },
  )
})
