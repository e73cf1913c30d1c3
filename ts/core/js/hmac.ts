// The JavaScript twin of assembly/hmac.ts: HMAC-SHA256 (RFC 2104) over core memory, the last key's
// states after the inner and outer key blocks kept.

import { SHA256_END, type Sha256Kernel } from './sha256.js'

const BLOCK_BYTES = 64
/** The last key, zero-padded to a block: HMAC cannot tell the padded key from the key. */
const KEY = SHA256_END
const CANDIDATE = KEY + BLOCK_BYTES
const PADDED = CANDIDATE + BLOCK_BYTES
const INNER = PADDED + BLOCK_BYTES
const OUTER = INNER + 32
const STATE = OUTER + 32
const INNER_DIGEST = STATE + 32

export interface HmacKernel {
  mptcp_hmac_sha256(
    key: number,
    keyLength: number,
    message: number,
    messageLength: number,
    digest: number,
  ): void
}

export function createHmac(memory: ArrayBuffer, sha256: Sha256Kernel): HmacKernel {
  const u8 = new Uint8Array(memory)
  const i32 = new Int32Array(memory)
  let keyed = false

  function isLastKey(): boolean {
    let difference = 0
    for (let word = 0; word < BLOCK_BYTES / 4; word++) {
      difference |= i32[KEY / 4 + word]! ^ i32[CANDIDATE / 4 + word]!
    }
    return difference === 0
  }

  function copyState(target: number, source: number): void {
    for (let word = 0; word < 8; word++) i32[(target >>> 2) + word] = i32[(source >>> 2) + word]!
  }

  /** The state after the key block xored with `pad`, a byte in each of four places. */
  function keyState(state: number, pad: number): void {
    for (let word = 0; word < BLOCK_BYTES / 4; word++) {
      i32[PADDED / 4 + word] = i32[KEY / 4 + word]! ^ pad
    }
    sha256.mptcp_sha256_start(state)
    sha256.mptcp_sha256_blocks(state, PADDED, 1)
  }

  function mptcp_hmac_sha256(
    key: number,
    keyLength: number,
    message: number,
    messageLength: number,
    digest: number,
  ): void {
    for (let word = 0; word < BLOCK_BYTES / 4; word++) i32[CANDIDATE / 4 + word] = 0
    if (keyLength > BLOCK_BYTES) sha256.mptcp_sha256(key, keyLength, CANDIDATE)
    else for (let at = 0; at < keyLength; at++) u8[CANDIDATE + at] = u8[key + at]!
    if (!keyed || !isLastKey()) {
      u8.copyWithin(KEY, CANDIDATE, CANDIDATE + BLOCK_BYTES)
      keyState(INNER, 0x36363636)
      keyState(OUTER, 0x5c5c5c5c)
      keyed = true
    }
    copyState(STATE, INNER)
    sha256.mptcp_sha256_finish(STATE, BLOCK_BYTES, message, messageLength, INNER_DIGEST)
    copyState(STATE, OUTER)
    sha256.mptcp_sha256_finish(STATE, BLOCK_BYTES, INNER_DIGEST, 32, digest)
  }

  return { mptcp_hmac_sha256 }
}
