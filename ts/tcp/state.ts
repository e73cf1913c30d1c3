// The edges between the eleven states of RFC 9293 §3.3.2. `setState` is the only writer.

import { joinGroup, leaveGroup } from './congestion/tell.js'
import type { Tcb, TcpState } from './tcb.js'

/** Figure 5 of RFC 9293; every state may also go to CLOSED. */
const EDGES: Record<TcpState, readonly TcpState[]> = {
  CLOSED: ['SYN-SENT', 'SYN-RECEIVED', 'LISTEN'],
  LISTEN: ['SYN-RECEIVED', 'SYN-SENT'],
  'SYN-SENT': ['ESTABLISHED', 'SYN-RECEIVED'],
  'SYN-RECEIVED': ['ESTABLISHED', 'FIN-WAIT-1', 'CLOSE-WAIT'],
  ESTABLISHED: ['FIN-WAIT-1', 'CLOSE-WAIT'],
  'FIN-WAIT-1': ['FIN-WAIT-2', 'CLOSING', 'TIME-WAIT'],
  'FIN-WAIT-2': ['TIME-WAIT'],
  'CLOSE-WAIT': ['LAST-ACK'],
  CLOSING: ['TIME-WAIT'],
  'LAST-ACK': [],
  'TIME-WAIT': [],
}

export function setState(tcb: Tcb, next: TcpState): void {
  if (next !== 'CLOSED' && !EDGES[tcb.state].includes(next)) {
    throw new Error(`no edge from ${tcb.state} to ${next}`)
  }
  tcb.state = next
  if (next === 'ESTABLISHED') joinGroup(tcb)
  else if (next === 'CLOSED' || next === 'TIME-WAIT') leaveGroup(tcb)
}

/** The states in which both ends know each other's sequence numbers (RFC 9293 §3.10.7.4). */
export function isSynchronized(state: TcpState): boolean {
  return (
    state !== 'CLOSED' && state !== 'LISTEN' && state !== 'SYN-SENT' && state !== 'SYN-RECEIVED'
  )
}

/** Whether the peer may still send data. */
export function mayReceive(state: TcpState): boolean {
  return state === 'ESTABLISHED' || state === 'FIN-WAIT-1' || state === 'FIN-WAIT-2'
}
