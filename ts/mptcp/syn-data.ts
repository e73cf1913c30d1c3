// Fast Open under MPTCP, RFC 8684 Appendix B: data in the SYN has a place in the subflow and in what the
// application reads, but no DSN, since the keys are not known yet. It lies before the IDSN. Deviates: as
// Linux, the subflow sequence numbers of DSS options do not count it either.
//
// So the data offset of the first byte is 1 as always, and the IDSN that offsets are counted from is moved
// back by the length of the SYN's data: the byte after it has the DSN of the key.

import { append as appendChunk } from '../tcp/chunk-queue.js'
import {
  acceptFastOpen,
  dropUnackedSynData,
  type FastOpenCache,
  offerFastOpen,
  optionForSyn,
  synCarries,
  synDataRoom,
  synDataTaken,
} from '../tcp/fast-open.js'
import { ackRides, textArrives } from '../tcp/receive.js'
import type { FastOpenOption, Segment } from '../wire/segment.js'
import { emittedLength, MAX_OPTION_BYTES, noOptions } from '../wire/tcp-options.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { setMptcpState } from './data-state.js'
import { readyToReceive } from './idle.js'
import { addMapping } from './mapping.js'
import { deliver } from './receive-queue.js'
import { CHUNK_PLAIN, mpCapable } from './segment-options.js'
import { append, slices } from './send-queue.js'
import type { Subflow } from './subflow.js'

/** Moves our IDSN, or the peer's, by `bytes`. */
function moveIdsn(connection: Connection, whose: 'local' | 'remote', bytes: number): void {
  const high = whose === 'local' ? connection.localIdsnHigh : connection.remoteIdsnHigh
  const low = whose === 'local' ? connection.localIdsnLow : connection.remoteIdsnLow
  const sum = low + bytes
  const newLow = sum >>> 0
  const newHigh = (high + Math.floor(sum / 2 ** 32)) >>> 0
  if (whose === 'local') {
    connection.localIdsnHigh = newHigh
    connection.localIdsnLow = newLow
  } else {
    connection.remoteIdsnHigh = newHigh
    connection.remoteIdsnLow = newLow
  }
}

/**
 * Whether a SYN has room for the cookie: a server may have given one of 16 bytes, which does not fit beside
 * timestamps and MP_CAPABLE. MPTCP is worth more than a round trip.
 */
function fits(context: Context, connection: Connection, option: FastOpenOption): boolean {
  const { config } = context
  const options = noOptions()
  options.mss = 0
  options.sackPermitted = config.sack
  options.windowScale = config.windowScaling ? 0 : null
  options.timestampValue = config.timestamps ? 0 : null
  options.fastOpen = option
  if (connection.mode !== 'fallback') options.mptcp.push(mpCapable(connection))
  return emittedLength(options) <= MAX_OPTION_BYTES
}

export interface FastOpenWish {
  /** What the application writes into the SYN; empty = it only asks for a cookie, or shows it. */
  data: Uint8Array
  /** Without a cookie: the SYN bears no option, and data all the same. */
  noCookie: boolean
}

/** Active: gives the SYN that will leave its option and its data; returns how many bytes it takes. */
export function synWithData(
  context: Context,
  cache: FastOpenCache,
  connection: Connection,
  subflow: Subflow,
  { data, noCookie }: FastOpenWish,
): number {
  const { tcb, path, remote } = subflow
  const server = cache.get(path.address, remote)
  let option: FastOpenOption | null = noCookie ? null : optionForSyn(server)
  if (option !== null && !fits(context, connection, option)) option = null
  offerFastOpen(tcb, option)
  if (!noCookie && (option === null || option.cookie.length === 0)) return 0
  const room = synDataRoom(tcb.rcv.mss, server?.mss ?? 0)
  const taken = append(context, connection, data.subarray(0, room))
  if (taken === 0) return 0
  const record = slices(context, connection, 1, taken)
  // Without memory for the slice it is data like any other, after the handshake.
  if (record === 0) return taken
  appendChunk(tcb, record, taken, 1, true, CHUNK_PLAIN)
  synCarries(tcb, taken)
  connection.snd.nxt = 1 + taken
  moveIdsn(connection, 'local', -taken)
  return taken
}

