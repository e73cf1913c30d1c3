// Against models in BigInt, which have no corner at 2^32 or 2^53.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  dataOffsetOf32,
  dataOffsetOf64,
  dsnHigh,
  dsnLow,
  offsetOf,
  seqOf,
} from '../../ts/wire/seq.js'
import { u32 } from './arbitraries.js'

const WORD = 2n ** 32n
const HALF = 2 ** 31
const offset = fc.oneof(
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 2 ** 34 }),
  fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
)

function wide(high: number, low: number): bigint {
  return BigInt(high) * WORD + BigInt(low)
}

describe('32-bit numbers', () => {
  test('seqOf is (initial + offset) mod 2^32', () => {
    fc.assert(
      fc.property(offset, u32, (at, initial) => {
        expect(BigInt(seqOf(at, initial))).toBe((BigInt(at) + BigInt(initial)) % WORD)
      }),
      { numRuns: 1000 },
    )
  })

  test('the SYN is offset 0, the first byte offset 1', () => {
    expect(seqOf(0, 0xffffffff)).toBe(0xffffffff)
    expect(seqOf(1, 0xffffffff)).toBe(0)
    expect(offsetOf(0, 0xffffffff, 0)).toBe(1)
  })

  test('offsetOf is the nearest offset with that seq', () => {
    const distance = fc.oneof(
      fc.integer({ min: -HALF, max: HALF - 1 }),
      fc.constantFrom(-HALF, -1, 0, 1, HALF - 1),
    )
    fc.assert(
      fc.property(offset, distance, u32, (near, away, initial) => {
        fc.pre(near + away <= Number.MAX_SAFE_INTEGER)
        const seq = Number(BigInt.asUintN(32, BigInt(near) + BigInt(away) + BigInt(initial)))
        expect(offsetOf(seq, initial, near)).toBe(near + away)
      }),
      { numRuns: 1000 },
    )
  })

  test('a seq before the ISN is a negative offset', () => {
    expect(offsetOf(99, 100, 0)).toBe(-1)
    expect(offsetOf(0xffffffff, 0, 5)).toBe(-1)
  })

  test('of two equally near offsets it is the lower', () => {
    expect(offsetOf(HALF, 0, 2 ** 32)).toBe(HALF)
  })
})

describe('64-bit numbers', () => {
  test('dsnHigh and dsnLow are (idsn + offset) mod 2^64', () => {
    fc.assert(
      fc.property(offset, u32, u32, (at, idsnHigh, idsnLow) => {
        const dsn = wide(dsnHigh(at, idsnLow, idsnHigh), dsnLow(at, idsnLow))
        expect(dsn).toBe(BigInt.asUintN(64, wide(idsnHigh, idsnLow) + BigInt(at)))
      }),
      { numRuns: 1000 },
    )
  })

  test('dataOffsetOf64 takes it back', () => {
    fc.assert(
      fc.property(offset, u32, u32, (at, idsnHigh, idsnLow) => {
        const high = dsnHigh(at, idsnLow, idsnHigh)
        expect(dataOffsetOf64(high, dsnLow(at, idsnLow), idsnHigh, idsnLow)).toBe(at)
      }),
      { numRuns: 1000 },
    )
  })

  test('dataOffsetOf64 is the difference mod 2^64 where that is below 2^53, or -1', () => {
    fc.assert(
      fc.property(u32, u32, u32, u32, (high, low, idsnHigh, idsnLow) => {
        const difference = BigInt.asUintN(64, wide(high, low) - wide(idsnHigh, idsnLow))
        expect(dataOffsetOf64(high, low, idsnHigh, idsnLow)).toBe(
          difference < 2n ** 53n ? Number(difference) : -1,
        )
      }),
      { numRuns: 1000 },
    )
  })

  test('the edges: the IDSN, one below it, 2^53 - 1 and 2^53 above it', () => {
    expect(dataOffsetOf64(7, 5, 7, 5)).toBe(0)
    expect(dataOffsetOf64(7, 4, 7, 5)).toBe(-1)
    expect(dataOffsetOf64(6, 0xffffffff, 7, 0)).toBe(-1)
    expect(dataOffsetOf64(2 ** 21 - 1, 0xffffffff, 0, 0)).toBe(2 ** 53 - 1)
    expect(dataOffsetOf64(2 ** 21, 0, 0, 0)).toBe(-1)
    // An IDSN close under 2^64 wraps, as RFC 8684 §3.3.1 allows.
    expect(dataOffsetOf64(0, 3, 0xffffffff, 0xfffffffe)).toBe(5)
  })

  test('dataOffsetOf32 is the nearest offset whose dsn ends so', () => {
    const distance = fc.integer({ min: -HALF, max: HALF - 1 })
    fc.assert(
      fc.property(offset, distance, u32, u32, (near, away, idsnHigh, idsnLow) => {
        fc.pre(near + away <= Number.MAX_SAFE_INTEGER)
        const dsn = wide(idsnHigh, idsnLow) + BigInt(near) + BigInt(away)
        const low = Number(BigInt.asUintN(32, dsn))
        expect(dataOffsetOf32(low, idsnLow, near)).toBe(near + away)
      }),
      { numRuns: 1000 },
    )
  })
})
