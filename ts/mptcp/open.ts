// Making connections and subflows: what both roles need, on both ends of MP_CAPABLE and MP_JOIN.

import { SLOT_BYTES, slotsFree } from '../core/pools.js'
import { createCongestionGroup } from '../tcp/congestion/group.js'
import { Fifo } from '../tcp/fifo.js'
import { createTcpSettings, type TcpSettings } from '../tcp/settings.js'
import { open as openTcb } from '../tcp/syn-sent.js'
import { createTcb, type Tcb } from '../tcp/tcb.js'
import { shiftFor } from '../tcp/window.js'
import type { IpAddress } from '../wire/address.js'
import type { AddressFamilies, Connection } from './connection.js'
import type { Context } from './context.js'
import { setMptcpState } from './data-state.js'
import type { LocalPath } from './local-path.js'
import { createPathManagerState } from './path-manager/path-state.js'
import { DEFAULT_SCHEDULER } from './scheduler/names.js'
import type { MptcpScheduler } from './scheduler/scheduler.js'
import { createSubflow, type Subflow } from './subflow.js'
import { idsnWords, makeKey, takeKey } from './token.js'

/** First receive window, bytes: it grows with what the application reads. */
const INITIAL_RECEIVE_BUFFER = 256 * 1024

let nextConnectionId = 1

export interface OpenOptions {
  role: 'client' | 'server'
  remote: IpAddress
  remotePort: number
  /** Plain TCP from byte 1. */
  plain: boolean
  /** Our key, where a SYN cookie has told the peer already. */
  key?: Uint8Array
  /** Shared with whoever may change them; default: nothing set. */
  settings?: TcpSettings
  /** Default: both. */
  families?: AddressFamilies
  now: number
}

/** Bytes that a connection announces at first. */
export function firstReceiveWindow({ core, config }: Context): number {
  const free = slotsFree(core) * (SLOT_BYTES / 4)
  return Math.max(4096, Math.min(INITIAL_RECEIVE_BUFFER, config.receiveBufferBytes, free))
}

/** A connection without subflows. It takes none of the core's memory before its first byte. */
export function createConnection(context: Context, options: OpenOptions): Connection {
  const { config } = context
  const connection: Connection = {
    id: nextConnectionId++,
    role: options.role,
    state: 'M_CLOSED',
    mode: options.plain ? 'fallback' : 'undecided',
    fallbackReason: null,
    error: null,
    lostBy: null,
    lostAddress: false,
    fullyEstablished: false,
    checksum: config.checksum,
    denyJoinInitial: false,
    denyJoinLocal: !config.allowJoinInitialAddress,
    localKey: new Uint8Array(8),
    remoteKey: null,
    localToken: 0,
    remoteToken: 0,
    localIdsnHigh: 0,
    localIdsnLow: 0,
    remoteIdsnHigh: 0,
    remoteIdsnLow: 0,
    subflows: [],
    nextSubflowId: 0,
    remote: options.remote,
    remotePort: options.remotePort,
    settings: options.settings ?? createTcpSettings(),
    families: options.families ?? 'both',
    scheduler: createScheduler(context),
    declined: false,
    congestion: createCongestionGroup(
      options.settings?.congestion ?? config.congestion,
      context.congestionFailed,
    ),
    pathManager: createPathManagerState(),
    snd: {
      una: 1,
      nxt: 1,
      end: 1,
      right: 1,
      fin: -1,
      records: new Fifo<number>(),
      account: 0,
      released: false,
      bufferBytes: config.sendBufferBytes,
      noDelay: false,
      cork: false,
      more: false,
      moreSince: 0,
      pushed: 1,
      smallEnd: 0,
      recordEnds: [],
      retransmits: 0,
      bytesRetransmitted: 0,
      infiniteMappingOwed: false,
    },
    rcv: {
      queue: 0,
      account: 0,
      emptyAt: 1,
      released: false,
      right: 1,
      buffer: firstReceiveWindow(context),
      bufferMost: config.receiveBufferBytes,
      fin: -1,
      finReached: false,
      finAckOwed: false,
      wideDsn: false,
      copied: 0,
      measuredAt: options.now,
      keyFailed: false,
      windowOwed: false,
      shut: false,
    },
    reinjections: [],
    timers: {
      retransmit: Number.POSITIVE_INFINITY,
      retransmitBackoff: 0,
      cork: Number.POSITIVE_INFINITY,
      probe: Number.POSITIVE_INFINITY,
      probeBackoff: 0,
      probedAt: Number.NEGATIVE_INFINITY,
      probesUnanswered: 0,
      dataFin: Number.POSITIVE_INFINITY,
      dataFinBackoff: 0,
      scheduler: Number.POSITIVE_INFINITY,
      close: Number.POSITIVE_INFINITY,
    },
    ended: [],
    accepted: options.role === 'client',
    detached: false,
    events: 0,
    wantsWrite: false,
    resting: false,
    agenda: {
      ear: null,
      owner: null,
      telling: false,
      dirty: false,
      deadline: Number.POSITIVE_INFINITY,
      position: -1,
    },
    establishedAt: -1,
    dataAckedAt: -1,
  }
  setMptcpState(connection, 'M_INIT')
  if (!options.plain) giveKey(context, connection, options.key)
  return connection
}

