// The stack's options, their defaults and the one place that checks them.

import type { Clock } from '../clock.js'
import type { MptcpCore } from '../core/core.js'
import type { MptcpBackend } from '../core/load.js'
import type { Link, LinkSource } from '../link/link.js'
import type { MptcpConfig } from '../mptcp/context.js'
import { type MptcpEndpointOptions, pathError } from '../mptcp/path-manager/endpoint-table.js'
import type { MptcpPathManager } from '../mptcp/path-manager/path-manager.js'
import { DEFAULT_SCHEDULER, SCHEDULERS } from '../mptcp/scheduler/names.js'
import type { MptcpSchedulerAlgorithm } from '../mptcp/scheduler/scheduler.js'
import { type OptionKinds, wrongOption } from '../option-kinds.js'
import type { Random } from '../random.js'
import type { MptcpCongestionAlgorithm } from '../tcp/congestion/congestion-control.js'
import { wrongAlgorithm } from '../tcp/congestion/guard.js'
import { CONGESTION_CONTROLS, DEFAULT_CONGESTION } from '../tcp/congestion/names.js'
import { FAST_OPEN_CLIENT } from '../tcp/fast-open.js'
import { MAX_RTO_MS } from '../tcp/rtt.js'
import { thrownWords } from '../thrown.js'
import { ETHERNET_MSS } from '../wire/tcp.js'

export interface MptcpStackOptions {
  /**
   * The paths, in order: the first one is used for the initial subflow. Or a source of links, which may have
   * none yet: links that come later are used as well.
   */
  links: readonly Link[] | LinkSource
  /** Which core; default 'auto' (MPTCP_CORE decides). A loaded core is taken over. */
  core?: MptcpBackend | MptcpCore
  /** Core memory, bytes; a hard bound. Default 64 MiB. */
  memoryBytes?: number
  /**
   * Connections that may have data under way at once: unread, unacknowledged or out of order. Idle ones
   * take none of the core's memory. Default: one for each 16 slots, 1,900 of 64 MiB.
   */
  maxActiveConnections?: number
  /** Default: real time. */
  clock?: Clock
  /** Default: the system's. */
  random?: Random
  /**
   * Who decides about addresses and subflows. Default 'endpoints': as Linux's in-kernel path manager does,
   * by the endpoints and the limits. 'userspace': nobody; a program commands by token
   * (`stack.pathControl`).
   */
  pathManager?: 'endpoints' | 'userspace' | MptcpPathManager
  /**
   * Default: each address of the links beside that of the connection is `subflow` when connecting and
   * `signal` when listening.
   */
  endpoints?: readonly MptcpEndpointOptions[]
  /** Ask for DSS checksums (RFC 8684 §3.1). Default false. */
  checksum?: boolean
  /** Bytes a connection may hold. Defaults 4 MiB each. */
  sendBufferBytes?: number
  receiveBufferBytes?: number
  coalesce?: 'bypass' | 'dss'
  coalesceKey?: (dataOffset: number) => number
  /** `newreno` (or `reno`), `cubic`, or one of your own: each subflow gets one. Default `newreno`. */
  congestion?: string | MptcpCongestionAlgorithm
  /** Which subflow takes which data: a name, or one of your own. Default 'lowest-rtt'. */
  scheduler?: string | MptcpSchedulerAlgorithm
  /** Subflows of a connection, the first included: Linux's limit and one. Default 8. */
  maxSubflows?: number
  /** Addresses of the peer that are joined. Default 8 when connecting, none when listening. */
  maxAddAddrAccepted?: number
  /**
   * False: MP_CAPABLE tells the peer that no joins are accepted at the address and port that it knows
   * (flag C, RFC 8684 §3.1), as a server behind a load balancer does. Default true.
   */
  allowJoinInitialAddress?: boolean
  openTimeoutMs?: number
  closeTimeoutMs?: number
  /**
   * FIN together with the DATA_FIN where nothing else is outstanding (RFC 8684 §3.3.3): closing takes one
   * round trip less. Default false, as Linux: once the DATA_FIN is acknowledged.
   */
  finWithDataFin?: boolean
  addAddrTimeoutMs?: number
  /**
   * For how long this host opens plain TCP after a path has swallowed SYNs with MP_CAPABLE; doubled each
   * time, as Linux. Default one hour; 0 = it tries MP_CAPABLE every time.
   */
  blackholeTimeoutMs?: number
  timestamps?: boolean
  sack?: boolean
  windowScaling?: boolean
  /**
   * Fast Open, as the bits of Linux's net.ipv4.tcp_fastopen: 1 = connecting, 2 = listening, 4 = data in the
   * SYN without a cookie, 0x200 = data of a SYN taken without one, 0x400 = every listener. Default 1.
   */
  fastOpen?: number
  /** Of the cookies that listeners give: 16 bytes, and 16 more of a backup. Default: random. */
  fastOpenKey?: Uint8Array
  /** SYN cookies: 0 = never, 1 = while a backlog is full of half-open connections, 2 = always. Default 1. */
  synCookies?: 0 | 1 | 2
  /** Local ports for connections that do not bind one: [first, last]. Default 32768 to 60999. */
  ports?: readonly [number, number]
}

