// MPTCP options compared: what the script wrote, and what it left open and RFC 8684 does not. HMACs,
// tokens and checksums are computed here, apart from the stack's own code.

import { addressBytes, parseAddress } from '../../wire/address.js'
import type {
  AddAddressNode,
  Checksum,
  DssNode,
  DssNumber,
  KeyNode,
  MpCapableNode,
  MpFastcloseNode,
  MpJoinAckNode,
  MpJoinSynAckNode,
  MpJoinSynNode,
  MptcpOptionNode,
  TcpPacket,
  Value,
} from '../language/ast.js'
import type { Bindings } from './bindings.js'
import { type Comparison, differs } from './difference.js'
import { checksumOf, isRelative } from './encode-mptcp.js'
import { addressHmac, type Both, hexValue, joinHmac, keyOfBytes, token } from './keys.js'

export function compareMptcp(
  expected: MptcpOptionNode,
  actual: MptcpOptionNode,
  comparison: Comparison,
): string | null {
  const { bindings } = comparison
  switch (expected.kind) {
    case 'mpcapable':
      return compareCapable(expected, actual as MpCapableNode, bindings)
    case 'mp_join_syn':
      return compareJoinSyn(expected, actual as MpJoinSynNode, bindings)
    case 'mp_join_syn_ack': {
      const { backup } = actual as MpJoinSynAckNode
      return (
        differs('backup', expected.backup, backup) ??
        compareHmac(expected.hmac, (actual as MpJoinSynAckNode).hmac, 8, comparison)
      )
    }
    case 'mp_join_ack':
      return compareHmac(expected.hmac, (actual as MpJoinAckNode).hmac, 20, comparison)
    case 'dss':
      return compareDss(expected, actual as DssNode, comparison)
    case 'add_address':
      return compareAddAddress(expected, actual as AddAddressNode, bindings)
    case 'remove_address': {
      const text = (node: MptcpOptionNode): string =>
        [...(node as typeof expected).addressIds].sort((a, b) => a - b).join(',')
      return differs('address ids', text(expected), text(actual))
    }
    case 'mp_prio': {
      const { backup, addressId } = actual as typeof expected
      return (
        differs('backup', expected.backup, backup) ??
        differs('address_id', expected.addressId, addressId)
      )
    }
    case 'mp_fail': {
      if (expected.dsn === null) return null
      const { dsn } = actual as typeof expected
      // It names data that its sender received: here the script's.
      return compareNumber(
        'dsn',
        { bytes: 8, value: expected.dsn },
        { bytes: 8, value: dsn },
        bindings.peerIdsn,
        bindings,
      )
    }
    case 'mp_fastclose':
      return compareFastclose(expected, actual as MpFastcloseNode, bindings)
    case 'mp_reset': {
      const { reason, flags } = actual as typeof expected
      return differs('reason', expected.reason, reason) ?? differs('flags', expected.flags, flags)
    }
    default:
      return expected satisfies never
  }
}

/** Before anything is compared: the first live packet with a key or an address gives it its name. */
export function bindFrom(expected: TcpPacket, actual: TcpPacket, bindings: Bindings): void {
  const options = actual.options ?? []
  for (const option of expected.options ?? []) {
    if (option.kind !== 'mpcapable') continue
    const live = options.find((each) => each.kind === 'mpcapable')
    const first = option.keys[0]
    const key = live?.keys[0]?.value ?? null
    if (first === undefined || key === null) continue
    if (bindings.given.has(first.name)) bindings.stackKey = bindings.key(first.name)
    else if (bindings.stackKey === null) {
      bindings.stackKey = key
      bindings.keys.set(first.name, key)
    }
  }
}

