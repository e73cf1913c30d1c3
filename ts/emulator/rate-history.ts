// What a path could have carried: its rate over time, and the integral of that.

import { bytesAtRate } from './shape.js'

/** One entry for each change that a test or a demo makes; before the first, the rate was 0. */
export class RateHistory {
  readonly #since: number[] = []
  readonly #rate: number[] = []

  /** From `now` on the path carries `rate` bit/s; 0 while it is cut. */
  change(now: number, rate: number): void {
    const last = this.#since.length - 1
    if (last >= 0 && this.#rate[last] === rate) return
    if (last >= 0 && this.#since[last] === now) {
      this.#rate[last] = rate
      return
    }
    this.#since.push(now)
    this.#rate.push(rate)
  }

  /** Bytes between two times in milliseconds, as if the last rate went on for ever. */
  bytesBetween(from: number, to: number): number {
    let bytes = 0
    for (let i = 0; i < this.#since.length; i++) {
      const start = Math.max(from, this.#since[i]!)
      const end = Math.min(to, this.#since[i + 1] ?? Number.POSITIVE_INFINITY)
      if (end > start) bytes += bytesAtRate(this.#rate[i]!, end - start)
    }
    return bytes
  }
}
