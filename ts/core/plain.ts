// The methods of a core that take and give Uint8Arrays, over the kernel of either backend. Input is
// copied to STAGING_SEND, whose content no one relies on between two calls, in pieces if it is long;
// bytes that lie in the core's memory are read in place. Keys and digests use the end of SCRATCH.

import type { MptcpCore, MptcpDerivedKey, MptcpKernel } from './core.js'
import { SCRATCH, SCRATCH_BYTES, STAGING_SEND, STAGING_SEND_BYTES } from './layout.js'

const BLOCK_BYTES = 64 // of SHA-256
const DIGEST_BYTES = 32
const KEY_BYTES = 8 // of an MPTCP key, RFC 8684 §3.1

const DIGEST = SCRATCH + SCRATCH_BYTES - DIGEST_BYTES
const STATE = DIGEST - DIGEST_BYTES
/** An HMAC key; for a long message, a key block with the inner digest behind it. */
const KEY = STATE - BLOCK_BYTES - DIGEST_BYTES
const INNER_DIGEST = KEY + BLOCK_BYTES

export function createCore(
  backend: 'wasm' | 'js',
  kernel: MptcpKernel,
  memory: ArrayBuffer,
): MptcpCore {
  const u8 = new Uint8Array(memory)
  const u32 = new Uint32Array(memory)
  const f64 = new Float64Array(memory)
  const view = new DataView(memory)

  /** Where `bytes` lie in core memory: in place, or copied; 0 if they do not fit in the staging. */
  function place(bytes: Uint8Array): number {
    if (bytes.buffer === memory) return bytes.byteOffset
    if (bytes.length > STAGING_SEND_BYTES) return 0
    u8.set(bytes, STAGING_SEND)
    return STAGING_SEND
  }

  /** Calls `take` for each full staging of `bytes`, and returns what is left. */
  function stageFull(bytes: Uint8Array, take: () => void): Uint8Array {
    let at = 0
    for (; bytes.length - at > STAGING_SEND_BYTES; at += STAGING_SEND_BYTES) {
      u8.set(bytes.subarray(at, at + STAGING_SEND_BYTES), STAGING_SEND)
      take()
    }
    return bytes.subarray(at)
  }

  /** Ends the hash of a long message at `digest`; STATE has taken `before` bytes already. */
  function finishLong(bytes: Uint8Array, before: number, digest: number): void {
    const rest = stageFull(bytes, () => {
      kernel.mptcp_sha256_blocks(STATE, STAGING_SEND, STAGING_SEND_BYTES / BLOCK_BYTES)
    })
    const taken = before + bytes.length - rest.length
    kernel.mptcp_sha256_finish(STATE, taken, place(rest), rest.length, digest)
  }

  function digestSha256(bytes: Uint8Array, digest: number): void {
    const pointer = place(bytes)
    if (pointer !== 0) {
      kernel.mptcp_sha256(pointer, bytes.length, digest)
    } else {
      kernel.mptcp_sha256_start(STATE)
      finishLong(bytes, 0, digest)
    }
  }

  /** HMAC at DIGEST of a message that the staging does not hold; `keyLength` bytes of key are at KEY. */
  function digestLongHmac(keyLength: number, message: Uint8Array): void {
    u8.fill(0, KEY + keyLength, KEY + BLOCK_BYTES)
    for (let at = KEY; at < KEY + BLOCK_BYTES; at++) u8[at]! ^= 0x36
    kernel.mptcp_sha256_start(STATE)
    kernel.mptcp_sha256_blocks(STATE, KEY, 1)
    finishLong(message, BLOCK_BYTES, INNER_DIGEST)
    for (let at = KEY; at < KEY + BLOCK_BYTES; at++) u8[at]! ^= 0x36 ^ 0x5c
    kernel.mptcp_sha256(KEY, BLOCK_BYTES + DIGEST_BYTES, DIGEST)
  }

  function placeMptcpKeys(ownKey: Uint8Array, otherKey: Uint8Array): void {
    checkMptcpKey(ownKey, 'ownKey')
    checkMptcpKey(otherKey, 'otherKey')
    u8.set(ownKey, KEY)
    u8.set(otherKey, KEY + KEY_BYTES)
  }

  function checksum(bytes: Uint8Array, seed = 0): number {
    checkBytes(bytes, 'bytes')
    checkInteger(seed, 0xffff, 'seed')
    const pointer = place(bytes)
    if (pointer !== 0) return kernel.mptcp_checksum(pointer, bytes.length, seed)
    let sum = seed
    const rest = stageFull(bytes, () => {
      sum = kernel.mptcp_checksum(STAGING_SEND, STAGING_SEND_BYTES, sum)
    })
    return kernel.mptcp_checksum(place(rest), rest.length, sum)
  }

  function sha256(bytes: Uint8Array): Uint8Array {
    checkBytes(bytes, 'bytes')
    digestSha256(bytes, DIGEST)
    return u8.slice(DIGEST, DIGEST + DIGEST_BYTES)
  }

  function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
    checkBytes(key, 'key')
    checkBytes(message, 'message')
    // RFC 2104 §2: a key longer than a block is hashed first.
    const keyLength = key.length > BLOCK_BYTES ? DIGEST_BYTES : key.length
    if (key.length > BLOCK_BYTES) digestSha256(key, KEY)
    else u8.set(key, KEY)
    const pointer = place(message)
    if (pointer === 0) digestLongHmac(keyLength, message)
    else kernel.mptcp_hmac_sha256(KEY, keyLength, pointer, message.length, DIGEST)
    return u8.slice(DIGEST, DIGEST + DIGEST_BYTES)
  }

  function deriveKey(key: Uint8Array): MptcpDerivedKey {
    checkMptcpKey(key, 'key')
    u8.set(key, KEY)
    kernel.mptcp_sha256(KEY, KEY_BYTES, DIGEST)
    return {
      token: view.getUint32(DIGEST),
      idsn: view.getBigUint64(DIGEST + DIGEST_BYTES - 8),
    }
  }

  function joinHmac(
    ownKey: Uint8Array,
    otherKey: Uint8Array,
    ownNonce: number,
    otherNonce: number,
  ): Uint8Array {
    checkInteger(ownNonce, 0xffffffff, 'ownNonce')
    checkInteger(otherNonce, 0xffffffff, 'otherNonce')
    placeMptcpKeys(ownKey, otherKey)
    view.setUint32(STAGING_SEND, ownNonce)
    view.setUint32(STAGING_SEND + 4, otherNonce)
    kernel.mptcp_hmac_sha256(KEY, 2 * KEY_BYTES, STAGING_SEND, 8, DIGEST)
    return u8.slice(DIGEST, DIGEST + DIGEST_BYTES)
  }

  function addAddressHmac(
    ownKey: Uint8Array,
    otherKey: Uint8Array,
    addressId: number,
    address: Uint8Array,
    port: number,
  ): Uint8Array {
    checkInteger(addressId, 0xff, 'addressId')
    checkInteger(port, 0xffff, 'port')
    checkBytes(address, 'address')
    if (address.length !== 4 && address.length !== 16) {
      throw new RangeError(`address must have 4 or 16 bytes, not ${address.length}`)
    }
    placeMptcpKeys(ownKey, otherKey)
    u8[STAGING_SEND] = addressId
    u8.set(address, STAGING_SEND + 1)
    view.setUint16(STAGING_SEND + 1 + address.length, port)
    kernel.mptcp_hmac_sha256(KEY, 2 * KEY_BYTES, STAGING_SEND, address.length + 3, DIGEST)
    return u8.slice(DIGEST + DIGEST_BYTES - 8, DIGEST + DIGEST_BYTES)
  }

  return {
    backend,
    kernel,
    memory,
    u8,
    u32,
    f64,
    checksum,
    sha256,
    hmacSha256,
    deriveKey,
    joinHmac,
    addAddressHmac,
  }
}

/** A string would be taken for an array of characters, and hashed as zeros. */
function checkBytes(bytes: unknown, name: string): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`)
}

function checkMptcpKey(key: Uint8Array, name: string): void {
  checkBytes(key, name)
  if (key.length !== KEY_BYTES) {
    throw new RangeError(`${name} must have ${KEY_BYTES} bytes, not ${key.length}`)
  }
}

function checkInteger(value: number, max: number, name: string): void {
  if (!(Number.isInteger(value) && value >= 0 && value <= max)) {
    throw new RangeError(`${name} must be an integer from 0 to ${max}, not ${value}`)
  }
}
