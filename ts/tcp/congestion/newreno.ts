// NewReno's window: slow start and congestion avoidance with appropriate byte counting, RFC 5681 and
// RFC 3465; halving at loss. Detecting the loss and repairing it is recovery.ts.

import {
  type CongestionEvent,
  INITIAL_SEGMENTS,
  type MptcpCongestionControl,
} from './congestion-control.js'

export function newReno(mss: number): MptcpCongestionControl {
  let creditBytes = 0
  return {
    name: 'newreno',
    cwnd: INITIAL_SEGMENTS * mss,
    ssthresh: Number.POSITIVE_INFINITY,

    onAck(event: CongestionEvent): void {
      if (!event.cwndLimited) return
      if (this.cwnd < this.ssthresh) {
        this.cwnd += Math.min(event.ackedBytes, 2 * event.mss)
        return
      }
      creditBytes += event.ackedBytes
      if (creditBytes >= this.cwnd) {
        creditBytes -= this.cwnd
        this.cwnd += event.mss
      }
    },

    onCongestion(event: CongestionEvent): void {
      this.ssthresh = Math.max(event.inflightBytes / 2, 2 * event.mss)
      this.cwnd = this.ssthresh
      creditBytes = 0
    },

    onTimeout(event: CongestionEvent): void {
      this.ssthresh = Math.max(event.inflightBytes / 2, 2 * event.mss)
      this.cwnd = event.mss
      creditBytes = 0
    },
  }
}
