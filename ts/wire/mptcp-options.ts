// The nine subtypes of TCP option 30, RFC 8684 §3, as one union. 64-bit data sequence numbers are two
// 32-bit words (high, low): no BigInt on the path of a data segment.

import { copyBytes, readU16, readU32, writeU16, writeU32 } from './big-endian.js'
import { ACK, SYN } from './tcp-flags.js'

export const MP_CAPABLE = 0
export const MP_JOIN = 1
export const DSS = 2
export const ADD_ADDR = 3
export const REMOVE_ADDR = 4
export const MP_PRIO = 5
export const MP_FAIL = 6
export const MP_FASTCLOSE = 7
export const MP_TCPRST = 8

/** RFC 8684 §3.1. SYN: no keys. SYN/ACK: senderKey. ACK: both. ACK with data: both and dataLength. */
export interface MpCapableOption {
  subtype: typeof MP_CAPABLE
  version: number
  /** A: DSS checksums required. */
  checksumRequired: boolean
  /** B: must be 0; an option with it set is to be ignored. */
  extensibility: boolean
  /** C: no joins to this address and port. */
  denyJoin: boolean
  /** D to H, 5 bits; H (0x01) = HMAC-SHA256. */
  algorithms: number
  /** 8 bytes each. */
  senderKey: Uint8Array | null
  receiverKey: Uint8Array | null
  /** Data-level length of the first mapping; null = absent. */
  dataLength: number | null
  checksum: number | null
}

/** RFC 8684 §3.2, by the segment that carries it. */
export interface MpJoinSynOption {
  subtype: typeof MP_JOIN
  phase: 'SYN'
  backup: boolean
  addressId: number
  token: number
  nonce: number
}
export interface MpJoinSynAckOption {
  subtype: typeof MP_JOIN
  phase: 'SYN/ACK'
  backup: boolean
  addressId: number
  /** Leftmost 64 bits of HMAC-B, 8 bytes. */
  hmac: Uint8Array
  nonce: number
}
export interface MpJoinAckOption {
  subtype: typeof MP_JOIN
  phase: 'ACK'
  /** Leftmost 160 bits of HMAC-A, 20 bytes. */
  hmac: Uint8Array
}

/** RFC 8684 §3.3.1. */
export interface DssOption {
  subtype: typeof DSS
  dataFin: boolean
  /** Bytes of the DATA_ACK: 0 = absent, 4, or 8. */
  dataAckBytes: 0 | 4 | 8
  dataAckHigh: number
  dataAckLow: number
  /** Bytes of the DSN: 0 = no mapping, 4, or 8. */
  dsnBytes: 0 | 4 | 8
  dsnHigh: number
  dsnLow: number
  /** Relative to the subflow's ISN. */
  ssn: number
  /** Data-level length; 0 = infinite mapping. */
  length: number
  checksum: number | null
}

/** RFC 8684 §3.4.1. */
export interface AddAddrOption {
  subtype: typeof ADD_ADDR
  echo: boolean
  addressId: number
  /** 4 or 16 bytes. */
  address: Uint8Array
  /** null = absent. */
  port: number | null
  /** 8 bytes; null on an echo. */
  hmac: Uint8Array | null
}

/** RFC 8684 §3.4.2. */
export interface RemoveAddrOption {
  subtype: typeof REMOVE_ADDR
  addressIds: number[]
}

/** RFC 8684 §3.3.8. `addressId` is of version 0 (length 4); null in version 1. */
export interface MpPrioOption {
  subtype: typeof MP_PRIO
  backup: boolean
  addressId: number | null
}

/** RFC 8684 §3.7. */
export interface MpFailOption {
  subtype: typeof MP_FAIL
  dsnHigh: number
  dsnLow: number
}

/** RFC 8684 §3.5. */
export interface MpFastcloseOption {
  subtype: typeof MP_FASTCLOSE
  /** 8 bytes. */
  receiverKey: Uint8Array
}

/** RFC 8684 §3.6. */
export interface MpTcprstOption {
  subtype: typeof MP_TCPRST
  /** U, V, W, T from bit 3 to bit 0. */
  flags: number
  reason: number
}

export type MpJoinOption = MpJoinSynOption | MpJoinSynAckOption | MpJoinAckOption

export type MptcpOption =
  | MpCapableOption
  | MpJoinOption
  | DssOption
  | AddAddrOption
  | RemoveAddrOption
  | MpPrioOption
  | MpFailOption
  | MpFastcloseOption
  | MpTcprstOption

/** TCP option kind 30, RFC 8684 §8.1. */
export const MPTCP_KIND = 30

const DSS_DATA_FIN = 0x10
const DSS_DSN_8 = 0x08
const DSS_MAPPING = 0x04
const DSS_DATA_ACK_8 = 0x02
const DSS_DATA_ACK = 0x01

const KEY_BYTES = 8
const JOIN_SYN_ACK_HMAC_BYTES = 8
const JOIN_ACK_HMAC_BYTES = 20
const ADD_ADDR_HMAC_BYTES = 8

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

/** Bytes of the option from its kind on, without padding. */
export function mptcpOptionLength(option: MptcpOption): number {
  switch (option.subtype) {
    case DSS:
      return (
        4 +
        option.dataAckBytes +
        (option.dsnBytes === 0 ? 0 : option.dsnBytes + (option.checksum === null ? 6 : 8))
      )
    case MP_CAPABLE:
      return (
        4 +
        (option.senderKey === null ? 0 : KEY_BYTES) +
        (option.receiverKey === null ? 0 : KEY_BYTES) +
        (option.dataLength === null ? 0 : 2) +
        (option.checksum === null ? 0 : 2)
      )
    case MP_JOIN:
      return option.phase === 'SYN' ? 12 : option.phase === 'SYN/ACK' ? 16 : 24
    case ADD_ADDR:
      return (
        4 +
        option.address.length +
        (option.port === null ? 0 : 2) +
        (option.hmac === null ? 0 : ADD_ADDR_HMAC_BYTES)
      )
    case REMOVE_ADDR:
      return 3 + option.addressIds.length
    case MP_PRIO:
      return option.addressId === null ? 3 : 4
    case MP_FAIL:
    case MP_FASTCLOSE:
      return 12
    case MP_TCPRST:
      return 4
    default:
      return unknownSubtype(option)
  }
}

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

function unknownSubtype(option: never): never {
  throw new RangeError(`unknown MPTCP option: ${JSON.stringify(option)}`)
}
