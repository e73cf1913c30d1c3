// The stack: links below, sockets above. It runs the turn (input, output, notify, timers), and owns the
// core's memory and the connections. How packets find their subflow is arrivals.ts; what this host opens,
// active-open.ts; what strangers open, passive-open.ts.

import { type Clock, RealClock } from '../clock.js'
import type { MptcpCore } from '../core/core.js'
import { loadMptcpCoreSync } from '../core/load.js'
import { drainFreed, extensionCount, seedPriorities, slotsUsed } from '../core/pools.js'
import { STAGING_RECEIVE, STAGING_RECEIVE_BYTES } from '../core/staging.js'
import { type Counters, createCounters } from '../counters.js'
import type { Link, PacketBatch } from '../link/link.js'
import { createBlackhole } from '../mptcp/blackhole.js'
import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import type { LocalPath } from '../mptcp/local-path.js'
import type { Mapping } from '../mptcp/mapping.js'
import { DATA_OPTION_BYTES } from '../mptcp/segment-options.js'
import { type Random, SystemRandom } from '../random.js'
import { FastOpenCache } from '../tcp/fast-open.js'
import { payloadRoom } from '../tcp/output.js'
import { formatAddress, type IpAddress, sameAddress } from '../wire/address.js'
import { RST } from '../wire/segment.js'
import { Agenda } from './agenda.js'
import { Arrivals, type BoundSubflow } from './arrivals.js'
import { Calls } from './calls.js'
import {
  linksOf,
  type MptcpStackOptions,
  optionError,
  type StackConfig,
  type StackSettings,
  validate,
} from './config.js'
import { Demux, type FourTuple } from './demux.js'
import { Faults } from './faults.js'
import { LinkChanges } from './link-changes.js'
import type { Listener } from './listener.js'
import { PassiveOpener } from './passive-open.js'
import { MptcpPathControl } from './path-control.js'
import { makePath, makePaths, wrongLink } from './paths.js'
import { type PortHolder, Ports } from './ports.js'
import { Replies } from './replies.js'
import { TimeWaits } from './time-waits.js'
import { timestampBases } from './timestamp-base.js'
import { Transmitter } from './transmit.js'

export class Stack {
  readonly core: MptcpCore
  readonly counters: Counters
  readonly clock: Clock
  readonly config: Readonly<StackConfig>
  /** Those that there are, each in a place that stays its own. */
  readonly links: readonly Link[]
  readonly context: Context
  /** What may be done to its connections. */
  readonly calls: Calls
  /** Endpoints, limits, events and commands. */
  readonly pathControl: MptcpPathControl

