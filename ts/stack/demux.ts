// From a segment's addresses and ports to its subflow. The table never sees text: addresses are words.

import type { Connection } from '../mptcp/connection.js'
import type { Subflow } from '../mptcp/subflow.js'
import { type IpAddress, sameAddress } from '../wire/address.js'

export interface DemuxEntry {
  readonly connection: Connection
  readonly subflow: Subflow
}

function hash(localPort: number, remote: IpAddress, remotePort: number): number {
  let h = Math.imul(remote.w3 ^ Math.imul(remote.w2, 31) ^ Math.imul(remote.w1, 17), 0x9e3779b1)
  h = Math.imul(h ^ remote.w0 ^ (localPort << 16) ^ remotePort, 0x85ebca6b)
  return (h ^ (h >>> 13)) >>> 0
}

/** Bounded by the subflows that exist; those of strangers are bounded by the listeners' backlogs. */
export class Demux {
  readonly #buckets = new Map<number, DemuxEntry[]>()

  find(
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
  ): DemuxEntry | undefined {
    const bucket = this.#buckets.get(hash(localPort, remote, remotePort))
    if (bucket === undefined) return undefined
    for (const entry of bucket) {
      const { subflow } = entry
      if (
        subflow.localPort === localPort &&
        subflow.remotePort === remotePort &&
        sameAddress(subflow.remote, remote) &&
        sameAddress(subflow.path.address, local)
      ) {
        return entry
      }
    }
    return undefined
  }

  add(connection: Connection, subflow: Subflow): void {
    const key = hash(subflow.localPort, subflow.remote, subflow.remotePort)
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) this.#buckets.set(key, [{ connection, subflow }])
    else bucket.push({ connection, subflow })
  }

  remove(subflow: Subflow): void {
    const key = hash(subflow.localPort, subflow.remote, subflow.remotePort)
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return
    const index = bucket.findIndex((entry) => entry.subflow === subflow)
    if (index >= 0) bucket.splice(index, 1)
    if (bucket.length === 0) this.#buckets.delete(key)
  }
}
