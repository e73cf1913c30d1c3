// What the handshakes, the options and the ends of subflows leave for the path manager: it is told at the
// end of the turn.

import type { Connection } from '../connection.js'
import { pathFound } from '../path-lost.js'
import type { Subflow } from '../subflow.js'
import { subflowView } from './connection-view.js'
import { noteOpened } from './retries.js'

/** The initial handshake is done. */
export function connectionOpened(connection: Connection): void {
  const { pathManager, mode } = connection
  if (mode !== 'mptcp' || pathManager.created) return
  pathManager.created = true
  pathManager.events.push({ type: 'created' })
  if (connection.fullyEstablished) fullyEstablished(connection)
}

/** The peer has proved that it has our key: a DSS, a MP_CAPABLE with both keys, or an ADD_ADDR. */
export function fullyEstablished(connection: Connection): void {
  connection.fullyEstablished = true
  const { pathManager } = connection
  if (!pathManager.created || pathManager.established) return
  pathManager.established = true
  pathManager.events.push({ type: 'established' })
}

/** The handshake of a join is done. */
export function subflowOpened(connection: Connection, subflow: Subflow, now: number): void {
  noteOpened(connection, subflow, now)
  // Of one that we have opened, the peer may have heard nothing yet.
  if (!subflow.opener) pathFound(connection)
  connection.pathManager.events.push({ type: 'sub-established', subflow: subflowView(subflow) })
}

/** A subflow is gone, whatever had become of it. */
export function subflowEnded(connection: Connection, subflow: Subflow): void {
  const { pathManager } = connection
  if (!pathManager.created || pathManager.closed) return
  pathManager.events.push({
    type: 'sub-closed',
    subflow: subflowView(subflow),
    established: subflow.confirmed,
    error: subflow.tcb.error,
    resetReason: subflow.resetReason,
    resetTransient: subflow.resetTransient,
  })
}
