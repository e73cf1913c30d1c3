import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SCRATCH, STAGING_RECEIVE, STAGING_SEND_BYTES } from '../../ts/core/layout.js'
import { ascii, forEachCore, hex, randomBytes, unhex } from './cores.js'

const native = (key: Uint8Array, message: Uint8Array) =>
  createHmac('sha256', key).update(message).digest('hex')

/** RFC 4231 §4.2 to §4.8, HMAC-SHA-256; §4.6 truncates the output to 128 bits. */
const RFC_4231: [section: string, key: Uint8Array, data: Uint8Array, hmac: string][] = [
  [
    '§4.2',
    new Uint8Array(20).fill(0x0b),
    ascii('Hi There'),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  ],
  [
    '§4.3',
    ascii('Jefe'),
    ascii('what do ya want for nothing?'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [
    '§4.4',
    new Uint8Array(20).fill(0xaa),
    new Uint8Array(50).fill(0xdd),
    '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
  ],
  [
    '§4.5',
    unhex('0102030405060708090a0b0c0d0e0f10111213141516171819'),
    new Uint8Array(50).fill(0xcd),
    '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
  ],
  [
    '§4.6',
    new Uint8Array(20).fill(0x0c),
    ascii('Test With Truncation'),
    'a3b6167473100ee06e0c796c2955552b',
  ],
  [
    '§4.7',
    new Uint8Array(131).fill(0xaa),
    ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ],
  [
    '§4.8',
    new Uint8Array(131).fill(0xaa),
    ascii(
      'This is a test using a larger than block-size key and a larger than block-size data. ' +
        'The key needs to be hashed before being used by the HMAC algorithm.',
    ),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  ],
]

forEachCore((core) => {
  const { kernel, u8 } = core
  const KEY = SCRATCH
  const DIGEST = SCRATCH + 512

  function kernelHmac(key: Uint8Array, message: Uint8Array): string {
    u8.set(key, KEY)
    u8.set(message, STAGING_RECEIVE)
    kernel.mptcp_hmac_sha256(KEY, key.length, STAGING_RECEIVE, message.length, DIGEST)
    return hex(u8.subarray(DIGEST, DIGEST + 32))
  }

  describe('hmac', () => {
    it.each(RFC_4231)('gives the HMAC of RFC 4231 %s', (_section, key, data, hmac) => {
      expect(hex(core.hmacSha256(key, data)).slice(0, hmac.length)).toBe(hmac)
      expect(kernelHmac(key, data).slice(0, hmac.length)).toBe(hmac)
    })

    it('gives what node:crypto gives, keys up to and past a block', () => {
      const bytes = fc.uint8Array({ maxLength: 200, size: 'max' })
      fc.assert(
        fc.property(bytes, bytes, (key, message) => {
          expect(hex(core.hmacSha256(key, message))).toBe(native(key, message))
          expect(kernelHmac(key, message)).toBe(native(key, message))
        }),
      )
    })

    it('keeps a key for the next message, and drops it for the next key', () => {
      const keys = [randomBytes(16, 1), randomBytes(16, 2), randomBytes(100, 3)]
      fc.assert(
        fc.property(fc.array(fc.nat(2), { minLength: 1, maxLength: 12 }), (order) => {
          for (const [turn, which] of order.entries()) {
            const message = randomBytes(8, turn + 1)
            expect(kernelHmac(keys[which]!, message)).toBe(native(keys[which]!, message))
          }
        }),
      )
    })

    it('tells a key from the same key and a non-zero byte', () => {
      const message = ascii('message')
      for (const key of ['', '00', '01', '0100', '0101', '01'.repeat(64), '01'.repeat(65)]) {
        expect(kernelHmac(unhex(key), message)).toBe(native(unhex(key), message))
      }
    })

    it('takes messages and keys longer than the staging', () => {
      const long = randomBytes(2 * STAGING_SEND_BYTES + 77, 4)
      const staged = long.subarray(0, STAGING_SEND_BYTES)
      for (const key of [randomBytes(5, 5), randomBytes(64, 6), randomBytes(65, 7), long]) {
        for (const message of [staged, long.subarray(0, STAGING_SEND_BYTES + 1), long]) {
          expect(hex(core.hmacSha256(key, message))).toBe(native(key, message))
        }
      }
    })
  })
})
