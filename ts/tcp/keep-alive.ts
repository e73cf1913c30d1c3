// Asking the peer for an ACK: probes, and keep-alives, RFC 9293 §3.8.4 and RFC 1122 §4.2.3.6, by which an idle
// connection ends when no answer came. Those are off unless the user asks for them.

import type { Tcb } from './tcb.js'

/** The peer is to be asked for an ACK, without data: of a window that was closed, or as a sign of life. */
export function askForAck(tcb: Tcb): void {
  tcb.probe = true
}

/** Whether a probe is to leave; it is taken for sent. */
export function takeProbe(tcb: Tcb): boolean {
  const { probe } = tcb
  tcb.probe = false
  return probe
}

/** Whether a keep-alive is to leave; it is taken for sent. */
export function takeKeepAlive({ keepAlive }: Tcb): boolean {
  const { owed } = keepAlive
  keepAlive.owed = false
  return owed
}

/** When the next keep-alive is due; Infinity = none. */
export function keepAliveDeadline(tcb: Tcb): number {
  const { settings, timers, keepAlive } = tcb
  if (!settings.keepAlive || !mayAsk(tcb)) return Number.POSITIVE_INFINITY
  // Whatever was heard since the last one answers it.
  if (keepAlive.sentAt < timers.heardAt) return timers.heardAt + settings.keepIdleMs
  return keepAlive.sentAt + settings.keepIntervalMs
}

/** Its time has come: one more is to be sent, or (false) the peer is given up. */
export function keepAliveFires(tcb: Tcb, now: number): boolean {
  const { settings, timers, keepAlive } = tcb
  if (keepAlive.sentAt < timers.heardAt) keepAlive.unanswered = 0
  const isOver =
    settings.userTimeoutMs > 0
      ? keepAlive.unanswered > 0 && now - timers.heardAt >= settings.userTimeoutMs
      : keepAlive.unanswered >= settings.keepCount
  if (isOver) return false
  keepAlive.unanswered++
  keepAlive.sentAt = now
  keepAlive.owed = true
  return true
}

/** Data under way asks by itself, and its own timer ends the connection. */
function mayAsk(tcb: Tcb): boolean {
  if (tcb.sent.length > 0) return false
  switch (tcb.state) {
    case 'ESTABLISHED':
    case 'CLOSE-WAIT':
    case 'FIN-WAIT-2':
      return true
    default:
      return false
  }
}
