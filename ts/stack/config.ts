// The stack's options, their defaults and the one place that checks them.

import type { Clock } from '../clock.js'
import type { MptcpCore } from '../core/core.js'
import type { MptcpBackend } from '../core/load.js'
import type { Link } from '../link/link.js'
import type { MptcpConfig } from '../mptcp/context.js'
import { lowestRtt } from '../mptcp/scheduler/lowest-rtt.js'
import type { MptcpScheduler } from '../mptcp/scheduler/scheduler.js'
import type { Random } from '../random.js'
import type { MptcpCongestionFactory } from '../tcp/congestion/congestion-control.js'
import { newReno } from '../tcp/congestion/newreno.js'

/** An address of this host and what the path manager may do with it. */
export interface MptcpEndpointOptions {
  /** IPv4 or IPv6 in text form. */
  address: string
  /** Address id, 1 to 255; default: the next free one. */
  id?: number
  /** 0 = the connection's port. */
  port?: number
  subflow?: boolean
  signal?: boolean
  backup?: boolean
}

export interface MptcpStackOptions {
  /** The paths, in order: the first one is used for the initial subflow. */
  links: readonly Link[]
  /** Which core; default 'auto' (MPTCP_CORE decides). A loaded core is taken over. */
  core?: MptcpBackend | MptcpCore
  /** Core memory, bytes; a hard bound. Default 64 MiB. */
  memoryBytes?: number
  /** Default: real time. */
  clock?: Clock
  /** Default: the system's. */
  random?: Random
  /**
   * Default: each address of the links after the first is `subflow` when connecting and `signal` when
   * listening.
   */
  endpoints?: readonly MptcpEndpointOptions[]
  /** Ask for DSS checksums (RFC 8684 §3.1). Default false. */
  checksum?: boolean
  /** Bytes a connection may hold. Defaults 4 MiB each. */
  sendBufferBytes?: number
  receiveBufferBytes?: number
  coalesce?: 'bypass' | 'dss'
  coalesceKey?: (dataOffset: number) => number
  congestion?: MptcpCongestionFactory
  scheduler?: () => MptcpScheduler
  maxSubflows?: number
  maxAddAddrAccepted?: number
  openTimeoutMs?: number
  closeTimeoutMs?: number
  addAddrTimeoutMs?: number
  timestamps?: boolean
  sack?: boolean
  windowScaling?: boolean
  /** Local ports for connections that do not bind one: [first, last]. Default 32768 to 60999. */
  ports?: readonly [number, number]
}

export interface StackConfig extends MptcpConfig {
  memoryBytes: number
  ports: readonly [number, number]
}

/** A user's mistake: `code` says which, `message` what to do. */
export function optionError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_MPTCP_OPTION' })
}

function within(name: string, value: number, least: number, most: number): number {
  if (!Number.isFinite(value) || value < least || value > most) {
    throw optionError(`${name} must be a number from ${least} to ${most}, not ${value}`)
  }
  return value
}

/** Checks the options and fills in the defaults; throws ERR_MPTCP_OPTION. */
export function validate(options: MptcpStackOptions): StackConfig {
  if (!Array.isArray(options.links) || options.links.length === 0) {
    throw optionError('links must be a list of at least one link')
  }
  const coalesce = options.coalesce ?? 'dss'
  if (coalesce !== 'dss' && coalesce !== 'bypass') {
    throw optionError(`coalesce must be 'dss' or 'bypass', not '${coalesce}'`)
  }
  const ports = options.ports ?? ([32768, 60999] as const)
  within('ports[0]', ports[0], 1, 65535)
  within('ports[1]', ports[1], ports[0], 65535)
  const MiB = 1024 * 1024
  return {
    memoryBytes: options.memoryBytes ?? 64 * MiB,
    ports,
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
    congestion: options.congestion ?? newReno,
    scheduler: options.scheduler ?? lowestRtt,
    maxSubflows: within('maxSubflows', options.maxSubflows ?? 8, 1, 64),
    maxAddAddrAccepted: within('maxAddAddrAccepted', options.maxAddAddrAccepted ?? 8, 0, 64),
    mpCapableSyns: 3,
    openTimeoutMs: within('openTimeoutMs', options.openTimeoutMs ?? 60_000, 1, 3_600_000),
    closeTimeoutMs: within('closeTimeoutMs', options.closeTimeoutMs ?? 60_000, 1, 3_600_000),
    addAddrTimeoutMs: within('addAddrTimeoutMs', options.addAddrTimeoutMs ?? 120_000, 1, 3_600_000),
    timestamps: options.timestamps ?? true,
    sack: options.sack ?? true,
    windowScaling: options.windowScaling ?? true,
  }
}
