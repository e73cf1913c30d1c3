// The test device: the stack's only link, with segmentation offload as Linux's TUN has it, so that what
// one write makes leaves as one packet. What the stack sends is kept, with its time, until asked for.

import type { Clock } from '../../clock.js'
import { createPacketBatch, type Frame, type Link, type PacketBatch } from '../../link/link.js'
import { fold, headerSum } from '../../wire/ip.js'
import { CWR, FIN, PSH } from '../../wire/tcp-flags.js'

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
  /** Offload is off: the host cuts what TCP made before it gets here, as Linux's GSO does. */
  readonly #cuts: boolean
  #receive: (batch: PacketBatch) => void = () => {}

  constructor(
    clock: Clock,
    addresses: readonly string[],
    { mtu, tso }: { readonly mtu: number; readonly tso: boolean },
  ) {
    this.#clock = clock
    this.#cuts = !tso
    this.addresses = addresses
    this.caps = {
      mtu,
      maxReceive: LARGEST_PACKET,
      tso: LARGEST_PACKET,
      checksum: 'verify' as const,
    }
  }

  open(receive: (batch: PacketBatch) => void): void {
    this.#receive = receive
  }

  send(frame: Frame): boolean {
    const bytes = frame.bytes.slice(frame.offset, frame.offset + frame.length)
    const at = this.#clock.now()
    if (this.#cuts && frame.gsoSize > 0) {
      for (const part of cut(bytes, frame.gsoSize)) this.sent.push({ at, bytes: part })
    } else this.sent.push({ at, bytes })
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

/** The wire segments of a large one: FIN and PSH go with the last, CWR with the first. */
function cut(bytes: Uint8Array, gsoSize: number): Uint8Array[] {
  const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const six = bytes[0]! >> 4 === 6
  const tcp = six ? 40 : 4 * (bytes[0]! & 0x0f)
  const payload = tcp + 4 * (bytes[tcp + 12]! >> 4)
  const parts: Uint8Array[] = []
  for (let at = payload; at < bytes.length; at += gsoSize) {
    const end = Math.min(at + gsoSize, bytes.length)
    const part = new Uint8Array(payload + end - at)
    part.set(bytes.subarray(0, payload))
    part.set(bytes.subarray(at, end), payload)
    const view = new DataView(part.buffer)
    if (six) view.setUint16(4, part.length - 40)
    else {
      view.setUint16(2, part.length)
      view.setUint16(10, 0)
      view.setUint16(10, ~fold(headerSum(part, 0, tcp)) & 0xffff)
    }
    view.setUint32(tcp + 4, whole.getUint32(tcp + 4) + at - payload)
    if (end < bytes.length) part[tcp + 13] = part[tcp + 13]! & ~(FIN | PSH)
    if (at > payload) part[tcp + 13] = part[tcp + 13]! & ~CWR
    parts.push(part)
  }
  return parts
}
