// NewReno's window: slow start and congestion avoidance with appropriate byte counting, RFC 5681 and
// RFC 3465; halving at loss. Detecting the loss and repairing it is rack.ts and recovery.ts.

import {
  type CongestionEvent,
  INITIAL_SEGMENTS,
  type MptcpCongestionAlgorithm,
  type MptcpCongestionControl,
} from './congestion-control.js'

class NewReno implements MptcpCongestionControl {
  cwnd: number
  ssthresh = Number.POSITIVE_INFINITY
  #creditBytes = 0

  constructor(mss: number) {
    this.cwnd = INITIAL_SEGMENTS * mss
  }

  acknowledged(event: CongestionEvent): void {
    if (!event.mayGrow) return
    if (this.cwnd < this.ssthresh) {
      this.cwnd += Math.min(event.bytes, 2 * event.mss)
      return
    }
    this.#creditBytes += event.bytes
    if (this.#creditBytes >= this.cwnd) {
      this.#creditBytes -= this.cwnd
      this.cwnd += event.mss
    }
  }

  lost(event: CongestionEvent): void {
    this.ssthresh = Math.max(event.inflightBytes / 2, 2 * event.mss)
    this.cwnd = this.ssthresh
    this.#creditBytes = 0
  }

  timedOut(event: CongestionEvent): void {
    this.lost(event)
    this.cwnd = event.mss
  }
}

export const newReno: MptcpCongestionAlgorithm = {
  name: 'newreno',
  create: (mss) => new NewReno(mss),
}
