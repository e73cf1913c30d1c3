// What `mptcp nc` needs of a stack, ours or the host's. The pump and the report know no more.

import type { Duplex } from 'node:stream'
import type { MptcpBackend } from '../core/load.js'
import type { MptcpSchedulerAlgorithm } from '../mptcp/scheduler/scheduler.js'
import type { MptcpCongestionAlgorithm } from '../tcp/congestion/congestion-control.js'
import type { PathOption } from './path-option.js'

export interface NcOptions {
  listen?: true
  keep?: true
  link: string
  path: PathOption[]
  core: MptcpBackend
  scheduler: MptcpSchedulerAlgorithm
  cc: MptcpCongestionAlgorithm
  checksum?: true
  plain?: true
  pcap?: string
  json?: true
  verbose?: true
  /** Seconds. */
  timeout: number
}

/** Where to: undefined host = every address. */
export interface NcTarget {
  host: string | undefined
  port: number
}

/** The JSON object of `--json`. */
export interface NcReport {
  bytesSent: number
  bytesReceived: number
  /** From ESTABLISHED to the last DATA_ACK. */
  seconds: number
  /** Both directions together. */
  mbitPerSecond: number
  multipath: boolean
  fallbackReason: string | null
  subflows: NcSubflow[]
  counters: object
}

export interface NcSubflow {
  id: number
  local: string
  remote: string
  state: string
  bytesSent: number
  bytesReceived: number
  rttMs: number
  retransmits: number
  backup: boolean
}

export interface NcConnection {
  readonly socket: Duplex
  readonly peer: string
  /** Every path is in use, or no more can be; where we listen, the peer has joined as well. */
  isJoined(): boolean
  /** After both directions ended: waits for what is unacknowledged. Fails if it stays so. */
  settle(): Promise<void>
  /** Ends it at once, with a reset. */
  abort(): void
  report(): NcReport
}

export interface NcTransport {
  /** Resolves when the connection stands. */
  connect(host: string, port: number): Promise<NcConnection>
  /** Resolves when it listens. */
  listen(target: NcTarget, onConnection: (connection: NcConnection) => void): Promise<void>
  /** Takes no more connections. */
  unlisten(): void
  /** Leaves nothing behind. Resets what is still open. */
  close(): Promise<void>
}

/** Subflows to be expected. A peer that connects may have a second path to our only one. */
export function expectedSubflows({ path, listen }: NcOptions): number {
  return listen ? Math.max(2, path.length) : path.length
}

export function megabits(bytes: number, seconds: number): number {
  return seconds > 0 ? (bytes * 8) / seconds / 1e6 : 0
}
