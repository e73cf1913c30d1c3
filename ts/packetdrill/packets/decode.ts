// A packet of the stack's in the script's terms: relative numbers, nodes as the parser would have made
// them. So it can be compared with what the script expects, and printed in packetdrill's notation.

import { readU16, readU32 } from '../../wire/big-endian.js'
import { type IpPacket, parseIp } from '../../wire/ip.js'
import { MPTCP_KIND } from '../../wire/mptcp-options.js'
import { parseMptcpOption } from '../../wire/parse-mptcp.js'
import { ACK, SYN } from '../../wire/tcp-flags.js'
import type { TcpOption, TcpPacket } from '../language/ast.js'
import { printFlags } from '../print/packet.js'
import type { Bindings } from './bindings.js'
import { mptcpNodeOf, NOWHERE } from './decode-mptcp.js'
import { FAST_OPEN_MAGIC } from './encode.js'
import { type Flow, scriptPeerSequence, scriptSequence } from './flows.js'

/** A TCP packet on its wire, before any flow is known. */
export interface WirePacket {
  readonly ip: IpPacket
  readonly bytes: Uint8Array
  /** Where the TCP header starts. */
  readonly at: number
  readonly sourcePort: number
  readonly destinationPort: number
  readonly flags: number
  readonly sequence: number
  readonly payload: Uint8Array
}

/** Null: not TCP, or not whole. */
export function readWire(bytes: Uint8Array): WirePacket | null {
  const ip = parseIp(bytes, 0, bytes.length)
  if (ip === null || ip.protocol !== 6 || ip.payloadLength < 20) return null
  const at = ip.payloadOffset
  const headerBytes = (bytes[at + 12]! >> 4) * 4
  return {
    ip,
    bytes,
    at,
    sourcePort: readU16(bytes, at),
    destinationPort: readU16(bytes, at + 2),
    flags: ((bytes[at + 12]! & 1) << 8) | bytes[at + 13]!,
    sequence: readU32(bytes, at + 4),
    payload: bytes.subarray(at + headerBytes, at + ip.payloadLength),
  }
}

export function decodePacket(wire: WirePacket, flow: Flow, bindings: Bindings): TcpPacket {
  const { bytes, at, flags, payload } = wire
  const isSyn = (flags & SYN) !== 0
  const ack = readU32(bytes, at + 8)
  const start = scriptSequence(flow, wire.sequence, isSyn)
  return {
    kind: 'tcp',
    position: NOWHERE,
    direction: 'outbound',
    ip: { ecn: null, tos: null, flowLabel: null, ttl: null },
    tuple: null,
    flags: { bits: flags, ace: null, text: printFlags(flags) },
    sequence: { start, end: (start + payload.length) >>> 0, length: payload.length },
    ack: (flags & ACK) !== 0 ? scriptPeerSequence(flow, ack, isSyn) : ack === 0 ? null : ack,
    window: readU16(bytes, at + 14),
    urgent: readU16(bytes, at + 18) || null,
    options: decodeOptions(wire, flow, bindings),
  }
}

function decodeOptions(wire: WirePacket, flow: Flow, bindings: Bindings): TcpOption[] {
  const { bytes, at } = wire
  const end = at + (bytes[at + 12]! >> 4) * 4
  const nodes: TcpOption[] = []
  let next = at + 20
  while (next < end) {
    const kind = bytes[next]!
    if (kind === 0 || kind === 1) {
      nodes.push({ kind: kind === 0 ? 'eol' : 'nop', position: NOWHERE })
      next++
      continue
    }
    const length = bytes[next + 1] ?? 0
    if (length < 2 || next + length > end) break
    const node = decodeOption(wire, next, length, flow, bindings)
    if (node !== null) nodes.push(node)
    next += length
  }
  return nodes
}

function decodeOption(
  wire: WirePacket,
  at: number,
  length: number,
  flow: Flow,
  bindings: Bindings,
): TcpOption | null {
  const { bytes, flags } = wire
  const position = NOWHERE
  switch (bytes[at]) {
    case 2:
      return { kind: 'mss', position, mss: readU16(bytes, at + 2) }
    case 3:
      return { kind: 'wscale', position, shift: bytes[at + 2]! }
    case 4:
      return { kind: 'sackOK', position }
    case 5: {
      const blocks = []
      const edge = (i: number): number =>
        scriptPeerSequence(flow, readU32(bytes, i), (flags & SYN) !== 0)
      for (let i = at + 2; i < at + length; i += 8) {
        blocks.push({ left: edge(i), right: edge(i + 4) })
      }
      return { kind: 'sack', position, blocks }
    }
    case 8: {
      const value = readU32(bytes, at + 2)
      return { kind: 'TS', position, value, echo: readU32(bytes, at + 6) }
    }
    case 34:
      return { kind: 'FO', position, experimental: false, cookie: bytes.slice(at + 2, at + length) }
    case 254: {
      if (readU16(bytes, at + 2) !== FAST_OPEN_MAGIC) return null
      return { kind: 'FO', position, experimental: true, cookie: bytes.slice(at + 4, at + length) }
    }
    case MPTCP_KIND: {
      const option = parseMptcpOption(bytes, at, length, flags & 0xff)
      return option === null ? null : mptcpNodeOf(option, bindings)
    }
    default:
      return null
  }
}
