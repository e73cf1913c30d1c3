// Which blocks an input ran, and how often: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more. An input
// that reaches a block, or a power of two of it, that none reached before is worth keeping.

declare global {
  // Made by register.mjs, written by what counting-loader.mjs puts into each block.
  var mptcpBlocks: Uint8ClampedArray
  var mptcpBlockCount: number
}

const BUCKET = Uint8Array.from({ length: 256 }, (_, hits) => {
  const edges = [1, 2, 3, 4, 8, 16, 32, 128]
  const place = edges.filter((edge) => hits >= edge).length
  return place === 0 ? 0 : 1 << (place - 1)
})

export class Coverage {
  readonly #seen = new Uint8Array(globalThis.mptcpBlocks.length)
  /** Blocks reached so far. */
  blocks = 0

  reset(): void {
    this.#hits().fill(0)
  }

  /** Whether the input that ran since `reset` reached something new, which then is known. */
  take(): boolean {
    const hits = this.#hits()
    let isNew = false
    for (let i = 0; i < hits.length; i++) {
      if (hits[i] === 0) continue
      const bucket = BUCKET[hits[i]!]!
      const seen = this.#seen[i]!
      if ((seen & bucket) !== 0) continue
      if (seen === 0) this.blocks++
      this.#seen[i] = seen | bucket
      isNew = true
    }
    return isNew
  }

  #hits(): Uint8ClampedArray {
    const { mptcpBlocks, mptcpBlockCount } = globalThis
    return mptcpBlocks.subarray(0, mptcpBlockCount)
  }
}
