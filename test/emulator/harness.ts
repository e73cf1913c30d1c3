// A network in virtual time whose receivers keep what they are given.

import { VirtualClock } from '../../ts/clock.js'
import { EmulatedNetwork } from '../../ts/emulator/network.js'
import type { EmulatedLink, PathOptions } from '../../ts/emulator/path.js'
import type { PacketBatch } from '../../ts/link/link.js'

export interface Received {
  at: number
  /** The number that `frame` put into the packet. */
  id: number
  length: number
  gsoSize: number
  needsCsum: number
  bytes: Uint8Array
}

export function onePath(options: Omit<PathOptions, 'name' | 'a' | 'b'> = {}, seed = 1) {
  const clock = new VirtualClock()
  const network = new EmulatedNetwork({ clock, seed })
  const path = network.path({
    name: 'p',
    a: { host: 'client', addresses: ['10.0.1.1'] },
    b: { host: 'server', addresses: ['10.0.1.2'] },
    ...options,
  })
  const atA = receiver(clock, path.a)
  const atB = receiver(clock, path.b)
  return { clock, network, path, atA: atA.packets, atB: atB.packets, batchesAtB: atB.batches }
}

/** Opens a link and keeps a copy of each packet, and the size of each batch. */
export function receiver(clock: { now(): number }, link: EmulatedLink) {
  const packets: Received[] = []
  const batches: number[] = []
  link.open((batch: PacketBatch) => {
    batches.push(batch.count)
    for (let i = 0; i < batch.count; i++) {
      const start = batch.offset[i]!
      const bytes = batch.bytes.slice(start, start + batch.length[i]!)
      packets.push({
        at: clock.now(),
        id: idOf(bytes),
        length: bytes.length,
        gsoSize: batch.gsoSize[i]!,
        needsCsum: batch.needsCsum[i]!,
        bytes,
      })
    }
  })
  return { packets, batches }
}

export function idOf(packet: Uint8Array): number {
  return new DataView(packet.buffer, packet.byteOffset).getUint32(0)
}

/** A frame whose packet starts with a number and goes on with bytes derived from it. */
export function frame(id: number, length = 1000, gsoSize = 0) {
  const before = 3
  const bytes = new Uint8Array(before + length + 5)
  bytes.fill(id & 255, before, before + length)
  new DataView(bytes.buffer).setUint32(before, id)
  return { bytes, offset: before, length, gsoSize, needsCsum: false }
}

/** Sends packets numbered from 0; returns how many the link took. */
export function sendMany(link: EmulatedLink, count: number, length = 1000): number {
  let taken = 0
  for (let id = 0; id < count; id++) {
    if (link.send(frame(id, length))) taken++
  }
  return taken
}
