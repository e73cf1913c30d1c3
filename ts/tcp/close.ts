// CLOSE and ABORT calls, RFC 9293 §3.10.4 and §3.10.5, on one subflow.

import { releaseAll } from './chunk-queue.js'
import { releaseQueue } from './receive.js'
import { setState } from './state.js'
import type { Tcb } from './tcb.js'
import { DEADLINES } from './timers.js'

/** Queues the FIN behind what is queued. It leaves with the next output. */
export function closeSending(tcb: Tcb): void {
  if (tcb.snd.fin >= 0) return
  switch (tcb.state) {
    case 'ESTABLISHED':
    case 'SYN-RECEIVED':
      setState(tcb, 'FIN-WAIT-1')
      break
    case 'CLOSE-WAIT':
      setState(tcb, 'LAST-ACK')
      break
    default:
      return
  }
  tcb.snd.fin = tcb.snd.end
}

/** A RST, or an ICMP error that counts for one, has ended it: `error` says why. */
export function resetArrived(tcb: Tcb, error: string): void {
  tcb.error = error
  setState(tcb, 'CLOSED')
}

/** Nothing more will come that anyone reads. */
export function releaseReceiving(tcb: Tcb): void {
  releaseQueue(tcb)
  tcb.rcv.released = true
}

/** Frees everything that the tcb holds; no segment is sent. */
export function destroy(tcb: Tcb): void {
  setState(tcb, 'CLOSED')
  releaseAll(tcb)
  releaseReceiving(tcb)
  for (const name of DEADLINES) tcb.timers[name] = Number.POSITIVE_INFINITY
}
