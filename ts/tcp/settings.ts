// What a user may set on a connection and TCP acts on: RFC 9293 §3.9.1 (TOS, TTL, user timeout), §3.8.4
// (keep-alives), §3.7.1 (segment size). One record a connection, shared by its subflows: a change acts on
// those that exist and those that come.

import type { MptcpCongestionAlgorithm } from './congestion/congestion-control.js'

export interface TcpSettings {
  /** IPv4's TOS and IPv6's traffic class, without the two ECN bits, which are TCP's own. */
  tos: number
  trafficClass: number
  /** IPv4's routers may fragment: IP_PMTUDISC_DONT. */
  mayFragment: boolean
  /** -1 = the stack's default. */
  ttl: number
  hopLimit: number
  /** Most payload of a segment, announced and kept to, bytes; 0 = what the path allows. */
  maxSegment: number
  keepAlive: boolean
  keepIdleMs: number
  keepIntervalMs: number
  keepCount: number
  /** Data unacknowledged for so long ends the connection; 0 = only the retries do. */
  userTimeoutMs: number
  /** SYNs sent again before an opening is given up; 0 = the default. */
  synRetries: number
  /** Null = the stack's. */
  congestion: MptcpCongestionAlgorithm | null
}

/** Linux's defaults of the keep-alive times. */
export function createTcpSettings(): TcpSettings {
  return {
    tos: 0,
    trafficClass: 0,
    mayFragment: false,
    ttl: -1,
    hopLimit: -1,
    maxSegment: 0,
    keepAlive: false,
    keepIdleMs: 7_200_000,
    keepIntervalMs: 75_000,
    keepCount: 9,
    userTimeoutMs: 0,
    synRetries: 0,
    congestion: null,
  }
}
