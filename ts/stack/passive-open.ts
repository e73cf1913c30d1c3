// What strangers open: SYNs for the listeners, MP_JOINs for connections that exist. Everything else that
// has no subflow is answered with a RST. RFC 9293 §3.10.7.2, RFC 8684 §3.1 and §3.2.

import { abort, releaseConnection } from '../mptcp/close.js'
import { type Connection, EVENT_CLOSED, EVENT_ESTABLISHED } from '../mptcp/connection.js'
import type { Context, LocalPath } from '../mptcp/context.js'
import { takeSynData } from '../mptcp/fast-open.js'
import { mpCapableOf, synWithCapable } from '../mptcp/mp-capable.js'
import {
  joinRefusal,
  joinSynArrived,
  mpJoinOf,
  RESET_MPTCP_ERROR,
  RESET_NO_RESOURCES,
  RESET_PROHIBITED,
} from '../mptcp/mp-join.js'
import { createConnection, createSubflowTcb, noteInitial } from '../mptcp/open.js'
import { addressId as addressIdOf } from '../mptcp/path-manager/commands.js'
import type { MptcpLocalAddress } from '../mptcp/path-manager/path-manager.js'
import { createSubflow, type Subflow } from '../mptcp/subflow.js'
import { offerFastOpen } from '../tcp/fast-open.js'
import { refuseTimestamps, synArrives } from '../tcp/listen.js'
import type { Tcb } from '../tcp/tcb.js'
import { type IpAddress, sameAddress } from '../wire/address.js'
import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import type { StackConfig } from './config.js'
import { CookieHandshakes } from './cookie-handshakes.js'
import { fastOpenVerdict } from './fast-open.js'
import { createListener, hasOpeningRoom, hasReadyRoom, type Listener, takes } from './listener.js'
import type { Notify } from './notify.js'
import { wantsCookie } from './syn-cookies.js'

export interface PassiveHooks {
  /** Index of the link that the packet at hand came by. */
  readonly link: number
  readonly config: StackConfig
  /** Whether joins are taken at this port, and nothing else. */
  isEndpointPort(port: number): boolean
  changed(connection: Connection): void
  /** A new connection, and who is told of its events until it is accepted. */
  adopt(connection: Connection, notify: Notify): void
  /** Answer with a RST; `reason` of MP_TCPRST, or null. */
  oweReset(segment: Segment, reason: number | null): void
  /** Answer with this segment, of which nothing is kept: a SYN cookie. */
  oweReply(segment: Segment): void
}

/** A subflow that a peer opens. */
export interface PassiveSubflow {
  kind: 'initial' | 'join'
  own: MptcpLocalAddress
  remoteId: number
  /** Readies the tcb before it takes the SYN. */
  prepare?: (tcb: Tcb) => void
}

/** The address of an initial subflow has id 0; that it is a backup is said later, with MP_PRIO. */
const FIRST: MptcpLocalAddress = { id: 0, backup: false }

export class PassiveOpener {
  readonly #context: Context
  readonly #hooks: PassiveHooks
  readonly #listeners: Listener[] = []
  readonly #cookies: CookieHandshakes

