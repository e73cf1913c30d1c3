// The test device: the stack's only link, with segmentation offload as Linux's TUN has it, so that what
// one write makes leaves as one packet. What the stack sends is kept, with its time, until asked for.

import type { Clock } from '../clock.js'
import { createPacketBatch, type Frame, type Link, type PacketBatch } from '../link/link.js'

export interface SentPacket {
  /** When it left, in the clock's milliseconds. */
  readonly at: number
  /** From its IP header on. */
  readonly bytes: Uint8Array
}

const LARGEST_PACKET = 65_535

export class TestDevice implements Link {
  readonly name = 'tun0'
  readonly addresses: readonly string[]
  readonly caps
  readonly sent: SentPacket[] = []
  readonly #clock: Clock
  #receive: (batch: PacketBatch) => void = () => {}

  constructor(
    clock: Clock,
    addresses: readonly string[],
    { mtu, tso }: { readonly mtu: number; readonly tso: boolean },
  ) {
    this.#clock = clock
    this.addresses = addresses
    this.caps = {
      mtu,
      maxReceive: LARGEST_PACKET,
      tso: tso ? LARGEST_PACKET : 0,
      checksum: 'verify' as const,
    }
  }

  open(receive: (batch: PacketBatch) => void): void {
    this.#receive = receive
  }

  send(frame: Frame): boolean {
    const bytes = frame.bytes.slice(frame.offset, frame.offset + frame.length)
    this.sent.push({ at: this.#clock.now(), bytes })
    return true
  }

  flush(): void {}

  close(): void {}

  /** The stack receives one packet. */
  inject(bytes: Uint8Array): void {
    const batch = createPacketBatch(bytes)
    batch.length[0] = bytes.length
    batch.count = 1
    this.#receive(batch)
  }
}
