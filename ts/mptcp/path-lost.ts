// One of our addresses, or the link that it is on, goes away or comes back: what that means for the subflows of
// one connection. RFC 8684 §3.4.2. Which addresses there are is stack/link-changes.ts.

import { resetArrived } from '../tcp/close.js'
import { askForAck } from '../tcp/keep-alive.js'
import { retransmitAfresh } from '../tcp/timers.js'
import { changePathMss } from '../tcp/window.js'
import { sameAddress } from '../wire/address.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import type { LocalPath } from './local-path.js'
import { subflowTimedOut } from './reinject.js'
import { isLive } from './subflow.js'

/**
 * The address is gone: nothing can leave from it, a RST neither. Its subflows end at once, and the peer is told on
 * whatever stands, or will. Plain TCP has no other path: it waits for the address, as any TCP does.
 */
export function addressLost(context: Context, connection: Connection, path: LocalPath): void {
  if (connection.mode !== 'mptcp') return
  const { subflows, pathManager } = connection
  const { announcements, removals } = pathManager
  for (const subflow of subflows) {
    if (subflow.path !== path || subflow.tcb.state === 'CLOSED') continue
    if (!removals.includes(subflow.localAddressId)) removals.push(subflow.localAddressId)
    resetArrived(subflow.tcb, 'EADDRNOTAVAIL')
    context.counters.SubflowAddressLost++
    connection.lostAddress = true
  }
  for (let i = announcements.length - 1; i >= 0; i--) {
    const { address, id } = announcements[i]
    if (!sameAddress(address, path.address)) continue
    announcements.splice(i, 1)
    if (!removals.includes(id)) removals.push(id)
  }
  if (subflows.some(isLive)) connection.lostAddress = false
}

/** The link is down: other paths carry what it has. What comes there, and what leaves, is lost. */
export function linkDown(
  context: Context,
  connection: Connection,
  path: LocalPath,
  now: number,
): void {
  for (const subflow of connection.subflows) {
    if (subflow.path === path && isLive(subflow)) subflowTimedOut(context, connection, subflow, now)
  }
}

/** It is up: what waits goes at once, and the peer, which may have backed off, hears of us. */
export function linkUp(connection: Connection, path: LocalPath): void {
  for (const subflow of connection.subflows) {
    if (subflow.path !== path) continue
    retransmitAfresh(subflow.tcb)
    if (isLive(subflow)) askForAck(subflow.tcb)
  }
}

/** The link takes larger packets, or only smaller ones. */
export function mtuChanged(connection: Connection, path: LocalPath): void {
  const { maxSegment } = connection.settings
  for (const subflow of connection.subflows) {
    if (subflow.path !== path) continue
    changePathMss(subflow.tcb, Math.min(path.mss, maxSegment || path.mss))
  }
}
