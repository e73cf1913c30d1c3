// Generators of wire values for fast-check: whatever the types allow that has one form on the wire.

import fc from 'fast-check'
import { addressFromBytes, type IpAddress } from '../../ts/wire/address.js'
import type { IcmpError } from '../../ts/wire/icmp.js'
import {
  ADD_ADDR,
  type AddAddrOption,
  DSS,
  type DssOption,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  type MpCapableOption,
  type MpJoinOption,
  type MptcpOption,
  REMOVE_ADDR,
} from '../../ts/wire/mptcp-options.js'
import { ACK, SYN, type TcpOptions } from '../../ts/wire/segment.js'
import { emittedLength, MAX_OPTION_BYTES } from '../../ts/wire/tcp-options.js'

export const u8 = fc.integer({ min: 0, max: 0xff })
export const u16 = fc.integer({ min: 0, max: 0xffff })
/** Half of them near the ends of the signed and unsigned ranges. */
export const u32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff),
)

export function bytesOf(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length })
}

export const address4: fc.Arbitrary<IpAddress> = bytesOf(4).map(addressFromBytes)
export const address6: fc.Arbitrary<IpAddress> = bytesOf(16).map(addressFromBytes)
export const addressPair: fc.Arbitrary<[IpAddress, IpAddress]> = fc.oneof(
  fc.tuple(address4, address4),
  fc.tuple(address6, address6),
)

export type Phase = 'SYN' | 'SYN/ACK' | 'ACK'
export const phase: fc.Arbitrary<Phase> = fc.constantFrom('SYN', 'SYN/ACK', 'ACK')
export const PHASE_FLAGS: Record<Phase, number> = { SYN, 'SYN/ACK': SYN | ACK, ACK }

export function mpCapable(of: Phase): fc.Arbitrary<MpCapableOption> {
  const withData = of === 'ACK' ? fc.boolean() : fc.constant(false)
  return withData.chain((data) =>
    fc.record({
      subtype: fc.constant(MP_CAPABLE),
      version: fc.constant(1),
      checksumRequired: fc.boolean(),
      extensibility: fc.boolean(),
      denyJoin: fc.boolean(),
      algorithms: fc.integer({ min: 0, max: 31 }),
      senderKey: of === 'SYN' ? fc.constant(null) : bytesOf(8),
      receiverKey: of === 'ACK' ? bytesOf(8) : fc.constant(null),
      dataLength: data ? u16 : fc.constant(null),
      checksum: data ? fc.option(u16) : fc.constant(null),
    }),
  )
}

export function mpJoin(of: Phase): fc.Arbitrary<MpJoinOption> {
  if (of === 'ACK') {
    return fc.record({
      subtype: fc.constant(MP_JOIN),
      phase: fc.constant('ACK' as const),
      hmac: bytesOf(20),
    })
  }
  const common = { subtype: fc.constant(MP_JOIN), backup: fc.boolean(), addressId: u8, nonce: u32 }
  if (of === 'SYN') {
    return fc.record({ ...common, phase: fc.constant('SYN' as const), token: u32 })
  }
  return fc.record({ ...common, phase: fc.constant('SYN/ACK' as const), hmac: bytesOf(8) })
}

const zero = fc.constant(0)
const sizes = fc.constantFrom(0 as const, 4 as const, 8 as const)

export const dss: fc.Arbitrary<DssOption> = fc
  .tuple(sizes, sizes)
  .chain(([dataAckBytes, dsnBytes]) =>
    fc.record({
      subtype: fc.constant(DSS),
      dataFin: fc.boolean(),
      dataAckBytes: fc.constant(dataAckBytes),
      dataAckHigh: dataAckBytes === 8 ? u32 : zero,
      dataAckLow: dataAckBytes === 0 ? zero : u32,
      dsnBytes: fc.constant(dsnBytes),
      dsnHigh: dsnBytes === 8 ? u32 : zero,
      dsnLow: dsnBytes === 0 ? zero : u32,
      ssn: dsnBytes === 0 ? zero : u32,
      length: dsnBytes === 0 ? zero : u16,
      checksum: dsnBytes === 0 ? fc.constant(null) : fc.option(u16),
    }),
  )

