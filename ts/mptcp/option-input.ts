// The MPTCP options of one acceptable segment: DATA_ACKs, mappings, the end of the data, addresses,
// priorities, failures. RFC 8684 §3.3 to §3.7. Leaves notes in the state, as input.ts does.

import { sequenceOffset } from '../tcp/input.js'
import { firstPending, oweAckNow } from '../tcp/receive.js'
import { windowOf } from '../tcp/window.js'
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
  type MpFailOption,
  REMOVE_ADDR,
  RESET_MIDDLEBOX,
  RESET_MPTCP_ERROR,
  RESET_UNSPECIFIED,
} from '../wire/mptcp-options.js'
import type { Segment } from '../wire/segment.js'
import { dataOffsetOf32, dataOffsetOf64, offsetOf } from '../wire/seq.js'
import { type Connection, receivedEnd } from './connection.js'
import type { Context } from './context.js'
import { fallBack, isStraight } from './fallback.js'
import { type Announced, addMapping } from './mapping.js'
import { pathFound } from './path-lost.js'
import { fullyEstablished } from './path-manager/events.js'
import { addAddrArrived, prioArrived, removeAddrArrived } from './path-manager/peer-addresses.js'
import { mappedOffset } from './receive-queue.js'
import { dataAcknowledged } from './send-queue.js'
import { hasFailed, type Subflow } from './subflow.js'
import { equalBytes } from './token.js'

/** The peer has all data before `ack`. */
export function dataAckArrives(context: Context, connection: Connection, ack: number): void {
  if (!dataAcknowledged(context, connection, ack)) return
  const { timers } = connection
  timers.retransmit = Number.POSITIVE_INFINITY
  timers.retransmitBackoff = 0
  timers.close = Number.POSITIVE_INFINITY
}

/** The MPTCP options of an acceptable segment, in their order. */
export function takeOptions(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): void {
  const { counters } = context
  for (const option of segment.options.mptcp) {
    switch (option.subtype) {
      case DSS:
        dssArrives(context, connection, subflow, segment, option, now)
        break
      case MP_CAPABLE:
        if (option.dataLength !== null && !subflow.opener && subflow.kind === 'initial') {
          subflow.sawDss = true
          // Its data has a DSN of 64 bits, though the option does not spell it out.
          connection.rcv.wideDsn = true
          const start = 1 + subflow.synDataReceived
          // It maps the bytes that it stands on, which are the first; on others it says nothing.
          if (sequenceOffset(subflow.tcb, segment) !== start) break
          takeMapping(context, connection, subflow, {
            start,
            end: start + option.dataLength,
            dataOffset: start,
            checksum: connection.checksum ? option.checksum : null,
            dataFin: false,
          })
        }
        break
      case ADD_ADDR:
        addAddrArrived(context, connection, subflow, option)
        break
      case REMOVE_ADDR:
        removeAddrArrived(context, connection, option)
        break
      case MP_PRIO:
        // With an address id it is RFC 6824's, of another version: ignored, as Linux does.
        if (option.addressId !== null) break
        prioArrived(context, connection, subflow, option)
        break
      case MP_FASTCLOSE:
        fastcloseArrives(context, connection, option.receiverKey)
        break
      case MP_FAIL:
        counters.MPFailRx++
        failArrives(context, connection, subflow, option)
        break
      case MP_TCPRST:
        // Counts on a RST only.
        break
      case MP_JOIN:
        if (option.phase === 'ACK' && !subflow.opener) oweAckNow(subflow.tcb)
        break
      default:
        option satisfies never
    }
    // A reset decided by one option makes the others moot.
    if (subflow.resetOwed !== null) return
  }
  if (subflow.kind === 'join' && subflow.opener && !subflow.confirmed) {
    // The fourth ACK: the peer has our HMAC (RFC 8684 §3.2).
    if (segment.options.mptcp.some((option) => option.subtype === DSS)) {
      subflow.confirmed = true
      pathFound(connection)
      subflow.thirdAckDeadline = Number.POSITIVE_INFINITY
    }
  }
}

