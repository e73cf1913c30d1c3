// Handshakes under SYN cookies: the SYN/ACK that keeps nothing, and the connection or subflow that is made
// when its third ACK comes. RFC 4987 §3.6, RFC 8684 §3.1 and §3.2.

import { releaseConnection } from '../mptcp/close.js'
import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { mpCapableOf } from '../mptcp/mp-capable.js'
import { joinHmacOf, joinRefusal, joinSynArrived, mpJoinOf } from '../mptcp/mp-join.js'
import { createConnection, firstReceiveWindow } from '../mptcp/open.js'
import { addressId } from '../mptcp/path-manager/commands.js'
import type { MptcpLocalAddress } from '../mptcp/path-manager/path-manager.js'
import { mpCapable } from '../mptcp/segment-options.js'
import type { Subflow } from '../mptcp/subflow.js'
import { equalBytes } from '../mptcp/token.js'
import { synAckWasSent, useCookieNumbers } from '../tcp/listen.js'
import type { Tcb } from '../tcp/tcb.js'
import { shiftFor } from '../tcp/window.js'
import { DSS, MP_JOIN, type MpCapableOption } from '../wire/mptcp-options.js'
import { ACK, type Segment, SYN } from '../wire/segment.js'
import { noOptions } from '../wire/tcp-options.js'
import { acceptSubflow, FIRST_ADDRESS } from './accept-subflow.js'
import type { Agenda } from './agenda.js'
import type { StackConfig } from './config.js'
import { hasReadyRoom, type Listener } from './listener.js'
import { adoptOpening } from './opening.js'
import type { Replies } from './replies.js'
import { type CookieOffer, type JoinEntry, mayHoldCookies, SynCookies } from './syn-cookies.js'

/** `none`: no cookie of ours, or none is out. `opened`: the segment completes the handshake. */
export type CookieVerdict = 'none' | 'refused' | 'opened'

export class CookieHandshakes {
  readonly #context: Context
  readonly #config: StackConfig
  readonly #agenda: Agenda
  readonly #replies: Replies
  readonly #cookies: SynCookies

  constructor(context: Context, config: StackConfig, agenda: Agenda, replies: Replies) {
    this.#context = context
    this.#config = config
    this.#agenda = agenda
    this.#replies = replies
    this.#cookies = new SynCookies(context)
  }

  // ---------------------------------------------------------------- the SYN

  /** Answers a SYN for `listener`; `capable` is its MP_CAPABLE, or null for plain TCP. */
  answer(
    listener: Listener,
    syn: Segment,
    path: LocalPath,
    capable: MpCapableOption | null,
    link: number,
    now: number,
  ): void {
    const reply = this.#synAck(listener, syn, path, now)
    const { core, counters, tokens, config } = this.#context
    if (capable !== null) {
      counters.MPCapableSYNRX++
      const key = this.#cookies.key(syn, syn.sequence, reply.sequence)
      // Another connection with the same token: this one is plain TCP.
      if (tokens.has(core.deriveKey(key).token)) counters.MPFallbackTokenInit++
      else {
        const option = mpCapable({
          checksum: config.checksum || capable.checksumRequired,
          denyJoinLocal: !config.allowJoinInitialAddress,
        })
        option.senderKey = key
        reply.options.mptcp.push(option)
      }
    }
    this.#replies.owe(link, reply)
  }

