// The rate at which a subflow would leave without bursts. Told in TCP_INFO; nothing is held back by it yet.

import type { Tcb } from './tcb.js'

/** Linux's tcp_pacing_ss_ratio and tcp_pacing_ca_ratio. */
const SLOW_START_GAIN = 2
const AVOIDANCE_GAIN = 1.2

/** Bytes a second: the congestion control's, or as Linux by cwnd and round trip; 0 = not known yet. */
export function pacingRate({ congestion, rtt, snd }: Tcb): number {
  const { cwnd, ssthresh, pacingRate: own } = congestion
  if (own !== undefined && own !== Number.POSITIVE_INFINITY) return own
  if (rtt.srttMs === 0) return 0
  const gain = cwnd < ssthresh / 2 ? SLOW_START_GAIN : AVOIDANCE_GAIN
  return (1000 * gain * Math.max(cwnd, snd.nxt - snd.una)) / rtt.srttMs
}
