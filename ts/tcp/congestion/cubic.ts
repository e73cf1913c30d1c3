// CUBIC's window, RFC 9438: slow start as RFC 5681, then a cubic function of the time since the last loss,
// and never less than a Reno of the same loss rate. Windows are counted in segments, as the RFC does.

import {
  type CongestionEvent,
  INITIAL_SEGMENTS,
  type MptcpCongestionAlgorithm,
  type MptcpCongestionControl,
} from './congestion-control.js'

/** RFC 9438 §4.1 and §4.6. */
const C = 0.4
const BETA = 0.7
/** §4.3: what a Reno flow with the same decrease adds in a round trip. */
const RENO_INCREASE = (3 * (1 - BETA)) / (1 + BETA)

class Cubic implements MptcpCongestionControl {
  cwnd: number
  ssthresh = Number.POSITIVE_INFINITY
  /** Window at the last loss, segments; 0 = none yet. */
  #wMax = 0
  /** When congestion avoidance began; -1 = it has not. */
  #epochStart = -1
  #origin = 0
  #k = 0
  #reno = 0

  constructor(mss: number) {
    this.cwnd = INITIAL_SEGMENTS * mss
  }

  acknowledged(event: CongestionEvent): void {
    if (!event.mayGrow) return
    let acked = event.bytes
    if (this.cwnd < this.ssthresh) {
      const grown = Math.min(acked, this.ssthresh - this.cwnd)
      this.cwnd += grown
      acked -= grown
      if (acked <= 0) return
    }
    this.cwnd += acked * this.#increase(this.cwnd / event.mss, acked / event.mss, event)
  }

  lost(event: CongestionEvent): void {
    this.ssthresh = this.#decrease(event.mss)
    this.cwnd = this.ssthresh
  }

  timedOut(event: CongestionEvent): void {
    this.ssthresh = this.#decrease(event.mss)
    this.cwnd = event.mss
    this.#wMax = 0
  }

  /** §4.6, §4.7: what a loss leaves, whole segments as Linux counts them. */
  #decrease(segmentBytes: number): number {
    const segments = Math.floor(this.cwnd / segmentBytes)
    this.#wMax = segments < this.#wMax ? (segments * (1 + BETA)) / 2 : segments
    this.#epochStart = -1
    return Math.max(Math.floor(segments * BETA + 1e-9), 2) * segmentBytes
  }

  /** §4.2 to §4.5: segments to add for each one acknowledged. */
  #increase(segments: number, acked: number, event: CongestionEvent): number {
    if (this.#epochStart < 0) {
      this.#epochStart = event.now
      this.#origin = Math.max(this.#wMax, segments)
      this.#k = Math.cbrt((this.#origin - segments) / C)
      this.#reno = segments
    }
    const seconds = (event.now - this.#epochStart + event.minRttMs) / 1000
    this.#reno += (RENO_INCREASE * acked) / segments
    const target = Math.max(this.#origin + C * (seconds - this.#k) ** 3, this.#reno)
    // At most half as much again in a round trip (§4.4).
    return target > segments ? Math.min((target - segments) / segments, 0.5) : 0.01 / segments
  }
}

export const cubic: MptcpCongestionAlgorithm = { name: 'cubic', create: (mss) => new Cubic(mss) }
