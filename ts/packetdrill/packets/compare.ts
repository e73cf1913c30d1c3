// Whether a packet of the stack's is the one that the script expects, by packetdrill's rules: flags,
// numbers, payload and the list of options in full; the window and the IP fields only if written; a TS
// val only where a tick was given, its ecr never.

import type { IpInfo, TcpOption, TcpPacket } from '../language/ast.js'
import { compareMptcp } from './compare-mptcp.js'
import type { WirePacket } from './decode.js'
import { type Comparison, differs } from './difference.js'

const AE_ECE_CWR = 0x1c0
const IP_ECN = { noecn: [0], ect1: [1], ect0: [2], ce: [3], ect01: [1, 2] } as const

/** What differs, in a few words; null = nothing. */
export function comparePackets(comparison: Comparison): string | null {
  const { expected, actual, wire } = comparison
  return (
    compareIp(expected.ip, wire) ??
    compareFlags(expected, actual) ??
    differs('sequence number', expected.sequence.start, actual.sequence.start) ??
    differs('payload length', expected.sequence.length, actual.sequence.length) ??
    differs('acknowledgment number', expected.ack ?? 0, actual.ack ?? 0) ??
    (expected.window === null ? null : differs('window', expected.window, actual.window)) ??
    differs('urgent pointer', expected.urgent ?? 0, actual.urgent ?? 0) ??
    compareOptions(comparison)
  )
}

function compareIp(expected: IpInfo, wire: WirePacket): string | null {
  const { ip, bytes } = wire
  const six = ip.source.family === 6
  const trafficClass = six ? ((bytes[0]! & 0x0f) << 4) | (bytes[1]! >> 4) : bytes[1]!
  if (expected.ecn !== null) {
    const allowed: readonly number[] = IP_ECN[expected.ecn]
    if (!allowed.includes(ip.ecn)) {
      return `ECN field: expected ${expected.ecn}, actual ${ip.ecn}`
    }
  }
  if (expected.tos !== null && expected.tos !== trafficClass) {
    return differs('TOS', expected.tos, trafficClass)
  }
  // The script's label stands for any of the stack's; on IPv4 there is none.
  const label = ((bytes[1]! & 0x0f) << 16) | (bytes[2]! << 8) | bytes[3]!
  if (six && expected.flowLabel !== null && expected.flowLabel !== 0 && label === 0) {
    return 'flow label: the packet bears none'
  }
  if (expected.ttl !== null) return differs('TTL', expected.ttl, ip.ttl)
  return null
}

function compareFlags(expected: TcpPacket, actual: TcpPacket): string | null {
  // The three ECN bits are one number where the script wrote it so; alike either way.
  const same =
    expected.flags.ace === null
      ? expected.flags.bits === actual.flags.bits
      : (expected.flags.bits & ~AE_ECE_CWR) === (actual.flags.bits & ~AE_ECE_CWR) &&
        expected.flags.ace === aceOf(actual.flags.bits)
  return same ? null : `flags: expected ${expected.flags.text}, actual ${actual.flags.text}`
}

function aceOf(bits: number): number {
  return ((bits & 0x100) >> 6) | ((bits & 0x80) >> 6) | ((bits & 0x40) >> 6)
}

function compareOptions(comparison: Comparison): string | null {
  const { options: expected } = comparison.expected
  if (expected === null) return null
  const actual = comparison.actual.options ?? []
  for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
    const want = expected[i]
    const have = actual[i]
    if (want === undefined || have === undefined || want.kind !== have.kind) {
      return `option ${i + 1}: expected ${want?.kind ?? 'none'}, actual ${have?.kind ?? 'none'}`
    }
    const difference = compareOption(want, have, comparison)
    if (difference !== null) return difference
  }
  return null
}

function compareOption(
  expected: TcpOption,
  actual: TcpOption,
  comparison: Comparison,
): string | null {
  switch (expected.kind) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return null
    case 'mss':
      return differs('mss', expected.mss, (actual as typeof expected).mss)
    case 'wscale':
      return expected.shift === null
        ? null
        : differs('wscale', expected.shift, (actual as typeof expected).shift)
    case 'sack':
      return differs(
        'sack',
        sackText(expected.blocks),
        sackText((actual as typeof expected).blocks),
      )
    case 'TS':
      return compareTimestamps(expected, actual as typeof expected, comparison)
    case 'FO': {
      const { cookie, experimental } = actual as typeof expected
      if (experimental !== expected.experimental) return 'FO: one of them is experimental'
      return differs('FO cookie', hex(expected.cookie), hex(cookie))
    }
    case 'md5':
    case 'ECN':
      return `option ${expected.kind}: the stack does not know it`
    default:
      return compareMptcp(expected, actual as typeof expected, comparison)
  }
}

function sackText(blocks: readonly { left: number; right: number }[]): string {
  return blocks.map(({ left, right }) => `${left}:${right}`).join(' ')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex') || 'none'
}

function compareTimestamps(
  expected: { value: number },
  actual: { value: number },
  { flow, tsTickUsecs, tsToleranceUsecs }: Comparison,
): string | null {
  if (tsTickUsecs === 0 || flow.firstTimestamp === null) return null
  const { script, live } = flow.firstTimestamp
  const value = (script + (actual.value - live)) | 0
  const off = Math.abs((value - (expected.value | 0)) | 0) * tsTickUsecs
  return off <= tsToleranceUsecs ? null : differs('TS val', expected.value, value >>> 0)
}
