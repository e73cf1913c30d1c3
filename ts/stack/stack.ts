// The stack: links below, sockets above. It finds the subflow of each packet, runs the turn (input,
// output, notify, timers), and owns the core's memory, the listeners and the ports.

import { type Clock, RealClock } from '../clock.js'
import type { MptcpCore } from '../core/core.js'
import { HEADER, HEADER_WORDS, STAGING_RECEIVE, STAGING_RECEIVE_BYTES } from '../core/layout.js'
import { loadMptcpCoreSync } from '../core/load.js'
import { type Counters, createCounters } from '../counters.js'
import type { Link, PacketBatch } from '../link/link.js'
import { reap, releaseConnection } from '../mptcp/close.js'
import {
  type Connection,
  EVENT_CLOSED,
  EVENT_ESTABLISHED,
  EVENT_WRITABLE,
} from '../mptcp/connection.js'
import type { Context, LocalPath } from '../mptcp/context.js'
import { subflowSegment } from '../mptcp/input.js'
import type { Mapping } from '../mptcp/mapping.js'
import { mpCapableOf, synWithCapable } from '../mptcp/mp-capable.js'
import {
  joinRefusal,
  joinSynArrived,
  mpJoinOf,
  RESET_MPTCP_ERROR,
  RESET_NO_RESOURCES,
} from '../mptcp/mp-join.js'
import { createConnection, createSubflowTcb, openSubflow } from '../mptcp/open.js'
import { output, replyNow } from '../mptcp/output.js'
import type { Endpoint } from '../mptcp/path-manager/endpoint.js'
import { localAddressId, nearestPath } from '../mptcp/path-manager/path-manager.js'
import { isNextInOrder, relieve } from '../mptcp/receive-queue.js'
import { hasSendMemory } from '../mptcp/send-queue.js'
import { createSubflow, type Subflow } from '../mptcp/subflow.js'
import { armTimers, connectionDeadline, connectionTimersFire } from '../mptcp/timers.js'
import { type Random, SystemRandom } from '../random.js'
import { sequenceOffset } from '../tcp/input.js'
import { synArrives } from '../tcp/listen.js'
import { formatAddress, type IpAddress, parseAddress, sameAddress } from '../wire/address.js'
import { parseIcmp } from '../wire/icmp.js'
import {
  type IpPacket,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  parseIp,
  pseudoHeaderSum,
} from '../wire/ip.js'
import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import { parseSegment, readChecksum } from '../wire/tcp.js'
import { type MptcpStackOptions, optionError, type StackConfig, validate } from './config.js'
import { Deadlines } from './deadlines.js'
import { Demux, type DemuxEntry } from './demux.js'
import { icmpArrives } from './icmp.js'
import { createListener, hasRoom, type Listener, takes } from './listener.js'
import { type OwedReset, resetFor } from './reset.js'
import { Transmitter } from './transmit.js'

/** Turns in a row that application calls may prolong before time must move on. */
const MAX_ROUNDS = 16
/** Bounded: RSTs owed to strangers in one batch; more than this many are not answered. */
const MAX_RESETS = 64

/** Bounded: connections in TIME-WAIT, which a busy peer leaves behind; the oldest ends early. */
const MAX_TIME_WAIT = 4096

/** Told once a turn what happened to a connection: EVENT_* bits. */
export type Notify = (events: number) => void

export class Stack {
  readonly core: MptcpCore
  readonly counters: Counters
  readonly clock: Clock
  readonly config: StackConfig
  readonly links: readonly Link[]
  readonly context: Context

  readonly #random: Random
  readonly #demux = new Demux()
  readonly #deadlines: Deadlines
  readonly #transmitter: Transmitter
  readonly #connections = new Set<Connection>()
  readonly #owners = new Map<Connection, Notify>()
  readonly #listeners: Listener[] = []
  readonly #endpoints: Endpoint[] = []
  readonly #dirty: Connection[] = []
  readonly #resets: OwedReset[] = []
  /** In the order in which they came. */
  readonly #timeWait = new Set<Connection>()
  readonly #faults = { tcp: 0, mptcp: 0 }
  #turnScheduled = false
  #inTurn = false
  #closed = false
  #arrivalLink = 0

