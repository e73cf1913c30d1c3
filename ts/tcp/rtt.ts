// Round-trip estimation and the retransmission timeout, RFC 6298.

/** RFC 6298 §2.1. */
const INITIAL_RTO_MS = 1000
/** Deviates: from RFC 6298 §2.4 (one second), as Linux does; with delayed ACKs of at most 40 ms. */
export const MIN_RTO_MS = 200
/** Linux's TCP_RTO_MAX; RFC 6298 §2.4 wants at least a minute. */
export const MAX_RTO_MS = 120_000
/** Clock granularity G. */
const GRANULARITY_MS = 1

export interface Rtt {
  /** 0 until the first sample. */
  srttMs: number
  rttvarMs: number
  minMs: number
  rtoMs: number
  /** Timeouts in a row since the last new acknowledgment: the RTO doubles with each. */
  backoff: number
  /** Neither the timeout nor its backoff goes above. */
  readonly maxRtoMs: number
}

export function createRtt(maxRtoMs = MAX_RTO_MS): Rtt {
  const rtoMs = Math.min(INITIAL_RTO_MS, maxRtoMs)
  return { srttMs: 0, rttvarMs: 0, minMs: 0, rtoMs, backoff: 0, maxRtoMs }
}

/** Takes one sample (never of a retransmitted segment: Karn's algorithm, §3). */
export function takeSample(rtt: Rtt, sampleMs: number): void {
  if (rtt.srttMs === 0) {
    rtt.srttMs = Math.max(sampleMs, 0.001)
    rtt.rttvarMs = sampleMs / 2
    rtt.minMs = rtt.srttMs
  } else {
    rtt.rttvarMs = 0.75 * rtt.rttvarMs + 0.25 * Math.abs(rtt.srttMs - sampleMs)
    rtt.srttMs = 0.875 * rtt.srttMs + 0.125 * sampleMs
    rtt.minMs = Math.min(rtt.minMs, Math.max(sampleMs, 0.001))
  }
  // The variance term keeps the floor above srtt, as Linux does (rttvar is at least RTO_MIN there).
  rtt.rtoMs = Math.min(
    rtt.srttMs + Math.max(GRANULARITY_MS, 4 * rtt.rttvarMs, MIN_RTO_MS),
    rtt.maxRtoMs,
  )
}

/** The timeout to arm now, with its backoff (§5.5), which begins after `linear` timeouts. */
export function timeoutMs(rtt: Rtt, linear = 0): number {
  return Math.min(rtt.rtoMs * 2 ** Math.max(0, rtt.backoff - linear), rtt.maxRtoMs)
}
