// Which MPTCP options a segment carries: one table for the 40 bytes that a TCP header has. Timestamps
// take 12, a data DSS at most 28, so that SACK has no room beside data; a pure ACK with an 8-byte
// DATA_ACK has room for one block. What does not fit waits in `pendingOptions` for an ACK of its own.

import type { Outgoing } from '../tcp/output.js'
import type { Chunk } from '../tcp/tcb.js'
import { fold } from '../wire/ip.js'
import {
  ADD_ADDR,
  DSS,
  type DssOption,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  type MpCapableOption,
  type MptcpOption,
  mptcpOptionLength,
  REMOVE_ADDR,
} from '../wire/mptcp-options.js'
import { ACK } from '../wire/segment.js'
import { dsnHigh, dsnLow } from '../wire/seq.js'
import { type Connection, dataAck } from './connection.js'
import type { Context } from './context.js'
import { awaitsDataFinAck } from './data-state.js'
import { chainSum, pseudoHeaderSum } from './dss-checksum.js'
import type { Subflow } from './subflow.js'

/** How a chunk is announced on its segments. */
export const CHUNK_DSS = 0
/** The first data of the opener: MP_CAPABLE with both keys and the length (RFC 8684 §3.1). */
export const CHUNK_MP_CAPABLE = 1
/** An infinite mapping (§3.7). */
export const CHUNK_INFINITE = 2
/** Plain TCP: nothing. */
export const CHUNK_PLAIN = 3

/** Bytes that options take beside data in MPTCP mode: a DSS with two 8-byte numbers, padded. */
export const DATA_OPTION_BYTES = 28

/** What timestamps and a DATA_ACK of 8 bytes leave: a REMOVE_ADDR of more ids goes alone. */
const MOST_BEHIND_DATA_ACK = 40 - 12 - 12

const HMAC_SHA256 = 0x01

/** MP_CAPABLE without keys, as in a SYN. */
export function mpCapable(
  connection: Pick<Connection, 'checksum' | 'denyJoinLocal'>,
): MpCapableOption {
  return {
    subtype: MP_CAPABLE,
    version: 1,
    checksumRequired: connection.checksum,
    extensibility: false,
    denyJoin: connection.denyJoinLocal,
    algorithms: HMAC_SHA256,
    senderKey: null,
    receiverKey: null,
    dataLength: null,
    checksum: null,
  }
}

/** Options of a SYN or SYN/ACK. */
export function synOptions(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  flags: number,
  into: MptcpOption[],
): void {
  if (connection.mode === 'fallback') return
  const answering = (flags & ACK) !== 0
  if (subflow.kind === 'initial') {
    const option = mpCapable(connection)
    if (answering) option.senderKey = connection.localKey
    else {
      if (subflow.synsSent >= context.config.mpCapableSyns) {
        if (subflow.bareSyns++ === 0) context.counters.MPCapableSYNTXDrop++
        return
      }
      if (subflow.synsSent++ === 0) context.counters.MPCapableSYNTX++
    }
    into.push(option)
    return
  }
  if (answering) {
    into.push({
      subtype: MP_JOIN,
      phase: 'SYN/ACK',
      backup: subflow.localBackup,
      addressId: subflow.localAddressId,
      hmac: (subflow.hmac as Uint8Array).subarray(0, 8),
      nonce: subflow.localNonce,
    })
    return
  }
  if (subflow.synsSent++ === 0) context.counters.MPJoinSynTx++
  into.push({
    subtype: MP_JOIN,
    phase: 'SYN',
    backup: subflow.localBackup,
    addressId: subflow.localAddressId,
    token: connection.remoteToken,
    nonce: subflow.localNonce,
  })
}

/** Reused: a DSS is written out before the next one is made. */
const dss: DssOption = {
  subtype: DSS,
  dataFin: false,
  dataAckBytes: 8,
  dataAckHigh: 0,
  dataAckLow: 0,
  dsnBytes: 0,
  dsnHigh: 0,
  dsnLow: 0,
  ssn: 0,
  length: 0,
  checksum: null,
}

function dataAckOnly(context: Context, connection: Connection): DssOption {
  const ack = dataAck(context, connection)
  const { remoteIdsnHigh, remoteIdsnLow, rcv } = connection
  dss.dataFin = false
  dss.dataAckBytes = rcv.wideDsn ? 8 : 4
  dss.dataAckHigh = rcv.wideDsn ? dsnHigh(ack, remoteIdsnLow, remoteIdsnHigh) : 0
  dss.dataAckLow = dsnLow(ack, remoteIdsnLow)
  dss.dsnBytes = 0
  dss.dsnHigh = 0
  dss.dsnLow = 0
  dss.ssn = 0
  dss.length = 0
  dss.checksum = null
  return dss
}

function addDsn(connection: Connection, option: DssOption, dataOffset: number): void {
  const { localIdsnHigh, localIdsnLow } = connection
  option.dsnBytes = 8
  option.dsnHigh = dsnHigh(dataOffset, localIdsnLow, localIdsnHigh)
  option.dsnLow = dsnLow(dataOffset, localIdsnLow)
}

/** The DSS checksum of a chunk, RFC 8684 §3.3.1; its payload is summed once, on its way out. */
function chunkChecksum(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  chunk: Chunk,
): number {
  const length = chunk.end - chunk.start
  // A chunk of more than one segment: the sums of its segments are not enough.
  if (chunk.sum < 0) chunk.sum = chainSum(context.core, chunk.record, length)
  const sum = pseudoHeaderSum(
    connection.localIdsnHigh,
    connection.localIdsnLow,
    chunk.dataOffset,
    chunk.start - subflow.synDataSent,
    length,
    0,
  )
  return ~fold(sum + chunk.sum) & 0xffff
}

