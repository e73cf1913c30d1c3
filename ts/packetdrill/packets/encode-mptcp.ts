// MPTCP options of the script's packets, with what the script left to the runner: keys and what
// follows from them, numbers that continue, nonces, address ids, checksums.

import { addressBytes, parseAddress } from '../../wire/address.js'
import { headerSum } from '../../wire/ip.js'
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
} from '../../wire/mptcp-options.js'
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
} from '../language/ast.js'
import { BindingError, type Bindings } from './bindings.js'
import type { Carrier } from './carrier.js'
import { addressHmac, type Both, joinHmac, keyBytes, token } from './keys.js'

/** What the script's side says when its script does not: repeatable, and unlike anything of the stack's. */
const PEER_KEY = 0x0102030405060708n
const PEER_NONCE = 42

const WORD = 0xffffffffn

export function mptcpOptionOf(node: MptcpOptionNode, carrier: Carrier): MptcpOption {
  const { bindings } = carrier
  switch (node.kind) {
    case 'mpcapable':
      return mpCapable(node, carrier)
    case 'mp_join_syn':
      return joinSyn(node, carrier)
    case 'mp_join_syn_ack':
      return joinSynAck(node, carrier)
    case 'mp_join_ack':
      return joinAck(node, carrier)
    case 'dss':
      return dss(node, carrier)
    case 'add_address':
      return addAddress(node, carrier)
    case 'remove_address':
      return { subtype: REMOVE_ADDR, addressIds: [...node.addressIds] }
    case 'mp_prio':
      return { subtype: MP_PRIO, backup: node.backup, addressId: node.addressId }
    case 'mp_fail': {
      // It names data that its sender received: the stack's.
      const dsn =
        node.dsn === null
          ? bindings.stackIdsn + bindings.stackSent
          : absolute(bindings.stackIdsn, { bytes: 8, value: node.dsn }, 0n, bindings)
      return { subtype: MP_FAIL, dsnHigh: high(dsn), dsnLow: low(dsn) }
    }
    case 'mp_fastclose':
      return { subtype: MP_FASTCLOSE, receiverKey: keyBytes(fastcloseKey(node, bindings)) }
    case 'mp_reset':
      return { subtype: MP_TCPRST, flags: node.flags, reason: node.reason }
    default:
      return never(node)
  }
}

function fastcloseKey(node: MpFastcloseNode, bindings: Bindings): bigint {
  if (node.key !== null) return bindings.key(node.key.name) + node.add
  return known(bindings.stackKey, "the stack's key")
}

function mpCapable(node: MpCapableNode, { bindings }: Carrier): MpCapableOption {
  const [first, second] = node.keys
  if (first !== undefined) {
    if (bindings.given.has(first.name)) bindings.peerKey = bindings.key(first.name)
    else if (bindings.peerKey === null) {
      bindings.peerKey = PEER_KEY
      bindings.keys.set(first.name, PEER_KEY)
    }
  }
  const bytesOf = (key: KeyNode | undefined): Uint8Array | null =>
    key === undefined ? null : keyBytes(bindings.key(key.name))
  const { dataLength } = node
  if (dataLength !== null) bindings.peerSent = BigInt(1 + dataLength)
  const sum = dataLength === null ? null : { dsn: bindings.peerIdsn + 1n, ssn: 1 }
  return {
    subtype: MP_CAPABLE,
    version: node.version,
    checksumRequired: (node.flags & 0x80) !== 0,
    extensibility: (node.flags & 0x40) !== 0,
    denyJoin: (node.flags & 0x20) !== 0,
    algorithms: node.flags & 0x1f,
    senderKey: bytesOf(first),
    receiverKey: bytesOf(second),
    dataLength,
    checksum:
      node.checksum === null || sum === null
        ? null
        : checksumOf(node.checksum, sum.dsn, sum.ssn, dataLength as number),
  }
}

function joinSyn(node: MpJoinSynNode, { flow, bindings }: Carrier): MpJoinOption {
  flow.peerNonce = node.nonce ?? PEER_NONCE
  flow.peerAddressId = node.addressId ?? bindings.peerAddress(null, flow.remote).id
  const own = token(bindings.hashes, known(bindings.stackKey, "the stack's key"))
  return {
    subtype: MP_JOIN,
    phase: 'SYN',
    backup: node.backup,
    addressId: flow.peerAddressId,
    token: node.token.kind === 'auto' ? own : Number(bindings.value(node.token) & WORD),
    nonce: flow.peerNonce,
  }
}

function joinSynAck(node: MpJoinSynAckNode, carrier: Carrier): MpJoinOption {
  const { flow } = carrier
  flow.peerNonce = node.nonce ?? PEER_NONCE
  flow.peerAddressId = node.addressId ?? flow.peerAddressId
  return {
    subtype: MP_JOIN,
    phase: 'SYN/ACK',
    backup: node.backup,
    addressId: flow.peerAddressId,
    hmac: peerHmac(node, carrier, 8),
    nonce: flow.peerNonce,
  }
}

function joinAck(node: MpJoinAckNode, carrier: Carrier): MpJoinOption {
  return { subtype: MP_JOIN, phase: 'ACK', hmac: peerHmac(node, carrier, 20) }
}

