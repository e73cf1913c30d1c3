// What a congestion control is to TCP: an object given to each tcb. It owns cwnd and ssthresh and is
// told of three events; TCP owns loss detection (recovery.ts) and asks for nothing else. Coupled ones
// share state among the objects of one connection.

/** RFC 6928: the initial window, segments. */
export const INITIAL_SEGMENTS = 10

/** What a congestion control is told, in bytes and milliseconds. */
export interface CongestionEvent {
  now: number
  /** Bytes newly acknowledged or SACKed. */
  ackedBytes: number
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
  /** Whether cwnd was what held the sender back: growing it otherwise means nothing (RFC 7661). */
  cwndLimited: boolean
}

export interface MptcpCongestionControl {
  readonly name: string
  /** Congestion window, bytes. */
  cwnd: number
  /** Slow-start threshold, bytes. */
  ssthresh: number
  /** New data was acknowledged outside a recovery. */
  onAck(event: CongestionEvent): void
  /** Loss was detected: once at the start of each recovery. */
  onCongestion(event: CongestionEvent): void
  /** A retransmission timeout: once for each first timeout of the data in flight. */
  onTimeout(event: CongestionEvent): void
}

/** Makes one subflow's congestion control; `mss` in bytes. */
export type MptcpCongestionFactory = (mss: number) => MptcpCongestionControl
