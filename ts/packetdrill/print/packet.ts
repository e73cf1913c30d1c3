// Packets back to packetdrill's own notation, for failure messages: what is printed parses to the same
// nodes again. `printPacket` is of the script's packet, or of a live one that the runner has turned into
// nodes. Options are in options.ts, calls and results in call.ts.

import type { Echoed, Endpoint, IcmpPacket, IpInfo, Sequence, TcpPacket } from '../language/ast.js'
import { printOption } from './options.js'

export function printPacket(packet: TcpPacket | IcmpPacket): string {
  const parts = [packet.direction === 'inbound' ? '<' : '>']
  const ip = printIpInfo(packet.ip)
  if (ip !== '') parts.push(`[${ip}]`)
  parts.push(packet.kind === 'tcp' ? printTcp(packet) : printIcmp(packet))
  return parts.join(' ')
}

function printTcp(packet: TcpPacket): string {
  const parts: string[] = []
  if (packet.tuple !== null) {
    if (packet.tuple.source !== null) parts.push(printEndpoint(packet.tuple.source))
    parts.push('>')
    if (packet.tuple.destination !== null) parts.push(printEndpoint(packet.tuple.destination))
  }
  parts.push(packet.flags.text, printSequence(packet.sequence))
  if (packet.ack !== null) parts.push(`ack ${packet.ack}`)
  if (packet.window !== null) parts.push(`win ${packet.window}`)
  if (packet.urgent !== null) parts.push(`urg ${packet.urgent}`)
  if (packet.options === null) parts.push('<...>')
  else if (packet.options.length > 0) {
    parts.push(`<${packet.options.map(printOption).join(', ')}>`)
  }
  return parts.join(' ')
}

function printIcmp(packet: IcmpPacket): string {
  const parts = ['icmp', packet.type]
  if (packet.code !== null) parts.push(packet.code)
  if (packet.mtu !== null) parts.push(`mtu ${packet.mtu}`)
  if (packet.id !== null) parts.push(`id ${packet.id}`)
  if (packet.echoed !== null) parts.push(`[${printEchoed(packet.echoed)}]`)
  return parts.join(' ')
}

function printEchoed(echoed: Echoed): string {
  if (echoed.protocol === 'tcp') return printSequence(echoed.sequence)
  return `${echoed.protocol}(${echoed.payloadBytes})`
}

function printIpInfo(ip: IpInfo): string {
  const parts: string[] = []
  if (ip.ecn !== null) parts.push(ip.ecn)
  if (ip.tos !== null) parts.push(`tos 0x${ip.tos.toString(16).padStart(2, '0')}`)
  if (ip.flowLabel !== null) parts.push(`flowlabel 0x${ip.flowLabel.toString(16)}`)
  if (ip.ttl !== null) parts.push(`ttl ${ip.ttl}`)
  return parts.join(', ')
}

export function printEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'variable':
      return `addr[${endpoint.name}]`
    case 'port':
      return `${endpoint.port}`
    case 'address':
      // The blank keeps the port from being read as the end of an IPv6 address.
      return `${endpoint.address}${endpoint.family === 6 ? ' : ' : ':'}${endpoint.port}`
    default:
      return unknown(endpoint)
  }
}

function printSequence(sequence: Sequence): string {
  return `${sequence.start}:${sequence.end}(${sequence.length})`
}

/** Flag bits (AE = 0x100) in packetdrill's order: `S.`, `EAP.`, `-`. */
export function printFlags(bits: number): string {
  let text = ''
  for (const [bit, letter] of FLAG_LETTERS) if ((bits & bit) !== 0) text += letter
  return text === '' ? '-' : text
}

const FLAG_LETTERS = [
  [0x01, 'F'],
  [0x02, 'S'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x40, 'E'],
  [0x80, 'W'],
  [0x100, 'A'],
  [0x20, 'U'],
  [0x10, '.'],
] as const

function unknown(node: never): never {
  throw new RangeError(`unknown node: ${JSON.stringify(node)}`)
}
