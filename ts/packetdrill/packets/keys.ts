// What follows from the keys of a connection: tokens, IDSNs, HMACs (RFC 8684 §3.1, §3.2, §3.4.1). The hash
// functions are given, and are not those of the core under test: a script checks that core too.

export interface Hashes {
  sha1(message: Uint8Array): Uint8Array
  sha256(message: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
}

/** Keys or nonces of both sides; the first is the sender's. */
export type Both<T> = readonly [first: T, second: T]

const MASK_64 = 0xffffffffffffffffn

export function keyBytes(key: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, key & MASK_64)
  return bytes
}

export function keyOfBytes(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
}

export function hexValue(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)
}

/** RFC 8684 §3.2: the first 32 bits of the key's hash. */
export function token(hashes: Hashes, key: bigint): number {
  return Number(first32(hashes.sha256(keyBytes(key))))
}

/** RFC 8684 §3.1: the last 64 bits of the key's hash. */
export function idsn(hashes: Hashes, key: bigint): bigint {
  return last64(hashes.sha256(keyBytes(key)))
}

/** The same of version 0, RFC 6824 §3.2 and §3.1. */
export function tokenOfVersion0(hashes: Hashes, key: bigint): number {
  return Number(first32(hashes.sha1(keyBytes(key))))
}

export function idsnOfVersion0(hashes: Hashes, key: bigint): bigint {
  return last64(hashes.sha1(keyBytes(key)))
}

/** RFC 8684 §3.2: 32 bytes. */
export function joinHmac(hashes: Hashes, keys: Both<bigint>, nonces: Both<number>): Uint8Array {
  const message = Buffer.alloc(8)
  message.writeUInt32BE(nonces[0] >>> 0, 0)
  message.writeUInt32BE(nonces[1] >>> 0, 4)
  return hashes.hmacSha256(bothKeys(keys), message)
}

export interface Announced {
  readonly id: number
  readonly address: Uint8Array
  readonly port: number
}

/** RFC 8684 §3.4.1: the last 8 bytes. */
export function addressHmac(hashes: Hashes, keys: Both<bigint>, announced: Announced): Uint8Array {
  const { id, address, port } = announced
  const message = Buffer.concat([Buffer.of(id), address, Buffer.of(port >> 8, port & 0xff)])
  return hashes.hmacSha256(bothKeys(keys), message).subarray(24)
}

function bothKeys([first, second]: Both<bigint>): Uint8Array {
  return Buffer.concat([keyBytes(first), keyBytes(second)])
}

function first32(digest: Uint8Array): bigint {
  return hexValue(digest.subarray(0, 4))
}

function last64(digest: Uint8Array): bigint {
  return hexValue(digest.subarray(digest.length - 8))
}
