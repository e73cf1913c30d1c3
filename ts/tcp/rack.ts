// RACK, RFC 8985: what counts as lost, by the time that it was sent and by what has arrived since.

import { DUPLICATE_THRESHOLD, enterRecovery } from './recovery.js'
import { markLost } from './sent.js'
import { LOST, RETRANSMITTING, SACKED, type Tcb } from './tcb.js'

/**
 * RACK, RFC 8985 §6.2 steps 4 and 5: a segment is lost once one that was sent a reordering window
 * later has arrived. Arms the reordering timer for those that are not yet.
 */
export function detectLosses(tcb: Tcb, now: number): void {
  const { recovery, sent, rtt } = tcb
  tcb.timers.reorder = Number.POSITIVE_INFINITY
  if (recovery.sackedSegments === 0 && recovery.retransmitBytes === 0) return
  // One record may stand for a burst of several segments.
  const sacked = Math.max(recovery.sackedSegments, Math.floor(recovery.sackedBytes / tcb.snd.mss))
  const certain =
    !recovery.reorderingSeen && (sacked >= DUPLICATE_THRESHOLD || recovery.phase !== 'open')
  const reorderWindow = certain ? 0 : Math.min(rtt.minMs / 4, rtt.srttMs)
  let wait = 0
  for (let i = 0; i < sent.length; i++) {
    const segment = sent.at(i)
    if (segment.start >= recovery.rackEnd && segment.sentAt > recovery.rackSentAt) break
    if (segment.marks & SACKED) continue
    if ((segment.marks & (LOST | RETRANSMITTING)) === LOST) continue
    const sentBefore =
      segment.sentAt < recovery.rackSentAt ||
      (segment.sentAt === recovery.rackSentAt && segment.end < recovery.rackEnd)
    if (!sentBefore) continue
    const remaining = segment.sentAt + recovery.rackRttMs + reorderWindow - now
    if (remaining <= 0) {
      enterRecovery(tcb, now)
      markLost(tcb, segment)
    } else wait = Math.max(wait, remaining)
  }
  if (wait > 0) tcb.timers.reorder = now + wait
}
