import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HEADER, SCRATCH, STAGING_RECEIVE, STAGING_SEND_BYTES } from '../../ts/core/layout.js'
import { ascii, bothCores, forEachCore, hex, randomBytes } from './cores.js'

const native = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

forEachCore((core) => {
  const { kernel, u8 } = core

  describe('sha256', () => {
    // NIST's examples for FIPS 180-4 ("SHA256.pdf" of the Cryptographic Standards and Guidelines
    // examples) for one and two blocks; the others are those of FIPS 180-2 appendix B and of NIST CAVP
    // SHA256ShortMsg.rsp, Len = 0.
    it.each([
      ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
      [
        'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
        '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
      ],
      ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
      ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
    ])('hashes the vector %.10s…', (message, digest) => {
      expect(hex(core.sha256(ascii(message)))).toBe(digest)
    })

    it('hashes every length to three blocks as node:crypto does', () => {
      const random = randomBytes(200, 2)
      for (let length = 0; length <= 200; length++) {
        expect(hex(core.sha256(random.subarray(0, length)))).toBe(
          native(random.subarray(0, length)),
        )
      }
    })

    it('hashes what is longer than the staging, whole blocks or not', () => {
      const random = randomBytes(3 * STAGING_SEND_BYTES + 100, 3)
      for (const extra of [0, 1, 64, 100]) {
        for (const times of [1, 2, 3]) {
          const bytes = random.subarray(0, times * STAGING_SEND_BYTES + extra)
          expect(hex(core.sha256(bytes))).toBe(native(bytes))
        }
      }
    })

    it('reads from any address and writes its 32 bytes to any other', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 150 }), fc.nat(7), fc.nat(7), (bytes, from, to) => {
          u8.fill(0xee, SCRATCH, SCRATCH + 48)
          u8.set(bytes, STAGING_RECEIVE + from)
          kernel.mptcp_sha256(STAGING_RECEIVE + from, bytes.length, SCRATCH + to)
          const around = Buffer.alloc(48, 0xee)
          around.write(native(bytes), to, 'hex')
          expect(hex(u8.subarray(SCRATCH, SCRATCH + 48))).toBe(around.toString('hex'))
        }),
      )
    })

    it('may write the digest over the message', () => {
      const bytes = randomBytes(64, 4)
      u8.set(bytes, SCRATCH)
      kernel.mptcp_sha256(SCRATCH, 64, SCRATCH)
      expect(hex(u8.subarray(SCRATCH, SCRATCH + 32))).toBe(native(bytes))
    })

    it('goes on from a state, in pieces of whole blocks', () => {
      fc.assert(
        fc.property(fc.nat(3), fc.nat(3), fc.nat(130), (first, second, rest) => {
          const bytes = randomBytes(64 * (first + second) + rest, 5)
          u8.set(bytes, STAGING_RECEIVE)
          kernel.mptcp_sha256_start(SCRATCH)
          kernel.mptcp_sha256_blocks(SCRATCH, STAGING_RECEIVE, first)
          kernel.mptcp_sha256_blocks(SCRATCH, STAGING_RECEIVE + 64 * first, second)
          const before = 64 * (first + second)
          kernel.mptcp_sha256_finish(SCRATCH, before, STAGING_RECEIVE + before, rest, SCRATCH + 64)
          expect(hex(u8.subarray(SCRATCH + 64, SCRATCH + 96))).toBe(native(bytes))
        }),
      )
    })
  })
})

it('counts the bits of a message past 4 GiB alike', () => {
  const { wasm, js } = bothCores()
  // No vector is at hand for 5 GiB: the twins must agree, and the high half must count.
  const digests = [wasm, js].map(({ kernel, u8 }) =>
    [0, 5 * 2 ** 30, 2 ** 40].map((before) => {
      kernel.mptcp_sha256_start(SCRATCH)
      kernel.mptcp_sha256_finish(SCRATCH, before, SCRATCH, 3, SCRATCH + 64)
      return hex(u8.subarray(SCRATCH + 64, SCRATCH + 96))
    }),
  )
  expect(digests[0]).toEqual(digests[1])
  expect(new Set(digests[0]).size).toBe(3)
})

it('leaves the same memory in both cores', () => {
  const { wasm, js } = bothCores()
  for (const { kernel, u8 } of [wasm, js]) {
    u8.set(randomBytes(300, 6), STAGING_RECEIVE)
    kernel.mptcp_sha256(STAGING_RECEIVE + 1, 299, SCRATCH)
    kernel.mptcp_sha256_start(SCRATCH + 32)
    kernel.mptcp_sha256_finish(SCRATCH + 32, 0, STAGING_RECEIVE, 57, SCRATCH + 64)
  }
  expect(Buffer.compare(wasm.u8.subarray(HEADER), js.u8.subarray(HEADER))).toBe(0)
})
