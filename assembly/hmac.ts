// HMAC-SHA256 (RFC 2104). The states after the inner and outer key blocks, half of the work for a short
// message, are kept for the last key: a connection's joins and address announcements share one.

import {
  copyToBlock,
  mptcp_sha256,
  mptcp_sha256_blocks,
  mptcp_sha256_finish,
  mptcp_sha256_start,
} from './sha256'

const BLOCK_BYTES: usize = 64
/** The last key, zero-padded to a block: HMAC cannot tell the padded key from the key. */
const KEY = memory.data(<i32>BLOCK_BYTES, 16)
const CANDIDATE = memory.data(<i32>BLOCK_BYTES, 16)
const PADDED = memory.data(<i32>BLOCK_BYTES, 16)
const INNER = memory.data(32, 16)
const OUTER = memory.data(32, 16)
const STATE = memory.data(32, 16)
const INNER_DIGEST = memory.data(32, 16)
const KEY_DIGEST = memory.data(32, 16)
let keyed = false

// @ts-ignore: decorator
@inline
function copyState(target: usize, source: usize): void {
  v128.store(target, v128.load(source, 0), 0)
  v128.store(target, v128.load(source, 16), 16)
}

function isLastKey(): bool {
  let difference = i64x2.splat(0)
  for (let at: usize = 0; at < BLOCK_BYTES; at += 16) {
    difference = v128.or(difference, v128.xor(v128.load(KEY + at), v128.load(CANDIDATE + at)))
  }
  return !v128.any_true(difference)
}

/** The state after the key block xored with `pad`. */
function keyState(state: usize, pad: u8): void {
  for (let at: usize = 0; at < BLOCK_BYTES; at += 16) {
    v128.store(PADDED + at, v128.xor(v128.load(KEY + at), i8x16.splat(pad)))
  }
  mptcp_sha256_start(state)
  mptcp_sha256_blocks(state, PADDED, 1)
}

export function mptcp_hmac_sha256(
  key: usize,
  keyLength: usize,
  message: usize,
  messageLength: usize,
  digest: usize,
): void {
  if (keyLength > BLOCK_BYTES) {
    mptcp_sha256(key, keyLength, KEY_DIGEST)
    copyToBlock(CANDIDATE, KEY_DIGEST, 32)
  } else {
    copyToBlock(CANDIDATE, key, keyLength)
  }
  if (!keyed || !isLastKey()) {
    copyToBlock(KEY, CANDIDATE, BLOCK_BYTES)
    keyState(INNER, 0x36)
    keyState(OUTER, 0x5c)
    keyed = true
  }
  copyState(STATE, INNER)
  mptcp_sha256_finish(STATE, BLOCK_BYTES, message, messageLength, INNER_DIGEST)
  copyState(STATE, OUTER)
  mptcp_sha256_finish(STATE, BLOCK_BYTES, INNER_DIGEST, 32, digest)
}
