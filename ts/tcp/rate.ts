// How fast the path delivers: a sample with each ACK, draft-cheng-iccrg-delivery-rate-estimation-02, as
// Linux's tcp_rate.c. What arrived between the sending of a segment and its ACK, over the longer of the two
// times that it took to send that much and to hear of it.

/** How the delivery stood when a segment was sent; shared by all that left between the same two ACKs. */
export interface Flight {
  /** Bytes known to have arrived (SYN and FIN count one), and when that was last heard of. */
  readonly delivered: number
  readonly deliveredAt: number
  /** When the segment was sent that had arrived last: from then on this flight is measured. */
  readonly firstSentAt: number
  /** There was less to send than cwnd allowed. */
  readonly isAppLimited: boolean
}

/** What a sample needs to know of a segment. */
interface Measured {
  readonly sentAt: number
  readonly end: number
  readonly flight: Flight
}

/** What a tcb keeps of it. */
export interface DeliveryRate {
  /** As in a Flight, by now. */
  delivered: number
  deliveredAt: number
  firstSentAt: number
  /** That of what leaves now; null = something has changed since the last one was made. */
  flight: Flight | null
  /** Bytes counted as lost, and how many of them samples have told of. */
  lost: number
  lostTold: number
  /** There was less to send than cwnd allowed: until this much is delivered, samples say so; 0 = not. */
  limitedUntil: number
  /** The last sample that says what the path carries, for TCP_INFO; 0 = none yet. */
  bytes: number
  intervalMs: number
  isAppLimited: boolean
}

export function createDeliveryRate(): DeliveryRate {
  return {
    delivered: 0,
    deliveredAt: 0,
    firstSentAt: 0,
    flight: null,
    lost: 0,
    lostTold: 0,
    limitedUntil: 0,
    bytes: 0,
    intervalMs: 0,
    isAppLimited: false,
  }
}

/** What one ACK says of the path. One object, filled anew each time. */
export interface RateSample {
  /** Bytes that arrived in `intervalMs`; 0 of both where the ACK tells no rate. */
  deliveredBytes: number
  intervalMs: number
  /** The sender had too little to send: the path may carry more than that. */
  isAppLimited: boolean
  /** Bytes counted as lost since the last sample. */
  lostBytes: number
  /** All that has arrived on this subflow; and what had, when the newest segment of this ACK was sent. */
  delivered: number
  priorDelivered: number
}

const sample: RateSample = {
  deliveredBytes: 0,
  intervalMs: 0,
  isAppLimited: false,
  lostBytes: 0,
  delivered: 0,
  priorDelivered: 0,
}
/** The newest segment that the ACK being taken delivers; null = none. */
let newest: Measured | null = null

/** `segment` has arrived, by the ACK that is being taken. */
export function sampleDelivered(segment: Measured): void {
  if (
    newest === null ||
    segment.sentAt > newest.sentAt ||
    (segment.sentAt === newest.sentAt && segment.end > newest.end)
  ) {
    newest = segment
  }
}

/** The ACK is taken: `bytes` have arrived by it. `minRttMs`: the shortest round trip that was seen. */
export function endSample(
  rate: DeliveryRate,
  minRttMs: number,
  bytes: number,
  now: number,
): RateSample {
  rate.flight = null
  rate.delivered += bytes
  if (rate.limitedUntil > 0 && rate.delivered > rate.limitedUntil) rate.limitedUntil = 0
  rate.deliveredAt = now
  sample.deliveredBytes = 0
  sample.intervalMs = 0
  sample.isAppLimited = false
  sample.lostBytes = rate.lost - rate.lostTold
  rate.lostTold = rate.lost
  sample.delivered = rate.delivered
  sample.priorDelivered = rate.delivered
  if (newest === null) return sample
  const { sentAt } = newest
  const { firstSentAt, delivered, deliveredAt, isAppLimited } = newest.flight
  newest = null
  rate.firstSentAt = sentAt
  sample.isAppLimited = isAppLimited
  sample.priorDelivered = delivered
  const intervalMs = Math.max(sentAt - firstSentAt, now - deliveredAt)
  // Shorter than any round trip: of an original that was taken for lost, or of ACKs that were held back.
  if (intervalMs <= 0 || intervalMs < minRttMs) return sample
  sample.deliveredBytes = rate.delivered - delivered
  sample.intervalMs = intervalMs
  if (!isAppLimited || sample.deliveredBytes * rate.intervalMs >= rate.bytes * intervalMs) {
    rate.bytes = sample.deliveredBytes
    rate.intervalMs = intervalMs
    rate.isAppLimited = isAppLimited
  }
  return sample
}

/** The flight of a segment that leaves now, with nothing before it in flight if `isFirst`. */
export function flightOf(rate: DeliveryRate, isFirst: boolean, now: number): Flight {
  if (isFirst) {
    rate.firstSentAt = now
    rate.deliveredAt = now
    rate.flight = null
  }
  const { delivered, deliveredAt, firstSentAt } = rate
  rate.flight ??= { delivered, deliveredAt, firstSentAt, isAppLimited: rate.limitedUntil > 0 }
  return rate.flight
}

/** Less is left to send than cwnd allows, until `delivered` have arrived. */
export function limitRate(rate: DeliveryRate, delivered: number): void {
  if (rate.limitedUntil === 0) rate.flight = null
  rate.limitedUntil = Math.max(1, delivered)
}