function dssArrives(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  option: DssOption,
  now: number,
): void {
  subflow.sawDss = true
  if (!connection.fullyEstablished) fullyEstablished(connection)
  if (option.dataAckBytes !== 0) {
    const ack =
      option.dataAckBytes === 8
        ? dataOffsetOf64(
            option.dataAckHigh,
            option.dataAckLow,
            connection.localIdsnHigh,
            connection.localIdsnLow,
          )
        : dataOffsetOf32(option.dataAckLow, connection.localIdsnLow, connection.snd.una)
    if (ack >= 1 && ack <= connection.snd.nxt) {
      dataAckArrives(context, connection, ack)
      const window = windowOf(subflow.tcb, segment.window, segment.flags)
      if (ack + window > connection.snd.right) {
        connection.snd.right = ack + window
        // Linux acknowledges on the subflow, and drops, what it has no room for: once it has, that goes
        // at once, not when a timer that has backed off says.
        const { timers } = connection
        if (timers.retransmitBackoff > 0 && timers.retransmit !== Number.POSITIVE_INFINITY) {
          timers.retransmitBackoff = 0
          timers.retransmit = now
        }
      }
    }
  }
  if (option.dsnBytes === 0) return
  const dataOffset = mappedOffset(context, connection, option)
  if (dataOffset < 1) {
    context.counters.NoDSSInWindow++
    // What its bytes are will never be known.
    subflow.mappings.straight = false
    return
  }
  if (option.length === 0) {
    // Without data it maps nothing, and says nothing: as Linux, ignored.
    if (segment.payloadLength === 0) return
    infiniteMappingArrives(context, connection, subflow)
    return
  }
  if (option.dataFin && option.length === 1) {
    dataFinArrives(context, connection, dataOffset)
    // Said again: our DATA_ACK was lost.
    if (connection.rcv.finReached) oweAckNow(subflow.tcb)
    return
  }
  // RFC 8684 §3.3.2: a DSN of 8 bytes is answered with a DATA_ACK of 8. Deviates: as Linux, that of the
  // last mapping of data decides; a DATA_FIN alone does not.
  connection.rcv.wideDsn = option.dsnBytes === 8
  const length = option.length - (option.dataFin ? 1 : 0)
  const { synDataReceived } = subflow
  const start = offsetOf(option.ssn, 0, subflow.tcb.rcv.nxt - synDataReceived) + synDataReceived
  takeMapping(context, connection, subflow, {
    start,
    end: start + length,
    dataOffset,
    checksum: connection.checksum ? option.checksum : null,
    dataFin: option.dataFin,
  })
  if (option.dataFin) dataFinArrives(context, connection, dataOffset + length)
}

function takeMapping(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  announced: Announced,
): void {
  // An option that stands before this one may have made it plain TCP.
  if (subflow.tcb.rcv.released || connection.mode !== 'mptcp') return
  const { start, checksum } = announced
  if (start < 1 + subflow.synDataReceived || (connection.checksum && checksum === null)) {
    context.counters.DSSNoMatchTCP++
    subflow.resetOwed = RESET_MPTCP_ERROR
    return
  }
  const { buffer } = connection.rcv
  const verdict = addMapping(
    context,
    subflow.mappings,
    announced,
    firstPending(subflow.tcb),
    buffer,
  )
  switch (verdict) {
    case 'MAPPING_OK':
    case 'MAPPING_REPEATED':
    case 'MAPPING_OLD':
      break
    case 'MAPPING_CONFLICT':
    case 'MAPPING_TOO_MANY':
      context.counters.DSSNotMatching++
      subflow.resetOwed = RESET_MPTCP_ERROR
      break
    default:
      verdict satisfies never
  }
}

/** Where the peer's data ends; said again it must be the same place. */
function dataFinArrives(context: Context, connection: Connection, offset: number): void {
  const { rcv } = connection
  if (rcv.fin >= 0) return
  if (offset < receivedEnd(context, connection) || offset > rcv.right) {
    context.counters.NoDSSInWindow++
    return
  }
  rcv.fin = offset
}

function infiniteMappingArrives(context: Context, connection: Connection, subflow: Subflow): void {
  context.counters.InfiniteMapRx++
  // Of the last of several it says itself where it belongs.
  const isFirst = connection.nextSubflowId === 1
  if (isFirst ? !isStraight(context, connection, subflow) : connection.subflows.length > 1) {
    subflow.resetOwed = RESET_MPTCP_ERROR
    return
  }
  const failed = hasFailed(subflow) || subflow.checksumsVoid
  const reason = failed ? 'DSSCorruptionFallback' : 'DssFallback'
  fallBack(context, connection, subflow, reason)
}

/**
 * MP_FAIL on an ACK: the peer could not use our data's mapping (RFC 8684 §3.7). It is answered with the
 * same, and with an infinite mapping on the next data: without the answer Linux resets the subflow.
 */
function failArrives(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  option: MpFailOption,
): void {
  // Once another subflow has carried data, or this one something twice, no infinite mapping explains what is in
  // flight.
  if (connection.nextSubflowId > 1 || connection.snd.retransmits > 0) {
    subflow.resetOwed = RESET_MIDDLEBOX
    return
  }
  if (hasFailed(subflow)) {
    // The answer to ours. The infinite mapping comes with the peer's next data only, for which it may need
    // the DATA_ACK of what we have kept: until then that is taken, whatever its checksum.
    subflow.failDeadline = Number.POSITIVE_INFINITY
    subflow.checksumsVoid = true
    return
  }
  fallBack(context, connection, subflow, 'DSSCorruptionFallback')
  connection.snd.infiniteMappingOwed = true
  subflow.pendingOptions.push(option)
}

/** MP_FASTCLOSE, on an ACK or on a RST: with our key it ends the connection (§3.5). */
export function fastcloseArrives(context: Context, connection: Connection, key: Uint8Array): void {
  if (!equalBytes(key, connection.localKey)) {
    context.counters.MPFastcloseBadKey++
    return
  }
  context.counters.MPFastcloseRx++
  connection.error ??= 'ECONNRESET'
  for (const subflow of connection.subflows) subflow.resetOwed = RESET_UNSPECIFIED
}
