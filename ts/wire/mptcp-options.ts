// The nine subtypes of TCP option 30, RFC 8684 §3, as one union. 64-bit data sequence numbers are two
// 32-bit words (high, low): no BigInt on the path of a data segment.

export const MP_CAPABLE = 0
export const MP_JOIN = 1
export const DSS = 2
export const ADD_ADDR = 3
export const REMOVE_ADDR = 4
export const MP_PRIO = 5
export const MP_FAIL = 6
export const MP_FASTCLOSE = 7
export const MP_TCPRST = 8

/** MP_TCPRST reasons, RFC 8684 §3.6. */
/** Flag T: what it was may pass. */
export const RESET_TRANSIENT = 1
/** Reasons. */
export const RESET_UNSPECIFIED = 0
export const RESET_MPTCP_ERROR = 1
export const RESET_NO_RESOURCES = 2
export const RESET_PROHIBITED = 3
export const RESET_TOO_MUCH_DATA = 4
export const RESET_UNACCEPTABLE_PERFORMANCE = 5
export const RESET_MIDDLEBOX = 6

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

export const DSS_DATA_FIN = 0x10
export const DSS_DSN_8 = 0x08
export const DSS_MAPPING = 0x04
export const DSS_DATA_ACK_8 = 0x02
export const DSS_DATA_ACK = 0x01

export const KEY_BYTES = 8
export const JOIN_SYN_ACK_HMAC_BYTES = 8
export const JOIN_ACK_HMAC_BYTES = 20
export const ADD_ADDR_HMAC_BYTES = 8

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

export function unknownSubtype(option: never): never {
  throw new RangeError(`unknown MPTCP option: ${JSON.stringify(option)}`)
}
