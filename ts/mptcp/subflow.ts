// One subflow: a TCP connection on one path and what MPTCP must know of it. It never points back to
// its connection: whoever needs both is given both.

import type { Tcb } from '../tcp/tcb.js'
import type { IpAddress } from '../wire/address.js'
import type { MptcpOption } from '../wire/mptcp-options.js'
import type { LocalPath } from './local-path.js'
import { createMappingQueue, type MappingQueue } from './mapping.js'

export interface Subflow {
  /** Counts up within the connection; the initial subflow is 0. */
  readonly id: number
  readonly tcb: Tcb
  readonly kind: 'initial' | 'join'
  /** We sent the SYN. */
  readonly opener: boolean
  readonly path: LocalPath
  readonly localPort: number
  readonly remote: IpAddress
  readonly remotePort: number
  localAddressId: number
  remoteAddressId: number
  localNonce: number
  remoteNonce: number
  /** HMAC that the SYN/ACK of a MP_JOIN carries, or the third ACK; 32 bytes. */
  hmac: Uint8Array | null
  localBackup: boolean
  remoteBackup: boolean
  /** Data may be sent: for the opener of a join, once its third ACK was acknowledged (§3.2). */
  confirmed: boolean
  /** When the unconfirmed third ACK goes out again; Infinity = it need not. */
  thirdAckDeadline: number
  thirdAckTries: number
  /** It is given up then. */
  thirdAckUntil: number
  /** Taken out of use after a timeout, while others work. */
  stale: boolean
  /** Signs of life asked for since it became so. Bounded: intervals double. */
  staleProbes: number
  /** When a stale subflow is next asked for a sign of life; Infinity = it is not stale. */
  staleProbeDeadline: number
  /** While it is stale: from when on an answer makes it repeat what it has. */
  repeatsFrom: number
  readonly mappings: MappingQueue
  /** A DSS was seen on it. */
  sawDss: boolean
  /**
   * Options that wait for an ACK of their own: ADD_ADDR, REMOVE_ADDR, MP_PRIO, MP_FAIL.
   * Bounded: one for each address or event of the path manager, which bounds them.
   */
  readonly pendingOptions: MptcpOption[]
  /** A RST must leave, with this MP_TCPRST reason (-1 = without MP_TCPRST); null = none. */
  resetOwed: number | null
  /**
   * We have said MP_FAIL and keep the bytes: until when the peer may answer with an infinite mapping;
   * Infinity = nothing failed.
   */
  failDeadline: number
  /** When bytes without a mapping are given up waiting for; Infinity = there are none. */
  unmappedDeadline: number
  /** Both sides have said MP_FAIL: what comes before the infinite mapping is taken without checksum. */
  checksumsVoid: boolean
  /** In plain TCP since the middle: whether the peer knows (doubt.ts); null = it does. */
  doubt: Doubt | null
  /** The RST carries MP_FASTCLOSE. */
  fastclose: boolean
  /** Payload bytes that left for the first time at the data level. */
  dataBytesSent: number
  /** SYNs sent with MP_CAPABLE. */
  synsSent: number
  /** SYNs sent without it, after those. */
  bareSyns: number
  /** Bytes of Fast Open data in our SYN, once acknowledged, and in the peer's: SSNs count from behind them. */
  synDataSent: number
  synDataReceived: number
  /** The reason of the MP_TCPRST that ended it; null = there was none. */
  resetReason: number | null
  /** Its flag T: what ended it may pass. */
  resetTransient: boolean
}

/** Whether a peer knows that this is plain TCP (doubt.ts). */
export interface Doubt {
  /** The beginning of the first data, and where it stands; null while none has come. Bounded: one segment. */
  first: { readonly bytes: Uint8Array; readonly sequence: number } | null
  /** When it is over; Infinity while no data has come. */
  until: number
}

export interface SubflowOptions {
  id: number
  tcb: Tcb
  kind: 'initial' | 'join'
  opener: boolean
  path: LocalPath
  localPort: number
  remote: IpAddress
  remotePort: number
  localAddressId: number
  remoteAddressId: number
  localNonce: number
  backup: boolean
  /** Plain TCP from byte 1. */
  plain: boolean
}

export function createSubflow(options: SubflowOptions): Subflow {
  return {
    id: options.id,
    tcb: options.tcb,
    kind: options.kind,
    opener: options.opener,
    path: options.path,
    localPort: options.localPort,
    remote: options.remote,
    remotePort: options.remotePort,
    localAddressId: options.localAddressId,
    remoteAddressId: options.remoteAddressId,
    localNonce: options.localNonce,
    remoteNonce: 0,
    hmac: null,
    localBackup: options.backup,
    remoteBackup: false,
    confirmed: false,
    thirdAckDeadline: Number.POSITIVE_INFINITY,
    thirdAckTries: 0,
    thirdAckUntil: Number.POSITIVE_INFINITY,
    stale: false,
    staleProbes: 0,
    staleProbeDeadline: Number.POSITIVE_INFINITY,
    repeatsFrom: 0,
    mappings: createMappingQueue(options.plain),
    sawDss: false,
    pendingOptions: [],
    resetOwed: null,
    failDeadline: Number.POSITIVE_INFINITY,
    unmappedDeadline: Number.POSITIVE_INFINITY,
    checksumsVoid: false,
    doubt: null,
    fastclose: false,
    dataBytesSent: 0,
    synsSent: 0,
    bareSyns: 0,
    synDataSent: 0,
    synDataReceived: 0,
    resetReason: null,
    resetTransient: false,
  }
}

/** Whether it counts for closing, DATA_ACKs and windows: opened, and not reset. */
export function isLive(subflow: Subflow): boolean {
  switch (subflow.tcb.state) {
    case 'CLOSED':
    case 'LISTEN':
    case 'SYN-SENT':
    case 'SYN-RECEIVED':
    case 'TIME-WAIT':
      return false
    default:
      return true
  }
}

/** Subflows beside the initial one that count against the limit: open or being opened, not being reset. */
export function extraSubflows(subflows: readonly Subflow[]): number {
  return subflows.filter(
    (each) =>
      each.kind === 'join' &&
      each.resetOwed === null &&
      (isLive(each) || each.tcb.state.startsWith('SYN')),
  ).length
}

/** How many more may be opened; where none is left the first may be opened anew, whatever the limit. */
export function subflowRoom(subflows: readonly Subflow[], limit: number): number {
  return Math.max(subflows.length === 0 ? 1 : 0, limit - 1 - extraSubflows(subflows))
}

/** Whether new data may be given to it. */
export function canCarryData(subflow: Subflow): boolean {
  const { state, snd, fastOpen } = subflow.tcb
  const isOpen =
    state === 'ESTABLISHED' ||
    state === 'CLOSE-WAIT' ||
    (state === 'SYN-RECEIVED' && fastOpen !== null && fastOpen.accepted)
  return isOpen && subflow.confirmed && snd.fin < 0
}

/** Backup by either side's word. */
export function isBackup(subflow: Subflow): boolean {
  return subflow.localBackup || subflow.remoteBackup
}

/** Whether a mapping failed here and the peer has not answered yet. */
export function hasFailed(subflow: Subflow): boolean {
  return subflow.failDeadline !== Number.POSITIVE_INFINITY
}
