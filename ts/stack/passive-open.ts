// What strangers open: SYNs for the listeners, MP_JOINs for connections that exist. Everything else that
// has no subflow is answered with a RST. RFC 9293 §3.10.7.2, RFC 8684 §3.1 and §3.2.

import { abort } from '../mptcp/close.js'
import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { mpCapableOf, synWithCapable } from '../mptcp/mp-capable.js'
import { joinRefusal, joinSynArrived, mpJoinOf } from '../mptcp/mp-join.js'
import { createConnection } from '../mptcp/open.js'
import { addressId as addressIdOf } from '../mptcp/path-manager/commands.js'
import { takeSynData } from '../mptcp/syn-data.js'
import { offerFastOpen } from '../tcp/fast-open.js'
import { refuseTimestamps } from '../tcp/listen.js'
import type { Tcb } from '../tcp/tcb.js'
import { type IpAddress, sameAddress } from '../wire/address.js'
import {
  type MpJoinSynOption,
  RESET_MPTCP_ERROR,
  RESET_NO_RESOURCES,
  RESET_PROHIBITED,
} from '../wire/mptcp-options.js'
import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import { acceptSubflow, FIRST_ADDRESS } from './accept-subflow.js'
import type { Agenda } from './agenda.js'
import type { StackConfig } from './config.js'
import { CookieHandshakes } from './cookie-handshakes.js'
import { fastOpenVerdict } from './fast-open-verdict.js'
import { createListener, hasOpeningRoom, hasReadyRoom, type Listener, takes } from './listener.js'
import { adoptOpening, becomeReady } from './opening.js'
import type { Replies } from './replies.js'
import { wantsCookie } from './syn-cookies.js'

export class PassiveOpener {
  readonly #context: Context
  readonly #config: StackConfig
  readonly #agenda: Agenda
  readonly #replies: Replies
  readonly #isEndpointPort: (port: number) => boolean
  readonly #listeners: Listener[] = []
  readonly #cookies: CookieHandshakes

  /** `isEndpointPort`: whether joins are taken at this port, and nothing else. */
  constructor(
    context: Context,
    config: StackConfig,
    agenda: Agenda,
    replies: Replies,
    isEndpointPort: (port: number) => boolean,
  ) {
    this.#context = context
    this.#config = config
    this.#agenda = agenda
    this.#replies = replies
    this.#isEndpointPort = isEndpointPort
    this.#cookies = new CookieHandshakes(context, config, agenda, replies)
  }

  get listeners(): readonly Listener[] {
    return this.#listeners
  }

  /** Whether anyone listens on `port`, whatever the address. */
  isListening(port: number): boolean {
    return this.#listeners.some((each) => each.port === port) || this.#isEndpointPort(port)
  }