  /** Answers the SYN of a MP_JOIN, and keeps what its third ACK does not repeat. */
  answerJoin(
    listener: Listener,
    connection: Connection,
    syn: Segment,
    path: LocalPath,
    own: MptcpLocalAddress,
    entry: JoinEntry,
    link: number,
    now: number,
  ): void {
    const { localNonce, remoteNonce } = entry
    const reply = this.#synAck(listener, syn, path, now)
    const hmac = joinHmacOf(this.#context, connection, localNonce, remoteNonce)
    reply.options.mptcp.push({
      subtype: MP_JOIN,
      phase: 'SYN/ACK',
      backup: own.backup,
      addressId: own.id,
      hmac: hmac.subarray(0, 8),
      nonce: localNonce,
    })
    this.#cookies.keepJoin(syn, entry)
    this.#replies.owe(link, reply)
  }

  /** A SYN/ACK with a cookie. Without timestamps there is no place to keep its other options in. */
  #synAck(listener: Listener, syn: Segment, path: LocalPath, now: number): Segment {
    const { config, counters } = this.#context
    const options = noOptions()
    options.mss = Math.min(path.mss, listener.settings.maxSegment || path.mss)
    if (config.timestamps && syn.options.timestampValue !== null) {
      if (config.windowScaling && syn.options.windowScale !== null) {
        options.windowScale = shiftFor(config.receiveBufferBytes)
      }
      options.sackPermitted = config.sack && syn.options.sackPermitted
      const offered = { ...options, windowScale: options.windowScale && syn.options.windowScale }
      options.timestampValue = this.#cookies.timestamp(syn, offered, now)
      options.timestampEcho = syn.options.timestampValue
    }
    counters.TcpExtSyncookiesSent++
    listener.cookieSentAt = now
    return {
      source: syn.destination,
      destination: syn.source,
      sourcePort: syn.destinationPort,
      destinationPort: syn.sourcePort,
      sequence: this.#cookies.isn(syn, now),
      acknowledgment: (syn.sequence + 1) >>> 0,
      flags: SYN | ACK,
      window: Math.min(0xffff, firstReceiveWindow(this.#context)),
      urgentPointer: 0,
      ecn: 0,
      options,
      payloadOffset: 0,
      payloadLength: 0,
    }
  }

  // ---------------------------------------------------------------- the third ACK

  /** A segment that may bring a cookie back. */
  returned(
    listener: Listener,
    segment: Segment,
    path: LocalPath | null,
    now: number,
  ): CookieVerdict {
    const { counters, config } = this.#context
    if (!mayHoldCookies(this.#config.synCookies, listener, now) || path === null) return 'none'
    const offer = this.#cookies.check(segment, now)
    const known =
      offer !== null &&
      (config.timestamps || !offer.timestamps) &&
      (config.sack || !offer.sackPermitted) &&
      (config.windowScaling || offer.windowScale === null)
    if (!known) {
      counters.TcpExtSyncookiesFailed++
      return 'none'
    }
    const join = listener.plain ? null : mpJoinOf(segment)
    const opened =
      join !== null && join.phase === 'ACK'
        ? this.#openJoin(segment, path, offer, now)
        : this.#open(listener, segment, path, offer, now)
    if (opened === 'opened') counters.TcpExtSyncookiesRecv++
    return opened
  }

  #open(
    listener: Listener,
    segment: Segment,
    path: LocalPath,
    offer: CookieOffer,
    now: number,
  ): CookieVerdict {
    const { counters } = this.#context
    if (!hasReadyRoom(listener)) {
      counters.TcpExtListenOverflows++
      return 'refused'
    }
    const capable = listener.plain ? null : mpCapableOf(segment)
    let key: Uint8Array | undefined
    if (capable !== null && capable.senderKey !== null && capable.receiverKey !== null) {
      const peerIsn = (segment.sequence - 1) >>> 0
      key = this.#cookies.key(segment, peerIsn, (segment.acknowledgment - 1) >>> 0)
      if (!equalBytes(key, capable.receiverKey)) return 'none'
    } else if (segment.options.mptcp.some((option) => option.subtype === DSS)) {
      // The keys were lost or overtaken: they come again.
      return 'refused'
    }
    const connection = createConnection(this.#context, {
      role: 'server',
      remote: segment.source,
      remotePort: segment.sourcePort,
      plain: key === undefined,
      key,
      settings: { ...listener.settings },
      families: listener.families,
      now,
    })
    const subflow =
      key !== undefined && connection.mode === 'fallback'
        ? null // Its token is another's meanwhile.
        : this.#accept(connection, segment, path, offer, FIRST_ADDRESS, 0, 'initial', now)
    if (subflow === null) {
      releaseConnection(this.#context, connection)
      return 'none'
    }
    connection.rcv.right = Math.max(connection.rcv.right, subflow.tcb.rcv.right)
    adoptOpening(this.#agenda, listener, connection)
    return 'opened'
  }

  #openJoin(segment: Segment, path: LocalPath, offer: CookieOffer, now: number): CookieVerdict {
    const { counters, tokens } = this.#context
    const entry = this.#cookies.takeJoin(segment)
    const connection = entry === null ? undefined : tokens.get(entry.token)
    if (entry === null || connection === undefined) {
      counters.MPJoinNoTokenFound++
      return 'none'
    }
    if (joinRefusal(this.#context, connection, segment) !== null) {
      counters.MPJoinRejected++
      return 'none'
    }
    const own = addressId(this.#context, connection, path.address, segment.destinationPort)
    const { localNonce, remoteNonce, backup } = entry
    const remoteId = entry.addressId
    const subflow = this.#accept(connection, segment, path, offer, own, remoteId, 'join', now)
    subflow.localNonce = localNonce
    joinSynArrived(this.#context, connection, subflow, remoteNonce, backup)
    return 'opened'
  }

  /** The subflow as it would stand after its SYN and our SYN/ACK. */
  #accept(
    connection: Connection,
    segment: Segment,
    path: LocalPath,
    offer: CookieOffer,
    own: MptcpLocalAddress,
    remoteId: number,
    kind: 'initial' | 'join',
    now: number,
  ): Subflow {
    const options = noOptions()
    options.mss = offer.mss
    options.windowScale = offer.windowScale
    options.sackPermitted = offer.sackPermitted
    if (offer.timestamps) options.timestampValue = segment.options.timestampValue
    const sequence = (segment.sequence - 1) >>> 0
    // The window of the SYN is not known any more; the third ACK tells one at once.
    const syn: Segment = { ...segment, sequence, flags: SYN, window: 0, options, payloadLength: 0 }
    const prepare = (tcb: Tcb): void => {
      const iss = (segment.acknowledgment - 1) >>> 0
      useCookieNumbers(tcb, iss, this.#cookies.timestampBase(segment))
    }
    const wanted = { kind, own, remoteId, prepare }
    const subflow = acceptSubflow(this.#context, connection, syn, path, wanted, now)
    synAckWasSent(subflow.tcb, now)
    return subflow
  }
}