/**
 * Active: the SYN/ACK has come. What it does not acknowledge of the SYN's data becomes data like any other;
 * what it tells of Fast Open is remembered. RFC 7413 §4.1.3, §4.2.2.
 */
export function synDataAnswered(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
): void {
  const { tcb } = subflow
  const { counters } = context
  if (tcb.fastOpen === null) return
  const { option, dataBytes } = tcb.fastOpen
  if (option !== null || dataBytes > 0) {
    const { fastOpen, mss } = segment.options
    // A cookie that was not asked for is ignored.
    const cookie = option === null ? null : fastOpen
    const asked = option !== null && fastOpen === null && dataBytes === 0
    const isFirst = tcb.stats.retransmits === 0
    const ignored = asked && isFirst ? (option.experimental ? 2 : 1) : 0
    context.fastOpenCache.set(subflow.path.address, subflow.remote, mss ?? 536, cookie, ignored)
  }
  if (dataBytes === 0) return
  const acked = Math.max(0, tcb.snd.una - 1)
  if (acked < dataBytes) {
    counters.TcpExtTCPFastOpenActiveFail++
    dropUnackedSynData(tcb)
    connection.snd.nxt = 1 + acked
    moveIdsn(connection, 'local', dataBytes - acked)
    // The data follows at once, and is the third ACK.
    if (tcb.snd.right > tcb.snd.una) ackRides(tcb)
  } else {
    counters.TcpExtTCPFastOpenActive++
    synDataTaken(tcb)
  }
  subflow.synDataSent = acked
}

/**
 * Passive: the SYN's data is taken before the handshake is done, and the application may accept the
 * connection at once (RFC 7413 §4.2.1).
 */
export function takeSynData(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): void {
  const { tcb } = subflow
  const { payloadOffset, payloadLength } = segment
  // A cookie of the backup key is answered with one of the new.
  acceptFastOpen(tcb)
  // It is the application's from here on: that its keys or its third ACK are still to come, only MPTCP knows.
  setMptcpState(connection, 'M_ESTAB')
  if (connection.mode === 'fallback') {
    subflow.confirmed = true
    connection.snd.right = tcb.snd.right
  }
  if (payloadLength === 0) return
  // Without memory the SYN/ACK acknowledges the SYN alone, and the data comes again.
  if (!readyToReceive(context, connection, subflow)) return
  const chain = context.core.kernel.mptcp_payload_take(
    connection.rcv.account,
    0,
    payloadOffset,
    payloadLength,
    1,
    0,
    0,
    0,
  )
  if (chain === 0) return
  textArrives(tcb, chain, 1, payloadLength, now)
  const taken = tcb.rcv.nxt - 1
  if (taken <= 0) return
  if (taken === payloadLength) synDataTaken(tcb)
  connection.rcv.right = Math.max(connection.rcv.right, 1 + taken)
  // No more than the SYN/ACK can tell, or the first read would owe an update of it.
  connection.rcv.buffer = Math.min(connection.rcv.buffer, 0xffff)
  if (connection.mode !== 'fallback') {
    subflow.synDataReceived = taken
    const syn = { start: 1, end: 1 + taken, dataOffset: 1, checksum: null, dataFin: false }
    addMapping(context, subflow.mappings, syn, 1, connection.rcv.buffer)
  }
  deliver(context, connection, subflow)
}

/** Passive: the peer's key, and so its IDSN, is known now. */
export function remoteKeyAfterSynData(connection: Connection, subflow: Subflow): void {
  if (subflow.synDataReceived > 0) moveIdsn(connection, 'remote', -subflow.synDataReceived)
}
