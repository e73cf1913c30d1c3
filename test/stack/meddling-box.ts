// A box on the way that meddles with some of the segments that pass: which ones, and what it does to them. It mends
// the TCP checksum, as such boxes do.

import { headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import { ACK, FIN, SYN } from '../../ts/wire/segment.js'
import { writeChecksum } from '../../ts/wire/tcp.js'

export const KINDS = [
  'options removed',
  'DSS changed',
  'payload changed',
  'split',
  'joined',
] as const
export const PHASES = [
  'SYN',
  'SYN/ACK',
  'third ACK',
  'first data',
  'later data',
  'pure ACKs',
] as const
export type Kind = (typeof KINDS)[number]
export type Phase = (typeof PHASES)[number]
export type Way = 'a-to-b' | 'b-to-a'

const MPTCP_KIND = 30
const DSS_SUBTYPE = 2
const NOP = 1
/** Data segments before it counts as 'later'. */
const FIRST_DATA = 4

interface View {
  tcp: number
  payload: number
  flags: number
  sequence: number
}

function viewOf(packet: Uint8Array): View {
  const tcp = (packet[0]! & 0x0f) * 4
  const view = new DataView(packet.buffer, packet.byteOffset)
  const payload = tcp + (packet[tcp + 12]! >> 4) * 4
  return { tcp, payload, flags: packet[tcp + 13]!, sequence: view.getUint32(tcp + 4) }
}

/** Mends the lengths and checksums of a packet that was changed. */
function mended(packet: Uint8Array): Uint8Array {
  const { tcp } = viewOf(packet)
  const view = new DataView(packet.buffer, packet.byteOffset)
  view.setUint16(2, packet.length)
  view.setUint16(10, 0)
  view.setUint16(10, ~headerSum(packet, 0, tcp) & 0xffff)
  const { source, destination } = parseIp(packet, 0, packet.length)!
  const pseudo = pseudoHeaderSum(source, destination, 6, packet.length - tcp)
  writeChecksum(packet, tcp, 0)
  writeChecksum(packet, tcp, headerSum(packet, tcp, packet.length - tcp, pseudo))
  return packet
}

function* mptcpOptions(packet: Uint8Array): Iterable<{ at: number; length: number }> {
  const { tcp, payload } = viewOf(packet)
  for (let at = tcp + 20; at < payload; ) {
    const kind = packet[at]!
    if (kind === 0) return
    const length = kind === NOP ? 1 : packet[at + 1]!
    if (kind === MPTCP_KIND) yield { at, length }
    at += length
  }
}

function withoutOptions(packet: Uint8Array): Uint8Array {
  for (const { at, length } of [...mptcpOptions(packet)]) packet.fill(NOP, at, at + length)
  return mended(packet)
}

/** The DSN of each mapping is another one. */
function withOtherDsn(packet: Uint8Array): Uint8Array {
  for (const { at } of mptcpOptions(packet)) {
    if (packet[at + 2]! >> 4 !== DSS_SUBTYPE) continue
    const flags = packet[at + 3]!
    if ((flags & 0x04) === 0) continue
    const ackBytes = (flags & 0x01) === 0 ? 0 : (flags & 0x02) === 0 ? 4 : 8
    const dsn = at + 4 + ackBytes + ((flags & 0x08) === 0 ? 0 : 4)
    packet[dsn + 2]! ^= 0x10
  }
  return mended(packet)
}

function withOtherPayload(packet: Uint8Array): Uint8Array {
  const { payload } = viewOf(packet)
  packet[payload + ((packet.length - payload) >> 1)]! ^= 0x20
  return mended(packet)
}

/** In two, the options on both: as a device that segments does. */
function split(packet: Uint8Array): Uint8Array[] {
  const { tcp, payload } = viewOf(packet)
  const half = (packet.length - payload) >> 1
  if (half === 0) return [packet]
  const first = packet.slice(0, payload + half)
  first[tcp + 13]! &= ~FIN
  const second = new Uint8Array(packet.length - half)
  second.set(packet.subarray(0, payload))
  second.set(packet.subarray(payload + half), payload)
  const view = new DataView(second.buffer)
  view.setUint32(tcp + 4, (view.getUint32(tcp + 4) + half) >>> 0)
  return [mended(first), mended(second)]
}

/** Two in one, with the options of the first: as a proxy that reads and writes does. */
function joined(first: Uint8Array, second: Uint8Array): Uint8Array | null {
  const a = viewOf(first)
  const b = viewOf(second)
  const length = first.length - a.payload
  if ((a.sequence + length) >>> 0 !== b.sequence) return null
  const both = new Uint8Array(first.length + second.length - b.payload)
  both.set(first)
  both.set(second.subarray(b.payload), first.length)
  both[a.tcp + 13]! |= b.flags
  return mended(both)
}

/** Meddles with the segments of `phase` that go one of `ways`, and with all that follow them if `onward`. */
export function meddlingBox(kind: Kind, phase: Phase, ways: readonly Way[], onward: boolean) {
  const data = { 'a-to-b': 0, 'b-to-a': 0 }
  const held: Partial<Record<Way, Uint8Array>> = {}
  let began = false
  let meddled = 0
  let thirdAck = false

  function phaseOf(way: Way, { flags, payload }: View, length: number): Phase | null {
    if (flags & SYN) return flags & ACK ? 'SYN/ACK' : 'SYN'
    if (length > payload) return ++data[way] <= FIRST_DATA ? 'first data' : 'later data'
    if (way === 'a-to-b' && !thirdAck) {
      thirdAck = true
      return 'third ACK'
    }
    return 'pure ACKs'
  }

  const box = (way: Way, packet: Uint8Array): Uint8Array | Uint8Array[] => {
    const view = viewOf(packet)
    const isOne = phaseOf(way, view, packet.length) === phase
    began ||= isOne && ways.includes(way)
    const isMeant = ways.includes(way) && (onward ? began : isOne)
    const hasData = packet.length > view.payload
    const waits = held[way]
    if (waits !== undefined) {
      delete held[way]
      const both = hasData ? joined(waits, packet) : null
      if (both === null) return [waits, packet]
      meddled++
      return both
    }
    if (!isMeant || (kind !== 'options removed' && kind !== 'DSS changed' && !hasData))
      return packet
    switch (kind) {
      case 'options removed':
        meddled++
        return withoutOptions(packet)
      case 'DSS changed':
        meddled++
        return withOtherDsn(packet)
      case 'payload changed':
        meddled++
        return withOtherPayload(packet)
      case 'split':
        meddled++
        return split(packet)
      case 'joined':
        // One that ends, or pushes, has nothing behind it.
        if (view.flags & (FIN | 0x08)) return packet
        held[way] = packet.slice()
        return []
      default:
        return kind satisfies never
    }
  }
  return { box, count: () => meddled }
}
