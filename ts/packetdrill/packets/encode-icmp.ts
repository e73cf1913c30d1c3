// ICMP messages of the script: they quote the head of a segment of the stack's, with the flow's real
// addresses, ports and sequence number, or the stack would not believe them.

import { writeU16, writeU32 } from '../../wire/big-endian.js'
import {
  emitIp,
  headerSum,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  pseudoHeaderSum,
} from '../../wire/ip.js'
import type { IcmpPacket } from '../language/ast.js'
import { icmpNumbers } from '../language/icmp-names.js'
import { withIp } from './encode.js'
import { type Flow, liveSequence } from './flows.js'

const HEADER = 8
/** The quoted TCP header, of which 8 bytes would do. */
const QUOTED = 20
const V4_FRAGMENTATION_NEEDED = { type: 3, code: 4 }
const V6_PACKET_TOO_BIG = 2

/** The packet as it goes into the stack; text = why it cannot be made. */
export function encodeIcmp(packet: IcmpPacket, flow: Flow): Uint8Array | string {
  const { family } = flow.local
  const numbers = icmpNumbers(family, packet.type, packet.code)
  if (numbers === null) {
    return `ICMP for IPv${family} has no ${packet.type} ${packet.code ?? ''}`.trimEnd()
  }
  const { echoed } = packet
  if (echoed !== null && echoed.protocol !== 'tcp') return 'only quoted TCP is emulated'
  const bytes = new Uint8Array(HEADER + 40 + QUOTED)
  bytes[0] = numbers.type
  bytes[1] = numbers.code
  writeMtu(bytes, packet, family, numbers)
  let at = HEADER
  at += emitIp(bytes, at, {
    source: flow.local,
    destination: flow.remote,
    protocol: PROTOCOL_TCP,
    payloadLength: QUOTED + (echoed?.sequence.length ?? 0),
  })
  writeU16(bytes, at, flow.localPort)
  writeU16(bytes, at + 2, flow.remotePort)
  writeU32(bytes, at + 4, liveSequence(flow, echoed?.sequence.start ?? 0, false))
  bytes[at + 12] = QUOTED << 2
  const message = bytes.subarray(0, at + QUOTED)
  const protocol = family === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6
  const seed = family === 4 ? 0 : pseudoHeaderSum(flow.remote, flow.local, protocol, message.length)
  writeU16(message, 2, ~headerSum(message, 0, message.length, seed))
  return withIp(packet, flow.remote, flow.local, protocol, message)
}

function writeMtu(
  bytes: Uint8Array,
  packet: IcmpPacket,
  family: 4 | 6,
  { type, code }: { type: number; code: number },
): void {
  const needs = V4_FRAGMENTATION_NEEDED
  if (family === 4 && type === needs.type && code === needs.code)
    writeU16(bytes, 6, packet.mtu ?? 0)
  else if (family === 6 && type === V6_PACKET_TOO_BIG) writeU32(bytes, 4, packet.mtu ?? 0)
  else if (packet.id !== null) writeU16(bytes, 4, packet.id)
}
