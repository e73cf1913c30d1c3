// ICMP errors about segments of ours: they end an opening, or lower a path's segment size; on an open
// connection they are hints only (RFC 5927 §4).

import type { Context } from '../mptcp/context.js'
import type { Subflow } from '../mptcp/subflow.js'
import { resetArrived } from '../tcp/close.js'
import { segmentsTooBig } from '../tcp/recovery.js'
import { lowerMss } from '../tcp/window.js'
import type { IcmpError } from '../wire/icmp.js'
import { offsetOf } from '../wire/seq.js'
import { TIMESTAMPS_BYTES } from '../wire/tcp-options.js'

/** RFC 8899's and RFC 8200's floors: a smaller "packet too big" is not believed. */
const MIN_MTU4 = 552
const MIN_MTU6 = 1280

/** An error about a segment of `subflow`. Returns whether anything changed. */
export function icmpArrives(context: Context, error: IcmpError, subflow: Subflow): boolean {
  const { quoted } = error
  const { tcb } = subflow
  // RFC 5927 §4.1: only about what is in flight.
  const offset = offsetOf(quoted.sequence, tcb.iss, tcb.snd.una)
  if (offset < tcb.snd.una || offset > tcb.snd.nxt) {
    context.counters.IcmpInIgnored++
    context.counters.TcpExtOutOfWindowIcmps++
    return false
  }
  context.counters.IcmpInErrors++
  if (error.kind === 'packet-too-big') {
    const headers = subflow.remote.family === 4 ? 40 : 60
    const least = subflow.remote.family === 4 ? MIN_MTU4 : MIN_MTU6
    const mtu = Math.max(error.mtu, least)
    const mss = mtu - headers - (tcb.timestamps.enabled ? TIMESTAMPS_BYTES : 0)
    if (lowerMss(tcb, mss)) segmentsTooBig(tcb)
    return true
  }
  if (tcb.state !== 'SYN-SENT') return false
  resetArrived(tcb, error.kind === 'unreachable-port' ? 'ECONNREFUSED' : 'EHOSTUNREACH')
  context.counters.TcpAttemptFails++
  return true
}
