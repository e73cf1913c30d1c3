// A packet of the script on its way into the stack: the script's numbers become the stack's, keys and
// HMACs their values, and the whole becomes bytes with right checksums. The payload is zeros.

import type { IpAddress } from '../../wire/address.js'
import { writeU16, writeU32 } from '../../wire/big-endian.js'
import { emitMptcpOption } from '../../wire/emit-mptcp.js'
import { emitIp, headerSum, PROTOCOL_TCP, pseudoHeaderSum } from '../../wire/ip.js'
import { mptcpOptionLength } from '../../wire/mptcp-options.js'
import { ACK, SYN } from '../../wire/tcp-flags.js'
import type { SackBlock, TcpOption, TcpPacket } from '../language/ast.js'
import { BindingError } from './bindings.js'
import type { Carrier } from './carrier.js'
import { mptcpOptionOf } from './encode-mptcp.js'
import { livePeerSequence, liveSequence } from './flows.js'

const TCP_HEADER = 20
const MAX_LENGTH = 0xffff
/** FOEXP, RFC 6994: the experiment's number for Fast Open. */
export const FAST_OPEN_MAGIC = 0xf989

export function encodePacket(carrier: Carrier): Uint8Array {
  const { packet, flow } = carrier
  const options = encodeOptions(carrier)
  const isSyn = (packet.flags.bits & SYN) !== 0
  const segment = new Uint8Array(TCP_HEADER + options.length + packet.sequence.length)
  const { source, destination } = portsOf(packet)
  writeU16(segment, 0, source || flow.remotePort)
  writeU16(segment, 2, destination || flow.localPort)
  writeU32(segment, 4, livePeerSequence(flow, packet.sequence.start, isSyn))
  const ack = packet.ack ?? 0
  const hasAck = (packet.flags.bits & ACK) !== 0
  writeU32(segment, 8, hasAck ? liveSequence(flow, ack, isSyn) : ack)
  segment[12] = ((TCP_HEADER + options.length) << 2) | (packet.flags.bits >> 8)
  segment[13] = packet.flags.bits & 0xff
  writeU16(segment, 14, packet.window ?? 0)
  writeU16(segment, 18, packet.urgent ?? 0)
  segment.set(options, TCP_HEADER)
  const seed = pseudoHeaderSum(flow.remote, flow.local, PROTOCOL_TCP, segment.length)
  writeU16(segment, 16, ~headerSum(segment, 0, segment.length, seed))
  return withIp(packet, flow.remote, flow.local, PROTOCOL_TCP, segment)
}

const ECN_BITS = { noecn: 0, ect1: 1, ect0: 2, ce: 3, ect01: 0 } as const

/** Puts the IP header in front, with the traffic class, flow label and TTL that the script asks for. */
export function withIp(
  packet: Pick<TcpPacket, 'ip'>,
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  payload: Uint8Array,
): Uint8Array {
  const { ecn, tos, ttl, flowLabel } = packet.ip
  // The length field of IPv4 counts its header too.
  const most = source.family === 4 ? MAX_LENGTH - 20 : MAX_LENGTH
  if (payload.length > most) {
    throw new BindingError(`${payload.length} bytes are more than an IP packet has room for`)
  }
  const bytes = new Uint8Array(40 + payload.length)
  const length = emitIp(bytes, 0, {
    source,
    destination,
    protocol,
    payloadLength: payload.length,
    ttl: ttl ?? 255,
  })
  const trafficClass = tos ?? (ecn === null ? 0 : ECN_BITS[ecn])
  if (source.family === 4) {
    bytes[1] = trafficClass
    writeU16(bytes, 10, 0)
    writeU16(bytes, 10, ~headerSum(bytes, 0, length))
  } else {
    writeU32(bytes, 0, 0x60000000 | (trafficClass << 20) | (flowLabel ?? 0))
  }
  bytes.set(payload, length)
  return bytes.subarray(0, length + payload.length)
}