export const addAddr: fc.Arbitrary<AddAddrOption> = fc.boolean().chain((echo) =>
  fc.record({
    subtype: fc.constant(ADD_ADDR),
    echo: fc.constant(echo),
    addressId: u8,
    address: fc.oneof(bytesOf(4), bytesOf(16)),
    port: fc.option(u16),
    hmac: echo ? fc.constant(null) : bytesOf(8),
  }),
)

const idOrNone: fc.Arbitrary<number | null> = fc.option(u8)

/** An option that may stand on a segment of this phase: each subtype as likely as the others. */
export function mptcpOption(of: Phase): fc.Arbitrary<MptcpOption> {
  return fc.oneof<fc.Arbitrary<MptcpOption>[]>(
    mpCapable(of),
    mpJoin(of),
    dss,
    addAddr,
    fc.record({
      subtype: fc.constant(REMOVE_ADDR),
      addressIds: fc.array(u8, { minLength: 1, maxLength: 37 }),
    }),
    fc.record({ subtype: fc.constant(MP_PRIO), backup: fc.boolean(), addressId: idOrNone }),
    fc.record({ subtype: fc.constant(MP_FAIL), dsnHigh: u32, dsnLow: u32 }),
    fc.record({ subtype: fc.constant(MP_FASTCLOSE), receiverKey: bytesOf(8) }),
    fc.record({
      subtype: fc.constant(MP_TCPRST),
      flags: fc.integer({ min: 0, max: 15 }),
      reason: u8,
    }),
  )
}

/** A Fast Open cookie, or the request for one. */
const fastOpen = fc.record({
  cookie: fc
    .constantFrom(0, 4, 6, 8, 16)
    .chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
  experimental: fc.boolean(),
})

/** Option lists that fit in a header. */
export function tcpOptions(of: Phase): fc.Arbitrary<TcpOptions> {
  return fc
    .record({
      mss: fc.option(u16),
      windowScale: fc.option(u8),
      sackPermitted: fc.boolean(),
      sack: fc.option(
        fc.array(fc.tuple(u32, u32), { minLength: 1, maxLength: 4 }).map((blocks) => blocks.flat()),
      ),
      timestamps: fc.option(fc.tuple(u32, u32)),
      fastOpen: of.startsWith('SYN') ? fc.option(fastOpen) : fc.constant(null),
      mptcp: fc.array(mptcpOption(of), { maxLength: 2 }),
    })
    .map(({ timestamps, ...rest }) => ({
      ...rest,
      timestampValue: timestamps === null ? null : timestamps[0],
      timestampEcho: timestamps === null ? 0 : timestamps[1],
    }))
    .map(dropUntilFits)
}

/** Rather than filter: most random lists are too long, and a filter would leave only small ones. */
function dropUntilFits(options: TcpOptions): TcpOptions {
  const cut = { ...options, mptcp: [...options.mptcp] }
  if (emittedLength(cut) > MAX_OPTION_BYTES) cut.mptcp.length = Math.min(cut.mptcp.length, 1)
  if (emittedLength(cut) > MAX_OPTION_BYTES) cut.sack = null
  if (emittedLength(cut) > MAX_OPTION_BYTES) cut.fastOpen = null
  if (emittedLength(cut) > MAX_OPTION_BYTES) cut.mss = cut.windowScale = null
  if (emittedLength(cut) > MAX_OPTION_BYTES) cut.timestampValue = null
  if (cut.timestampValue === null) cut.timestampEcho = 0
  if (emittedLength(cut) > MAX_OPTION_BYTES) cut.sackPermitted = false
  return cut
}

export const icmpError: fc.Arbitrary<IcmpError> = addressPair.chain(([source, destination]) =>
  fc
    .record({
      kind: fc.constantFrom(
        'unreachable-host' as const,
        'unreachable-net' as const,
        'unreachable-port' as const,
        'unreachable-protocol' as const,
        'prohibited' as const,
        'packet-too-big' as const,
        'time-exceeded' as const,
        'parameter-problem' as const,
      ),
      mtu: u16,
      quoted: fc.record({
        source: fc.constant(source),
        destination: fc.constant(destination),
        sourcePort: u16,
        destinationPort: u16,
        sequence: u32,
      }),
    })
    .map((error) => (error.kind === 'packet-too-big' ? error : { ...error, mtu: 0 })),
)
