// What a script's names and functions come to, by hashes that Python's hashlib and hmac gave.

import { describe, expect, test } from 'vitest'
import type { Value } from '../../../ts/packetdrill/language/ast.js'
import { Bindings } from '../../../ts/packetdrill/packets/bindings.js'
import { addressHmac, joinHmac, keyOfBytes } from '../../../ts/packetdrill/packets/keys.js'
import { NODE_HASHES } from '../../../ts/packetdrill/runner/hashes.js'

const KEY = 0x0102030405060708n
const OTHER = 0x1112131415161718n

function value(name: string): bigint {
  const bindings = new Bindings(NODE_HASHES)
  bindings.keys.set('key', KEY)
  const position = { file: 'x.pkt', line: 1, column: 1 }
  const key: Value = { kind: 'variable', position, name: 'key' }
  return bindings.value({ kind: 'call', position, name, arguments: [key] })
}

describe('a function of a key', () => {
  test.each([
    ['sha1_32', 0xdd57_83bcn],
    ['sha256_32', 0x6684_0ddan],
    ['trunc_r32_hmac', 0xd29d_6f72n],
    ['trunc_r64_sha256', 0xf5a1_01d3_d29d_6f72n],
    ['trunc_r64_hmac_sha1', 0x3a95_ed6e_4ebb_4ad5n],
  ])('%s', (name, expected) => {
    expect(value(name)).toBe(expected)
  })
})

test('the HMACs of both keys', () => {
  const join = joinHmac(NODE_HASHES, [KEY, OTHER], [42, 0xffff_ffff])
  expect(join).toHaveLength(32)
  expect(keyOfBytes(join.subarray(0, 8))).toBe(0x5dfd_7e28_4885_63d6n)
  const announced = { id: 2, address: Uint8Array.of(192, 168, 0, 2), port: 8080 }
  const address = addressHmac(NODE_HASHES, [KEY, OTHER], announced)
  expect(keyOfBytes(address)).toBe(0x4f51_3306_3345_a734n)
})
