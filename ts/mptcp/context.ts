// What the MPTCP layer is given by the stack: the core, the counters, randomness, the settings, and the
// one way out to the wire. Passed as an argument; nothing here is global.

import type { MptcpCore } from '../core/core.js'
import type { Counters } from '../counters.js'
import type { Random } from '../random.js'
import type { MptcpCongestionAlgorithm } from '../tcp/congestion/congestion-control.js'
import type { FastOpenCache } from '../tcp/fast-open.js'
import type { IpAddress } from '../wire/address.js'
import type { Segment } from '../wire/segment.js'
import type { Connection } from './connection.js'
import type { LocalPath } from './local-path.js'
import type { Mapping } from './mapping.js'
import type { MptcpPathManager, MptcpPathWatcher } from './path-manager/path-manager.js'
import type { MptcpSchedulerAlgorithm } from './scheduler/scheduler.js'
import type { Subflow } from './subflow.js'

export interface MptcpConfig {
  /** Ask for DSS checksums (RFC 8684 §3.1, flag A). */
  checksum: boolean
  /** Bytes that a connection may hold for sending and for receiving. */
  sendBufferBytes: number
  receiveBufferBytes: number
  /** How data records may be joined on arrival: never, or where their mappings abut. */
  coalesce: 'bypass' | 'dss'
  /**
   * Another record protocol's compatibility test: data at `dataOffset` may be joined to what stands
   * before it only where the keys are equal. Null = the DSS mappings decide.
   */
  coalesceKey: ((dataOffset: number) => number) | null
  congestion: MptcpCongestionAlgorithm
  scheduler: MptcpSchedulerAlgorithm
  /** Most subflows of one connection, the first included. */
  maxSubflows: number
  /** Most addresses of the peer that are joined; null = 8 for a client and none for a server. */
  maxAddAddrAccepted: number | null
  /** Joins to the address and port of the initial subflow are accepted; else flag C says so. */
  allowJoinInitialAddress: boolean
  /** SYNs with MP_CAPABLE before one without: as Linux, the first and two retransmissions. */
  mpCapableSyns: number
  /** How long a path that swallows MP_CAPABLE is remembered, as Linux; 0 = not at all. */
  blackholeTimeoutMs: number
  openTimeoutMs: number
  /** How long a closed connection waits for its peer. */
  closeTimeoutMs: number
  /**
   * FIN together with the DATA_FIN where nothing else is outstanding (RFC 8684 §3.3.3); else, as Linux,
   * once the DATA_FIN is acknowledged.
   */
  finWithDataFin: boolean
  /** An ADD_ADDR without echo is sent again after the RTO, at most this late. */
  addAddrTimeoutMs: number
  /** Longest retransmission timeout of TCP. */
  maxRtoMs: number
  /** cwnd is cut after an idle time, RFC 5681 §4.1. */
  slowStartAfterIdle: boolean
  /** Segments that a link with segmentation offload is given at once, at least: Linux's tcp_min_tso_segs. */
  leastBurst: number
  timestamps: boolean
  sack: boolean
  windowScaling: boolean
}

/** Whether paths swallow MP_CAPABLE (blackhole.ts). */
export interface Blackhole {
  /** How often one was seen since MP_CAPABLE last got through. */
  times: number
  /** When it was seen last. */
  seenAt: number
}

export interface Context {
  readonly core: MptcpCore
  readonly counters: Counters
  readonly random: Random
  readonly config: MptcpConfig
  readonly pathManager: MptcpPathManager
  /** Takes the place of a user's that has failed. */
  defaultPathManager(): MptcpPathManager
  /** Told of every event of the path manager's. */
  readonly pathWatchers: ReadonlySet<MptcpPathWatcher>
  /** Fast Open cookies that servers gave us. */
  readonly fastOpenCache: FastOpenCache
  readonly blackhole: Blackhole
  /** Connections by our token. */
  readonly tokens: Map<number, Connection>
  /** Mappings by extension handle. */
  readonly extensions: (Mapping | null)[]
  /** Connections that found no memory to send with: they get another turn once there is some. */
  readonly starved: Set<Connection>
  /** Connections that found no account to send with: as `starved`, first come, first served. */
  readonly unserved: Set<Connection>
  /** Connections that have a queue and an account for receiving (idle.ts). */
  readonly receiving: Set<Connection>
  /** Connections that hold accounts and queues with nothing in them, the longest first (idle.ts). */
  readonly resting: Set<Connection>
  /** The paths of this host, in the order of the links. */
  readonly paths: readonly LocalPath[]
  /**
   * Gathers a segment's payload, `length` bytes from `skip` into the chain `record`, for the next
   * `transmit`; returns its ones' complement sum, which serves TCP and DSS checksum alike.
   */
  gather(record: number, skip: number, length: number): number
  /**
   * Puts a segment on the wire, with the payload gathered last (its sum is `payloadSum`). False: the
   * link dropped it.
   */
  transmit(subflow: Subflow, segment: Segment, payloadSum: number): boolean
  /** Makes the subflow findable by its 4-tuple, or no longer. */
  bind(connection: Connection, subflow: Subflow): void
  unbind(subflow: Subflow): void
  /** The subflow, in TIME-WAIT, is about to go: what is left of it is kept for its minute. */
  keepTimeWait(subflow: Subflow, now: number): void
  /** `segment`, which came on `subflow`'s path, fits nothing: it is answered with a RST (RFC 9293 §3.10.7.1). */
  oweReset(subflow: Subflow, segment: Segment): void
  /** Runs an application's code after the turn. */
  say(application: () => void): void
  /** A coalesceKey has thrown, or given what is no key. */
  coalesceKeyFailed(error: unknown): void
  /** A scheduler has thrown, or given an answer that is none. */
  schedulerFailed(error: unknown): void
  /** A path manager has thrown. */
  pathManagerFault(error: unknown): void
  /** A congestion control of the user's has failed, and was replaced. */
  congestionFailed(error: Error): void
  /** Where the timestamps of segments between these two begin. */
  timestampBase(local: IpAddress, remote: IpAddress): number
  /** A free local port for a subflow from `address`; 0 if there is none. */
  takePort(address: IpAddress, remote: IpAddress, remotePort: number): number
}
