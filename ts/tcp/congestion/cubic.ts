// CUBIC's window, RFC 9438: slow start as RFC 5681, then a cubic function of the time since the last loss,
// and never less than a Reno of the same loss rate. Windows are counted in segments, as the RFC does.

import {
  type CongestionEvent,
  INITIAL_SEGMENTS,
  type MptcpCongestionControl,
} from './congestion-control.js'

/** RFC 9438 §4.1 and §4.6. */
const C = 0.4
const BETA = 0.7
/** §4.3: what a Reno flow with the same decrease adds in a round trip. */
const RENO_INCREASE = (3 * (1 - BETA)) / (1 + BETA)

export function cubic(mss: number): MptcpCongestionControl {
  /** Window at the last loss, segments; 0 = none yet. */
  let wMax = 0
  /** When congestion avoidance began; -1 = it has not. */
  let epochStart = -1
  let origin = 0
  let k = 0
  let reno = 0

  /** §4.6, §4.7: what a loss leaves, whole segments as Linux counts them. */
  function decrease(cwnd: number, segmentBytes: number): number {
    const segments = Math.floor(cwnd / segmentBytes)
    wMax = segments < wMax ? (segments * (1 + BETA)) / 2 : segments
    epochStart = -1
    return Math.max(Math.floor(segments * BETA + 1e-9), 2) * segmentBytes
  }

  /** §4.2 to §4.5: segments to add for each one acknowledged. */
  function increase(segments: number, acked: number, event: CongestionEvent): number {
    if (epochStart < 0) {
      epochStart = event.now
      origin = Math.max(wMax, segments)
      k = Math.cbrt((origin - segments) / C)
      reno = segments
    }
    const seconds = (event.now - epochStart + event.minRttMs) / 1000
    reno += (RENO_INCREASE * acked) / segments
    const target = Math.max(origin + C * (seconds - k) ** 3, reno)
    // At most half as much again in a round trip (§4.4).
    return target > segments ? Math.min((target - segments) / segments, 0.5) : 0.01 / segments
  }

  return {
    name: 'cubic',
    cwnd: INITIAL_SEGMENTS * mss,
    ssthresh: Number.POSITIVE_INFINITY,

    onAck(event: CongestionEvent): void {
      if (!event.cwndLimited) return
      let acked = event.ackedBytes
      if (this.cwnd < this.ssthresh) {
        const grown = Math.min(acked, this.ssthresh - this.cwnd)
        this.cwnd += grown
        acked -= grown
        if (acked <= 0) return
      }
      this.cwnd += acked * increase(this.cwnd / event.mss, acked / event.mss, event)
    },

    onCongestion(event: CongestionEvent): void {
      this.ssthresh = decrease(this.cwnd, event.mss)
      this.cwnd = this.ssthresh
    },

    onTimeout(event: CongestionEvent): void {
      this.ssthresh = decrease(this.cwnd, event.mss)
      this.cwnd = event.mss
      wMax = 0
    },
  }
}
