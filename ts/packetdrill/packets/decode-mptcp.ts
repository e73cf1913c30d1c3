// MPTCP options of the stack's packets as nodes: DSNs and DATA_ACKs relative to the IDSNs, keys under
// the names that they are bound to.

import { addressFromBytes, formatAddress } from '../../wire/address.js'
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
import type { DssNumber, KeyNode, MptcpOptionNode, Position, Value } from '../language/ast.js'
import type { Bindings } from './bindings.js'
import { hexValue, keyOfBytes } from './keys.js'

/** The address of a node that no script wrote. */
export const NOWHERE: Position = { file: '', line: 0, column: 0 }

export function mptcpNodeOf(option: MptcpOption, bindings: Bindings): MptcpOptionNode {
  const position = NOWHERE
  switch (option.subtype) {
    case MP_CAPABLE:
      return mpCapableNode(option, bindings)
    case MP_JOIN:
      return joinNode(option)
    case DSS:
      return dssNode(option, bindings)
    case ADD_ADDR:
      return addAddressNode(option, bindings)
    case REMOVE_ADDR:
      return { kind: 'remove_address', position, addressIds: option.addressIds }
    case MP_PRIO:
      return { kind: 'mp_prio', position, backup: option.backup, addressId: option.addressId }
    case MP_FAIL: {
      const dsn = wide(option.dsnHigh, option.dsnLow) - bindings.peerIdsn
      return { kind: 'mp_fail', position, dsn: number(dsn & 0xffffffffffffffffn) }
    }
    case MP_FASTCLOSE: {
      const key = keyNode(option.receiverKey, bindings)
      return { kind: 'mp_fastclose', position, key, add: 0n }
    }
    case MP_TCPRST:
      return { kind: 'mp_reset', position, reason: option.reason, flags: option.flags }
    default:
      return option satisfies never
  }
}

export function number(value: bigint, hex = false): Value {
  return { kind: 'number', position: NOWHERE, value, hex }
}

function wide(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}

function keyNode(bytes: Uint8Array, bindings: Bindings): KeyNode {
  const value = keyOfBytes(bytes)
  for (const [name, bound] of bindings.keys) {
    if (bound === value) return { position: NOWHERE, name, value }
  }
  return { position: NOWHERE, name: 'unbound', value }
}

function mpCapableNode(option: MpCapableOption, bindings: Bindings): MptcpOptionNode {
  const keys = [option.senderKey, option.receiverKey]
    .filter((key) => key !== null)
    .map((key) => keyNode(key, bindings))
  return {
    kind: 'mpcapable',
    position: NOWHERE,
    version: option.version === 0 ? 0 : 1,
    flags:
      (option.checksumRequired ? 0x80 : 0) |
      (option.extensibility ? 0x40 : 0) |
      (option.denyJoin ? 0x20 : 0) |
      option.algorithms,
    keys,
    dataLength: option.dataLength,
    checksum: option.checksum,
  }
}

function joinNode(option: MpJoinOption): MptcpOptionNode {
  const position = NOWHERE
  switch (option.phase) {
    case 'SYN': {
      const { backup, addressId, nonce } = option
      const token = number(BigInt(option.token))
      return { kind: 'mp_join_syn', position, backup, addressId, token, nonce }
    }
    case 'SYN/ACK': {
      const { backup, addressId, nonce } = option
      const hmac = number(hexValue(option.hmac), true)
      return { kind: 'mp_join_syn_ack', position, backup, addressId, hmac, nonce }
    }
    case 'ACK':
      return { kind: 'mp_join_ack', position, hmac: number(hexValue(option.hmac), true) }
    default:
      return option satisfies never
  }
}

function dssNode(option: DssOption, bindings: Bindings): MptcpOptionNode {
  const hasMapping = option.dsnBytes !== 0
  return {
    kind: 'dss',
    position: NOWHERE,
    dataAck: relative(
      option.dataAckBytes,
      wide(option.dataAckHigh, option.dataAckLow),
      bindings.peerIdsn,
    ),
    dsn: relative(option.dsnBytes, wide(option.dsnHigh, option.dsnLow), bindings.stackIdsn),
    ssn: hasMapping ? option.ssn : null,
    dataLength: hasMapping ? option.length : null,
    checksum: option.checksum ?? 'none',
    fin: option.dataFin,
  }
}

function relative(bytes: 0 | 4 | 8, value: bigint, idsn: bigint): DssNumber | null {
  if (bytes === 0) return null
  const mask = bytes === 4 ? 0xffffffffn : 0xffffffffffffffffn
  return { bytes, value: number((value - idsn) & mask) }
}

function addAddressNode(option: AddAddrOption, bindings: Bindings): MptcpOptionNode {
  const text = formatAddress(addressFromBytes(option.address))
  let name = 'unbound'
  for (const [each, place] of bindings.places) {
    if (place.address !== null && formatAddress(place.address) === text) name = each
  }
  return {
    kind: 'add_address',
    position: NOWHERE,
    addressId: option.addressId,
    address: { position: NOWHERE, name, family: option.address.length === 4 ? 4 : 6, value: text },
    port: option.port,
    echo: option.echo,
    hmac: option.hmac === null ? null : number(hexValue(option.hmac), true),
  }
}
