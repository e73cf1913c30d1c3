import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HEADER, SCRATCH, STAGING_RECEIVE, STAGING_SEND } from '../../ts/core/layout.js'
import { ascii, bothCores, forEachCore, hex, randomBytes } from './cores.js'

const keys = fc.uint8Array({ minLength: 8, maxLength: 8 })
const nonces = fc.integer({ min: 0, max: 0xffffffff })

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/**
 * Linux net/mptcp/crypto_test.c: two keys and two nonces, as characters, and their MP_JOIN HMAC. The
 * kernel's own names for the halves are key1, key2, nonce1, nonce2.
 */
const LINUX_JOINS = [
  [
    '0b0b0b0b0b0b0b0b',
    '48692054',
    '8385e24fb4235ac37556b6b886db106284a1da671699f46db1f235ec622dcafa',
  ],
  [
    'aaaaaaaaaaaaaaaa',
    'dddddddd',
    '2c5e219164ff1dca1c4a92318d847bb6b9d44492984e1eb71aff9022f71046e9',
  ],
  [
    '0102030405060708',
    'cdcdcdcd',
    'e73b9ba9969969cefb04aa0d6df18ec2fcc075b6f23b4d8c4da736a5dbbc6e7d',
  ],
] as const

forEachCore((core) => {
  describe('deriveKey', () => {
    it('takes the token from the front and the IDSN from the end of SHA-256 (RFC 8684 §3.1, §3.2)', () => {
      fc.assert(
        fc.property(keys, (key) => {
          const digest = createHash('sha256').update(key).digest()
          expect(core.deriveKey(key)).toEqual({
            token: digest.readUInt32BE(0),
            idsn: digest.readBigUInt64BE(24),
          })
        }),
      )
    })

    it('derives a known key', () => {
      // RFC 8684 has no vectors: this is SHA-256 of eight zero bytes, by sha256sum of coreutils.
      const { token, idsn } = core.deriveKey(new Uint8Array(8))
      expect(token.toString(16)).toBe('af5570f5')
      expect(idsn.toString(16)).toBe('e5b2328de0e83dfc')
    })

    it('refuses a key of another length', () => {
      for (const length of [0, 7, 9, 16]) {
        expect(() => core.deriveKey(new Uint8Array(length))).toThrow(RangeError)
      }
    })
  })

  describe('joinHmac', () => {
    it.each(LINUX_JOINS)('gives the HMAC of the Linux test for key %s', (key, nonces, hmac) => {
      const nonceBytes = Buffer.from(nonces, 'latin1')
      const found = core.joinHmac(
        ascii(key.slice(0, 8)),
        ascii(key.slice(8)),
        nonceBytes.readUInt32BE(0),
        nonceBytes.readUInt32BE(4),
      )
      expect(hex(found)).toBe(hmac)
    })

    it('is the HMAC of both nonces under both keys, the sender first (RFC 8684 §3.2)', () => {
      fc.assert(
        fc.property(keys, keys, nonces, nonces, (own, other, ownNonce, otherNonce) => {
          const expected = createHmac('sha256', Buffer.concat([own, other]))
            .update(u32(ownNonce))
            .update(u32(otherNonce))
            .digest('hex')
          expect(hex(core.joinHmac(own, other, ownNonce, otherNonce))).toBe(expected)
        }),
      )
    })

    it('refuses keys and nonces that are none', () => {
      const key = new Uint8Array(8)
      expect(() => core.joinHmac(new Uint8Array(7), key, 0, 0)).toThrow(RangeError)
      expect(() => core.joinHmac(key, new Uint8Array(9), 0, 0)).toThrow(RangeError)
      expect(() => core.joinHmac(key, key, -1, 0)).toThrow(RangeError)
      expect(() => core.joinHmac(key, key, 0, 2 ** 32)).toThrow(RangeError)
    })
  })

  describe('addAddressHmac', () => {
    it('is the end of the HMAC of id, address and port (RFC 8684 §3.4.1)', () => {
      const addresses = fc
        .constantFrom(4, 16)
        .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
      fc.assert(
        fc.property(
          keys,
          keys,
          fc.nat(255),
          addresses,
          fc.nat(65535),
          (own, other, id, address, port) => {
            const digest = createHmac('sha256', Buffer.concat([own, other]))
              .update(Buffer.concat([Buffer.of(id), address, Buffer.of(port >> 8, port & 0xff)]))
              .digest()
            expect(hex(core.addAddressHmac(own, other, id, address, port))).toBe(
              digest.subarray(24).toString('hex'),
            )
          },
        ),
      )
    })

    it('refuses what is no id, address or port', () => {
      const key = new Uint8Array(8)
      const address = new Uint8Array(4)
      expect(() => core.addAddressHmac(key, key, 256, address, 0)).toThrow(RangeError)
      expect(() => core.addAddressHmac(key, key, 1, new Uint8Array(6), 0)).toThrow(RangeError)
      expect(() => core.addAddressHmac(key, key, 1, address, 65536)).toThrow(RangeError)
    })
  })

  describe('input and output', () => {
    it('gives arrays of its own, which later calls leave alone', () => {
      const first = core.sha256(ascii('a'))
      const before = hex(first)
      core.sha256(ascii('b'))
      core.hmacSha256(ascii('key'), ascii('c'))
      expect(hex(first)).toBe(before)
      expect(first.buffer).not.toBe(core.memory)
    })

    it('reads a view of its own memory in place, whatever the view lies on', () => {
      const bytes = randomBytes(1000, 9)
      for (const at of [SCRATCH, STAGING_RECEIVE + 3, STAGING_SEND + 1]) {
        core.u8.set(bytes, at)
        const view = core.u8.subarray(at, at + bytes.length)
        expect(core.checksum(view)).toBe(core.checksum(bytes))
        core.u8.set(bytes, at)
        expect(hex(core.sha256(view))).toBe(createHash('sha256').update(bytes).digest('hex'))
        expect(hex(core.hmacSha256(bytes.subarray(0, 16), view))).toBe(
          createHmac('sha256', bytes.subarray(0, 16)).update(bytes).digest('hex'),
        )
      }
    })

    it('takes a Buffer at any place of its pool', () => {
      const text = Buffer.from('xabc').subarray(1)
      expect(hex(core.sha256(text))).toBe(createHash('sha256').update('abc').digest('hex'))
    })

    it('refuses what is not a Uint8Array, and a seed that is not 16 bits', () => {
      const text = 'abc' as unknown as Uint8Array
      expect(() => core.sha256(text)).toThrow(TypeError)
      expect(() => core.checksum(text)).toThrow(TypeError)
      expect(() => core.hmacSha256(text, new Uint8Array(1))).toThrow(TypeError)
      expect(() => core.deriveKey(text)).toThrow(TypeError)
      for (const seed of [-1, 65536, 1.5, Number.NaN]) {
        expect(() => core.checksum(new Uint8Array(2), seed)).toThrow(RangeError)
      }
    })
  })
})

it('leaves the same memory in both cores', () => {
  const { wasm, js } = bothCores()
  for (const core of [wasm, js]) {
    core.checksum(randomBytes(500, 1))
    core.sha256(randomBytes(300_000, 2))
    core.hmacSha256(randomBytes(70, 3), randomBytes(300_000, 4))
    core.joinHmac(randomBytes(8, 5), randomBytes(8, 6), 7, 8)
    core.addAddressHmac(randomBytes(8, 5), randomBytes(8, 6), 7, randomBytes(16, 8), 80)
  }
  expect(Buffer.compare(wasm.u8.subarray(HEADER), js.u8.subarray(HEADER))).toBe(0)
})