function peerHmac(
  node: MpJoinSynAckNode | MpJoinAckNode,
  { flow, bindings }: Carrier,
  bytes: number,
): Uint8Array {
  const pair = bindings.keyPair(node.hmac) ?? peerFirst(bindings)
  if (node.hmac.kind !== 'auto' && bindings.keyPair(node.hmac) === null) {
    const text = (bindings.value(node.hmac) & ((1n << BigInt(8 * bytes)) - 1n)).toString(16)
    return Buffer.from(text.padStart(2 * bytes, '0'), 'hex')
  }
  return joinHmac(bindings.hashes, pair, [flow.peerNonce, flow.stackNonce]).subarray(0, bytes)
}

function peerFirst({ peerKey, stackKey }: Bindings): Both<bigint> {
  return [known(peerKey, "the script's key"), known(stackKey, "the stack's key")]
}

function dss(node: DssNode, { packet, flow, bindings }: Carrier): DssOption {
  const ack =
    node.dataAck === null
      ? 0n
      : absolute(bindings.stackIdsn, node.dataAck, bindings.stackSent, bindings)
  const payload = packet.sequence.length
  const length = node.dataLength ?? payload + (node.fin ? 1 : 0)
  const ssn = node.ssn ?? flow.peerSsn
  let dsn = 0n
  if (node.dsn !== null) {
    dsn = absolute(bindings.peerIdsn, node.dsn, bindings.peerSent, bindings)
    // A DSN of 4 bytes is summed with all its 8 (RFC 8684 §3.3.1).
    const full = (dsn - bindings.peerIdsn) & 0xffffffffffffffffn
    if (full + BigInt(length) > bindings.peerSent) bindings.peerSent = full + BigInt(length)
  }
  flow.peerSsn += payload + (node.fin ? 1 : 0)
  return {
    subtype: DSS,
    dataFin: node.fin,
    dataAckBytes: node.dataAck?.bytes ?? 0,
    dataAckHigh: high(ack),
    dataAckLow: low(ack),
    dsnBytes: node.dsn?.bytes ?? 0,
    dsnHigh: high(dsn),
    dsnLow: low(dsn),
    ssn,
    length,
    checksum: node.dsn === null ? null : checksumOf(node.checksum, dsn, ssn, length),
  }
}

/** A number of the script: relative to the IDSN, or what a function of it says. */
export function absolute(
  idsn: bigint,
  number: DssNumber,
  next: bigint,
  bindings: Bindings,
): bigint {
  const { value } = number
  if (value === null || value.kind === 'auto') return idsn + next
  const given = bindings.value(value)
  return isRelative(value, given) ? idsn + given : given
}

/** Plain numbers above 0 count from the IDSN; 0, and whatever was computed, stand for themselves. */
export function isRelative(value: NonNullable<DssNumber['value']>, given: bigint): boolean {
  return value.kind === 'number' && given > 0n
}

/** Of a mapping whose payload is zeros: they add nothing to the sum of the pseudo-header. */
export function checksumOf(
  wanted: Checksum,
  dsn: bigint,
  ssn: number,
  length: number,
): number | null {
  if (wanted === 'none') return null
  if (wanted !== 'auto') return wanted
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64BE(dsn & 0xffffffffffffffffn, 0)
  bytes.writeUInt32BE(ssn >>> 0, 8)
  bytes.writeUInt16BE(length, 12)
  return ~headerSum(bytes, 0, bytes.length) & 0xffff
}

function addAddress(node: AddAddressNode, { flow, bindings }: Carrier): AddAddrOption {
  const { name, value } = node.address
  const given = value === null ? null : parseAddress(value)
  let address = given ?? bindings.places.get(name)?.address ?? null
  const made = node.echo && address !== null ? null : bindings.peerAddress(node.addressId, address)
  address ??= made?.address ?? null
  if (address === null) throw new BindingError(`no packet has bound the address '${name}' yet`)
  bindings.places.set(name, {
    address,
    port: node.port ?? (node.echo ? flow.localPort : flow.remotePort),
  })
  const id = node.addressId ?? made?.id ?? 0
  const bytes = addressBytes(address)
  return {
    subtype: ADD_ADDR,
    echo: node.echo,
    addressId: id,
    address: bytes,
    port: node.port,
    hmac: node.echo ? null : announcedHmac(node, bindings, id, bytes),
  }
}

function announcedHmac(
  node: AddAddressNode,
  bindings: Bindings,
  id: number,
  address: Uint8Array,
): Uint8Array {
  if (node.hmac !== null && node.hmac.kind !== 'auto') return keyBytes(bindings.value(node.hmac))
  const announced = { id, address, port: node.port ?? 0 }
  return addressHmac(bindings.hashes, peerFirst(bindings), announced)
}

function known(key: bigint | null, what: string): bigint {
  if (key === null) throw new BindingError(`no packet has carried ${what} yet`)
  return key
}

function high(value: bigint): number {
  return Number((value >> 32n) & WORD)
}

function low(value: bigint): number {
  return Number(value & WORD)
}

function never(node: never): never {
  throw new BindingError(`unknown option ${JSON.stringify(node)}`)
}
