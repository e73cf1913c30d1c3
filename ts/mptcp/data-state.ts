// The edges between the states of the data level, RFC 8684 Appendix C.

import type { Connection, MptcpState } from './connection.js'

const EDGES: Record<MptcpState, readonly MptcpState[]> = {
  M_CLOSED: ['M_INIT'],
  M_INIT: ['M_ESTAB'],
  M_ESTAB: ['M_FIN_WAIT_1', 'M_CLOSE_WAIT'],
  M_FIN_WAIT_1: ['M_FIN_WAIT_2', 'M_CLOSING', 'M_TIME_WAIT'],
  M_FIN_WAIT_2: ['M_TIME_WAIT'],
  M_CLOSE_WAIT: ['M_LAST_ACK'],
  M_CLOSING: ['M_TIME_WAIT'],
  M_LAST_ACK: [],
  M_TIME_WAIT: [],
}

export function setMptcpState(connection: Connection, next: MptcpState): void {
  if (next !== 'M_CLOSED' && !EDGES[connection.state].includes(next)) {
    throw new Error(`no edge from ${connection.state} to ${next}`)
  }
  connection.state = next
}

/** Both DATA_FINs are sent and acknowledged: the subflows may close. */
export function isDataClosed(state: MptcpState): boolean {
  return state === 'M_TIME_WAIT' || state === 'M_CLOSED'
}

/** Our DATA_FIN is queued or sent, and not acknowledged. */
export function awaitsDataFinAck(state: MptcpState): boolean {
  return state === 'M_FIN_WAIT_1' || state === 'M_CLOSING' || state === 'M_LAST_ACK'
}
