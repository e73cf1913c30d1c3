import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ADD_ADDR,
  DSS,
  MP_CAPABLE,
  MP_PRIO,
  type MptcpOption,
  REMOVE_ADDR,
} from '../../ts/wire/mptcp-options.js'
import { ACK, SYN, type TcpOptions } from '../../ts/wire/segment.js'
import {
  emitTcpOptions,
  emittedLength,
  MAX_OPTION_BYTES,
  noOptions,
  type OptionFaults,
  parseTcpOptions,
} from '../../ts/wire/tcp-options.js'
import { PHASE_FLAGS, phase, tcpOptions, u8 } from './arbitraries.js'
import { embedded, guarded, hex } from './harness.js'

function parse(text: string, flags = ACK): { options: TcpOptions; faults: OptionFaults } {
  const bytes = hex(text)
  const faults = { tcp: 0, mptcp: 0 }
  const options = parseTcpOptions(guarded(bytes, 0, bytes.length), 0, bytes.length, flags, faults)
  return { options, faults }
}

function emit(options: TcpOptions): Uint8Array {
  const bytes = new Uint8Array(40).fill(0xee)
  return bytes.slice(0, emitTcpOptions(options, bytes, 0))
}

const capableSyn: MptcpOption = {
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

const fullDss: MptcpOption = {
  subtype: DSS,
  dataFin: false,
  dataAckBytes: 8,
  dataAckHigh: 1,
  dataAckLow: 2,
  dsnBytes: 8,
  dsnHigh: 3,
  dsnLow: 4,
  ssn: 5,
  length: 6,
  checksum: 7,
}

const addAddr6Port: MptcpOption = {
  subtype: ADD_ADDR,
  echo: false,
  addressId: 1,
  address: new Uint8Array(16),
  port: 443,
  hmac: new Uint8Array(8),
}

const timestamps = { timestampValue: 0x80000001, timestampEcho: 0x7fffffff }

describe('the layouts of Linux', () => {
  test.each<[string, number, string, Partial<TcpOptions>]>([
    [
      'a SYN with everything',
      SYN,
      '020405b4 0402080a 80000001 7fffffff 01030307 1e040101',
      { mss: 1460, sackPermitted: true, windowScale: 7, ...timestamps, mptcp: [capableSyn] },
    ],
    [
      'a SYN without timestamps',
      SYN,
      '020405b4 01010402 01030308',
      { mss: 1460, sackPermitted: true, windowScale: 8 },
    ],
    ['an ACK', ACK, '0101080a 80000001 7fffffff', timestamps],
    [
      'an ACK with two SACK blocks',
      ACK,
      '0101080a 80000001 7fffffff 01010512 00000001 00000002 fffffff0 00000005',
      { ...timestamps, sack: [1, 2, 0xfffffff0, 5] },
    ],
    [
      'data with a DSS of 28: 40 bytes',
      ACK,
      '0101080a 80000001 7fffffff 1e1c200f 00000001 00000002 00000003 00000004 00000005 00060007',
      { ...timestamps, mptcp: [fullDss] },
    ],
    [
      'MPTCP options padded one by one',
      ACK,
      '1e035101 1e054007 08010101',
      {
        mptcp: [
          { subtype: MP_PRIO, backup: true, addressId: null },
          { subtype: REMOVE_ADDR, addressIds: [7, 8] },
        ],
      },
    ],
  ])('%s', (_, flags, text, fields) => {
    const options = { ...noOptions(), ...fields }
    expect(emit(options)).toEqual(hex(text))
    expect(emittedLength(options)).toBe(hex(text).length)
    expect(parse(text, flags)).toEqual({ options, faults: { tcp: 0, mptcp: 0 } })
  })
})

describe('the budget of 40 bytes', () => {
  test('an ADD_ADDR of IPv6 and port fits beside timestamps, unpadded', () => {
    const options = { ...noOptions(), ...timestamps, mptcp: [addAddr6Port] }
    expect(emittedLength(options)).toBe(40)
    const bytes = emit(options)
    expect(bytes.subarray(0, 2)).toEqual(hex('080a'))
    expect(bytes.subarray(10, 12)).toEqual(hex('1e1e'))
    const faults = { tcp: 0, mptcp: 0 }
    expect(parseTcpOptions(bytes, 0, 40, ACK, faults)).toEqual(options)
  })

  test('what does not fit in any layout has a length over 40 and is not written', () => {
    const options = { ...noOptions(), ...timestamps, mptcp: [fullDss, capableSyn] }
    expect(emittedLength(options)).toBeGreaterThan(40)
    const bytes = new Uint8Array(80)
    expect(() => emitTcpOptions(options, bytes, 0)).toThrow(RangeError)
    expect(bytes).toEqual(new Uint8Array(80))
  })

  test('nothing takes nothing', () => {
    expect(emittedLength(noOptions())).toBe(0)
  })
})

describe('faults', () => {
  test.each([
    ['a length of 0', '0204 05b4 0800 03030701'],
    ['a length of 1', '0204 05b4 0801 03030701'],
    ['a length over the end', '0204 05b4 03 030701 080a0001'],
    ['a kind with no length', '0204 05b4 010108'],
  ])('%s ends the list and is counted; what came before holds', (_, text) => {
    const { options, faults } = parse(text)
    expect(options.mss).toBe(1460)
    expect(options.timestampValue).toBeNull()
    expect(faults).toEqual({ tcp: 1, mptcp: 0 })
  })

  test.each([
    ['MSS', '0203 05'],
    ['window scale', '0304 0700'],
    ['SACK-permitted', '0403 00'],
    ['timestamps', '0809 00000000000000'],
    ['SACK of no block', '0502'],
    ['SACK of half a block', '0506 00000001'],
    ['SACK of a block and a half', '050e 00000001 00000002 00000003'],
  ])('a %s of a wrong length is passed over and counted', (_, text) => {
    expect(parse(`${text} 020405b4`)).toEqual({
      options: { ...noOptions(), mss: 1460 },
      faults: { tcp: 1, mptcp: 0 },
    })
  })

  test('a MPTCP option that cannot be read is passed over and counted', () => {
    expect(parse('1e049000 1e035101')).toEqual({
      options: { ...noOptions(), mptcp: [{ subtype: MP_PRIO, backup: true, addressId: null }] },
      faults: { tcp: 0, mptcp: 1 },
    })
  })

  test('an unknown kind is skipped and no fault; the end of the list ends it', () => {
    expect(parse('fd04f989 020405b4 00 020400ff')).toEqual({
      options: { ...noOptions(), mss: 1460 },
      faults: { tcp: 0, mptcp: 0 },
    })
  })

  test('nobody need count', () => {
    expect(parseTcpOptions(hex('0800'), 0, 2, ACK, null)).toEqual(noOptions())
    expect(parseTcpOptions(hex('1e02'), 0, 2, ACK, null)).toEqual(noOptions())
  })
})

test('parse of emit gives the options back', () => {
  const phased = phase.chain((of) => fc.tuple(fc.constant(of), tcpOptions(of)))
  fc.assert(
    fc.property(phased, ([of, options]) => {
      const bytes = new Uint8Array(60).fill(0xee)
      const length = emitTcpOptions(options, bytes, 4)
      expect(length).toBe(emittedLength(options))
      expect(length % 4).toBe(0)
      expect(length).toBeLessThanOrEqual(MAX_OPTION_BYTES)
      expect(bytes[3]).toBe(0xee)
      expect(bytes.subarray(4 + length)).toEqual(new Uint8Array(56 - length).fill(0xee))
      const faults = { tcp: 0, mptcp: 0 }
      const guard = guarded(bytes, 4, length)
      expect(parseTcpOptions(guard, 4, 4 + length, PHASE_FLAGS[of], faults)).toEqual(options)
      expect(faults).toEqual({ tcp: 0, mptcp: 0 })
    }),
    { numRuns: 2000 },
  )
})

test('random bytes never throw and are never read outside', () => {
  // Mostly kinds and lengths that mean something, so that the list is walked and not given up.
  const piece = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 10, 12, 18, 30), u8)
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), u8, u8, (pieces, flags, fill) => {
      const { bytes, offset } = embedded(Uint8Array.from(pieces), fill)
      const guard = guarded(bytes, offset, pieces.length)
      parseTcpOptions(guard, offset, offset + pieces.length, flags, { tcp: 0, mptcp: 0 })
    }),
    { numRuns: 5000 },
  )
})
