// The server's side of Fast Open, RFC 7413 §4.2: whether the data of a SYN is taken, and which cookie the
// SYN/ACK gives.

import type { Context } from '../mptcp/context.js'
import { SIPHASH_KEY_BYTES } from '../siphash.js'
import { FAST_OPEN_SERVER, FAST_OPEN_SERVER_NO_COOKIE, makeCookie } from '../tcp/fast-open.js'
import type { FastOpenOption, Segment } from '../wire/segment.js'
import type { StackConfig } from './config.js'
import type { Listener } from './listener.js'

export interface FastOpenVerdict {
  /** The connection is the application's at once, with the data of the SYN. */
  accepted: boolean
  /** What the SYN/ACK says; null = nothing. */
  option: FastOpenOption | null
}

const REFUSED: FastOpenVerdict = { accepted: false, option: null }

function sameCookie(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Whether one more may wait for its third ACK (RFC 7413 §5.1): so many a spoofer can make us hold. */
function hasFastOpenRoom(context: Context, listener: Listener): boolean {
  const { pending, settings } = listener.fastOpen
  if (settings.queue === 0) return false
  for (const connection of pending) {
    const waits = connection.subflows.some(({ tcb }) => tcb.state === 'SYN-RECEIVED')
    if (!waits) pending.delete(connection)
  }
  if (pending.size < settings.queue) return true
  context.counters.TcpExtTCPFastOpenListenOverflow++
  return false
}

/** As Linux decides, tcp_try_fastopen. */
export function fastOpenVerdict(
  context: Context,
  config: StackConfig,
  listener: Listener,
  segment: Segment,
): FastOpenVerdict {
  const { counters } = context
  const asked = segment.options.fastOpen
  const hasData = segment.payloadLength > 0
  if (asked === null && !hasData) return REFUSED
  if (asked?.cookie.length === 0) counters.TcpExtTCPFastOpenCookieReqd++
  if ((config.fastOpen & FAST_OPEN_SERVER) === 0) return REFUSED
  if (!hasFastOpenRoom(context, listener)) return REFUSED
  const { settings } = listener.fastOpen
  const free = (config.fastOpen & FAST_OPEN_SERVER_NO_COOKIE) !== 0 || settings.noCookie
  if (hasData && free) {
    counters.TcpExtTCPFastOpenPassive++
    return { accepted: true, option: null }
  }
  if (asked === null) return REFUSED
  config.fastOpenKey ??= context.random.bytes(SIPHASH_KEY_BYTES)
  const keys = settings.key ?? config.fastOpenKey
  const { cookie, experimental } = asked
  const primary = keys.subarray(0, SIPHASH_KEY_BYTES)
  const backup = keys.subarray(SIPHASH_KEY_BYTES)
  const own = makeCookie(primary, segment.source, segment.destination)
  const option = { cookie: own, experimental }
  if (cookie.length === 0) return { accepted: false, option }
  if (sameCookie(cookie, own)) {
    counters.TcpExtTCPFastOpenPassive++
    return { accepted: true, option: null }
  }
  // A cookie of the key that was used before is good, and is answered with one of the new.
  if (
    backup.length > 0 &&
    sameCookie(cookie, makeCookie(backup, segment.source, segment.destination))
  ) {
    counters.TcpExtTCPFastOpenPassive++
    counters.TcpExtTCPFastOpenPassiveAltKey++
    return { accepted: true, option }
  }
  counters.TcpExtTCPFastOpenPassiveFail++
  return { accepted: false, option }
}
