// What strangers open: SYNs for the listeners, MP_JOINs for connections that exist. Everything else that
// has no subflow is answered with a RST. RFC 9293 §3.10.7.2, RFC 8684 §3.1 and §3.2.

import { releaseConnection } from '../mptcp/close.js'
import { type Connection, EVENT_CLOSED, EVENT_ESTABLISHED } from '../mptcp/connection.js'
import type { Context, LocalPath } from '../mptcp/context.js'
import { mpCapableOf, synWithCapable } from '../mptcp/mp-capable.js'
import {
  joinRefusal,
  joinSynArrived,
  mpJoinOf,
  RESET_MPTCP_ERROR,
  RESET_NO_RESOURCES,
} from '../mptcp/mp-join.js'
import { createConnection, createSubflowTcb } from '../mptcp/open.js'
import { localAddressId } from '../mptcp/path-manager/path-manager.js'
import { createSubflow, type Subflow } from '../mptcp/subflow.js'
import { synArrives } from '../tcp/listen.js'
import { type IpAddress, sameAddress } from '../wire/address.js'
import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import { createListener, hasRoom, type Listener, takes } from './listener.js'
import type { Notify } from './notify.js'

export interface PassiveHooks {
  /** Index of the link that the packet at hand came by. */
  readonly link: number
  changed(connection: Connection): void
  /** A new connection, and who is told of its events until it is accepted. */
  adopt(connection: Connection, notify: Notify): void
  /** Answer with a RST; `reason` of MP_TCPRST, or null. */
  oweReset(segment: Segment, reason: number | null): void
}

export class PassiveOpener {
  readonly #context: Context
  readonly #hooks: PassiveHooks
  readonly #listeners: Listener[] = []

  constructor(context: Context, hooks: PassiveHooks) {
    this.#context = context
    this.#hooks = hooks
  }

  /** Whether anyone listens on `port`, whatever the address. */
  isListening(port: number): boolean {
    return this.#listeners.some((each) => each.port === port)
  }

  listen(
    address: IpAddress | null,
    port: number,
    backlog: number,
    plain: boolean,
  ): Listener | null {
    const taken = this.#listeners.some(
      (each) =>
        each.port === port &&
        (each.address === null || address === null || sameAddress(each.address, address)),
    )
    if (taken) return null
    const listener = createListener(address, port, backlog, plain)
    this.#listeners.push(listener)
    return listener
  }

  /** Ends a listener; connections that nobody accepted are reset. */
  unlisten(listener: Listener): void {
    const index = this.#listeners.indexOf(listener)
    if (index >= 0) this.#listeners.splice(index, 1)
    for (const connection of [...listener.opening, ...listener.ready]) {
      for (const subflow of connection.subflows) subflow.resetOwed = -1
      connection.detached = true
      this.#hooks.changed(connection)
    }
    listener.ready.length = 0
    listener.opening.clear()
  }

  /** No subflow has this 4-tuple: a SYN for a listener, a MP_JOIN, or nothing of ours. */
  stranger(segment: Segment, now: number): void {
    const { flags } = segment
    if (flags & RST) return
    if ((flags & (SYN | ACK)) !== SYN) {
      this.#context.counters.TcpNoPorts++
      this.#hooks.oweReset(segment, null)
      return
    }
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
    const listener = this.#listeners.find((each) =>
      takes(each, segment.destination, segment.destinationPort),
    )
    if (listener === undefined) {
      this.#context.counters.TcpNoPorts++
      this.#hooks.oweReset(segment, null)
      return
    }
    this.#passiveOpen(listener, segment, now)
  }

  #passiveOpen(listener: Listener, segment: Segment, now: number): void {
    const path = this.#localPath(segment.destination)
    if (!hasRoom(listener) || path === null) {
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    const option = listener.plain ? null : mpCapableOf(segment)
    const connection = createConnection(this.#context, {
      role: 'server',
      remote: segment.source,
      remotePort: segment.sourcePort,
      plain: option === null,
      now,
    })
    if (connection === null) {
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    const subflow = this.#acceptSubflow(connection, segment, path, 'initial', 0, 0, now)
    if (subflow === null) {
      releaseConnection(this.#context, connection)
      this.#context.counters.TcpExtListenOverflows++
      return
    }
    if (option !== null) synWithCapable(this.#context, connection, option)
    listener.opening.add(connection)
    this.#hooks.adopt(connection, (events) => this.#opening(listener, connection, events))
    this.#hooks.changed(connection)
  }

  /** Events of a connection that nobody has accepted yet. */
  #opening(listener: Listener, connection: Connection, events: number): void {
    if (events & EVENT_CLOSED) {
      listener.opening.delete(connection)
      const index = listener.ready.indexOf(connection)
      if (index < 0 || connection.error !== null) {
        if (index >= 0) listener.ready.splice(index, 1)
        connection.detached = true
        return
      }
    }
    if (events & EVENT_ESTABLISHED) {
      listener.opening.delete(connection)
      listener.ready.push(connection)
      // What happened before it was accepted is told to whoever accepts it.
      listener.notify?.()
    }
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
    const refusal = joinRefusal(this.#context, connection)
    if (refusal !== null || path === null) {
      this.#context.counters.MPJoinRejected++
      this.#hooks.oweReset(segment, refusal ?? RESET_NO_RESOURCES)
      return
    }
    const localId = localAddressId(this.#context, connection, path.address)
    const subflow = this.#acceptSubflow(connection, segment, path, 'join', localId, addressId, now)
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
    kind: 'initial' | 'join',
    localId: number,
    remoteId: number,
    now: number,
  ): Subflow | null {
    const tcb = createSubflowTcb(this.#context, connection, path)
    if (tcb === null) return null
    const endpoint = this.#context.endpoints.find((each) => sameAddress(each.address, path.address))
    const subflow = createSubflow({
      id: connection.nextSubflowId++,
      tcb,
      kind,
      opener: false,
      path,
      localPort: segment.destinationPort,
      remote: segment.source,
      remotePort: segment.sourcePort,
      localAddressId: localId,
      remoteAddressId: remoteId,
      localNonce: this.#context.random.uint32(),
      backup: endpoint?.backup ?? false,
    })
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
