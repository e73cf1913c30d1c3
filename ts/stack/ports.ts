// Local ports of connections that bind none: from a random start (RFC 6056), the first one that is free.

import type { Random } from '../random.js'

export class Ports {
  readonly #configured: readonly [number, number]
  readonly #random: Random
  readonly #isListening: (port: number) => boolean

  constructor(
    configured: readonly [number, number],
    random: Random,
    isListening: (port: number) => boolean,
  ) {
    this.#configured = configured
    this.#random = random
    this.#isListening = isListening
  }

  /** 0 if none is free. `range` narrows the configured one; 0 = open on that side. */
  find(isFree: (port: number) => boolean, range: readonly [number, number] = [0, 0]): number {
    const first = Math.max(this.#configured[0], range[0])
    const last = Math.min(this.#configured[1], range[1] || 65_535)
    if (first > last) return 0
    const count = last - first + 1
    const start = this.#random.below(count)
    for (let i = 0; i < count; i++) {
      const port = first + ((start + i) % count)
      if (!this.#isListening(port) && isFree(port)) return port
    }
    return 0
  }
}
