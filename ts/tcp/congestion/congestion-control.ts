// What a congestion control is to TCP: an object, made once for each subflow, that owns cwnd, ssthresh and
// a pacing rate and is told what happens. TCP owns loss detection (rack.ts, recovery.ts) and brings cwnd
// down in a recovery (prr.ts). Coupled ones see those of their connection's other subflows.

import type { RateSample } from '../rate.js'

/** RFC 6928: the initial window, segments. */
export const INITIAL_SEGMENTS = 10

/** What a congestion control is told, in bytes and milliseconds. One object, filled anew each time. */
export interface CongestionEvent {
  now: number
  /** acknowledged: bytes newly acknowledged or SACKed. sent: bytes that leave. Else 0. */
  bytes: number
  /** Bytes believed to be in the network before this event. */
  inflightBytes: number
  /** Payload bytes of a full segment. */
  mss: number
  /** Smoothed round-trip time; 0 = not known yet. */
  srttMs: number
  /** Smallest round-trip time seen; 0 = not known yet. */
  minRttMs: number
  /** The last round-trip sample; 0 = none with this event. */
  rttMs: number
  /**
   * acknowledged: cwnd may grow by it, since SND.UNA advanced, no recovery runs, and cwnd was what held the
   * sender back (RFC 7661).
   */
  mayGrow: boolean
  /** There was too little to send of late: what is in flight says little of the path. */
  isAppLimited: boolean
  /** SND.UNA and SND.NXT as offsets: rounds are counted by them. */
  una: number
  nxt: number
}

export interface MptcpCongestionControl {
  /** Congestion window, bytes. TCP lowers it in a recovery, and after an idle time. */
  cwnd: number
  /** Slow-start threshold, bytes; Infinity = none yet. TCP raises it after an idle time. */
  ssthresh: number
  /** Bytes a second; left out or Infinity = as Linux does, by cwnd and round trip. Told, not yet obeyed. */
  pacingRate?: number
  /** True: it alone sets cwnd, in a recovery and after an idle time as well. */
  readonly ownsCwnd?: boolean
  /** Something new was acknowledged or SACKed. */
  acknowledged(event: CongestionEvent, sample: RateSample): void
  /** Loss was detected: once at the start of each recovery. */
  lost(event: CongestionEvent): void
  /** A retransmission timeout: once for each first timeout of the data in flight. */
  timedOut(event: CongestionEvent): void
  /** The last `lost` or `timedOut` was none. Not called yet: TCP does not find out. */
  undone?(event: CongestionEvent): void
  /** A segment leaves, for the first time or again. */
  sent?(event: CongestionEvent): void
  /** The payload of a full segment has changed, bytes. */
  setMss?(mss: number): void
  /**
   * Its subflow is established, or has ended. `group` holds the controls of the connection's subflows, this
   * one among them (at leave: no more), and is kept up to date; others may be of another algorithm.
   */
  join?(group: readonly MptcpCongestionControl[]): void
  leave?(group: readonly MptcpCongestionControl[]): void
}

export interface MptcpCongestionAlgorithm {
  /** For TCP_CONGESTION. */
  readonly name: string
  /** Makes one subflow's control, once its MSS (bytes) is known. */
  create(mss: number): MptcpCongestionControl
}