/** Options of a segment with data. */
export function dataOptions(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  outgoing: Outgoing,
  into: MptcpOption[],
): void {
  const chunk = outgoing.chunk as Chunk
  const length = chunk.end - chunk.start
  if (connection.mode === 'fallback' && chunk.kind !== CHUNK_INFINITE) return
  switch (chunk.kind) {
    case CHUNK_PLAIN:
      return
    case CHUNK_INFINITE: {
      const option = dataAckOnly(context, connection)
      addDsn(connection, option, chunk.dataOffset)
      option.ssn = (chunk.start - subflow.synDataSent) >>> 0
      option.length = 0
      if (connection.checksum) option.checksum = 0
      into.push(option)
      return
    }
    case CHUNK_MP_CAPABLE:
      if (!connection.fullyEstablished) {
        const option = mpCapable(connection)
        option.senderKey = connection.localKey
        option.receiverKey = connection.remoteKey
        option.dataLength = length
        if (connection.checksum) {
          option.checksum = chunkChecksum(context, connection, subflow, chunk)
        }
        into.push(option)
        return
      }
      break
    default:
      break
  }
  const option = dataAckOnly(context, connection)
  addDsn(connection, option, chunk.dataOffset)
  option.ssn = (chunk.start - subflow.synDataSent) >>> 0
  option.length = length
  if (connection.checksum) option.checksum = chunkChecksum(context, connection, subflow, chunk)
  into.push(option)
}

/** Whether our DATA_FIN should ride on what leaves now: all data is mapped, and it is not acked. */
export function isDataFinDue(connection: Connection): boolean {
  const { snd, state, mode } = connection
  return awaitsDataFinAck(state) && snd.nxt >= snd.fin && mode === 'mptcp'
}

/** Whether the peer has not proved yet that our keys have reached it. */
export function needsKeys(connection: Connection, subflow: Subflow): boolean {
  return subflow.opener && subflow.kind === 'initial' && !connection.fullyEstablished
}

/** Both keys, as the third ACK of the handshake carries them. */
export function keysOption(connection: Connection): MpCapableOption {
  const option = mpCapable(connection)
  option.senderKey = connection.localKey
  option.receiverKey = connection.remoteKey
  return option
}

/** Options of a segment without data, in a synchronised state. */
export function ackOptions(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  into: MptcpOption[],
): void {
  // As Linux: what answers from TIME-WAIT knows of TCP only.
  if (subflow.tcb.state === 'TIME-WAIT') return
  const pending = subflow.pendingOptions[0]
  if (connection.mode !== 'mptcp') {
    // The answer to a MP_FAIL is all that plain TCP still says (§3.7).
    if (pending !== undefined) {
      subflow.pendingOptions.shift()
      countSent(context, pending)
      into.push(pending)
    }
    return
  }
  if (pending !== undefined) {
    subflow.pendingOptions.shift()
    countSent(context, pending)
    // As Linux: MP_FAIL stands before the DATA_ACK, MP_PRIO and REMOVE_ADDR behind it where there is room, the
    // others go alone.
    const behind = pending.subtype === MP_PRIO || pending.subtype === REMOVE_ADDR
    if (behind && mptcpOptionLength(pending) <= MOST_BEHIND_DATA_ACK) {
      into.push(dataAckOnly(context, connection))
    }
    into.push(pending)
    if (pending.subtype === MP_FAIL) into.push(dataAckOnly(context, connection))
    return
  }
  if (subflow.opener && subflow.kind === 'join' && !subflow.confirmed) {
    into.push({
      subtype: MP_JOIN,
      phase: 'ACK',
      hmac: (subflow.hmac as Uint8Array).subarray(0, 20),
    })
    return
  } else if (needsKeys(connection, subflow) && !isDataFinDue(connection)) {
    into.push(keysOption(connection))
    return
  }
  const option = dataAckOnly(context, connection)
  if (isDataFinDue(connection)) {
    option.dataFin = true
    addDsn(connection, option, connection.snd.fin)
    option.ssn = 0
    option.length = 1
    if (connection.checksum) option.checksum = dataFinChecksum(connection)
  }
  into.push(option)
}

function dataFinChecksum(connection: Connection): number {
  const { localIdsnHigh, localIdsnLow, snd } = connection
  return ~fold(pseudoHeaderSum(localIdsnHigh, localIdsnLow, snd.fin, 0, 1, 0)) & 0xffff
}

/** Options of a RST. */
export function resetOptions(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  into: MptcpOption[],
): void {
  if (connection.mode !== 'mptcp') return
  if (subflow.fastclose && connection.remoteKey !== null) {
    context.counters.MPFastcloseTx++
    into.push({ subtype: MP_FASTCLOSE, receiverKey: connection.remoteKey })
    return
  }
  const fail = subflow.pendingOptions.find((option) => option.subtype === MP_FAIL)
  if (fail !== undefined) {
    countSent(context, fail)
    into.push(fail)
  }
  if (subflow.resetOwed !== null && subflow.resetOwed >= 0) {
    context.counters.MPRstTx++
    into.push({ subtype: MP_TCPRST, flags: 0, reason: subflow.resetOwed })
  }
}

function countSent(context: Context, option: MptcpOption): void {
  const { counters } = context
  switch (option.subtype) {
    case ADD_ADDR:
      if (option.echo) counters.EchoAddTx++
      else counters.AddAddrTx++
      break
    case REMOVE_ADDR:
      counters.RmAddrTx += option.addressIds.length
      break
    case MP_PRIO:
      counters.MPPrioTx++
      break
    case MP_FAIL:
      counters.MPFailTx++
      break
    default:
      break
  }
}
