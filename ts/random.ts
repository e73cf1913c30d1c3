// Where randomness comes from: one injected source, so that a run can be repeated bit for bit.
// SystemRandom for whatever an attacker must not guess (keys, ISNs, ports, nonces), SeededRandom for
// tests and the emulator.

import { fillRandomBytes } from './host/random-bytes.js'

export interface Random {
  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number
  /** A number from 0 up to, not including, 1: a multiple of 2^-32. */
  float(): number
  /** `n` bytes, the caller's to keep. */
  bytes(n: number): Uint8Array
  /** A whole number from 0 up to, not including, `n`; `n` is from 1 to 2^32. */
  below(n: number): number
}

/**
 * Repeatable numbers: Chris Doty-Humphrey's sfc32 (PractRand), its state spread from a 32-bit seed.
 * Anyone who sees a few of them can tell the next: not for keys.
 */
export class SeededRandom implements Random {
  readonly seed: number
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** Only the low 32 bits of `seed` count. */
  constructor(seed: number) {
    this.seed = seed >>> 0
    this.#a = 0
    this.#b = this.seed
    this.#c = 0x9e3779b9
    // The author's own number of rounds before nearby seeds give unrelated numbers is 12 to 18.
    for (let i = 0; i < 18; i++) this.uint32()
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  float(): number {
    return this.uint32() / 0x1_0000_0000
  }

  bytes(n: number): Uint8Array {
    const out = new Uint8Array(n)
    for (let i = 0; i < n; i += 4) {
      const word = this.uint32()
      // A typed array ignores what is written past its end.
      out[i] = word
      out[i + 1] = word >>> 8
      out[i + 2] = word >>> 16
      out[i + 3] = word >>> 24
    }
    return out
  }

  below(n: number): number {
    return drawBelow(this, n)
  }
}

/** One draw from the operating system's source costs microseconds, so draw a page at a time. */
const POOL_BYTES = 4096

/** The operating system's cryptographically strong source. */
export class SystemRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES)
  readonly #view = new DataView(this.#pool.buffer)
  #used = POOL_BYTES

  uint32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  float(): number {
    return this.uint32() / 0x1_0000_0000
  }

  bytes(n: number): Uint8Array {
    if (n > POOL_BYTES) {
      const out = new Uint8Array(n)
      fillRandomBytes(out)
      return out
    }
    const start = this.#take(n)
    return this.#pool.slice(start, start + n)
  }

  below(n: number): number {
    return drawBelow(this, n)
  }

  /** Where the next `n` unused bytes of the pool start. */
  #take(n: number): number {
    if (this.#used + n > POOL_BYTES) {
      fillRandomBytes(this.#pool)
      this.#used = 0
    }
    const start = this.#used
    this.#used += n
    return start
  }
}

/** Throws away the draws of the last, incomplete round, which would favour small numbers. */
function drawBelow(random: Random, n: number): number {
  if (!Number.isInteger(n) || n < 1 || n > 0x1_0000_0000) {
    throw new RangeError(`cannot draw a whole number below ${n}`)
  }
  const limit = 0x1_0000_0000 - (0x1_0000_0000 % n)
  for (;;) {
    const draw = random.uint32()
    if (draw < limit) return draw % n
  }
}
