// From a segment's addresses and ports to what stands behind them. The table never sees text: addresses are
// words.

import { type IpAddress, sameAddress } from '../wire/address.js'
import type { Segment } from '../wire/segment.js'

/** The four that name a TCP connection on the wire. A subflow is one. */
export interface FourTuple {
  readonly path: { readonly address: IpAddress }
  readonly localPort: number
  readonly remote: IpAddress
  readonly remotePort: number
}

/** What a table holds: entries of one hash are linked by `next`, which only the table writes. */
export interface DemuxEntry<E> {
  readonly tuple: FourTuple
  next: E | null
}

function hash(localPort: number, remote: IpAddress, remotePort: number): number {
  let h = Math.imul(remote.w3 ^ Math.imul(remote.w2, 31) ^ Math.imul(remote.w1, 17), 0x9e3779b1)
  h = Math.imul(h ^ remote.w0 ^ (localPort << 16) ^ remotePort, 0x85ebca6b)
  return (h ^ (h >>> 13)) >>> 0
}

/** Bounded by what it is given: who adds to it says how. */
export class Demux<E extends DemuxEntry<E>> {
  /** Those of one hash are chained: nearly always there is one. */
  readonly #first = new Map<number, E>()

  /** Whose the four are; undefined if nobody's. */
  find(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): E | undefined {
    let entry = this.#first.get(hash(localPort, remote, remotePort)) ?? null
    while (entry !== null) {
      const { tuple } = entry
      if (
        tuple.localPort === localPort &&
        tuple.remotePort === remotePort &&
        sameAddress(tuple.remote, remote) &&
        sameAddress(tuple.path.address, local)
      ) {
        return entry
      }
      entry = entry.next
    }
    return undefined
  }

  /** Whom a segment that arrived is for. */
  findFor({ destination, destinationPort, source, sourcePort }: Segment): E | undefined {
    return this.find(destination, destinationPort, source, sourcePort)
  }

  add(entry: E): void {
    const { localPort, remote, remotePort } = entry.tuple
    const key = hash(localPort, remote, remotePort)
    entry.next = null
    let last = this.#first.get(key)
    if (last === undefined) {
      this.#first.set(key, entry)
      return
    }
    while (last.next !== null) last = last.next
    last.next = entry
  }

  /** Takes out what stands behind this very tuple; whether anything did. */
  remove(tuple: FourTuple): boolean {
    const key = hash(tuple.localPort, tuple.remote, tuple.remotePort)
    let before: E | null = null
    let entry = this.#first.get(key) ?? null
    while (entry !== null && entry.tuple !== tuple) {
      before = entry
      entry = entry.next
    }
    if (entry === null) return false
    if (before !== null) before.next = entry.next
    else if (entry.next !== null) this.#first.set(key, entry.next)
    else this.#first.delete(key)
    return true
  }
}
