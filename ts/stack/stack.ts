// The stack: links below, sockets above. It runs the turn (input, output, notify, timers), and owns the
// core's memory and the connections. How packets find their subflow is arrivals.ts; what this host opens,
// active-open.ts; what strangers open, passive-open.ts.

import { type Clock, RealClock } from '../clock.js'
import type { MptcpCore } from '../core/core.js'
import { HEADER, HEADER_WORDS, STAGING_RECEIVE, STAGING_RECEIVE_BYTES } from '../core/layout.js'
import { loadMptcpCoreSync } from '../core/load.js'
import { type Counters, createCounters } from '../counters.js'
import type { Link, PacketBatch } from '../link/link.js'
import { createBlackhole } from '../mptcp/blackhole.js'
import { reap, releaseConnection } from '../mptcp/close.js'
import { type Connection, EVENT_WRITABLE } from '../mptcp/connection.js'
import type { Context, LocalPath } from '../mptcp/context.js'
import type { Mapping } from '../mptcp/mapping.js'
import { DATA_OPTION_BYTES } from '../mptcp/options.js'
import { output } from '../mptcp/output.js'
import { managePaths } from '../mptcp/path-manager/manage.js'
import { hasSendMemory } from '../mptcp/send-queue.js'
import { armTimers, connectionDeadline, connectionTimersFire } from '../mptcp/timers.js'
import { type Random, SystemRandom } from '../random.js'
import { FastOpenCache } from '../tcp/fast-open.js'
import { payloadRoom } from '../tcp/output.js'
import { formatAddress, type IpAddress, sameAddress } from '../wire/address.js'
import type { Segment } from '../wire/segment.js'
import { type ActiveOpenOptions, activeOpen } from './active-open.js'
import { Arrivals } from './arrivals.js'
import { type MptcpStackOptions, type StackConfig, validate } from './config.js'
import { Deadlines } from './deadlines.js'
import { Demux } from './demux.js'
import { Faults } from './faults.js'
import type { Listener } from './listener.js'
import type { Notify } from './notify.js'
import { PassiveOpener } from './passive-open.js'
import { MptcpPathControl } from './path-control.js'
import { makePath, makePaths } from './paths.js'
import { Ports } from './ports.js'
import { type OwedReset, resetFor } from './reset.js'
import { Transmitter } from './transmit.js'

/** Turns in a row that application calls may prolong before time must move on. */
const MAX_ROUNDS = 16
/** Bounded: RSTs owed to strangers in one batch; more than this many are not answered. */
const MAX_RESETS = 64

/** Bounded: connections in TIME-WAIT, which a busy peer leaves behind; the oldest ends early. */
const MAX_TIME_WAIT = 4096

export class Stack {
  readonly core: MptcpCore
  readonly counters: Counters
  readonly clock: Clock
  readonly config: StackConfig
  readonly links: readonly Link[]
  readonly context: Context
  /** Endpoints, limits, events and commands. */
  readonly pathControl: MptcpPathControl