/** Ports that the packet itself names; 0 = it does not. */
function portsOf(packet: TcpPacket): { source: number; destination: number } {
  const port = (side: 'source' | 'destination'): number => {
    const endpoint = packet.tuple?.[side] ?? null
    return endpoint === null || endpoint.kind === 'variable' ? 0 : endpoint.port
  }
  return { source: port('source'), destination: port('destination') }
}

function encodeOptions(carrier: Carrier): Uint8Array {
  const options = carrier.packet.options ?? []
  const bytes = Buffer.concat(options.map((option) => encodeOption(option, carrier)))
  if (bytes.length % 4 !== 0) {
    throw new BindingError(`the options take ${bytes.length} bytes: pad them to a multiple of 4`)
  }
  if (bytes.length > 40) {
    throw new BindingError(`the options take ${bytes.length} bytes; a TCP header has room for 40`)
  }
  return bytes
}

function encodeOption(option: TcpOption, carrier: Carrier): Uint8Array {
  switch (option.kind) {
    case 'nop':
      return Buffer.of(1)
    case 'eol':
      return Buffer.of(0)
    case 'mss':
      return Buffer.of(2, 4, option.mss >> 8, option.mss & 0xff)
    case 'wscale':
      return Buffer.of(3, 3, option.shift ?? 0)
    case 'sackOK':
      return Buffer.of(4, 2)
    case 'sack':
      return encodeSack(option.blocks, carrier)
    case 'TS':
      return encodeTimestamps(option.value, option.echo, carrier)
    case 'FO': {
      const { cookie } = option
      if (!option.experimental) return Buffer.concat([Buffer.of(34, 2 + cookie.length), cookie])
      const head = Buffer.of(254, 4 + cookie.length, FAST_OPEN_MAGIC >> 8, FAST_OPEN_MAGIC & 0xff)
      return Buffer.concat([head, cookie])
    }
    case 'md5':
      return Buffer.concat([Buffer.of(19, 2 + option.digest.length), option.digest])
    case 'ECN': {
      const head = Buffer.of(option.counters[0]?.name === 'e1b' ? 174 : 172, 0)
      const counters = option.counters.map(({ value }) =>
        Buffer.of((value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff),
      )
      head[1] = 2 + 3 * counters.length
      return Buffer.concat([head, ...counters])
    }
    default: {
      const live = mptcpOptionOf(option, carrier)
      const bytes = new Uint8Array(mptcpOptionLength(live))
      emitMptcpOption(live, bytes, 0)
      return bytes
    }
  }
}

function encodeSack(blocks: readonly SackBlock[], { flow, packet }: Carrier): Uint8Array {
  const isSyn = (packet.flags.bits & SYN) !== 0
  const bytes = Buffer.alloc(2 + 8 * blocks.length)
  bytes[0] = 5
  bytes[1] = bytes.length
  blocks.forEach(({ left, right }, i) => {
    bytes.writeUInt32BE(liveSequence(flow, left, isSyn), 2 + 8 * i)
    bytes.writeUInt32BE(liveSequence(flow, right, isSyn), 6 + 8 * i)
  })
  return bytes
}

function encodeTimestamps(value: number, echo: number, carrier: Carrier): Uint8Array {
  const { flow, packet, tsEcrScaled } = carrier
  let live = echo
  if ((packet.flags.bits & ACK) !== 0) {
    const known = flow.timestamps.get(echo)
    if (known !== undefined) live = known
    else if (tsEcrScaled && flow.firstTimestamp !== null) {
      live = echo - flow.firstTimestamp.script + flow.firstTimestamp.live
    } else {
      throw new BindingError(`TS ecr ${echo}: the stack has not sent that TS val in this script`)
    }
  }
  const bytes = Buffer.alloc(10)
  bytes[0] = 8
  bytes[1] = 10
  bytes.writeUInt32BE(value >>> 0, 2)
  bytes.writeUInt32BE(live >>> 0, 6)
  return bytes
}
