// MPTCP options read from bytes: a value, or null for what is not well-formed. RFC 8684 §3.

import { copyBytes, readU16, readU32 } from './big-endian.js'
import {
  ADD_ADDR,
  ADD_ADDR_HMAC_BYTES,
  type AddAddrOption,
  DSS,
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  DSS_DATA_FIN,
  DSS_DSN_8,
  DSS_MAPPING,
  type DssOption,
  JOIN_ACK_HMAC_BYTES,
  JOIN_SYN_ACK_HMAC_BYTES,
  KEY_BYTES,
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
} from './mptcp-options.js'
import { ACK, SYN } from './tcp-flags.js'

/**
 * The option at `at`, whose kind is 30 and whose `length` bytes are there; null if its length is not
 * exactly what its subtype asks for, or the subtype is unknown. The SYN and ACK bits of the segment's
 * `flags` decide which of the forms of MP_CAPABLE and MP_JOIN it has to be.
 */
export function parseMptcpOption(
  bytes: Uint8Array,
  at: number,
  length: number,
  flags: number,
): MptcpOption | null {
  if (length < 3) return null
  const low = bytes[at + 2]! & 0x0f
  switch (bytes[at + 2]! >> 4) {
    case DSS:
      return parseDss(bytes, at, length)
    case MP_CAPABLE:
      return parseMpCapable(bytes, at, length, flags)
    case MP_JOIN:
      return parseMpJoin(bytes, at, length, flags)
    case ADD_ADDR:
      return parseAddAddr(bytes, at, length)
    case REMOVE_ADDR:
      if (length < 4) return null
      return { subtype: REMOVE_ADDR, addressIds: Array.from(copyBytes(bytes, at + 3, length - 3)) }
    case MP_PRIO:
      if (length !== 3 && length !== 4) return null
      return {
        subtype: MP_PRIO,
        backup: (low & 1) !== 0,
        addressId: length === 4 ? bytes[at + 3]! : null,
      }
    case MP_FAIL:
      if (length !== 12) return null
      return { subtype: MP_FAIL, dsnHigh: readU32(bytes, at + 4), dsnLow: readU32(bytes, at + 8) }
    case MP_FASTCLOSE:
      if (length !== 12) return null
      return { subtype: MP_FASTCLOSE, receiverKey: copyBytes(bytes, at + 4, KEY_BYTES) }
    case MP_TCPRST:
      if (length !== 4) return null
      return { subtype: MP_TCPRST, flags: low, reason: bytes[at + 3]! }
    default:
      return null
  }
}

function parseMpCapable(
  bytes: Uint8Array,
  at: number,
  length: number,
  flags: number,
): MpCapableOption | null {
  if (length < 4) return null
  const version = bytes[at + 2]! & 0x0f
  const syn = (flags & SYN) !== 0
  const ack = (flags & ACK) !== 0
  // Of another version only the head is common ground: enough to answer with our own, §3.1.
  let keys = 0
  if (version === 1) {
    if (syn && length !== (ack ? 12 : 4)) return null
    if (!syn && length !== 20 && length !== 22 && length !== 24) return null
    keys = syn ? (ack ? 1 : 0) : 2
  } else if (version === 0 && length !== (syn ? 12 : 20)) {
    return null
  }
  const bits = bytes[at + 3]!
  return {
    subtype: MP_CAPABLE,
    version,
    checksumRequired: (bits & 0x80) !== 0,
    extensibility: (bits & 0x40) !== 0,
    denyJoin: (bits & 0x20) !== 0,
    algorithms: bits & 0x1f,
    senderKey: keys > 0 ? copyBytes(bytes, at + 4, KEY_BYTES) : null,
    receiverKey: keys > 1 ? copyBytes(bytes, at + 12, KEY_BYTES) : null,
    dataLength: keys > 1 && length > 20 ? readU16(bytes, at + 20) : null,
    checksum: keys > 1 && length > 22 ? readU16(bytes, at + 22) : null,
  }
}

function parseMpJoin(
  bytes: Uint8Array,
  at: number,
  length: number,
  flags: number,
): MpJoinOption | null {
  const syn = (flags & SYN) !== 0
  const ack = (flags & ACK) !== 0
  if (syn && !ack && length === 12) {
    return {
      subtype: MP_JOIN,
      phase: 'SYN',
      backup: (bytes[at + 2]! & 1) !== 0,
      addressId: bytes[at + 3]!,
      token: readU32(bytes, at + 4),
      nonce: readU32(bytes, at + 8),
    }
  }
  if (syn && ack && length === 16) {
    return {
      subtype: MP_JOIN,
      phase: 'SYN/ACK',
      backup: (bytes[at + 2]! & 1) !== 0,
      addressId: bytes[at + 3]!,
      hmac: copyBytes(bytes, at + 4, JOIN_SYN_ACK_HMAC_BYTES),
      nonce: readU32(bytes, at + 12),
    }
  }
  if (!syn && ack && length === 24) {
    return {
      subtype: MP_JOIN,
      phase: 'ACK',
      hmac: copyBytes(bytes, at + 4, JOIN_ACK_HMAC_BYTES),
    }
  }
  return null
}

function parseDss(bytes: Uint8Array, at: number, length: number): DssOption | null {
  if (length < 4) return null
  const bits = bytes[at + 3]!
  const dataAckBytes = (bits & DSS_DATA_ACK) === 0 ? 0 : (bits & DSS_DATA_ACK_8) === 0 ? 4 : 8
  const dsnBytes = (bits & DSS_MAPPING) === 0 ? 0 : (bits & DSS_DSN_8) === 0 ? 4 : 8
  const unsummed = 4 + dataAckBytes + (dsnBytes === 0 ? 0 : dsnBytes + 6)
  const summed = dsnBytes !== 0 && length === unsummed + 2
  if (length !== unsummed && !summed) return null
  const mapping = at + 4 + dataAckBytes
  const tail = mapping + dsnBytes
  return {
    subtype: DSS,
    dataFin: (bits & DSS_DATA_FIN) !== 0,
    dataAckBytes,
    dataAckHigh: dataAckBytes === 8 ? readU32(bytes, at + 4) : 0,
    dataAckLow: dataAckBytes === 0 ? 0 : readU32(bytes, mapping - 4),
    dsnBytes,
    dsnHigh: dsnBytes === 8 ? readU32(bytes, mapping) : 0,
    dsnLow: dsnBytes === 0 ? 0 : readU32(bytes, tail - 4),
    ssn: dsnBytes === 0 ? 0 : readU32(bytes, tail),
    length: dsnBytes === 0 ? 0 : readU16(bytes, tail + 4),
    checksum: summed ? readU16(bytes, tail + 6) : null,
  }
}

function parseAddAddr(bytes: Uint8Array, at: number, length: number): AddAddrOption | null {
  const echo = (bytes[at + 2]! & 1) !== 0
  const hmacBytes = echo ? 0 : ADD_ADDR_HMAC_BYTES
  const rest = length - 4 - hmacBytes
  // Family and port are told by the length alone, §3.4.1.
  if (rest !== 4 && rest !== 6 && rest !== 16 && rest !== 18) return null
  const addressLength = rest < 16 ? 4 : 16
  return {
    subtype: ADD_ADDR,
    echo,
    addressId: bytes[at + 3]!,
    address: copyBytes(bytes, at + 4, addressLength),
    port: rest > addressLength ? readU16(bytes, at + 4 + addressLength) : null,
    hmac: echo ? null : copyBytes(bytes, at + length - ADD_ADDR_HMAC_BYTES, ADD_ADDR_HMAC_BYTES),
  }
}