/** The user's, or the default if that fails. */
function createScheduler(context: Context): MptcpScheduler {
  try {
    const scheduler = context.config.scheduler.create()
    if (typeof scheduler?.schedule === 'function') return scheduler
    context.schedulerFailed(new Error('what a scheduler makes must have schedule(subflows, data)'))
  } catch (error) {
    context.schedulerFailed(error)
  }
  return DEFAULT_SCHEDULER.create()
}

/** Our key, token and IDSN; without a unique one the connection is plain TCP. */
function giveKey(context: Context, connection: Connection, key: Uint8Array | undefined): void {
  const made = key === undefined ? makeKey(context) : takeKey(context, key)
  if (made === null) {
    connection.mode = 'fallback'
    connection.fallbackReason = 'MPFallbackTokenInit'
    return
  }
  const { high, low } = idsnWords(made.derived.idsn)
  connection.localKey = made.key
  connection.localToken = made.derived.token
  connection.localIdsnHigh = high
  connection.localIdsnLow = low
  context.tokens.set(connection.localToken, connection)
}

/** Takes the peer's key: its token and IDSN. */
export function takeRemoteKey(context: Context, connection: Connection, key: Uint8Array): void {
  const derived = context.core.deriveKey(key)
  const { high, low } = idsnWords(derived.idsn)
  connection.remoteKey = key
  connection.remoteToken = derived.token
  connection.remoteIdsnHigh = high
  connection.remoteIdsnLow = low
}

/** The TCP of a new subflow on `path`. */
export function createSubflowTcb(
  context: Context,
  connection: Connection,
  path: LocalPath,
  remote: IpAddress,
): Tcb {
  const { core, counters, config, random } = context
  return createTcb({
    core,
    counters,
    iss: random.uint32(),
    timestampBase: context.timestampBase(path.address, remote),
    pathMss: Math.min(path.mss, connection.settings.maxSegment || path.mss),
    receiveShift: shiftFor(config.receiveBufferBytes),
    receiveWindow: Math.min(connection.rcv.buffer, 0xffff),
    congestion: connection.congestion,
    timestamps: config.timestamps,
    sack: config.sack,
    windowScaling: config.windowScaling,
    settings: connection.settings,
    maxRtoMs: config.maxRtoMs,
  })
}

/** Keeps where the connection began: it may outlive its initial subflow. */
export function noteInitial({ pathManager }: Connection, { path, localPort }: Subflow): void {
  pathManager.local = path.address
  pathManager.localPort = localPort
}

/** Opens a subflow from here: the SYN leaves in this turn. Null if ports ran out. */
export function openSubflow(
  context: Context,
  connection: Connection,
  path: LocalPath,
  remote: IpAddress,
  remotePort: number,
  now: number,
  options: { localAddressId: number; remoteAddressId: number; backup: boolean; localPort?: number },
): Subflow | null {
  const localPort = options.localPort ?? context.takePort(path.address, remote, remotePort)
  if (localPort === 0) return null
  const tcb = createSubflowTcb(context, connection, path, remote)
  const subflow = createSubflow({
    id: connection.nextSubflowId++,
    tcb,
    kind:
      connection.subflows.length === 0 &&
      connection.role === 'client' &&
      connection.state === 'M_INIT'
        ? 'initial'
        : 'join',
    opener: true,
    path,
    localPort,
    remote,
    remotePort,
    localAddressId: options.localAddressId,
    remoteAddressId: options.remoteAddressId,
    localNonce: context.random.uint32(),
    backup: options.backup,
    plain: connection.mode === 'fallback',
  })
  if (subflow.kind === 'initial') noteInitial(connection, subflow)
  connection.subflows = connection.subflows.concat(subflow)
  openTcb(tcb, now, context.config.openTimeoutMs)
  context.counters.TcpActiveOpens++
  context.bind(connection, subflow)
  return subflow
}