  constructor(options: MptcpStackOptions) {
    this.config = validate(options)
    const { core } = options
    this.core =
      typeof core === 'object'
        ? core
        : loadMptcpCoreSync({ backend: core ?? 'auto', memoryBytes: this.config.memoryBytes })
    this.counters = createCounters()
    this.clock = options.clock ?? new RealClock()
    this.#random = options.random ?? new SystemRandom()
    this.links = options.links
    // Whoever knew the treap's priorities could choose offsets that make a list of it.
    this.core.u32[(HEADER >> 2) + HEADER_WORDS.PRIORITY_STATE] = this.#random.uint32() | 1
    this.#transmitter = new Transmitter(this.core, this.counters)
    this.#deadlines = new Deadlines(this.clock, () => this.#timersFire())
    const paths = makePaths(options.links)
    this.#makeEndpoints(options, paths)
    const extensions: (Mapping | null)[] = new Array(
      this.core.u32[(HEADER >> 2) + HEADER_WORDS.EXTENSION_COUNT] + 1,
    ).fill(null)
    this.context = {
      core: this.core,
      counters: this.counters,
      random: this.#random,
      config: this.config,
      endpoints: this.#endpoints,
      tokens: new Map(),
      extensions,
      starved: new Set(),
      paths,
      gather: (record, skip, length) => this.#transmitter.gather(record, skip, length),
      transmit: (subflow, segment, sum) =>
        this.#transmitter.send(
          this.links[subflow.path.link],
          subflow.path.address,
          subflow.remote,
          segment,
          sum,
          subflow.path.mss,
        ),
      bind: (connection, subflow) => this.#demux.add(connection, subflow),
      unbind: (subflow) => this.#demux.remove(subflow),
      oweReset: (segment) => this.#oweReset(segment, null),
      takePort: (address, remote, remotePort) => this.#takePort(address, remote, remotePort),
    }
    const staging = this.core.u8.subarray(STAGING_RECEIVE, STAGING_RECEIVE + STAGING_RECEIVE_BYTES)
    for (let i = 0; i < this.links.length; i++) {
      this.links[i].open((batch) => this.#receive(batch, i), staging)
    }
  }

