// Local ports: which are bound, which are in use, and a free one for who binds none, from a random start (RFC 6056).

import type { Random } from '../random.js'
import { type IpAddress, sameAddress } from '../wire/address.js'

/** What holds a port, as bind() has given it: a socket. */
export interface PortHolder {
  /** Null = every address. */
  readonly local: IpAddress | null
  readonly localPort: number
  /** Not null while it listens. */
  readonly listener: object | null
  readonly settings: { readonly reuseAddress: boolean; readonly reusePort: boolean }
}

export class Ports {
  readonly #configured: readonly [number, number]
  readonly #random: Random
  readonly #isListening: (port: number) => boolean
  /** Bounded by the sockets that are bound. */
  readonly #bound = new Map<number, Set<PortHolder>>()
  /** Subflows of each port. Bounded by those that exist. */
  readonly #used = new Map<number, number>()

  constructor(
    configured: readonly [number, number],
    random: Random,
    isListening: (port: number) => boolean,
  ) {
    this.#configured = configured
    this.#random = random
    this.#isListening = isListening
  }

  /**
   * Binds the holder to its port: false if it is taken, by Linux's rules. Two may share a port at different
   * addresses; both with SO_REUSEADDR while neither listens; both with SO_REUSEPORT; and with SO_REUSEADDR that
   * of connections whose socket is gone.
   */
  bind(holder: PortHolder): boolean {
    const { local, localPort: port, settings } = holder
    const holders = this.#bound.get(port) ?? new Set()
    for (const other of holders) {
      const apart = local !== null && other.local !== null && !sameAddress(local, other.local)
      const shared =
        (settings.reusePort && other.settings.reusePort) ||
        (settings.reuseAddress && other.settings.reuseAddress && other.listener === null)
      if (!apart && !shared) return false
    }
    const isFree = !this.#used.has(port) && !this.#isListening(port)
    if (holders.size === 0 && !isFree && !settings.reuseAddress && !settings.reusePort) return false
    holders.add(holder)
    this.#bound.set(port, holders)
    return true
  }

  release(holder: PortHolder): void {
    const holders = this.#bound.get(holder.localPort)
    if (holders === undefined || !holders.delete(holder)) return
    if (holders.size === 0) this.#bound.delete(holder.localPort)
  }

  /** A subflow of this port begins, or (-1) is gone. */
  count(port: number, change: 1 | -1): void {
    const users = (this.#used.get(port) ?? 0) + change
    if (users > 0) this.#used.set(port, users)
    else this.#used.delete(port)
  }

  /** One that nobody has; 0 if there is none. `range` narrows the configured one; 0 = open on that side. */
  findUnused(range: readonly [number, number] = [0, 0]): number {
    return this.find((port) => !this.#used.has(port), range)
  }

  /** One that nobody has bound, and that fits: towards one peer a port may be used that is in use towards another. */
  find(isFree: (port: number) => boolean, range: readonly [number, number] = [0, 0]): number {
    const first = Math.max(this.#configured[0], range[0])
    const last = Math.min(this.#configured[1], range[1] || 65_535)
    if (first > last) return 0
    const count = last - first + 1
    const start = this.#random.below(count)
    for (let i = 0; i < count; i++) {
      const port = first + ((start + i) % count)
      if (!this.#bound.has(port) && !this.#isListening(port) && isFree(port)) return port
    }
    return 0
  }
}
