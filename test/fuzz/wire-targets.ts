// What stands in packets: IP, TCP, its options, MPTCP's, ICMP. Nothing throws, nothing outside the packet
// is read, and what parses and is written again parses to the same.

import { isDeepStrictEqual } from 'node:util'
import { emitMptcpOption } from '../../ts/wire/emit-mptcp.js'
import { emitIcmp, parseIcmp } from '../../ts/wire/icmp.js'
import { emitIp, headerSum, type IpPacket, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import { MP_CAPABLE, mptcpOptionLength } from '../../ts/wire/mptcp-options.js'
import { parseMptcpOption } from '../../ts/wire/parse-mptcp.js'
import type { Segment } from '../../ts/wire/segment.js'
import { emitSegment, headerLength, parseSegment } from '../../ts/wire/tcp.js'
import { emitTcpOptions, emittedLength, parseTcpOptions } from '../../ts/wire/tcp-options.js'
import { recordedPackets } from './stack-targets.js'
import { check, type Target } from './target.js'

const MARGIN = 24
const MAX_OPTION_BYTES = 40

/** `parse` over the bytes amid others, twice with different ones around: it must see only its own. */
function parsedAlone<T>(input: Uint8Array, parse: (bytes: Uint8Array, at: number) => T): T {
  const [first, second] = [0x00, 0xff].map((fill) => {
    const bytes = new Uint8Array(input.length + 2 * MARGIN).fill(fill)
    bytes.set(input, MARGIN)
    return parse(bytes, MARGIN)
  }) as [T, T]
  check(isDeepStrictEqual(first, second), 'what stands outside the packet was read')
  return first
}

function same(again: unknown, first: unknown): void {
  if (isDeepStrictEqual(again, first)) return
  throw new Error(
    `${JSON.stringify(first)} is ${JSON.stringify(again)} when written and read again`,
  )
}

// ---------------------------------------------------------------- whole packets

/** Right checksums of the IPv4 header and of ICMP, so that what lies behind them is reached. */
function withChecksums(input: Uint8Array): Uint8Array {
  const bytes = input.slice()
  const headerBytes = ((bytes[0] ?? 0) & 15) << 2
  if (bytes[0]! >> 4 === 4 && headerBytes >= 20 && headerBytes <= bytes.length) {
    bytes[10] = bytes[11] = 0
    const sum = ~headerSum(bytes, 0, headerBytes)
    bytes[10] = sum >> 8
    bytes[11] = sum
  }
  const ip = parseIp(bytes, 0, bytes.length)
  if (ip === null || ip.protocol === 6 || ip.payloadLength < 4) return bytes
  const at = ip.payloadOffset
  bytes[at + 2] = bytes[at + 3] = 0
  const seed =
    ip.source.family === 6 ? pseudoHeaderSum(ip.source, ip.destination, 58, ip.payloadLength) : 0
  const sum = ~headerSum(bytes, at, ip.payloadLength, seed)
  bytes[at + 2] = sum >> 8
  bytes[at + 3] = sum
  return bytes
}

function runPacket(input: Uint8Array): void {
  for (const packet of [input, withChecksums(input)]) {
    const ip = parsedAlone(packet, (bytes, at) => parseIp(bytes, at, packet.length))
    if (ip === null) continue
    const end = MARGIN + packet.length
    check(
      ip.payloadOffset >= MARGIN + 20 &&
        ip.payloadLength >= 0 &&
        ip.payloadOffset + ip.payloadLength <= end,
      'the payload is not in the packet',
    )
    const segment = parsedAlone(packet, (bytes) => parseSegment(bytes, ip))
    if (segment !== null && ip.protocol === 6) checkSegment(segment, ip, end)
    const error = parsedAlone(packet, (bytes) => parseIcmp(bytes, ip))
    if (error !== null) {
      const bytes = new Uint8Array(100)
      const length = emitIcmp(bytes, 0, ip.source, ip.destination, error)
      same(parseIcmp(bytes, { ...ip, payloadOffset: 0, payloadLength: length }), error)
    }
  }
}

function checkSegment(segment: Segment, ip: IpPacket, end: number): void {
  check(segment.payloadOffset + segment.payloadLength <= end, 'the data is not in the packet')
  if (segment.options.mptcp.some(isOld) || emittedLength(segment.options) > MAX_OPTION_BYTES) return
  const header = headerLength(segment.options)
  const bytes = new Uint8Array(100 + segment.payloadLength)
  const payloadLength = header + segment.payloadLength
  if (payloadLength > 65_000) return
  const at = emitIp(bytes, 0, { ...ip, payloadLength })
  emitSegment(bytes, at, segment)
  const again = parseIp(bytes, 0, at + payloadLength)
  check(again !== null, 'an IP packet does not parse when it is written again')
  const { payloadOffset: _, ...fields } = segment
  const { payloadOffset: __, ...fieldsAgain } = parseSegment(bytes, again) ?? { payloadOffset: 0 }
  same(fieldsAgain, fields)
}

// ---------------------------------------------------------------- options

/** Version 0 is only ever answered in version 1, so nothing writes it. */
const isOld = (option: { subtype: number; version?: number }): boolean =>
  option.subtype === MP_CAPABLE && option.version === 0

/** The first byte is the TCP flags. */
function runOptions(input: Uint8Array): void {
  const flags = input[0] ?? 0
  const list = input.subarray(1, 1 + MAX_OPTION_BYTES)
  const options = parsedAlone(list, (bytes, at) =>
    parseTcpOptions(bytes, at, at + list.length, flags, { tcp: 0, mptcp: 0 }),
  )
  if (options.mptcp.some(isOld) || emittedLength(options) > MAX_OPTION_BYTES) return
  const bytes = new Uint8Array(MAX_OPTION_BYTES)
  const length = emitTcpOptions(options, bytes, 0)
  check(length === emittedLength(options), 'the options take another length than was said')
  same(parseTcpOptions(bytes, 0, length, flags, null), options)
}

function runMptcpOption(input: Uint8Array): void {
  const flags = input[0] ?? 0
  const body = input.subarray(1, 1 + MAX_OPTION_BYTES)
  const option = parsedAlone(body, (bytes, at) => parseMptcpOption(bytes, at, body.length, flags))
  if (option === null || isOld(option)) return
  const bytes = new Uint8Array(MAX_OPTION_BYTES)
  const length = emitMptcpOption(option, bytes, 0)
  check(length === mptcpOptionLength(option), 'the option takes another length than was said')
  same(parseMptcpOption(bytes, 0, length, flags), option)
}

/** Flags and options of the packets of a conversation; each MPTCP option alone if `single`. */
function optionSeeds(single: boolean): Uint8Array[] {
  const seeds: Uint8Array[] = []
  for (const packet of recordedPackets()) {
    const ip = parseIp(packet, 0, packet.length)
    if (ip === null || ip.protocol !== 6) continue
    const at = ip.payloadOffset
    const end = at + ((packet[at + 12]! >> 4) << 2)
    const flags = packet[at + 13]!
    if (!single) seeds.push(Uint8Array.of(flags, ...packet.subarray(at + 20, end)))
    for (let i = at + 20; single && i < end; i += packet[i]! < 2 ? 1 : packet[i + 1]!) {
      if (packet[i] !== 30) continue
      seeds.push(Uint8Array.of(flags, ...packet.subarray(i, i + packet[i + 1]!)))
    }
  }
  return seeds
}

export const WIRE_TARGETS: readonly Target[] = [
  { name: 'packet', maxBytes: 2000, run: runPacket, seeds: recordedPackets },
  { name: 'tcp-options', maxBytes: 41, run: runOptions, seeds: () => optionSeeds(false) },
  { name: 'mptcp-option', maxBytes: 41, run: runMptcpOption, seeds: () => optionSeeds(true) },
]
