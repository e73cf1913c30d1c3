// Paths that swallow SYNs with MP_CAPABLE, as Linux remembers them: when the first SYN without it is
// answered, after several with it were not, this host opens plain TCP for a while; longer each time, until
// a handshake with MP_CAPABLE succeeds. RFC 8684 §3.7 leaves open how.

import type { Blackhole, Context } from './context.js'

/** Doublings of the time. */
const MAX_DOUBLINGS = 6

export function createBlackhole(): Blackhole {
  return { times: 0, seenAt: 0 }
}

/** Whether a connection to be opened now should be plain TCP from its first SYN. */
export function isBlackholed(context: Context, now: number): boolean {
  const { blackhole, config } = context
  if (blackhole.times === 0 || config.blackholeTimeoutMs === 0) return false
  const doublings = Math.min(blackhole.times - 1, MAX_DOUBLINGS)
  return now < blackhole.seenAt + config.blackholeTimeoutMs * 2 ** doublings
}

/** The first SYN without MP_CAPABLE was answered. */
export function blackholeSeen(context: Context, now: number): void {
  const { blackhole, config, counters } = context
  if (config.blackholeTimeoutMs === 0) return
  counters.Blackhole++
  blackhole.times++
  blackhole.seenAt = now
}

/** MP_CAPABLE came back. */
export function blackholeGone(context: Context): void {
  context.blackhole.times = 0
}