export interface StackConfig extends MptcpConfig {
  memoryBytes: number
  /** Undefined = by the memory. */
  maxActiveConnections: number | undefined
  ports: readonly [number, number]
  fastOpen: number
  fastOpenKey: Uint8Array | null
  synCookies: number
}

/** What may change while the stack runs; memory and ports are taken as it opens. */
export type StackSettings = Omit<StackConfig, 'memoryBytes' | 'ports'>

/** A user's mistake: `code` says which, `message` what to do. */
export function optionError(message: string): Error {
  return pathError('OPTION', message)
}

function within(name: string, value: number, least: number, most: number): number {
  if (!Number.isFinite(value) || value < least || value > most) {
    throw optionError(`${name} must be a number from ${least} to ${most}, not ${value}`)
  }
  return value
}

/** By name, or one of the user's own, which is made once to see what it makes. */
function chooseScheduler(given: MptcpStackOptions['scheduler']): MptcpSchedulerAlgorithm {
  if (given === undefined) return DEFAULT_SCHEDULER
  if (typeof given === 'string') {
    const algorithm = SCHEDULERS.get(given)
    if (algorithm !== undefined) return algorithm
    throw optionError(
      `there is no scheduler '${given}'; there is: ${[...SCHEDULERS.keys()].join(', ')}`,
    )
  }
  const wrong = wrongScheduler(given)
  if (wrong !== null) {
    throw optionError(
      `scheduler must be a name or { name, create() }, as docs/socket-api.md shows: ${wrong}`,
    )
  }
  return given
}

/** What is wrong with one of the user's, in words; null = nothing. */
function wrongScheduler(algorithm: MptcpSchedulerAlgorithm): string | null {
  if (typeof algorithm !== 'object' || algorithm === null) {
    return `it is { name, create() }, not a ${typeof algorithm}`
  }
  if (typeof algorithm.name !== 'string' || algorithm.name === '') return 'it has no name'
  if (typeof algorithm.create !== 'function') return 'it lacks the function create()'
  try {
    const scheduler = algorithm.create()
    if (typeof scheduler?.schedule === 'function') return null
    return 'what it makes lacks the function schedule(subflows, data)'
  } catch (error) {
    return `create() threw: ${thrownWords(error)}`
  }
}

/** By name, or one of the user's own, which is made once to see what it makes. */
function chooseCongestion(given: MptcpStackOptions['congestion']): MptcpCongestionAlgorithm {
  if (given === undefined) return DEFAULT_CONGESTION
  if (typeof given === 'string') {
    const algorithm = CONGESTION_CONTROLS.get(given)
    if (algorithm !== undefined) return algorithm
    const names = [...CONGESTION_CONTROLS.keys()].join(', ')
    throw optionError(`there is no congestion control '${given}'; there is: ${names}`)
  }
  const wrong = wrongAlgorithm(given, ETHERNET_MSS)
  if (wrong !== null) {
    throw optionError(
      `congestion must be a name or { name, create(mss) }, as docs/socket-api.md shows: ${wrong}`,
    )
  }
  return given
}

const OPTION_KINDS: OptionKinds<MptcpStackOptions> = {
  links: null,
  core: null,
  memoryBytes: 'number',
  maxActiveConnections: 'number',
  clock: ['now', 'at', 'cancel', 'soon'],
  random: ['uint32', 'float', 'bytes', 'below'],
  pathManager: null,
  endpoints: 'list',
  checksum: 'boolean',
  sendBufferBytes: 'number',
  receiveBufferBytes: 'number',
  coalesce: null,
  coalesceKey: 'function',
  congestion: null,
  scheduler: null,
  maxSubflows: 'number',
  maxAddAddrAccepted: 'number',
  allowJoinInitialAddress: 'boolean',
  openTimeoutMs: 'number',
  closeTimeoutMs: 'number',
  finWithDataFin: 'boolean',
  addAddrTimeoutMs: 'number',
  blackholeTimeoutMs: 'number',
  timestamps: 'boolean',
  sack: 'boolean',
  windowScaling: 'boolean',
  fastOpen: 'number',
  fastOpenKey: 'bytes',
  synCookies: 'number',
  ports: 'list',
}

