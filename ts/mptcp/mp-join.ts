// MP_JOIN, RFC 8684 §3.2: proving, with nonces and the keys of the first handshake, that a new subflow
// belongs to a connection.

import type { HandshakeVerdict } from '../tcp/input.js'
import { sameAddress } from '../wire/address.js'
import { MP_JOIN, type MpJoinOption, RESET_PROHIBITED } from '../wire/mptcp-options.js'
import type { Segment } from '../wire/segment.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { type Subflow, subflowRoom } from './subflow.js'
import { equalBytes } from './token.js'

/** Third ACKs that go out again at even intervals, and the least of these, for round trips of nothing. */
const EVEN_THIRD_ACKS = 3
const LEAST_THIRD_ACK_MS = 20
const MOST_THIRD_ACK_MS = 3000
/** When the peer has given it up: its SYN/ACK by Linux's tcp_synack_retries, from a second on. */
const THIRD_ACKS_MS = 63_000

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

/** Our HMAC of a join, of which nothing else is known yet. */
export function joinHmacOf(
  context: Context,
  connection: Connection,
  localNonce: number,
  remoteNonce: number,
): Uint8Array {
  return computeHmac(context, connection, 'local', localNonce, remoteNonce)
}

/**
 * Whether a subflow may be opened from here: the peer has our key, and there is data to go or to come.
 * Deviates: Linux opens none once the application has shut its sending side, however much is still queued.
 */
export function mayOpenJoin(connection: Connection): boolean {
  const { mode, fullyEstablished, snd, rcv, detached, lostAddress } = connection
  if (mode !== 'mptcp' || !fullyEstablished) return false
  // What has left may have to go again, and our DATA_FIN with it.
  if (lostAddress) return true
  return snd.fin < 0 || snd.nxt < snd.fin || !(rcv.finReached || detached)
}

/** Why a join may not be accepted now; null = it may. */
export function joinRefusal(
  context: Context,
  connection: Connection,
  segment: Segment,
): number | null {
  if (connection.mode !== 'mptcp' || !connection.fullyEstablished) return RESET_PROHIBITED
  const { detached, snd, rcv } = connection
  if (detached && snd.fin >= 0 && snd.una > snd.fin && rcv.finReached) return RESET_PROHIBITED
  const family = segment.source.family === 4 ? 'ipv4' : 'ipv6'
  if (connection.families !== 'both' && connection.families !== family) return RESET_PROHIBITED
  const { counters } = context
  const { pathManager } = connection
  const { destination, destinationPort: port } = segment
  const isFirst = pathManager.local !== null && sameAddress(destination, pathManager.local)
  if (port === pathManager.localPort) {
    // §3.1, flag C: we have said that we would not.
    if (connection.denyJoinLocal && isFirst) return RESET_PROHIBITED
  } else {
    const announced = pathManager.announcements.some(
      (each) => each.port === port && sameAddress(each.address, destination),
    )
    if (!announced) {
      counters.MismatchPortSynRx++
      return RESET_PROHIBITED
    }
    counters.MPJoinPortSynRx++
  }
  return subflowRoom(connection.subflows, context.config.maxSubflows) === 0
    ? RESET_PROHIBITED
    : null
}

/** Passive: the MP_JOIN SYN made this subflow; our HMAC for the SYN/ACK. */
export function joinSynArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  nonce: number,
  backup: boolean,
): void {
  if (backup) context.counters.MPJoinSynBackupRx++
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
  if (subflow.remotePort !== connection.remotePort) context.counters.MPJoinPortSynAckRx++
  const expected = computeHmac(context, connection, 'remote', subflow.localNonce, option.nonce)
  if (!equalBytes(option.hmac, expected.subarray(0, 8))) {
    context.counters.MPJoinSynAckHMacFailure++
    return false
  }
  if (option.backup) context.counters.MPJoinSynAckBackupRx++
  subflow.remoteNonce = option.nonce
  subflow.remoteBackup = option.backup
  subflow.remoteAddressId = option.addressId
  subflow.hmac = computeHmac(context, connection, 'local', subflow.localNonce, option.nonce)
  subflow.thirdAckDeadline = nextThirdAck(subflow, now)
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
  // Nothing else may leave the opener before this ACK was answered: some box took the option away.
  if (option === null || option.phase !== 'ACK') return 'refuse'
  context.counters.MPJoinAckRx++
  if (subflow.localPort !== connection.pathManager.localPort) context.counters.MPJoinPortAckRx++
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

/**
 * When the third ACK of an unconfirmed join goes out again: as Linux after two round trips, the first
 * times; then ever later.
 */
export function nextThirdAck(subflow: Subflow, now: number): number {
  const doublings = Math.max(0, subflow.thirdAckTries - EVEN_THIRD_ACKS)
  if (subflow.thirdAckTries++ === 0) subflow.thirdAckUntil = now + THIRD_ACKS_MS
  const first = Math.max(LEAST_THIRD_ACK_MS, 2 * subflow.tcb.rtt.srttMs)
  return now + Math.min(first * 2 ** doublings, Math.max(first, MOST_THIRD_ACK_MS))
}