function compareCapable(
  expected: MpCapableNode,
  actual: MpCapableNode,
  bindings: Bindings,
): string | null {
  const keyText = (key: KeyNode | undefined, value: bigint | null | undefined): string =>
    key === undefined ? 'no key' : `0x${(value ?? 0n).toString(16)}`
  const difference =
    differs('version', expected.version, actual.version) ??
    differs('mpcapable flags', hex(expected.flags), hex(actual.flags)) ??
    differs('keys', expected.keys.length, actual.keys.length)
  if (difference !== null) return difference
  for (let i = 0; i < expected.keys.length; i++) {
    const want = expected.keys[i]!
    const have = actual.keys[i]!
    const keys = differs(
      `key ${want.name}`,
      keyText(want, bindings.key(want.name)),
      keyText(have, have.value),
    )
    if (keys !== null) return keys
  }
  return (
    differs('mpcdatalen', expected.dataLength, actual.dataLength) ??
    compareChecksum(expected.checksum ?? 'none', actual.checksum ?? 'none', () =>
      checksumOf('auto', bindings.stackIdsn + 1n, 1, actual.dataLength ?? 0),
    )
  )
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`
}

function compareChecksum(
  expected: Checksum,
  actual: Checksum,
  right: () => number | null,
): string | null {
  if (expected === 'auto') {
    if (actual === 'none') return 'checksum: expected one, actual none'
    return differs('checksum', right(), actual)
  }
  return differs('checksum', expected, actual)
}

function compareJoinSyn(
  expected: MpJoinSynNode,
  actual: MpJoinSynNode,
  bindings: Bindings,
): string | null {
  const wanted =
    expected.token.kind === 'auto'
      ? bindings.peerKey === null
        ? null
        : BigInt(token(bindings.hashes, bindings.peerKey))
      : bindings.value(expected.token)
  return (
    differs('backup', expected.backup, actual.backup) ??
    (expected.addressId === null
      ? null
      : differs('address_id', expected.addressId, actual.addressId)) ??
    (wanted === null ? null : differs('token', wanted, bindings.value(actual.token))) ??
    (expected.nonce === null ? null : differs('rand', expected.nonce, actual.nonce))
  )
}

/** The stack's own: its key before the script's, its nonce before the script's. */
function compareHmac(
  expected: Value,
  actual: Value,
  bytes: number,
  { flow, bindings }: Comparison,
): string | null {
  let wanted: bigint
  const pair = bindings.keyPair(expected)
  if (expected.kind === 'auto' || pair !== null) {
    const nonces = [flow.stackNonce, flow.peerNonce] as const
    const hmac = joinHmac(bindings.hashes, pair ?? stackFirst(bindings), nonces)
    wanted = hexValue(hmac.subarray(0, bytes))
  } else wanted = bindings.value(expected)
  const text = (value: bigint): string => `0x${value.toString(16)}`
  return differs('sender_hmac', text(wanted), text(bindings.value(actual)))
}

/** A key that is not known yet counts as 0: nothing will be equal to what follows. */
function stackFirst({ stackKey, peerKey }: Bindings): Both<bigint> {
  return [stackKey ?? 0n, peerKey ?? 0n]
}

function compareDss(expected: DssNode, actual: DssNode, comparison: Comparison): string | null {
  const { bindings } = comparison
  const difference =
    differs('DATA_FIN', expected.fin, actual.fin) ??
    compareNumber('dack', expected.dataAck, actual.dataAck, bindings.peerIdsn, bindings) ??
    compareNumber('dsn', expected.dsn, actual.dsn, bindings.stackIdsn, bindings)
  if (difference !== null) return difference
  // ssn, dll and checksum are part of a mapping: beside a lone DATA_ACK they say nothing.
  if (expected.dsn === null) return null
  return (
    (expected.ssn === null ? null : differs('ssn', expected.ssn, actual.ssn)) ??
    (expected.dataLength === null
      ? null
      : differs('dll', expected.dataLength, actual.dataLength)) ??
    compareChecksum(expected.checksum, actual.checksum, () => rightChecksum(actual, comparison))
  )
}

function rightChecksum(actual: DssNode, { bindings }: Comparison): number | null {
  const relative = actual.dsn?.value ?? null
  if (relative === null) return null
  if (actual.dataLength === 0) return 0
  const dsn = bindings.stackIdsn + bindings.value(relative)
  return checksumOf('auto', dsn, actual.ssn ?? 0, actual.dataLength ?? 0)
}

/** `actual` is relative to `idsn`; a script may also have written an absolute number. */
function compareNumber(
  what: string,
  expected: DssNumber | null,
  actual: DssNumber | null,
  idsn: bigint,
  bindings: Bindings,
): string | null {
  if (expected === null && actual === null) return null
  const bytes = differs(`${what} bytes`, expected?.bytes ?? 0, actual?.bytes ?? 0)
  if (bytes !== null) return bytes
  const value = expected?.value ?? null
  if (value === null || value.kind === 'auto') return null
  const have = bindings.value(actual?.value as Value)
  const mask = expected?.bytes === 4 ? 0xffffffffn : 0xffffffffffffffffn
  const given = bindings.value(value)
  if (isRelative(value, given)) {
    return differs(`${what}${expected?.bytes}`, given & mask, have)
  }
  return differs(`${what}${expected?.bytes}`, given & mask, (have + idsn) & mask)
}

function compareAddAddress(
  expected: AddAddressNode,
  actual: AddAddressNode,
  bindings: Bindings,
): string | null {
  const { name, value } = expected.address
  const text = actual.address.value as string
  const live = parseAddress(text)
  const given = value === null ? null : parseAddress(value)
  const wanted = given ?? bindings.places.get(name)?.address ?? live
  const bytes = live === null ? new Uint8Array(4) : addressBytes(live)
  const difference =
    differs('addr_echo', expected.echo, actual.echo) ??
    (expected.addressId === null
      ? null
      : differs('address_id', expected.addressId, actual.addressId)) ??
    differs('port', expected.port, actual.port) ??
    differs(`addr[${name}]`, textOf(wanted), textOf(live))
  if (difference !== null) return difference
  if (expected.echo || expected.hmac === null) return null
  const right =
    expected.hmac.kind === 'auto'
      ? keyOfBytes(
          addressHmac(bindings.hashes, stackFirst(bindings), {
            id: actual.addressId ?? 0,
            address: bytes,
            port: actual.port ?? 0,
          }),
        )
      : bindings.value(expected.hmac)
  const have = actual.hmac === null ? 0n : bindings.value(actual.hmac)
  return differs('hmac', `0x${right.toString(16)}`, `0x${have.toString(16)}`)
}

function textOf(address: ReturnType<typeof parseAddress>): string {
  return address === null ? 'none' : Buffer.from(addressBytes(address)).join('.')
}

function compareFastclose(
  expected: MpFastcloseNode,
  actual: MpFastcloseNode,
  bindings: Bindings,
): string | null {
  const wanted =
    expected.key === null ? bindings.peerKey : bindings.key(expected.key.name) + expected.add
  const have = actual.key?.value ?? 0n
  if (wanted === null) return null
  return differs('key', `0x${wanted.toString(16)}`, `0x${have.toString(16)}`)
}
