// Proportional rate reduction, RFC 9937 §6: cwnd comes down to ssthresh by as much as the ACKs say has left
// the network, so that the sender neither stops nor bursts.

import { inflightBytes } from './sent.js'
import type { Tcb } from './tcb.js'

/** In a recovery: `deliveredBytes` have arrived. `safe`: SND.UNA advanced and nothing more is lost. */
export function reduceRate(tcb: Tcb, deliveredBytes: number, safe: boolean): void {
  const { recovery, congestion, snd } = tcb
  if (recovery.phase !== 'recovery' || deliveredBytes <= 0 || recovery.priorCwnd <= 0) return
  if (congestion.ownsCwnd) return
  recovery.delivered += deliveredBytes
  const inflight = inflightBytes(tcb)
  const below = congestion.ssthresh - inflight
  let room: number
  if (below < 0) {
    const share = (congestion.ssthresh * recovery.delivered) / recovery.priorCwnd
    room = Math.ceil(share / snd.mss) * snd.mss - recovery.sent
  } else {
    room = Math.max(recovery.delivered - recovery.sent, deliveredBytes) + (safe ? snd.mss : 0)
    room = Math.min(room, below)
  }
  // The first retransmission always goes.
  congestion.cwnd = inflight + Math.max(room, recovery.sent > 0 ? 0 : snd.mss)
}
