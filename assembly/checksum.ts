// The Internet checksum (RFC 1071), alone and fused with a copy. Sums native-endian vectors and swaps
// the bytes of the result once (RFC 1071 §2 (B)); the contract and the zero convention are core.ts's.

/** One body for both exports: `copying` is a constant, so each gets only its own half. */
// @ts-ignore: decorator
@inline
function sum(source: usize, length: usize, seed: u32, target: usize, copying: bool): u32 {
  // Measured: total += v, high += v >>> 32 on u64 lanes is three operations a vector and needs no
  // fold inside the loop: the low halves' sum is total - (high << 32). Four pairs hide the latency.
  let total0 = i64x2.splat(0)
  let total1 = total0
  let total2 = total0
  let total3 = total0
  let high0 = total0
  let high1 = total0
  let high2 = total0
  let high3 = total0
  let end = source + (length & ~63)
  while (source < end) {
    const v0 = v128.load(source, 0)
    const v1 = v128.load(source, 16)
    const v2 = v128.load(source, 32)
    const v3 = v128.load(source, 48)
    if (copying) {
      v128.store(target, v0, 0)
      v128.store(target, v1, 16)
      v128.store(target, v2, 32)
      v128.store(target, v3, 48)
      target += 64
    }
    total0 = i64x2.add(total0, v0)
    total1 = i64x2.add(total1, v1)
    total2 = i64x2.add(total2, v2)
    total3 = i64x2.add(total3, v3)
    high0 = i64x2.add(high0, i64x2.shr_u(v0, 32))
    high1 = i64x2.add(high1, i64x2.shr_u(v1, 32))
    high2 = i64x2.add(high2, i64x2.shr_u(v2, 32))
    high3 = i64x2.add(high3, i64x2.shr_u(v3, 32))
    source += 64
  }
  end = source + (length & 48)
  while (source < end) {
    const v = v128.load(source)
    if (copying) {
      v128.store(target, v)
      target += 16
    }
    total0 = i64x2.add(total0, v)
    high0 = i64x2.add(high0, i64x2.shr_u(v, 32))
    source += 16
  }
  const total = i64x2.add(i64x2.add(total0, total1), i64x2.add(total2, total3))
  const high = i64x2.add(i64x2.add(high0, high1), i64x2.add(high2, high3))
  const low = i64x2.sub(total, i64x2.shl(high, 32))
  const both = i64x2.add(low, high)
  let words: u64 = i64x2.extract_lane(both, 0) + i64x2.extract_lane(both, 1)
  // 0xffff is congruent to 0: with it, no sum of at least one byte folds to 0.
  if (length) words += 0xffff

  if (length & 8) {
    const v = load<u64>(source)
    if (copying) {
      store<u64>(target, v)
      target += 8
    }
    words += (v & 0xffffffff) + (v >>> 32)
    source += 8
  }
  if (length & 4) {
    const v = load<u32>(source)
    if (copying) {
      store<u32>(target, v)
      target += 4
    }
    words += v
    source += 4
  }
  if (length & 2) {
    const v = load<u16>(source)
    if (copying) {
      store<u16>(target, v)
      target += 2
    }
    words += v
    source += 2
  }
  if (length & 1) {
    const v = load<u8>(source)
    if (copying) store<u8>(target, v)
    words += v
  }

  words = (words & 0xffffffff) + (words >>> 32)
  words = (words & 0xffffffff) + (words >>> 32)
  let folded = (<u32>words & 0xffff) + (<u32>words >>> 16)
  folded = (folded & 0xffff) + (folded >>> 16)
  folded = ((folded & 0xff) << 8) + (folded >>> 8) + seed
  return (folded & 0xffff) + (folded >>> 16)
}

export function mptcp_checksum(pointer: usize, length: usize, seed: u32): u32 {
  return sum(pointer, length, seed, 0, false)
}

export function mptcp_copy_checksum(target: usize, source: usize, length: usize, seed: u32): u32 {
  return sum(source, length, seed, target, true)
}