  readonly #random: Random
  readonly #demux = new Demux()
  readonly #deadlines: Deadlines
  readonly #transmitter: Transmitter
  readonly #connections = new Set<Connection>()
  readonly #owners = new Map<Connection, Notify>()
  readonly #arrivals: Arrivals
  readonly #passive: PassiveOpener
  readonly #ports: Ports
  readonly #paths: LocalPath[]
  readonly #dirty: Connection[] = []
  readonly #resets: OwedReset[] = []
  /** SYN cookies owed. Bounded: one for each packet of a batch. */
  readonly #replies: OwedReset[] = []
  /** In the order in which they came. */
  readonly #timeWait = new Set<Connection>()
  #turnScheduled = false
  #inTurn = false
  #closed = false

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
    this.#ports = new Ports(this.config.ports, this.#random, (port) =>
      this.#passive.isListening(port),
    )
    const faults = new Faults(this.counters)
    const paths = makePaths(options.links)
    this.#paths = paths
    const pathControl = new MptcpPathControl(options, paths, this.config)
    this.pathControl = pathControl
    const extensions: (Mapping | null)[] = new Array(
      this.core.u32[(HEADER >> 2) + HEADER_WORDS.EXTENSION_COUNT] + 1,
    ).fill(null)
    this.context = {
      core: this.core,
      counters: this.counters,
      random: this.#random,
      config: this.config,
      pathManager: pathControl.manager,
      pathWatchers: pathControl.watchers,
      blackhole: createBlackhole(),
      fastOpenCache: new FastOpenCache(),
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
          payloadRoom(subflow.tcb, segment.options.mptcp.length > 0 ? DATA_OPTION_BYTES : 0),
          subflow.tcb.settings,
        ),
      bind: (connection, subflow) => this.#demux.add(connection, subflow),
      unbind: (subflow) => this.#demux.remove(subflow),
      oweReset: (segment) => this.#oweReset(segment, null),
      pathManagerFault: (error) => faults.tell('PathManagerFault', error),
      congestionFailed: (error) => faults.tell('CongestionFault', error),
      takePort: (address, remote, remotePort) =>
        this.#ports.find(
          (port) => this.#demux.find(address, port, remote, remotePort) === undefined,
        ),
    }
    const stack = this
    this.#passive = new PassiveOpener(this.context, {
      get link() {
        return stack.#arrivals.link
      },
      config: this.config,
      isEndpointPort: (port) => pathControl.isEndpointPort(port),
      changed: (connection) => this.touch(connection),
      adopt: (connection, notify) => this.#adopt(connection, notify),
      oweReset: (segment, reason) => this.#oweReset(segment, reason),
      oweReply: (segment) => this.#replies.push({ link: this.#arrivals.link, segment }),
    })
    this.#arrivals = new Arrivals(this.context, this.links, this.#demux, {
      changed: (connection) => this.#markDirty(connection),
      stranger: (segment, now) => this.#passive.stranger(segment, now),
    })
    pathControl.attach({
      context: this.context,
      now: () => this.clock.now(),
      changed: (connection) => this.touch(connection),
    })
    const staging = this.core.u8.subarray(STAGING_RECEIVE, STAGING_RECEIVE + STAGING_RECEIVE_BYTES)
    for (let i = 0; i < this.links.length; i++) {
      this.links[i].open((batch) => this.#receive(batch, i), staging)
    }
  }

  /** Slots of core memory in use: 0 once everything is closed and read. */
  get liveSlots(): number {
    const { u32 } = this.core
    const header = HEADER >> 2
    return u32[header + HEADER_WORDS.SLOT_COUNT] - u32[header + HEADER_WORDS.SLOTS_FREE]
  }

  /** Connections that exist, those in TIME-WAIT included. */
  get connections(): Iterable<Connection> {
    return this.#connections
  }

  get listeners(): readonly Listener[] {
    return this.#passive.listeners
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  // ------------------------------------------------------------------ calls from above

  /** Starts a connection; null when memory or ports ran out. The SYN leaves with the next turn. */
  connect(
    remote: IpAddress,
    remotePort: number,
    options: ActiveOpenOptions,
    notify: Notify,
  ): Connection | null {
    const connection = activeOpen(this.context, remote, remotePort, options, this.clock.now())
    if (connection === null) return null
    this.#adopt(connection, notify)
    this.touch(connection)
    return connection
  }

  #adopt(connection: Connection, notify: Notify): void {
    this.#connections.add(connection)
    this.#owners.set(connection, notify)
  }

  /** Who is told of a connection's events; null = nobody any more. */
  own(connection: Connection, notify: Notify | null): void {
    if (notify === null) this.#owners.delete(connection)
    else {
      connection.accepted = true
      this.#owners.set(connection, notify)
    }
  }

  /** Starts to listen; null if the address and port are taken. */
  listen(
    address: IpAddress | null,
    port: number,
    backlog: number,
    plain: boolean,
    reusePort = false,
  ): Listener | null {
    const listener = this.#passive.listen(address, port, backlog, plain, reusePort)
    if (listener !== null && !plain) this.#listenerEvent('listener-created', listener)
    return listener
  }

  #listenerEvent(type: 'listener-created' | 'listener-closed', { address, port }: Listener): void {
    const text = address === null ? null : formatAddress(address)
    this.pathControl.listener({ type, address: text, port })
  }

  /** Ends a listener; connections that nobody accepted are reset. */
  unlisten(listener: Listener): void {
    this.#passive.unlisten(listener)
    if (!listener.plain) this.#listenerEvent('listener-closed', listener)
  }

  /** An address that a link has got. Its packets must come by that link. */
  addAddress(address: IpAddress, link: number): void {
    if (this.#paths.some((each) => sameAddress(each.address, address))) return
    this.#paths.push(makePath(this.links[link], link, address))
  }

  /** An address that a link has lost: nothing to it is taken, and no subflow begins there any more. */
  removeAddress(address: IpAddress): void {
    const index = this.#paths.findIndex((each) => sameAddress(each.address, address))
    if (index >= 0) this.#paths.splice(index, 1)
  }

  /** An application's call changed the connection: it gets a turn before time moves on. */
  touch(connection: Connection): void {
    this.#markDirty(connection)
    if (!this.#inTurn) this.#scheduleTurn()
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled || this.#closed) return
    this.#turnScheduled = true
    this.clock.soon(() => {
      this.#turnScheduled = false
      this.#turn(this.clock.now())
    })
  }

  /** Frees everything, without a word to the peers, and closes the links. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const connection of this.#connections) releaseConnection(this.context, connection)
    this.#drainFreed()
    this.#connections.clear()
    this.#owners.clear()
    this.#deadlines.close()
    for (const link of this.links) link.close()
  }

  get closed(): boolean {
    return this.#closed
  }

  /** A free port of the configured range, or the part of it in `range` (0 = open), for who binds none. */
  freePort(range: readonly [number, number] = [0, 0]): number {
    return this.#ports.find(() => true, range)
  }

  // ------------------------------------------------------------------ the turn

  #receive(batch: PacketBatch, link: number): void {
    if (this.#closed) return
    const now = this.clock.now()
    this.#arrivals.receive(batch, link, now)
    this.#turn(now)
  }

  #oweReset(segment: Segment, reason: number | null): void {
    if (this.#resets.length >= MAX_RESETS) return
    this.#resets.push({ link: this.#arrivals.link, segment: resetFor(segment, reason) })
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
    for (const { link, segment } of this.#replies) {
      this.counters.TcpOutSegs++
      this.#transmitter.send(this.links[link], segment.source, segment.destination, segment, 0, 0)
    }
    this.#replies.length = 0
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
    if (this.#dirty.length > 0) this.#scheduleTurn()
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
    managePaths(this.context, connection, now)
    output(this.context, connection, now)
    if (reap(this.context, connection)) {
      managePaths(this.context, connection, now)
      output(this.context, connection, now)
    }
    managePaths(this.context, connection, now)
    if (this.#closed) return
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