  constructor(context: Context, hooks: PassiveHooks) {
    this.#context = context
    this.#hooks = hooks
    this.#cookies = new CookieHandshakes(context, hooks, {
      accept: (connection, segment, path, subflow, now) =>
        this.#acceptSubflow(connection, segment, path, subflow, now),
      adopt: (listener, connection) => this.#adopt(listener, connection),
    })
  }

  get listeners(): readonly Listener[] {
    return this.#listeners
  }

  /** Whether anyone listens on `port`, whatever the address. */
  isListening(port: number): boolean {
    return this.#listeners.some((each) => each.port === port) || this.#hooks.isEndpointPort(port)
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
      this.#hooks.changed(connection)
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
  stranger(segment: Segment, now: number): boolean {
    const { flags } = segment
    if (flags & RST) return false
    if ((flags & (SYN | ACK)) === SYN) {
      this.#syn(segment, now)
      return false
    }
    const listener = this.#listenerFor(segment)
    if (listener !== undefined && (flags & (SYN | ACK)) === ACK) {
      const path = this.#localPath(segment.destination)
      const verdict = this.#cookies.returned(listener, segment, path, now)
      if (verdict !== 'none') return verdict === 'opened'
    }
    this.#context.counters.TcpNoPorts++
    this.#hooks.oweReset(segment, null)
    return false
  }

  #syn(segment: Segment, now: number): void {
    const join = mpJoinOf(segment)
    if (join !== null && join.phase === 'SYN') {
      this.#context.counters.MPJoinSynRx++
      const connection = this.#context.tokens.get(join.token)
      if (connection === undefined) {
        this.#context.counters.MPJoinNoTokenFound++
        this.#hooks.oweReset(segment, RESET_MPTCP_ERROR)
        return
      }
      this.#join(connection, segment, join.nonce, join.addressId, join.backup, now)
      return
    }
    const listener = this.#listenerFor(segment)
    if (listener === undefined && this.#hooks.isEndpointPort(segment.destinationPort)) {
      this.#context.counters.MPCapableEndpAttempt++
      this.#hooks.oweReset(segment, RESET_PROHIBITED)
      return
    }
    if (listener === undefined) {
      this.#context.counters.TcpNoPorts++
      this.#hooks.oweReset(segment, null)
      return
    }
    this.#passiveOpen(listener, segment, now)
  }

  #passiveOpen(listener: Listener, segment: Segment, now: number): void {
    const path = this.#localPath(segment.destination)
    if (!hasReadyRoom(listener) || path === null) {
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    const option = listener.plain ? null : mpCapableOf(segment)
    const { config } = this.#hooks
    if (wantsCookie(config.synCookies, listener)) {
      this.#context.counters.TcpExtTCPReqQFullDoCookies++
      this.#cookies.answer(listener, segment, path, option, now)
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
    if (connection === null) {
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    const prepare = (tcb: Tcb): void => {
      if (fastOpen.option === null) return
      const { option: answer } = fastOpen
      offerFastOpen(tcb, answer)
      // As Linux: timestamps, a cookie and MP_CAPABLE with a key do not fit into one SYN/ACK.
      if (option !== null) refuseTimestamps(tcb)
    }
    const subflow = this.#acceptSubflow(
      connection,
      segment,
      path,
      { kind: 'initial', own: FIRST, remoteId: 0, prepare },
      now,
    )
    if (subflow === null) {
      releaseConnection(this.#context, connection)
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    if (option !== null) synWithCapable(this.#context, connection, option)
    this.#adopt(listener, connection)
    if (fastOpen.accepted) {
      takeSynData(this.#context, connection, subflow, segment, now)
      listener.fastOpen.pending.add(connection)
      this.#ready(listener, connection)
    }
    this.#hooks.changed(connection)
  }

  /** The listener is told of the connection's events until an application accepts it. */
  #adopt(listener: Listener, connection: Connection): void {
    listener.opening.add(connection)
    this.#hooks.adopt(connection, (events) => this.#opening(listener, connection, events))
  }

  #ready(listener: Listener, connection: Connection): void {
    listener.opening.delete(connection)
    if (!listener.ready.includes(connection)) listener.ready.push(connection)
    // What happened before it was accepted is told to whoever accepts it.
    listener.notify?.()
  }

  /** Events of a connection that nobody has accepted yet. */
  #opening(listener: Listener, connection: Connection, events: number): void {
    if (events & EVENT_CLOSED) {
      listener.opening.delete(connection)
      // One that waits to be accepted goes on waiting: who accepts it hears of its end.
      if (!listener.ready.includes(connection)) {
        connection.detached = true
        return
      }
    }
    if (events & EVENT_ESTABLISHED) this.#ready(listener, connection)
  }

  #join(
    connection: Connection,
    segment: Segment,
    nonce: number,
    addressId: number,
    backup: boolean,
    now: number,
  ): void {
    const path = this.#localPath(segment.destination)
    const refusal = joinRefusal(this.#context, connection, segment)
    if (refusal !== null || path === null) {
      this.#context.counters.MPJoinRejected++
      this.#hooks.oweReset(segment, refusal ?? RESET_NO_RESOURCES)
      return
    }
    const port = segment.destinationPort
    const own = addressIdOf(this.#context, connection, path.address, port)
    const listener = this.#listenerFor(segment)
    if (listener !== undefined && wantsCookie(this.#hooks.config.synCookies, listener)) {
      const localNonce = this.#context.random.uint32()
      const token = connection.localToken
      const entry = { token, remoteNonce: nonce, localNonce, addressId, backup }
      this.#cookies.answerJoin(listener, connection, segment, path, own, entry, now)
      return
    }
    const subflow = this.#acceptSubflow(
      connection,
      segment,
      path,
      { kind: 'join', own, remoteId: addressId },
      now,
    )
    if (subflow === null) {
      this.#hooks.oweReset(segment, RESET_NO_RESOURCES)
      return
    }
    joinSynArrived(this.#context, connection, subflow, nonce, backup)
    this.#hooks.changed(connection)
  }

  #acceptSubflow(
    connection: Connection,
    segment: Segment,
    path: LocalPath,
    { kind, own, remoteId, prepare }: PassiveSubflow,
    now: number,
  ): Subflow | null {
    const tcb = createSubflowTcb(this.#context, connection, path)
    if (tcb === null) return null
    prepare?.(tcb)
    const subflow = createSubflow({
      id: connection.nextSubflowId++,
      tcb,
      kind,
      opener: false,
      path,
      localPort: segment.destinationPort,
      remote: segment.source,
      remotePort: segment.sourcePort,
      localAddressId: own.id,
      remoteAddressId: remoteId,
      localNonce: this.#context.random.uint32(),
      backup: own.backup,
    })
    if (kind === 'initial') noteInitial(connection, subflow)
    synArrives(tcb, segment, now)
    connection.subflows.push(subflow)
    this.#context.bind(connection, subflow)
    this.#context.counters.TcpPassiveOpens++
    return subflow
  }

  /** The path of a subflow that the peer opens: its answers leave by the link that it came by. */
  #localPath(address: IpAddress): LocalPath | null {
    const { paths } = this.#context
    const own = paths.find((each) => sameAddress(each.address, address))
    if (own === undefined) return null
    const here = paths.find(
      (each) => each.link === this.#hooks.link && each.address.family === address.family,
    )
    return here === undefined ? own : { ...here, address: own.address }
  }
}
