// Where a sender's time goes, as TCP_INFO tells it: busy (something is queued or in flight), and of that
// held back by the peer's window or by its own send buffer.

/** What the sender waits for now. */
export type Waiting = 'nothing' | 'network' | 'window' | 'buffer'

export interface Chrono {
  waiting: Waiting
  since: number
  /** Milliseconds spent so, before `since`. */
  networkMs: number
  windowMs: number
  bufferMs: number
}

export function createChrono(): Chrono {
  return { waiting: 'nothing', since: 0, networkMs: 0, windowMs: 0, bufferMs: 0 }
}

/** From `now` on the sender waits for `waiting`. */
export function noteWaiting(chrono: Chrono, waiting: Waiting, now: number): void {
  if (chrono.waiting === waiting) return
  settle(chrono, now)
  chrono.waiting = waiting
}

/** Counts the time up to `now`. */
export function settle(chrono: Chrono, now: number): void {
  const spent = Math.max(0, now - chrono.since)
  chrono.since = now
  if (chrono.waiting === 'network') chrono.networkMs += spent
  else if (chrono.waiting === 'window') chrono.windowMs += spent
  else if (chrono.waiting === 'buffer') chrono.bufferMs += spent
}
