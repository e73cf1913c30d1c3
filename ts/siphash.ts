// SipHash-2-4 (Aumasson, Bernstein 2012): a short keyed hash that nobody without the key can foretell. Fast
// Open cookies and SYN cookies are made of it. In 32-bit halves: a flood of SYNs costs two for each.

export const SIPHASH_KEY_BYTES = 16

/** The state v0 to v3, low word before high word. One, filled anew each time. */
const v = new Uint32Array(8)

function add(a: number, b: number): void {
  const low = v[a]! + v[b]!
  v[a + 1] = v[a + 1]! + v[b + 1]! + (low > 0xffffffff ? 1 : 0)
  v[a] = low
}

/** v[a] = (v[a] rotated left by `bits`) ^ v[b]; `bits` below 32. */
function rotateXor(a: number, bits: number, b: number): void {
  const low = v[a]!
  const high = v[a + 1]!
  v[a] = ((low << bits) | (high >>> (32 - bits))) ^ v[b]!
  v[a + 1] = ((high << bits) | (low >>> (32 - bits))) ^ v[b + 1]!
}

/** Rotates v[a] by 32. */
function swap(a: number): void {
  const low = v[a]!
  v[a] = v[a + 1]!
  v[a + 1] = low
}

function round(): void {
  add(0, 2)
  rotateXor(2, 13, 0)
  swap(0)
  add(4, 6)
  rotateXor(6, 16, 4)
  add(0, 6)
  rotateXor(6, 21, 0)
  add(4, 2)
  rotateXor(2, 17, 4)
  swap(4)
}

function mix(low: number, high: number): void {
  v[6] = v[6]! ^ low
  v[7] = v[7]! ^ high
  round()
  round()
  v[0] = v[0]! ^ low
  v[1] = v[1]! ^ high
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** The hash of `message` under the 16 bytes of `key`, as [low, high] words. */
export function sipHash(key: Uint8Array, message: Uint8Array): [low: number, high: number] {
  v.set([
    0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462,
  ])
  for (let i = 0; i < 8; i++) v[i] = v[i]! ^ word(key, (i & 3) * 4)
  const whole = message.length & ~7
  for (let at = 0; at < whole; at += 8) mix(word(message, at), word(message, at + 4))
  const tail = new Uint8Array(8)
  tail.set(message.subarray(whole))
  tail[7] = message.length
  mix(word(tail, 0), word(tail, 4))
  v[4] = v[4]! ^ 0xff
  for (let i = 0; i < 4; i++) round()
  return [(v[0]! ^ v[2]! ^ v[4]! ^ v[6]!) >>> 0, (v[1]! ^ v[3]! ^ v[5]! ^ v[7]!) >>> 0]
}

/** The same as 8 bytes, low byte first. */
export function sipHashBytes(key: Uint8Array, message: Uint8Array): Uint8Array {
  const [low, high] = sipHash(key, message)
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setUint32(0, low, true)
  new DataView(bytes.buffer).setUint32(4, high, true)
  return bytes
}
