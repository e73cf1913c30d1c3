// MP_JOIN, RFC 8684 §3.2: proving, with nonces and the keys of the first handshake, that a new subflow
// belongs to a connection.

import type { HandshakeVerdict } from '../tcp/input.js'
import { MP_JOIN, type MpJoinOption } from '../wire/mptcp-options.js'
import type { Segment } from '../wire/segment.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { type Subflow, subflowCount } from './subflow.js'
import { equalBytes } from './token.js'

/** MP_TCPRST reasons, RFC 8684 §3.6. */
export const RESET_UNSPECIFIED = 0
export const RESET_MPTCP_ERROR = 1
export const RESET_NO_RESOURCES = 2
export const RESET_PROHIBITED = 3
export const RESET_TOO_MUCH_DATA = 4
export const RESET_UNACCEPTABLE_PERFORMANCE = 5
export const RESET_MIDDLEBOX = 6

export function mpJoinOf(segment: Segment): MpJoinOption | null {
  for (const option of segment.options.mptcp) if (option.subtype === MP_JOIN) return option
  return null
}

/** HMAC-A is the opener's, HMAC-B the other's. */
function computeHmac(
  context: Context,
  connection: Connection,
  own: 'local' | 'remote',
  localNonce: number,
  remoteNonce: number,
): Uint8Array {
  const remoteKey = connection.remoteKey as Uint8Array
  return own === 'local'
    ? context.core.joinHmac(connection.localKey, remoteKey, localNonce, remoteNonce)
    : context.core.joinHmac(remoteKey, connection.localKey, remoteNonce, localNonce)
}

/** Why a join may not be accepted now; null = it may. */
export function joinRefusal(context: Context, connection: Connection): number | null {
  if (connection.mode !== 'mptcp' || !connection.fullyEstablished) return RESET_PROHIBITED
  if (connection.detached && connection.snd.fin >= 0 && connection.rcv.finReached) {
    return RESET_PROHIBITED
  }
  return subflowCount(connection.subflows) >= context.config.maxSubflows ? RESET_PROHIBITED : null
}

/** Passive: the MP_JOIN SYN made this subflow; our HMAC for the SYN/ACK. */
export function joinSynArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  nonce: number,
  backup: boolean,
): void {
  subflow.remoteNonce = nonce
  subflow.remoteBackup = backup
  subflow.hmac = computeHmac(context, connection, 'local', subflow.localNonce, nonce)
}

/** Active: the SYN/ACK has come; false = its HMAC is wrong or missing. */
export function joinSynAckArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
  now: number,
): boolean {
  const option = mpJoinOf(segment)
  if (option === null || option.phase !== 'SYN/ACK') return false
  context.counters.MPJoinSynAckRx++
  const expected = computeHmac(context, connection, 'remote', subflow.localNonce, option.nonce)
  if (!equalBytes(option.hmac, expected.subarray(0, 8))) {
    context.counters.MPJoinSynAckHMacFailure++
    return false
  }
  subflow.remoteNonce = option.nonce
  subflow.remoteBackup = option.backup
  subflow.remoteAddressId = option.addressId
  subflow.hmac = computeHmac(context, connection, 'local', subflow.localNonce, option.nonce)
  subflow.thirdAckDeadline = now + subflow.tcb.rtt.rtoMs
  return true
}

/** Passive: does this segment complete the join? Only one with the right HMAC-A does. */
export function joinAckVerdict(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  segment: Segment,
): HandshakeVerdict {
  const option = mpJoinOf(segment)
  // Data that overtook the third ACK waits for it.
  if (option === null || option.phase !== 'ACK') return 'wait'
  context.counters.MPJoinAckRx++
  const expected = computeHmac(
    context,
    connection,
    'remote',
    subflow.localNonce,
    subflow.remoteNonce,
  )
  if (equalBytes(option.hmac, expected.subarray(0, 20))) return 'accept'
  context.counters.MPJoinAckHMacFailure++
  return 'refuse'
}

/** When the third ACK of an unconfirmed join goes out again. */
export function nextThirdAck(subflow: Subflow, now: number): number {
  subflow.thirdAckTries++
  return now + subflow.tcb.rtt.rtoMs * 2 ** Math.min(subflow.thirdAckTries, 6)
}
