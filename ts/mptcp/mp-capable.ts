// MP_CAPABLE, RFC 8684 §3.1: the handshake of the initial subflow in both roles, and the decision that
// it is plain TCP after all.

import type { HandshakeVerdict } from '../tcp/input.js'
import { DSS, MP_CAPABLE, type MpCapableOption } from '../wire/mptcp-options.js'
import type { Segment } from '../wire/segment.js'
import { blackholeGone, blackholeSeen } from './blackhole.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { fallBack } from './fallback.js'
import { takeRemoteKey } from './open.js'
import type { Subflow } from './subflow.js'
import { remoteKeyAfterSynData } from './syn-data.js'
import { equalBytes } from './token.js'

const VERSION = 1
const HMAC_SHA256 = 0x01

/** The MP_CAPABLE of a segment, if it is one that we speak. */
export function mpCapableOf(segment: Segment): MpCapableOption | null {
  for (const option of segment.options.mptcp) {
    if (option.subtype !== MP_CAPABLE) continue
    // §3.1: with B set, or without a common algorithm, the option is as if absent.
    if (option.version !== VERSION || option.extensibility) return null
    if ((option.algorithms & HMAC_SHA256) === 0) return null
    return option
  }
  return null
}

/** Flags that hold for the whole connection. */
function takeFlags(connection: Connection, option: MpCapableOption): void {
  // §3.1: checksums are used if either side asks.
  connection.checksum ||= option.checksumRequired
  connection.denyJoinInitial ||= option.denyJoin
}

/** Passive: a SYN with MP_CAPABLE made this connection. */
export function synWithCapable(
  context: Context,
  connection: Connection,
  option: MpCapableOption,
): void {
  context.counters.MPCapableSYNRX++
  takeFlags(connection, option)
}

/** Active: the SYN/ACK has come. */
export function synAckArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): void {
  const option = mpCapableOf(segment)
  if (option === null || option.senderKey === null) {
    if (subflow.bareSyns === 1) blackholeSeen(context, now)
    fallBack(context, connection, subflow, 'MPCapableFallbackSYNACK')
    return
  }
  blackholeGone(context)
  context.counters.MPCapableSYNACKRX++
  takeFlags(connection, option)
  takeRemoteKey(context, connection, option.senderKey)
  connection.mode = 'mptcp'
}

/**
 * Passive: does this segment complete the handshake? Keys must be right where they stand; without
 * MP_CAPABLE it is plain TCP (§3.7).
 */
export function thirdAckVerdict(connection: Connection, segment: Segment): HandshakeVerdict {
  const option = mpCapableOf(segment)
  if (option === null || option.senderKey === null || option.receiverKey === null) {
    // A DSS without keys: the peer speaks MPTCP, and its keys were lost or overtaken. They come again; but data that
    // nothing maps is plain TCP's.
    const { payloadLength } = segment
    const waits = segment.options.mptcp.some(
      (each) => each.subtype === DSS && (payloadLength === 0 || each.dsnBytes > 0),
    )
    return waits ? 'wait' : 'accept'
  }
  // A third ACK with another receiver's key is not of this connection.
  return equalBytes(option.receiverKey, connection.localKey) ? 'accept' : 'refuse'
}

/** Passive: the handshake is complete. */
export function thirdAckArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
): void {
  const option = mpCapableOf(segment)
  if (option === null || option.senderKey === null) {
    fallBack(context, connection, subflow, 'MPCapableFallbackACK')
    return
  }
  context.counters.MPCapableACKRX++
  takeFlags(connection, option)
  takeRemoteKey(context, connection, option.senderKey)
  remoteKeyAfterSynData(connection, subflow)
  connection.mode = 'mptcp'
  connection.fullyEstablished = true
}