  readonly #random: Random
  readonly #demux = new Demux<BoundSubflow>()
  readonly #timeWaits: TimeWaits
  readonly #transmitter: Transmitter
  readonly #agenda: Agenda
  readonly #arrivals: Arrivals
  readonly #passive: PassiveOpener
  readonly #ports: Ports
  readonly #paths: LocalPath[]
  readonly #replies = new Replies()
  readonly #linkChanges: LinkChanges
  /** Made once: every turn asks for it. */
  readonly #forgetMapping = (handle: number): void => {
    this.context.extensions[handle] = null
  }
  #inTurn = false
  /** Input, timers and turns that run, one within another: what they use is freed behind the outermost. */
  #running = 0
  #closed = false

  constructor(options: MptcpStackOptions) {
    this.config = validate(options)
    const { core } = options
    this.core =
      typeof core === 'object'
        ? core
        : loadMptcpCoreSync({ backend: core ?? 'auto', ...this.config })
    this.counters = createCounters()
    this.clock = options.clock ?? new RealClock()
    this.#random = options.random ?? new SystemRandom()
    const links = linksOf(options.links)
    this.links = links
    seedPriorities(this.core, this.#random.uint32())
    this.#transmitter = new Transmitter(this.core, this.counters)
    this.#timeWaits = new TimeWaits(this.clock, this.counters)
    this.#ports = new Ports(this.config.ports, this.#random, (port) =>
      this.#passive.isListening(port),
    )
    const faults = new Faults(this.counters)
    const paths = makePaths(links)
    this.#paths = paths
    const pathControl = new MptcpPathControl(options, paths, this.config)
    this.pathControl = pathControl
    const extensions: (Mapping | null)[] = new Array(extensionCount(this.core) + 1).fill(null)
    this.context = {
      core: this.core,
      counters: this.counters,
      random: this.#random,
      config: this.config,
      pathManager: pathControl.manager,
      defaultPathManager: () => pathControl.defaultManager(),
      pathWatchers: pathControl.watchers,
      blackhole: createBlackhole(),
      fastOpenCache: new FastOpenCache(),
      tokens: new Map(),
      extensions,
      starved: new Set(),
      unserved: new Set(),
      receiving: new Set(),
      resting: new Set(),
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
      bind: (connection, subflow) => {
        this.#demux.add({ connection, subflow, tuple: subflow, next: null })
        this.#ports.count(subflow.localPort, 1)
      },
      unbind: (subflow) => {
        if (this.#demux.remove(subflow)) this.#ports.count(subflow.localPort, -1)
      },
      keepTimeWait: (subflow, now) => this.#timeWaits.add(subflow, now),
      oweReset: (subflow, segment) => this.#replies.oweReset(subflow.path.link, segment, null),
      pathManagerFault: (error) => faults.tell('PathManagerFault', error),
      coalesceKeyFailed: (error) => faults.tell('CoalesceKeyFault', error),
      schedulerFailed: (error) => faults.tell('SchedulerFault', error),
      congestionFailed: (error) => faults.tell('CongestionFault', error),
      say: (application) => this.#agenda.say(application),
      timestampBase: timestampBases(this.#random),
      takePort: (address, remote, remotePort) =>
        this.#ports.find(
          (port) =>
            this.#demux.find(address, port, remote, remotePort) === undefined &&
            !this.#timeWaits.has(address, port, remote, remotePort),
        ),
    }
    this.#agenda = new Agenda(this.context, this.clock, (now, before) => this.#turn(now, before))
    this.calls = new Calls(this.context, this.clock, this.#agenda)
    this.#passive = new PassiveOpener(
      this.context,
      this.config,
      this.#agenda,
      this.#replies,
      (port) => pathControl.isEndpointPort(port),
    )
    this.#arrivals = new Arrivals(
      this.context,
      this.links,
      { demux: this.#demux, timeWaits: this.#timeWaits },
      this.#passive,
      this.#agenda,
      this.#replies,
    )
    pathControl.attach(this.context, this.clock, this.#agenda)
    const { context } = this
    this.#linkChanges = new LinkChanges({
      context,
      links,
      paths,
      pathControl,
      agenda: this.#agenda,
    })
    for (let i = 0; i < links.length; i++) this.#open(links[i], i)
    if ('watchLinks' in options.links) {
      options.links.watchLinks({
        added: (link) => this.#linkAdded(link),
        removed: (link) => this.#linkRemoved(link),
      })
    }
  }

  /** Slots of core memory in use: 0 once everything is closed and read. */
  get liveSlots(): number {
    return slotsUsed(this.core)
  }

  /** Connections that exist; of those in TIME-WAIT only `timeWaits` knows. */
  get connections(): Iterable<Connection> {
    return this.#agenda.connections
  }

  /** Addresses of this host, in the order of its links. */
  get paths(): readonly LocalPath[] {
    return this.#paths
  }

  get listeners(): readonly Listener[] {
    return this.#passive.listeners
  }

  /** Connections, and what is left of those in TIME-WAIT. */
  get connectionCount(): number {
    return this.#agenda.connections.size + this.#timeWaits.size
  }

  /** The ends of what is in TIME-WAIT. */
  get timeWaits(): Iterable<FourTuple> {
    return this.#timeWaits.tuples()
  }

  /** How many of them wait for a deadline. */
  get deadlineCount(): number {
    return this.#agenda.deadlineCount
  }

  // ------------------------------------------------------------------ listeners and addresses

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

  /**
   * As a host's sysctls are set, while it runs; a connection keeps what it was opened with. Whoever calls
   * has checked the values.
   */
  configure(changes: Partial<StackSettings>): void {
    Object.assign(this.config, changes)
  }

  /** An address that a link has got. Its packets must come by that link. */
  addAddress(address: IpAddress, link: number): void {
    if (this.#paths.some((each) => sameAddress(each.address, address))) return
    const path = makePath(this.links[link], link, address)
    this.#paths.push(path)
    this.pathControl.addressFound(formatAddress(address), path)
  }

  /** An address that a link has lost: nothing to it is taken, and no subflow begins there any more. */
  removeAddress(address: IpAddress): void {
    const index = this.#paths.findIndex((each) => sameAddress(each.address, address))
    if (index >= 0) this.#paths.splice(index, 1)
  }

  /**
   * Frees everything, without a word to the peers, and closes the links; asked for by a scheduler, path
   * manager or congestion control, at the end of the turn that asked them.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#running === 0) this.#end()
  }

  #end(): void {
    this.#agenda.close()
    this.#timeWaits.close()
    this.#drainFreed()
    for (const link of this.links) link.close()
  }

  get closed(): boolean {
    return this.#closed
  }

  /** A port of the configured range that nobody has, or of the part of it in `range` (0 = open). */
  freePort(range: readonly [number, number] = [0, 0]): number {
    return this.#ports.findUnused(range)
  }

  /** Binds a socket to its port, false if that is taken, or gives it back. */
  bindPort(holder: PortHolder): boolean {
    return this.#ports.bind(holder)
  }

  releasePort(holder: PortHolder): void {
    this.#ports.release(holder)
  }

  /** Whether a subflow has these four already. */
  isTaken(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): boolean {
    return this.#demux.find(local, localPort, remote, remotePort) !== undefined
  }

  // ------------------------------------------------------------------ links that change

  #open(link: Link, index: number): void {
    const isThere = (): boolean => this.links[index] === link
    const staging = this.core.u8.subarray(STAGING_RECEIVE, STAGING_RECEIVE + STAGING_RECEIVE_BYTES)
    link.open((batch) => {
      if (isThere()) this.#receive(batch, index)
    }, staging)
    link.watch?.((change) => {
      if (isThere()) this.#change((now) => this.#linkChanges.changed(index, change, now))
    })
  }

  #linkAdded(link: Link): void {
    if (this.#closed) {
      link.close()
      return
    }
    const wrong = wrongLink('the link', link)
    if (wrong !== null) throw optionError(wrong)
    const index = this.#linkChanges.place(link)
    this.#open(link, index)
    this.#change((now) => this.#linkChanges.added(index, now))
  }

  #linkRemoved(link: Link): void {
    const index = this.links.indexOf(link)
    if (index >= 0) this.#change(() => this.#linkChanges.removed(index))
  }

  /** Something happened to the host, and what follows from it is settled. */
  #change(happens: (now: number) => void): void {
    if (this.#closed) return
    this.#running++
    try {
      const now = this.clock.now()
      happens(now)
      this.#turn(now)
    } finally {
      this.#leave()
    }
  }

  // ------------------------------------------------------------------ the turn

  #receive(batch: PacketBatch, link: number): void {
    if (this.#closed) return
    this.#running++
    try {
      const now = this.clock.now()
      this.#arrivals.receive(batch, link, now)
      this.#turn(now)
    } finally {
      this.#leave()
    }
  }

  /** Output, notify, timers, for every connection that something happened to, by `before` or until now. */
  #turn(now: number, before?: (now: number) => void): void {
    if (this.#inTurn || this.#closed) return
    this.#inTurn = true
    this.#running++
    try {
      before?.(now)
      this.#sendReplies()
      this.#agenda.settleAll(now)
      this.#drainFreed()
      for (const link of this.links) link.flush()
    } finally {
      this.#inTurn = false
      this.#leave()
    }
  }

  #leave(): void {
    if (--this.#running === 0 && this.#closed) this.#end()
  }

  #sendReplies(): void {
    for (const { link, segment, settings } of this.#replies.take()) {
      const { source, destination } = segment
      if (segment.flags & RST) this.counters.TcpOutRsts++
      else this.counters.TcpOutSegs++
      this.#transmitter.send(this.links[link], source, destination, segment, 0, 0, settings)
    }
  }

  /** The destructor: handles that nothing refers to any more are given back. */
  #drainFreed(): void {
    drainFreed(this.core, this.#forgetMapping)
  }
}