  #makeEndpoints(options: MptcpStackOptions, paths: readonly LocalPath[]): void {
    const given = options.endpoints
    const wanted =
      given ??
      paths.map((path) => ({ address: formatAddress(path.address), subflow: true, signal: true }))
    let nextId = 1
    for (const each of wanted) {
      const address = parseAddress(each.address)
      if (address === null)
        throw optionError(`endpoint address '${each.address}' is not an IP address`)
      const id = ('id' in each ? each.id : undefined) ?? nextId
      nextId = id + 1
      if (id < 1 || id > 255) throw optionError(`endpoint id must be from 1 to 255, not ${id}`)
      this.#endpoints.push({
        id,
        address,
        port: ('port' in each ? each.port : undefined) ?? 0,
        subflow: each.subflow ?? false,
        signal: each.signal ?? false,
        backup: ('backup' in each ? each.backup : undefined) ?? false,
        automatic: given === undefined,
      })
    }
  }

  /** Slots of core memory in use: 0 once everything is closed and read. */
  get liveSlots(): number {
    const { u32 } = this.core
    const header = HEADER >> 2
    return u32[header + HEADER_WORDS.SLOT_COUNT] - u32[header + HEADER_WORDS.SLOTS_FREE]
  }

  /** Connections that exist, those in TIME-WAIT included. */
  get connectionCount(): number {
    return this.#connections.size
  }

  // ------------------------------------------------------------------ calls from above

  /** Starts a connection; null when memory or ports ran out. The SYN leaves with the next turn. */
  connect(
    remote: IpAddress,
    remotePort: number,
    options: { local: IpAddress | null; localPort: number; plain: boolean },
    notify: Notify,
  ): Connection | null {
    const now = this.clock.now()
    const path = this.#pathFor(remote, options.local)
    if (path === null) return null
    const connection = createConnection(this.context, {
      role: 'client',
      remote,
      remotePort,
      plain: options.plain,
      now,
    })
    if (connection === null) return null
    const endpoint = this.#endpoints.find((each) => sameAddress(each.address, path.address))
    const subflow = openSubflow(this.context, connection, path, remote, remotePort, now, {
      localAddressId: 0,
      remoteAddressId: 0,
      backup: endpoint?.backup ?? false,
      localPort: options.localPort === 0 ? undefined : options.localPort,
    })
    if (subflow === null) {
      releaseConnection(this.context, connection)
      return null
    }
    this.#connections.add(connection)
    this.#owners.set(connection, notify)
    this.touch(connection)
    return connection
  }

  /** Who is told of a connection's events; null = nobody any more. */
  own(connection: Connection, notify: Notify | null): void {
    if (notify === null) this.#owners.delete(connection)
    else this.#owners.set(connection, notify)
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
      this.touch(connection)
    }
    listener.ready.length = 0
    listener.opening.clear()
  }

  /** An application's call changed the connection: it gets a turn before time moves on. */
  touch(connection: Connection): void {
    if (!connection.dirty) {
      connection.dirty = true
      this.#dirty.push(connection)
    }
    if (!this.#turnScheduled && !this.#inTurn && !this.#closed) {
      this.#turnScheduled = true
      this.clock.soon(() => {
        this.#turnScheduled = false
        this.#turn(this.clock.now())
      })
    }
  }

  /** Frees everything, without a word to the peers, and closes the links. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const connection of this.#connections) releaseConnection(this.context, connection)
    this.#drainFreed()
    this.#connections.clear()
    this.#owners.clear()
    this.#listeners.length = 0
    this.#deadlines.close()
    for (const link of this.links) link.close()
  }

  get closed(): boolean {
    return this.#closed
  }

  /** A free port of the configured range for a socket that binds none. */
  freePort(): number {
    const [first, last] = this.config.ports
    const count = last - first + 1
    const start = this.#random.below(count)
    for (let i = 0; i < count; i++) {
      const port = first + ((start + i) % count)
      if (!this.#listeners.some((each) => each.port === port)) return port
    }
    return 0
  }

  #pathFor(remote: IpAddress, local: IpAddress | null): LocalPath | null {
    if (local !== null) {
      return this.context.paths.find((each) => sameAddress(each.address, local)) ?? null
    }
    // The first path is the initial subflow's; another only if its family is wrong.
    return (
      this.context.paths.find((each) => each.address.family === remote.family) ??
      nearestPath(this.context, remote)
    )
  }

  #takePort(address: IpAddress, remote: IpAddress, remotePort: number): number {
    const [first, last] = this.config.ports
    const count = last - first + 1
    const start = this.#random.below(count)
    for (let i = 0; i < count; i++) {
      const port = first + ((start + i) % count)
      if (this.#listeners.some((each) => each.port === port)) continue
      if (this.#demux.find(address, port, remote, remotePort) === undefined) return port
    }
    return 0
  }

  // ------------------------------------------------------------------ the turn

  #receive(batch: PacketBatch, link: number): void {
    if (this.#closed) return
    const now = this.clock.now()
    this.#arrivalLink = link
    const shared = batch.bytes.buffer === this.core.memory
    for (let i = 0; i < batch.count; i++) {
      this.counters.IpInReceives++
      const length = batch.length[i]
      let offset = batch.offset[i] + (shared ? batch.bytes.byteOffset : 0)
      if (!shared) {
        if (length > STAGING_RECEIVE_BYTES) continue
        this.core.u8.set(
          batch.bytes.subarray(batch.offset[i], batch.offset[i] + length),
          STAGING_RECEIVE,
        )
        offset = STAGING_RECEIVE
      }
      this.#packet(offset, length, batch.needsCsum[i] === 1, now)
    }
    this.#turn(now)
  }

  #packet(offset: number, length: number, needsCsum: boolean, now: number): void {
    const { counters } = this
    const ip = parseIp(this.core.u8, offset, length)
    if (ip === null) {
      counters.IpInHdrErrors++
      return
    }
    if (!this.#isOurs(ip.destination)) {
      counters.IpInAddrErrors++
      return
    }
    if (ip.protocol === PROTOCOL_ICMP || ip.protocol === PROTOCOL_ICMPV6) {
      const error = parseIcmp(this.core.u8, ip)
      if (error === null) counters.IcmpInIgnored++
      else {
        const entry = icmpArrives(this.context, error, (local, localPort, remote, remotePort) =>
          this.#demux.find(local, localPort, remote, remotePort),
        )
        if (entry !== null) this.#markDirty(entry.connection)
      }
      return
    }
    if (ip.protocol !== PROTOCOL_TCP) {
      counters.IpInUnknownProtos++
      return
    }
    counters.TcpInSegs++
    const segment = parseSegment(this.core.u8, ip, this.#faults)
    if (segment === null) {
      counters.TcpInErrs++
      return
    }
    if (this.#faults.tcp > 0 || this.#faults.mptcp > 0) {
      counters.TcpBadOptions += this.#faults.tcp
      counters.MptcpBadOptions += this.#faults.mptcp
      this.#faults.tcp = 0
      this.#faults.mptcp = 0
    }
    const entry = this.#demux.find(
      segment.destination,
      segment.destinationPort,
      segment.source,
      segment.sourcePort,
    )
    if (entry === undefined) {
      if (this.#sumIsRight(ip, segment, needsCsum)) this.#stranger(segment, now)
      return
    }
    this.#segment(entry, ip, segment, needsCsum, now)
  }

  /** A segment of a known subflow: its payload goes to slots while it is summed. */
  #segment(
    entry: DemuxEntry,
    ip: IpPacket,
    segment: Segment,
    needsCsum: boolean,
    now: number,
  ): void {
    const { connection, subflow } = entry
    let chain = 0
    if (segment.payloadLength > 0 && connection.rcv.account !== 0) {
      const { kernel } = this.core
      const offset = sequenceOffset(subflow.tcb, segment)
      const privileged = isNextInOrder(this.context, connection, subflow, segment, offset) ? 1 : 0
      const take = (): number =>
        kernel.mptcp_payload_take(
          connection.rcv.account,
          privileged,
          segment.payloadOffset,
          segment.payloadLength,
          offset,
          0,
          0,
          0,
        )
      chain = take()
      if (chain === 0 && relieve(this.context, connection)) chain = take()
      if (chain === 0) {
        this.counters.TcpExtTCPRcvQDrop++
        // The ACK that it carries may be what frees memory: that much is still used.
        if (!this.#sumIsRight(ip, segment, needsCsum)) return
        segment.payloadLength = 0
        segment.flags &= ~0x01
      } else {
        const sum = this.core.u32[(HEADER >> 2) + HEADER_WORDS.RESULT_SUM]
        if (!this.#isRight(ip, segment, sum, needsCsum)) {
          kernel.mptcp_chain_free(chain)
          return
        }
      }
    } else if (!this.#sumIsRight(ip, segment, needsCsum)) return
    subflowSegment(this.context, connection, subflow, segment, chain, now)
    this.#markDirty(connection)
    // Duplicate ACKs and every second segment's ACK leave at once, not at the end of the batch.
    replyNow(this.context, connection, subflow, now)
  }

  #sumIsRight(ip: IpPacket, segment: Segment, needsCsum: boolean): boolean {
    const sum = this.core.kernel.mptcp_checksum(segment.payloadOffset, segment.payloadLength, 0)
    return this.#isRight(ip, segment, sum, needsCsum)
  }

  #isRight(ip: IpPacket, segment: Segment, payloadSum: number, needsCsum: boolean): boolean {
    const { caps } = this.links[this.#arrivalLink]
    if (needsCsum && caps.checksum === 'flagged') return true
    const header = segment.payloadOffset - ip.payloadOffset
    const pseudo = pseudoHeaderSum(ip.source, ip.destination, PROTOCOL_TCP, ip.payloadLength)
    const { kernel } = this.core
    let seed = pseudo + payloadSum
    seed = (seed & 0xffff) + (seed >>> 16)
    if (kernel.mptcp_checksum(ip.payloadOffset, header, seed) === 0xffff) return true
    // A local sender left the sum to its device: the field holds the pseudo-header's.
    if (caps.checksum === 'may-be-partial') {
      if (readChecksum(this.core.u8, ip.payloadOffset) === pseudo) return true
    }
    this.counters.TcpInCsumErrors++
    return false
  }

  #isOurs(address: IpAddress): boolean {
    for (const path of this.context.paths) if (sameAddress(path.address, address)) return true
    return false
  }

  /** No subflow has this 4-tuple: a SYN for a listener, a MP_JOIN, or nothing of ours. */
  #stranger(segment: Segment, now: number): void {
    const { flags } = segment
    if (flags & RST) return
    if ((flags & (SYN | ACK)) !== SYN) {
      this.counters.TcpNoPorts++
      this.#oweReset(segment, null)
      return
    }
    const join = mpJoinOf(segment)
    if (join !== null && join.phase === 'SYN') {
      this.counters.MPJoinSynRx++
      const connection = this.context.tokens.get(join.token)
      if (connection === undefined) {
        this.counters.MPJoinNoTokenFound++
        this.#oweReset(segment, RESET_MPTCP_ERROR)
        return
      }
      this.#join(connection, segment, join.nonce, join.addressId, join.backup, now)
      return
    }
    const listener = this.#listeners.find((each) =>
      takes(each, segment.destination, segment.destinationPort),
    )
    if (listener === undefined) {
      this.counters.TcpNoPorts++
      this.#oweReset(segment, null)
      return
    }
    this.#passiveOpen(listener, segment, now)
  }

  #passiveOpen(listener: Listener, segment: Segment, now: number): void {
    const path = this.#localPath(segment.destination)
    if (!hasRoom(listener) || path === null) {
      this.counters.TcpExtListenOverflows++
      return
    }
    const option = listener.plain ? null : mpCapableOf(segment)
    const connection = createConnection(this.context, {
      role: 'server',
      remote: segment.source,
      remotePort: segment.sourcePort,
      plain: option === null,
      now,
    })
    if (connection === null) {
      this.counters.TcpExtListenOverflows++
      return
    }
    const subflow = this.#acceptSubflow(connection, segment, path, 'initial', 0, 0, now)
    if (subflow === null) {
      releaseConnection(this.context, connection)
      this.counters.TcpExtListenOverflows++
      return
    }
    if (option !== null) synWithCapable(this.context, connection, option)
    this.#connections.add(connection)
    listener.opening.add(connection)
    this.#owners.set(connection, (events) => this.#opening(listener, connection, events))
    this.#markDirty(connection)
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
    const refusal = joinRefusal(this.context, connection)
    if (refusal !== null || path === null) {
      this.counters.MPJoinRejected++
      this.#oweReset(segment, refusal ?? RESET_NO_RESOURCES)
      return
    }
    const localId = localAddressId(this.context, connection, path.address)
    const subflow = this.#acceptSubflow(connection, segment, path, 'join', localId, addressId, now)
    if (subflow === null) {
      this.#oweReset(segment, RESET_NO_RESOURCES)
      return
    }
    joinSynArrived(this.context, connection, subflow, nonce, backup)
    this.#markDirty(connection)
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
    const tcb = createSubflowTcb(this.context, connection, path)
    if (tcb === null) return null
    const endpoint = this.#endpoints.find((each) => sameAddress(each.address, path.address))
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
      localNonce: this.#random.uint32(),
      backup: endpoint?.backup ?? false,
    })
    synArrives(tcb, segment, now)
    connection.subflows.push(subflow)
    this.#demux.add(connection, subflow)
    this.counters.TcpPassiveOpens++
    return subflow
  }

  /** The path of a subflow that the peer opens: its answers leave by the link that it came by. */
  #localPath(address: IpAddress): LocalPath | null {
    const { paths } = this.context
    const own = paths.find((each) => sameAddress(each.address, address))
    if (own === undefined) return null
    const here = paths.find(
      (each) => each.link === this.#arrivalLink && each.address.family === address.family,
    )
    return here === undefined ? own : { ...here, address: own.address }
  }

  #oweReset(segment: Segment, reason: number | null): void {
    if (this.#resets.length >= MAX_RESETS) return
    this.#resets.push({ link: this.#arrivalLink, segment: resetFor(segment, reason) })
  }

  #markDirty(connection: Connection): void {
    if (connection.dirty) return
    connection.dirty = true
    this.#dirty.push(connection)
  }

  #timersFire(): void {
    if (this.#closed) return
    const now = this.clock.now()
    let connection = this.#deadlines.take(now)
    while (connection !== undefined) {
      connectionTimersFire(this.context, connection, now)
      this.#markDirty(connection)
      connection = this.#deadlines.take(now)
    }
    this.#turn(now)
  }

  /** Output, notify, timers, for every connection that something happened to. */
  #turn(now: number): void {
    if (this.#inTurn || this.#closed) return
    this.#inTurn = true
    for (const { link, segment } of this.#resets) {
      this.counters.TcpOutRsts++
      this.#transmitter.send(this.links[link], segment.source, segment.destination, segment, 0, 0)
    }
    this.#resets.length = 0
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.#feedStarved()
      if (this.#dirty.length === 0) break
      const batch = this.#dirty.splice(0, this.#dirty.length)
      for (const connection of batch) {
        connection.dirty = false
        this.#settle(connection, now)
      }
    }
    this.#inTurn = false
    if (this.#closed) return
    this.#drainFreed()
    for (const link of this.links) link.flush()
    if (this.#dirty.length > 0 && !this.#turnScheduled) {
      this.#turnScheduled = true
      this.clock.soon(() => {
        this.#turnScheduled = false
        this.#turn(this.clock.now())
      })
    }
  }

  /** Memory came back: those that had none for sending go on. */
  #feedStarved(): void {
    const { starved } = this.context
    for (const connection of starved) {
      if (connection.snd.account === 0) starved.delete(connection)
      else if (hasSendMemory(this.context, connection)) {
        starved.delete(connection)
        connection.events |= EVENT_WRITABLE
        this.#markDirty(connection)
      }
    }
  }

  #settle(connection: Connection, now: number): void {
    if (!this.#connections.has(connection)) return
    // What a dead subflow held goes first, on the others; resets of this turn make more of them.
    reap(this.context, connection)
    output(this.context, connection, now)
    if (reap(this.context, connection)) output(this.context, connection, now)
    armTimers(this.context, connection, now)
    const { events } = connection
    if (events !== 0) {
      connection.events = 0
      this.#owners.get(connection)?.(events)
      if (this.#closed) return
    }
    if (connection.subflows.length === 0 && connection.state === 'M_CLOSED') {
      if (connection.rcv.queue === 0 || connection.detached) this.#forget(connection)
      return
    }
    if (isInTimeWait(connection)) this.#keepTimeWait(connection)
    this.#deadlines.set(connection, connectionDeadline(connection))
  }

  #keepTimeWait(connection: Connection): void {
    this.#timeWait.add(connection)
    if (this.#timeWait.size <= MAX_TIME_WAIT) return
    const [oldest] = this.#timeWait
    this.counters.TcpExtTCPTimeWaitOverflow++
    this.#forget(oldest)
  }

  #forget(connection: Connection): void {
    releaseConnection(this.context, connection)
    this.#connections.delete(connection)
    this.#timeWait.delete(connection)
    this.#deadlines.forget(connection)
    this.#owners.delete(connection)
  }

  /** The destructor: handles that nothing refers to any more are given back. */
  #drainFreed(): void {
    const { u32, kernel } = this.core
    const header = HEADER >> 2
    const count = u32[header + HEADER_WORDS.FREED_COUNT]
    if (count === 0) return
    const base = u32[header + HEADER_WORDS.FREED_BASE] >> 2
    u32[header + HEADER_WORDS.FREED_COUNT] = 0
    for (let i = 0; i < count; i++) {
      const handle = u32[base + i]
      this.context.extensions[handle] = null
      kernel.mptcp_extension_recycle(handle)
    }
  }
}

function isInTimeWait(connection: Connection): boolean {
  const { subflows } = connection
  return subflows.length > 0 && subflows.every((subflow) => subflow.tcb.state === 'TIME-WAIT')
}

/** One path for each address of each link. */
function makePaths(links: readonly Link[]): LocalPath[] {
  const paths: LocalPath[] = []
  links.forEach((link, index) => {
    for (const text of link.addresses) {
      const address = parseAddress(text)
      if (address === null) throw optionError(`link ${link.name}: '${text}' is not an IP address`)
      const headers = address.family === 4 ? 40 : 60
      const mss = link.caps.mtu - headers
      if (mss < 88) throw optionError(`link ${link.name}: an MTU of ${link.caps.mtu} is too small`)
      const limit = link.caps.tso > 0 ? Math.min(link.caps.tso, 65_535) - headers - 40 : 0
      paths.push({ address, link: index, mss, limit })
    }
  })
  return paths
}
