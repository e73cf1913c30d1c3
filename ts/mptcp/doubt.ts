// A connection that became plain TCP in the middle, because a box takes the options away: does the peer know? One that
// does not (Linux) sends again at the data level what it misses the DATA_ACK of, and that would be read twice. So the
// first data is held for longer than such a peer waits; if it comes again meanwhile, as new bytes, the subflow ends.

import type { Segment } from '../wire/segment.js'
import { seqOf } from '../wire/seq.js'
import type { Context } from './context.js'
import type { Subflow } from './subflow.js'

/** Linux repeats after the RTO, 200 ms at least. */
const DOUBT_MS = 1000

/** From now on the peer must show that it knows. */
export function beginDoubt(subflow: Subflow): void {
  subflow.doubt = { first: null, until: Number.POSITIVE_INFINITY }
}

/** Data has come, perhaps in doubt; keeps the first of it. True = that is said again, as if it were new. */
export function takeInDoubt(
  { core }: Context,
  { doubt, tcb }: Subflow,
  { sequence, payloadOffset, payloadLength }: Segment,
  now: number,
): boolean {
  if (doubt === null || payloadLength === 0) return false
  const bytes = core.u8.subarray(payloadOffset, payloadOffset + payloadLength)
  if (doubt.first === null) {
    // TCP's own repetition of what was there before says nothing.
    if (((sequence - seqOf(tcb.rcv.nxt, tcb.irs)) | 0) < -payloadLength) return false
    doubt.first = { bytes: bytes.slice(), sequence }
    doubt.until = now + DOUBT_MS
    return false
  }
  const { first } = doubt
  if (sequence === first.sequence) return false
  const length = Math.min(bytes.length, first.bytes.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== first.bytes[i]) return false
  return true
}
