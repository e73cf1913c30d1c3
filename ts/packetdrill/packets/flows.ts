// The TCP flows of a script and how its numbers stand to the stack's: the script counts from the ISNs,
// invents timestamps, and names no ports. One record a flow; flow-table.ts finds it.

import { type IpAddress, sameAddress } from '../../wire/address.js'

/** An address and a port of one end; null = the script did not say. */
export interface Place {
  readonly address: IpAddress | null
  readonly port: number
}

/** A port is 0 until it is known. */
export type FlowEnds = Pick<Flow, 'local' | 'localPort' | 'remote' | 'remotePort'>

export interface Flow {
  readonly id: number
  /** Flows of one connection have the same: the first one's id. */
  connection: number
  local: IpAddress
  localPort: number
  remote: IpAddress
  remotePort: number
  /** The script expects its first SYN; until it has come, the local port is not known. */
  awaitsSyn: 'connect' | 'join' | null
  /** ISNs: what the script wrote in the SYNs, and ours on the wire. The peer's are the same in both. */
  scriptIss: number
  liveIss: number
  isIssKnown: boolean
  irs: number
  isIrsKnown: boolean
  /** The script's TS val -> the stack's. */
  readonly timestamps: Map<number, number>
  /** First pair of them; null = none yet. */
  firstTimestamp: { script: number; live: number } | null
  /** MP_JOIN: nonces of both sides. */
  stackNonce: number
  peerNonce: number
  peerAddressId: number
  /** SSN after the last byte that the script mapped on it. */
  peerSsn: number
}

/** `id` is higher than those of the flows before. */
export function createFlow(id: number, ends: FlowEnds): Flow {
  return {
    id,
    connection: id,
    ...ends,
    awaitsSyn: null,
    scriptIss: 0,
    liveIss: 0,
    isIssKnown: false,
    irs: 0,
    isIrsKnown: false,
    timestamps: new Map(),
    firstTimestamp: null,
    stackNonce: 0,
    peerNonce: 0,
    peerAddressId: 0,
    peerSsn: 1,
  }
}

/** Whether a packet whose ends the script wrote so can be of this flow. */
export function fitsFlow(flow: Flow, local: Place, remote: Place): boolean {
  return (
    fits(local, flow.local, flow.localPort, flow.awaitsSyn !== null) &&
    fits(remote, flow.remote, flow.remotePort, flow.awaitsSyn === 'join')
  )
}

function fits(place: Place, address: IpAddress, port: number, isOpen: boolean): boolean {
  if (place.port !== 0 && port !== 0 && place.port !== port) return false
  if (place.address === null || sameAddress(place.address, address)) return true
  return isOpen && port === 0
}

/** The stack's wire number for a number of the script; in a SYN the script writes the ISN itself. */
export function liveSequence(flow: Flow, number: number, isSyn: boolean): number {
  return (number + flow.liveIss - (isSyn ? flow.scriptIss : 0)) >>> 0
}

export function scriptSequence(flow: Flow, number: number, isSyn: boolean): number {
  return (number - flow.liveIss + (isSyn ? flow.scriptIss : 0)) >>> 0
}

/** The same for the peer's numbers, whose ISN is the script's own. */
export function livePeerSequence(flow: Flow, number: number, isSyn: boolean): number {
  return (number + (isSyn ? 0 : flow.irs)) >>> 0
}

export function scriptPeerSequence(flow: Flow, number: number, isSyn: boolean): number {
  return (number - (isSyn ? 0 : flow.irs)) >>> 0
}
