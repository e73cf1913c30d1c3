import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HEADER, SCRATCH, STAGING_RECEIVE, STAGING_SEND } from '../../ts/core/layout.js'
import { bothCores, forEachCore, randomBytes, unhex } from './cores.js'

const AT = STAGING_RECEIVE
const TO = STAGING_SEND

/** RFC 1071 §4.1, the loop in C, with the zero convention of core.ts. */
function naive(bytes: Uint8Array, seed = 0): number {
  let sum = seed
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536)
  return sum === 0 && bytes.length > 0 ? 0xffff : sum
}

const seeds = fc.integer({ min: 0, max: 0xffff })
const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength, size: 'max' })

forEachCore(
  (core) => {
    const { kernel, u8 } = core

    describe('checksum', () => {
      it('sums the example of RFC 1071 §3', () => {
        expect(core.checksum(unhex('0001 f203 f4f5 f6f7'))).toBe(0xddf2)
      })

      it('sums to 0xffff over an IPv4 header with its checksum (the example of RFC 1071 §2 in use)', () => {
        const header = unhex('4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7')
        expect(core.checksum(header)).toBe(0xffff)
        expect(core.checksum(unhex('4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7'))).toBe(
          0xffff - 0xb861,
        )
      })

      it('pads an odd length with a zero byte', () => {
        expect(core.checksum(unhex('01'))).toBe(0x0100)
        expect(core.checksum(unhex('0001f2'))).toBe(0xf201)
      })

      it('is 0 only for no bytes and no seed', () => {
        expect(core.checksum(new Uint8Array(0))).toBe(0)
        expect(core.checksum(new Uint8Array(0), 0x1234)).toBe(0x1234)
        expect(core.checksum(new Uint8Array(0), 0xffff)).toBe(0xffff)
        for (const length of [1, 2, 3, 15, 16, 64, 100]) {
          expect(core.checksum(new Uint8Array(length))).toBe(0xffff)
          expect(core.checksum(new Uint8Array(length).fill(0xff, 0, length & ~1))).toBe(0xffff)
        }
      })

      it('sums every length from every alignment as the plain loop does', () => {
        const random = randomBytes(400, 1)
        u8.set(random, AT)
        for (let skip = 0; skip < 9; skip++) {
          for (let length = 0; length <= 300; length++) {
            const bytes = random.subarray(skip, skip + length)
            const found = kernel.mptcp_checksum(AT + skip, length, 0)
            if (found !== naive(bytes))
              expect(`${skip}+${length}: ${found}`).toBe(`${naive(bytes)}`)
          }
        }
      })

      it('sums random bytes with a random seed as the plain loop does', () => {
        fc.assert(
          fc.property(bytesUpTo(2000), seeds, fc.nat(7), (bytes, seed, skip) => {
            u8.set(bytes, AT + skip)
            expect(kernel.mptcp_checksum(AT + skip, bytes.length, seed)).toBe(naive(bytes, seed))
            expect(core.checksum(bytes, seed)).toBe(naive(bytes, seed))
          }),
        )
      })

      it('chains over pieces of even length', () => {
        fc.assert(
          fc.property(bytesUpTo(500), fc.nat(250), (bytes, half) => {
            const cut = Math.min(2 * half, bytes.length & ~1)
            const first = core.checksum(bytes.subarray(0, cut))
            expect(core.checksum(bytes.subarray(cut), first)).toBe(naive(bytes))
          }),
        )
      })

      it('does not overflow on the largest words, however many', () => {
        const bytes = new Uint8Array(700_001).fill(0xff)
        bytes[700_000] = 0x12
        expect(core.checksum(bytes)).toBe(naive(bytes))
        u8.fill(0xff, SCRATCH, SCRATCH + 500_000)
        expect(kernel.mptcp_checksum(SCRATCH + 3, 400_000, 0xffff)).toBe(0xffff)
        expect(kernel.mptcp_checksum(SCRATCH + 2, 400_001, 0)).toBe(0xff00)
      })

      it('does not see the bytes beside its own', () => {
        for (let skip = 0; skip < 8; skip++) {
          for (let length = 1; length < 40; length++) {
            u8.fill(0xa5, AT, AT + 100)
            u8.fill(0, AT + skip, AT + skip + length)
            expect(kernel.mptcp_checksum(AT + skip, length, 0)).toBe(0xffff)
          }
        }
      })
    })

    describe('copying checksum', () => {
      it('copies the bytes, no others, and gives their sum', () => {
        fc.assert(
          fc.property(bytesUpTo(1600), seeds, fc.nat(17), fc.nat(17), (bytes, seed, from, to) => {
            u8.fill(0xee, TO, TO + 1700)
            u8.set(bytes, AT + from)
            const sum = kernel.mptcp_copy_checksum(TO + to, AT + from, bytes.length, seed)
            expect(sum).toBe(naive(bytes, seed))
            const end = TO + to + bytes.length
            expect(Buffer.compare(u8.subarray(TO + to, end), bytes)).toBe(0)
            expect(u8.subarray(TO, TO + to).every((byte) => byte === 0xee)).toBe(true)
            expect(u8.subarray(end, TO + 1700).every((byte) => byte === 0xee)).toBe(true)
          }),
        )
      })
    })
  },
  2 * 1024 * 1024,
)

it('leaves the same memory in both cores', () => {
  const { wasm, js } = bothCores()
  for (const { kernel, u8 } of [wasm, js]) {
    u8.set(randomBytes(3000, 7), AT)
    kernel.mptcp_copy_checksum(TO + 5, AT + 2, 2900, 3)
  }
  expect(Buffer.compare(wasm.u8.subarray(HEADER), js.u8.subarray(HEADER))).toBe(0)
})
