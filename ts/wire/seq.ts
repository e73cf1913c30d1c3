// Wire numbers <-> stream offsets. A stream offset is a plain number, exact to 2^53: how far a seq is
// from the ISN, or a dsn from the IDSN. The SYN (RFC 9293 §3.4) and the IDSN itself (RFC 8684 §3.1) are
// offset 0, the first byte of data offset 1. Modular arithmetic happens here and nowhere else.

const WORD = 2 ** 32
/** The high word of an offset stays below this, so that offsets stay below 2^53. */
const HIGH_WORDS = 2 ** 21

/** The 32-bit wire number of a stream offset: (initial + offset) mod 2^32. */
export function seqOf(offset: number, initial: number): number {
  // `>>> 0` is an exact mod 2^32 of any integer below 2^53; the plain sum of both would not be exact.
  return (initial + (offset >>> 0)) >>> 0
}

/**
 * The stream offset nearest to `near` whose wire number is `seq`; of two equally near, the lower.
 * Negative for a seq before the ISN.
 */
export function offsetOf(seq: number, initial: number, near: number): number {
  return near + ((seq - seqOf(near, initial)) | 0)
}

/** Low word of the 64-bit dsn of a data offset. */
export function dsnLow(offset: number, idsnLow: number): number {
  return (idsnLow + (offset >>> 0)) >>> 0
}

/** High word of the 64-bit dsn of a data offset. */
export function dsnHigh(offset: number, idsnLow: number, idsnHigh: number): number {
  const carry = idsnLow + (offset >>> 0) >= WORD ? 1 : 0
  return (idsnHigh + Math.floor(offset / WORD) + carry) >>> 0
}

/**
 * The data offset of a 64-bit dsn, modulo 2^64 as the IDSN is random; -1 when it lies before the
 * IDSN or 2^53 and more after it, where no honest peer can be.
 */
export function dataOffsetOf64(
  high: number,
  low: number,
  idsnHigh: number,
  idsnLow: number,
): number {
  const difference = low - idsnLow
  const highDifference = (high - idsnHigh - (difference < 0 ? 1 : 0)) >>> 0
  if (highDifference >= HIGH_WORDS) return -1
  return highDifference * WORD + (difference >>> 0)
}

/** The data offset nearest to `near` whose dsn ends in `low`; negative before the IDSN. */
export function dataOffsetOf32(low: number, idsnLow: number, near: number): number {
  return near + ((low - dsnLow(near, idsnLow)) | 0)
}
