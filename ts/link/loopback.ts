// A link to oneself: what a host sends to its own loopback addresses it receives, in a later turn. No privilege, no network.

import { startImmediate } from '../host/immediate.js'
import { createPacketBatch, type Frame, type Link, type PacketBatch } from './link.js'

/** Bounded: packets under way, which a sender could pile up within one turn; what comes beyond is dropped. */
const MAX_PACKETS = 4096
const MTU = 65_535

export class LoopbackLink implements Link {
  readonly name = 'lo'
  readonly addresses = ['127.0.0.1', '::1']
  readonly caps = { mtu: MTU, maxReceive: MTU, tso: 0, checksum: 'verify' } as const
  readonly #batch = createPacketBatch(new Uint8Array(0))
  #packets: Uint8Array[] = []
  #receive: ((batch: PacketBatch) => void) | null = null
  #isDue = false

  open(receive: (batch: PacketBatch) => void): void {
    this.#receive = receive
  }

  send({ bytes, offset, length }: Frame): boolean {
    if (this.#receive === null || this.#packets.length >= MAX_PACKETS) return false
    this.#packets.push(bytes.slice(offset, offset + length))
    if (!this.#isDue) {
      this.#isDue = true
      startImmediate(() => this.#deliver(), true)
    }
    return true
  }

  flush(): void {}

  close(): void {
    this.#receive = null
    this.#packets = []
  }

  #deliver(): void {
    this.#isDue = false
    const packets = this.#packets
    this.#packets = []
    const batch = this.#batch
    batch.count = 1
    for (const packet of packets) {
      batch.bytes = packet
      batch.offset[0] = 0
      batch.length[0] = packet.length
      batch.gsoSize[0] = 0
      batch.needsCsum[0] = 0
      this.#receive?.(batch)
    }
  }
}
