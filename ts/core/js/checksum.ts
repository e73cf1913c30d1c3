// The JavaScript twin of assembly/checksum.ts: the Internet checksum (RFC 1071) over core memory. Sums
// whole aligned words whatever the alignment of the bytes, masking the first and the last word.

/** Words that two 32-bit sums of 16-bit halves hold without overflow: 65,536 * 65,535 < 2^32. */
const BLOCK_WORDS = 65536

export interface ChecksumKernel {
  mptcp_checksum(pointer: number, length: number, seed: number): number
  mptcp_copy_checksum(target: number, source: number, length: number, seed: number): number
}

export function createChecksum(memory: ArrayBuffer): ChecksumKernel {
  const u8 = new Uint8Array(memory)
  const i32 = new Int32Array(memory)

  /** Sum of the 16-bit halves of the words from `index` to before `end`, at most BLOCK_WORDS. */
  function sumWords(index: number, end: number): number {
    // Measured: a local name for the view is 13 % where a process holds several cores, whose code V8
    // shares. total += w, high += w >>> 16 is three operations a word against four for splitting
    // it in two, 8.3 against 7.6 GB/s at 1,460 bytes; the low halves' sum is total - (high << 16).
    const words = i32
    let total = 0
    let high = 0
    for (const fours = end - 3; index < fours; index += 4) {
      const a = words[index]!
      const b = words[index + 1]!
      const c = words[index + 2]!
      const d = words[index + 3]!
      total = (total + (((a + b) | 0) + ((c + d) | 0))) | 0
      high = (high + (((a >>> 16) + (b >>> 16)) | 0) + (((c >>> 16) + (d >>> 16)) | 0)) | 0
    }
    for (; index < end; index++) {
      const word = words[index]!
      total = (total + word) | 0
      high = (high + (word >>> 16)) | 0
    }
    const low = (total - (high << 16)) | 0
    return (low & 0xffff) + (low >>> 16) + (high & 0xffff) + (high >>> 16)
  }

  function mptcp_checksum(pointer: number, length: number, seed: number): number {
    if (length === 0) return seed
    const end = pointer + length
    let index = pointer >>> 2
    const last = (end - 1) >>> 2
    const headMask = -1 << (8 * (pointer & 3))
    const tailMask = -1 >>> (8 * (-end & 3))
    // 0xffff is congruent to 0: with it, no sum of at least one byte folds to 0.
    let sum = 0xffff
    if (index === last) {
      const word = i32[index]! & headMask & tailMask
      sum += (word & 0xffff) + (word >>> 16)
    } else {
      const first = i32[index]! & headMask
      const final = i32[last]! & tailMask
      sum += (first & 0xffff) + (first >>> 16) + (final & 0xffff) + (final >>> 16)
      index++
      for (; last - index > BLOCK_WORDS; index += BLOCK_WORDS) {
        sum += sumWords(index, index + BLOCK_WORDS)
        sum = (sum & 0xffff) + (sum >>> 16)
      }
      sum += sumWords(index, last)
    }
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    // Bytes at odd addresses weigh 256 in a little-endian word. They are the second ones of their pairs,
    // to be swapped, only when the first byte lies at an even address.
    if ((pointer & 1) === 0) sum = ((sum & 0xff) << 8) | (sum >>> 8)
    sum += seed
    return (sum & 0xffff) + (sum >>> 16)
  }

  function mptcp_copy_checksum(
    target: number,
    source: number,
    length: number,
    seed: number,
  ): number {
    u8.copyWithin(target, source, source + length)
    return mptcp_checksum(target, length, seed)
  }

  return { mptcp_checksum, mptcp_copy_checksum }
}