  listen(
    address: IpAddress | null,
    port: number,
    backlog: number,
    plain: boolean,
    reusePort = false,
  ): Listener | null {
    const taken = this.#listeners.some(
      (each) =>
        each.port === port &&
        !(each.reusePort && reusePort) &&
        (each.address === null || address === null || sameAddress(each.address, address)),
    )
    if (taken) return null
    const listener = createListener(address, port, backlog, plain, reusePort)
    this.#listeners.push(listener)
    return listener
  }

  /** Ends a listener; connections that nobody accepted are reset. */
  unlisten(listener: Listener): void {
    const index = this.#listeners.indexOf(listener)
    if (index >= 0) this.#listeners.splice(index, 1)
    for (const connection of [...listener.opening, ...listener.ready]) {
      abort(connection, null)
      connection.detached = true
      this.#agenda.touch(connection)
    }
    listener.ready.length = 0
    listener.opening.clear()
  }

  #listenerFor(segment: Segment): Listener | undefined {
    const fitting = this.#listeners.filter((each) =>
      takes(each, segment.destination, segment.destinationPort),
    )
    // One peer's segments go to the same one of those that share the port.
    const { source, sourcePort } = segment
    const mixed = Math.imul(source.w2 ^ source.w3 ^ sourcePort, 0x9e3779b1) >>> 16
    return fitting[mixed % fitting.length]
  }

  /**
   * No subflow has this 4-tuple: a SYN for a listener, a MP_JOIN, the return of a SYN cookie, or nothing of
   * ours. True: it has one now, which the segment is for.
   */
  stranger(segment: Segment, link: number, now: number): boolean {
    const { flags } = segment
    if (flags & RST) return false
    if ((flags & (SYN | ACK)) === SYN) {
      this.#syn(segment, link, now)
      return false
    }
    const listener = this.#listenerFor(segment)
    if (listener !== undefined && (flags & (SYN | ACK)) === ACK) {
      const path = this.#localPath(segment.destination, link)
      const verdict = this.#cookies.returned(listener, segment, path, now)
      if (verdict !== 'none') return verdict === 'opened'
    }
    this.#context.counters.TcpNoPorts++
    this.#replies.oweReset(link, segment, null)
    return false
  }

  #syn(segment: Segment, link: number, now: number): void {
    const join = mpJoinOf(segment)
    if (join !== null && join.phase === 'SYN') {
      this.#context.counters.MPJoinSynRx++
      const connection = this.#context.tokens.get(join.token)
      if (connection === undefined) {
        this.#context.counters.MPJoinNoTokenFound++
        this.#replies.oweReset(link, segment, RESET_MPTCP_ERROR)
        return
      }
      this.#join(connection, segment, join, link, now)
      return
    }
    const listener = this.#listenerFor(segment)
    if (listener === undefined && this.#isEndpointPort(segment.destinationPort)) {
      this.#context.counters.MPCapableEndpAttempt++
      this.#replies.oweReset(link, segment, RESET_PROHIBITED)
      return
    }
    if (listener === undefined) {
      this.#context.counters.TcpNoPorts++
      this.#replies.oweReset(link, segment, null)
      return
    }
    this.#passiveOpen(listener, segment, link, now)
  }

  #passiveOpen(listener: Listener, segment: Segment, link: number, now: number): void {
    const path = this.#localPath(segment.destination, link)
    if (!hasReadyRoom(listener) || path === null) {
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    const option = listener.plain ? null : mpCapableOf(segment)
    const config = this.#config
    if (wantsCookie(config.synCookies, listener)) {
      this.#context.counters.TcpExtTCPReqQFullDoCookies++
      this.#cookies.answer(listener, segment, path, option, link, now)
      return
    }
    if (!hasOpeningRoom(listener)) {
      this.#context.counters.TcpExtTCPReqQFullDrop++
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    const fastOpen = fastOpenVerdict(this.#context, config, listener, segment)
    const connection = createConnection(this.#context, {
      role: 'server',
      remote: segment.source,
      remotePort: segment.sourcePort,
      plain: option === null,
      settings: { ...listener.settings },
      families: listener.families,
      now,
    })
    const prepare = (tcb: Tcb): void => {
      if (fastOpen.option === null) return
      const { option: answer } = fastOpen
      offerFastOpen(tcb, answer)
      // As Linux: timestamps, a cookie and MP_CAPABLE with a key do not fit into one SYN/ACK.
      if (option !== null) refuseTimestamps(tcb)
    }
    const subflow = acceptSubflow(
      this.#context,
      connection,
      segment,
      path,
      { kind: 'initial', own: FIRST_ADDRESS, remoteId: 0, prepare },
      now,
    )
    if (option !== null) synWithCapable(this.#context, connection, option)
    adoptOpening(this.#agenda, listener, connection)
    if (fastOpen.accepted) {
      takeSynData(this.#context, connection, subflow, segment, now)
      listener.fastOpen.pending.add(connection)
      becomeReady(this.#agenda, listener, connection)
    }
    this.#agenda.touch(connection)
  }

  #join(
    connection: Connection,
    segment: Segment,
    { nonce, addressId, backup }: MpJoinSynOption,
    link: number,
    now: number,
  ): void {
    const path = this.#localPath(segment.destination, link)
    const refusal = joinRefusal(this.#context, connection, segment)
    if (refusal !== null || path === null) {
      this.#context.counters.MPJoinRejected++
      this.#replies.oweReset(link, segment, refusal ?? RESET_NO_RESOURCES)
      return
    }
    const port = segment.destinationPort
    const own = addressIdOf(this.#context, connection, path.address, port)
    const listener = this.#listenerFor(segment)
    if (listener !== undefined && wantsCookie(this.#config.synCookies, listener)) {
      const localNonce = this.#context.random.uint32()
      const token = connection.localToken
      const entry = { token, remoteNonce: nonce, localNonce, addressId, backup }
      this.#cookies.answerJoin(listener, connection, segment, path, own, entry, link, now)
      return
    }
    const subflow = acceptSubflow(
      this.#context,
      connection,
      segment,
      path,
      { kind: 'join', own, remoteId: addressId },
      now,
    )
    joinSynArrived(this.#context, connection, subflow, nonce, backup)
    this.#agenda.touch(connection)
  }

  /** The path of a subflow that the peer opens: its answers leave by the link that it came by. */
  #localPath(address: IpAddress, link: number): LocalPath | null {
    const { paths } = this.#context
    const own = paths.find((each) => sameAddress(each.address, address))
    if (own === undefined) return null
    const here = paths.find((each) => each.link === link && each.address.family === address.family)
    return here === undefined ? own : { ...here, address: own.address }
  }
}
