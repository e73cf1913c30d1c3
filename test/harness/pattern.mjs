// A byte stream that can be checked at any offset: a block of pseudo-random bytes, repeated. The block's
// length is a prime, so that no power of two maps a misplaced byte onto an equal one.

const BLOCK = 1_000_003

/** Fills a block from a seed with xorshift32 (Marsaglia). */
function makeBlock(seed) {
  const block = Buffer.alloc(BLOCK)
  let x = Math.imul(seed + 1, 0x9e3779b1) | 1
  for (let i = 0; i < BLOCK; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    block[i] = x >>> 11
  }
  return block
}

const blocks = new Map()

function blockOf(seed) {
  let block = blocks.get(seed)
  if (block === undefined) {
    block = makeBlock(seed)
    blocks.set(seed, block)
  }
  return block
}

/** `length` bytes of the stream from `offset` on; fewer where the block ends. */
export function patternBytes(seed, offset, length) {
  const start = offset % BLOCK
  return blockOf(seed).subarray(start, Math.min(start + length, BLOCK))
}

/** Offset in the stream of the first byte that differs, or -1. `bytes` stand at `offset`. */
export function patternMismatch(seed, offset, bytes) {
  for (let done = 0; done < bytes.length; ) {
    const expected = patternBytes(seed, offset + done, bytes.length - done)
    const part = bytes.subarray(done, done + expected.length)
    if (expected.compare(part) !== 0) {
      return offset + done + expected.findIndex((byte, i) => byte !== part[i])
    }
    done += part.length
  }
  return -1
}
