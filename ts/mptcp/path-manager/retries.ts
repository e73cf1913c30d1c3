// Where a subflow ended with an error, the next between the same addresses waits, whoever wants it: ever longer with
// each failure in a row. RFC 8684 §3.4 leaves the pace to us; nobody is to open one each round trip.

import { type IpAddress, sameAddress } from '../../wire/address.js'
import type { Connection } from '../connection.js'
import type { Subflow } from '../subflow.js'
import type { Failure, SubflowCreate } from './path-state.js'

const FIRST_WAIT_MS = 1000
const MAX_DOUBLINGS = 6
/** One that stood so long has not failed by what made the one before it fail. */
const STABLE_MS = 60_000
/** Bounded: a peer could announce addresses that refuse us without end; the oldest is forgotten. */
const MAX_FAILURES = 32

function failureOf(
  { pathManager }: Connection,
  local: IpAddress,
  remote: IpAddress,
  remotePort: number,
): Failure | undefined {
  return pathManager.failures?.find(
    (each) =>
      each.remotePort === remotePort &&
      sameAddress(each.local, local) &&
      sameAddress(each.remote, remote),
  )
}

/** A subflow is gone. One that ended in order, or whose address has gone, leaves nothing to wait for. */
export function noteEnd(connection: Connection, subflow: Subflow, now: number): void {
  const { tcb, path, remote, remotePort } = subflow
  if (tcb.error === null || tcb.error === 'EADDRNOTAVAIL' || !subflow.opener) return
  const { pathManager } = connection
  let failure = failureOf(connection, path.address, remote, remotePort)
  if (failure === undefined) {
    failure = {
      local: path.address,
      remote,
      remotePort,
      failures: 0,
      until: now,
      openedAt: Number.POSITIVE_INFINITY,
      waiting: null,
    }
    pathManager.failures ??= []
    pathManager.failures.push(failure)
    if (pathManager.failures.length > MAX_FAILURES) pathManager.failures.shift()
  }
  if (now - failure.openedAt >= STABLE_MS) failure.failures = 0
  failure.openedAt = Number.POSITIVE_INFINITY
  failure.until = now + FIRST_WAIT_MS * 2 ** Math.min(failure.failures++, MAX_DOUBLINGS)
}

/** A join of ours stands. */
export function noteOpened(connection: Connection, subflow: Subflow, now: number): void {
  const { path, remote, remotePort } = subflow
  const failure = failureOf(connection, path.address, remote, remotePort)
  if (failure !== undefined) failure.openedAt = now
}

/** Whether it is too soon for a subflow there; what was to open it is kept, and done in its time. */
export function mustWait(
  connection: Connection,
  local: IpAddress,
  remote: IpAddress,
  command: SubflowCreate & { readonly remotePort: number },
  now: number,
): boolean {
  const failure = failureOf(connection, local, remote, command.remotePort)
  if (failure === undefined || failure.until <= now) return false
  failure.waiting = command
  return true
}

/** Earliest time at which something that waits is to be done. */
export function retryDeadline({ pathManager }: Connection): number {
  let deadline = Number.POSITIVE_INFINITY
  // Asked after each turn: nothing to go through where nothing has failed.
  if (pathManager.failures === null) return deadline
  for (const { waiting, until } of pathManager.failures) {
    if (waiting !== null) deadline = Math.min(deadline, until)
  }
  return deadline
}

/** What has waited long enough. */
export function takeDue({ pathManager }: Connection, now: number): SubflowCreate[] {
  const due: SubflowCreate[] = []
  for (const failure of pathManager.failures ?? []) {
    if (failure.waiting === null || failure.until > now) continue
    due.push(failure.waiting)
    failure.waiting = null
  }
  return due
}

/** An address of ours is gone: when it is back, nothing has failed there yet. */
export function forgetLocal({ pathManager }: Connection, local: IpAddress): void {
  const rest = pathManager.failures?.filter((each) => !sameAddress(each.local, local))
  pathManager.failures = rest === undefined || rest.length === 0 ? null : rest
}

/** The peer has taken an address back: nobody waits for it any more. */
export function forgetRemote({ pathManager }: Connection, remoteId: number): void {
  for (const failure of pathManager.failures ?? []) {
    if (failure.waiting?.remoteId === remoteId) failure.waiting = null
  }
}
