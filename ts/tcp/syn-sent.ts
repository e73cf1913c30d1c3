// Opening actively: the SYN, and the segments that arrive in SYN-SENT, RFC 9293 §3.10.7.3.

import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import { offsetOf } from '../wire/seq.js'
import { ackArrives } from './ack.js'
import { negotiate } from './listen.js'
import { ACCEPTABLE, type Outcome, RESET, SEND_RESET, SYN_ACKED } from './outcome.js'
import { oweAckNow } from './receive.js'
import { setState } from './state.js'
import type { Tcb } from './tcb.js'

/** Starts an active opening; the SYN leaves with the next output. */
export function open(tcb: Tcb, now: number, timeoutMs: number): void {
  setState(tcb, 'SYN-SENT')
  tcb.timers.open = now + timeoutMs
  tcb.timers.heardAt = now
}

export function segmentArrivesInSynSent(tcb: Tcb, segment: Segment, now: number): Outcome {
  const { flags } = segment
  // First, the ACK: of the SYN, and of the data that Fast Open gave it.
  const ack = offsetOf(segment.acknowledgment, tcb.iss, tcb.snd.una)
  if (flags & ACK) {
    if (ack <= 0 || ack > tcb.snd.nxt) return flags & RST ? 0 : SEND_RESET
  }
  // Second, the RST.
  if (flags & RST) return flags & ACK ? RESET : 0
  // Fourth, the SYN.
  if ((flags & SYN) === 0) return 0
  negotiate(tcb, segment, now)
  tcb.timers.heardAt = now
  if ((flags & ACK) === 0) {
    // Simultaneous opening: the SYN goes out again, as SYN/ACK.
    setState(tcb, 'SYN-RECEIVED')
    // A cookie goes in a SYN only (RFC 7413 §4.1.1).
    if (tcb.fastOpen !== null) tcb.fastOpen.option = null
    tcb.snd.right = segment.window
    tcb.snd.nxt = 0
    tcb.sent.clear()
    return ACCEPTABLE
  }
  tcb.snd.wl1 = -1
  ackArrives(tcb, segment, 0, ack, now)
  setState(tcb, 'ESTABLISHED')
  tcb.timers.open = Number.POSITIVE_INFINITY
  oweAckNow(tcb)
  return ACCEPTABLE | SYN_ACKED
}
