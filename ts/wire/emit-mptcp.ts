// MPTCP options written to bytes. RFC 8684 §3.

import { writeU16, writeU32 } from './big-endian.js'
import {
  ADD_ADDR,
  ADD_ADDR_HMAC_BYTES,
  DSS,
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  DSS_DATA_FIN,
  DSS_DSN_8,
  DSS_MAPPING,
  type DssOption,
  KEY_BYTES,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  MPTCP_KIND,
  type MpCapableOption,
  type MpJoinOption,
  type MptcpOption,
  mptcpOptionLength,
  REMOVE_ADDR,
  unknownSubtype,
} from './mptcp-options.js'

/** Writes the option from its kind on, without padding, and returns its length. */
export function emitMptcpOption(option: MptcpOption, bytes: Uint8Array, at: number): number {
  const length = mptcpOptionLength(option)
  const head = option.subtype << 4
  bytes[at] = MPTCP_KIND
  bytes[at + 1] = length
  switch (option.subtype) {
    case DSS:
      bytes[at + 2] = head
      emitDss(option, bytes, at)
      break
    case MP_CAPABLE:
      bytes[at + 2] = head | option.version
      emitMpCapable(option, bytes, at)
      break
    case MP_JOIN:
      emitMpJoin(option, bytes, at)
      break
    case ADD_ADDR: {
      bytes[at + 2] = head | (option.echo ? 1 : 0)
      bytes[at + 3] = option.addressId
      bytes.set(option.address, at + 4)
      if (option.port !== null) writeU16(bytes, at + 4 + option.address.length, option.port)
      if (option.hmac !== null) bytes.set(option.hmac, at + length - ADD_ADDR_HMAC_BYTES)
      break
    }
    case REMOVE_ADDR:
      bytes[at + 2] = head
      bytes.set(option.addressIds, at + 3)
      break
    case MP_PRIO:
      bytes[at + 2] = head | (option.backup ? 1 : 0)
      if (option.addressId !== null) bytes[at + 3] = option.addressId
      break
    case MP_FAIL:
      bytes[at + 2] = head
      bytes[at + 3] = 0
      writeU32(bytes, at + 4, option.dsnHigh)
      writeU32(bytes, at + 8, option.dsnLow)
      break
    case MP_FASTCLOSE:
      bytes[at + 2] = head
      bytes[at + 3] = 0
      bytes.set(option.receiverKey, at + 4)
      break
    case MP_TCPRST:
      bytes[at + 2] = head | option.flags
      bytes[at + 3] = option.reason
      break
    default:
      unknownSubtype(option)
  }
  return length
}

function emitMpCapable(option: MpCapableOption, bytes: Uint8Array, at: number): void {
  bytes[at + 3] =
    (option.checksumRequired ? 0x80 : 0) |
    (option.extensibility ? 0x40 : 0) |
    (option.denyJoin ? 0x20 : 0) |
    option.algorithms
  let next = at + 4
  if (option.senderKey !== null) {
    bytes.set(option.senderKey, next)
    next += KEY_BYTES
  }
  if (option.receiverKey !== null) {
    bytes.set(option.receiverKey, next)
    next += KEY_BYTES
  }
  if (option.dataLength !== null) {
    writeU16(bytes, next, option.dataLength)
    next += 2
  }
  if (option.checksum !== null) writeU16(bytes, next, option.checksum)
}

function emitMpJoin(option: MpJoinOption, bytes: Uint8Array, at: number): void {
  const head = MP_JOIN << 4
  switch (option.phase) {
    case 'SYN':
      bytes[at + 2] = head | (option.backup ? 1 : 0)
      bytes[at + 3] = option.addressId
      writeU32(bytes, at + 4, option.token)
      writeU32(bytes, at + 8, option.nonce)
      break
    case 'SYN/ACK':
      bytes[at + 2] = head | (option.backup ? 1 : 0)
      bytes[at + 3] = option.addressId
      bytes.set(option.hmac, at + 4)
      writeU32(bytes, at + 12, option.nonce)
      break
    case 'ACK':
      bytes[at + 2] = head
      bytes[at + 3] = 0
      bytes.set(option.hmac, at + 4)
      break
    default:
      unknownSubtype(option)
  }
}

function emitDss(option: DssOption, bytes: Uint8Array, at: number): void {
  let bits = option.dataFin ? DSS_DATA_FIN : 0
  let next = at + 4
  if (option.dataAckBytes !== 0) {
    bits |= DSS_DATA_ACK
    if (option.dataAckBytes === 8) {
      bits |= DSS_DATA_ACK_8
      writeU32(bytes, next, option.dataAckHigh)
      next += 4
    }
    writeU32(bytes, next, option.dataAckLow)
    next += 4
  }
  if (option.dsnBytes !== 0) {
    bits |= DSS_MAPPING
    if (option.dsnBytes === 8) {
      bits |= DSS_DSN_8
      writeU32(bytes, next, option.dsnHigh)
      next += 4
    }
    writeU32(bytes, next, option.dsnLow)
    writeU32(bytes, next + 4, option.ssn)
    writeU16(bytes, next + 8, option.length)
    if (option.checksum !== null) writeU16(bytes, next + 10, option.checksum)
  }
  bytes[at + 3] = bits
}