function checkLinks(links: MptcpStackOptions['links']): void {
  if (Array.isArray(links) ? links.length > 0 : isSource(links as LinkSource)) return
  throw optionError('links must be a list of at least one link, or have links and watchLinks()')
}

function isSource(given: LinkSource | null | undefined): boolean {
  return Array.isArray(given?.links) && typeof given?.watchLinks === 'function'
}

/** The links that there are now. */
export function linksOf(links: MptcpStackOptions['links']): Link[] {
  return 'watchLinks' in links ? [...links.links] : [...links]
}

/** Checks that each option is one, and of its kind: all that can be said before there is a core. */
export function checkNames(options: MptcpStackOptions): void {
  const wrong = wrongOption(options, OPTION_KINDS)
  if (wrong !== null) throw optionError(wrong)
}

/** Checks the options and fills in the defaults; throws ERR_MPTCP_OPTION. */
export function validate(options: MptcpStackOptions): StackConfig {
  checkNames(options)
  checkLinks(options.links)
  const coalesce = options.coalesce ?? 'dss'
  if (coalesce !== 'dss' && coalesce !== 'bypass') {
    throw optionError(`coalesce must be 'dss' or 'bypass', not '${coalesce}'`)
  }
  const ports = options.ports ?? ([32768, 60999] as const)
  within('ports[0]', ports[0], 1, 65535)
  within('ports[1]', ports[1], ports[0], 65535)
  const { fastOpenKey } = options
  if (fastOpenKey !== undefined && fastOpenKey.length !== 16 && fastOpenKey.length !== 32) {
    throw optionError(`fastOpenKey must be 16 or 32 bytes, not ${fastOpenKey.length}`)
  }
  const MiB = 1024 * 1024
  return {
    memoryBytes: options.memoryBytes ?? 64 * MiB,
    maxActiveConnections:
      options.maxActiveConnections === undefined
        ? undefined
        : within('maxActiveConnections', options.maxActiveConnections, 1, 4_194_304),
    ports,
    fastOpen: within('fastOpen', options.fastOpen ?? FAST_OPEN_CLIENT, 0, 0xffff_ffff),
    fastOpenKey: fastOpenKey ?? null,
    synCookies: within('synCookies', options.synCookies ?? 1, 0, 2),
    checksum: options.checksum ?? false,
    sendBufferBytes: within(
      'sendBufferBytes',
      options.sendBufferBytes ?? 4 * MiB,
      2048,
      1024 * MiB,
    ),
    receiveBufferBytes: within(
      'receiveBufferBytes',
      options.receiveBufferBytes ?? 4 * MiB,
      2048,
      1024 * MiB,
    ),
    coalesce,
    coalesceKey: options.coalesceKey ?? null,
    congestion: chooseCongestion(options.congestion),
    scheduler: chooseScheduler(options.scheduler),
    maxSubflows: within('maxSubflows', options.maxSubflows ?? 8, 1, 64),
    maxAddAddrAccepted:
      options.maxAddAddrAccepted === undefined
        ? null
        : within('maxAddAddrAccepted', options.maxAddAddrAccepted, 0, 64),
    allowJoinInitialAddress: options.allowJoinInitialAddress ?? true,
    mpCapableSyns: 3,
    blackholeTimeoutMs: within(
      'blackholeTimeoutMs',
      options.blackholeTimeoutMs ?? 3_600_000,
      0,
      86_400_000,
    ),
    openTimeoutMs: within('openTimeoutMs', options.openTimeoutMs ?? 60_000, 1, 3_600_000),
    closeTimeoutMs: within('closeTimeoutMs', options.closeTimeoutMs ?? 60_000, 1, 3_600_000),
    finWithDataFin: options.finWithDataFin ?? false,
    addAddrTimeoutMs: within('addAddrTimeoutMs', options.addAddrTimeoutMs ?? 120_000, 1, 3_600_000),
    leastBurst: 2,
    maxRtoMs: MAX_RTO_MS,
    slowStartAfterIdle: true,
    timestamps: options.timestamps ?? true,
    sack: options.sack ?? true,
    windowScaling: options.windowScaling ?? true,
  }
}
