import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressBytes,
  addressFromBytes,
  formatAddress,
  parseAddress,
  readAddress4,
  readAddress6,
  sameAddress,
  writeAddress,
} from '../../ts/wire/address.js'
import { address4, address6 } from './arbitraries.js'

/** IPv6 whose text is an IPv4 address in disguise. */
function mapped(words: { w0: number; w1: number; w2: number }): boolean {
  return words.w0 === 0 && words.w1 === 0 && words.w2 === 0xffff
}

describe('text', () => {
  test('an IPv4 address is its mapped form with signed words', () => {
    expect(parseAddress('192.0.2.1')).toEqual({
      family: 4,
      w0: 0,
      w1: 0,
      w2: 0xffff,
      w3: 0xc0000201 | 0,
    })
  })

  test('an IPv4-mapped IPv6 address becomes the IPv4 address, RFC 4291 §2.5.5.2', () => {
    expect(parseAddress('::ffff:192.0.2.1')).toEqual(parseAddress('192.0.2.1'))
    expect(parseAddress('::FFFF:c000:201')).toEqual(parseAddress('192.0.2.1'))
  })

  // RFC 5952 §4: leading zeros, longest run, first of equal runs, one field of zero, lower case.
  test.each([
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['fe80::', 'fe80::'],
  ])('%s is written %s', (text, canonical) => {
    expect(formatAddress(parseAddress(text)!)).toBe(canonical)
  })

  test.each([
    '',
    ' 192.0.2.1',
    '192.0.2.1 ',
    '192.0.2',
    '192.0.2.1.5',
    '192.0.2.256',
    '0xc0.0.2.1',
    '0300.0.2.1',
    '3221225985',
    '[2001:db8::1]',
    'fe80::1%eth0',
    '2001:db8::1/64',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::ffff:1.2.3',
    '::ffff:1.2.3.256',
    'example.org',
  ])('%j is refused', (text) => {
    expect(parseAddress(text)).toBeNull()
  })

  test('what is accepted is what node:net accepts', () => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '01',
      'ffff',
      '255',
      '256',
      '.',
      ':',
      '::',
      'fe80',
      '0x1',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('')
        expect(parseAddress(text) !== null, text).toBe(isIP(text) !== 0)
      }),
      { numRuns: 2000 },
    )
  })

  test('parse of format gives the address back', () => {
    fc.assert(
      fc.property(fc.oneof(address4, address6), (address) => {
        fc.pre(address.family === 4 || !mapped(address))
        expect(parseAddress(formatAddress(address))).toEqual(address)
      }),
    )
  })
})

describe('bytes', () => {
  test('read of write gives the address back and touches only its own bytes', () => {
    fc.assert(
      fc.property(fc.oneof(address4, address6), (address) => {
        const bytes = new Uint8Array(20).fill(0xee)
        const length = writeAddress(address, bytes, 2)
        expect(length).toBe(address.family === 4 ? 4 : 16)
        expect(Array.from(bytes.subarray(2 + length))).toEqual(new Array(18 - length).fill(0xee))
        expect((length === 4 ? readAddress4 : readAddress6)(bytes, 2)).toEqual(address)
        expect(addressFromBytes(addressBytes(address))).toEqual(address)
      }),
    )
  })

  test('other lengths than 4 and 16 are refused', () => {
    expect(() => addressFromBytes(new Uint8Array(5))).toThrow(RangeError)
  })
})

test('addresses are the same when family and all words are', () => {
  const four = parseAddress('192.0.2.1')!
  expect(sameAddress(four, parseAddress('192.0.2.1')!)).toBe(true)
  expect(sameAddress(four, parseAddress('192.0.2.2')!)).toBe(false)
  expect(
    sameAddress(
      four,
      addressFromBytes(Uint8Array.of(...new Array(10).fill(0), 255, 255, 192, 0, 2, 1)),
    ),
  ).toBe(false)
  for (const other of ['2001:db8::2', '2001:db8:0:0:1::1', '2001:db8:1::1', '2002:db8::1']) {
    expect(sameAddress(parseAddress('2001:db8::1')!, parseAddress(other)!)).toBe(false)
  }
})
