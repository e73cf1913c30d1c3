// One of our addresses, or the link that it is on, goes away or comes back: what that means for the subflows of
// one connection. RFC 8684 §3.4.2. Which addresses there are is stack/link-changes.ts.

import { resetArrived } from '../tcp/close.js'
import { askForAck } from '../tcp/keep-alive.js'
import { retransmitAfresh } from '../tcp/timers.js'
import { changePathMss } from '../tcp/window.js'
import { type IpAddress, sameAddress } from '../wire/address.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { forgetLocal } from './path-manager/retries.js'
import { subflowTimedOut } from './reinject.js'
import { isLive } from './subflow.js'

/**
 * The address is gone: nothing can leave from it, a RST neither. Its subflows end at once, and the peer is told on
 * whatever stands, or will. Plain TCP has no other path: it waits for the address, as any TCP does.
 */
export function addressLost(context: Context, connection: Connection, lost: IpAddress): void {
  if (connection.mode !== 'mptcp') return
  const { subflows, pathManager } = connection
  const { announcements, localIds, removals } = pathManager
  for (const subflow of subflows) {
    if (subflow.tcb.state === 'CLOSED' || !sameAddress(subflow.path.address, lost)) continue
    if (!removals.includes(subflow.localAddressId)) removals.push(subflow.localAddressId)
    resetArrived(subflow.tcb, 'EADDRNOTAVAIL')
    context.counters.SubflowAddressLost++
    connection.lostAddress = true
  }
  for (let i = announcements.length - 1; i >= 0; i--) {
    const { address, id } = announcements[i]
    if (!sameAddress(address, lost)) continue
    announcements.splice(i, 1)
    if (!removals.includes(id)) removals.push(id)
  }
  const known = localIds.findIndex((each) => sameAddress(each.address, lost))
  if (known >= 0) localIds.splice(known, 1)
  forgetLocal(connection, lost)
  if (subflows.some(isLive)) connection.lostAddress = false
}

/** One more subflow is known to stand: nobody is lost any more, and what backed off meanwhile begins anew. */
export function pathFound(connection: Connection): void {
  const { timers } = connection
  connection.lostAddress = false
  timers.close = Number.POSITIVE_INFINITY
  timers.retransmitBackoff = 0
  timers.dataFinBackoff = 0
}

/** The link is down: other paths carry what it has. What comes there, and what leaves, is lost. */
export function linkDown(
  context: Context,
  connection: Connection,
  link: number,
  now: number,
): void {
  for (const subflow of connection.subflows) {
    if (subflow.path.link !== link || !isLive(subflow)) continue
    subflowTimedOut(context, connection, subflow, now)
  }
}

/** It is up: what waits goes at once, and the peer, which may have backed off, hears of us. */
export function linkUp({ subflows }: Connection, link: number): void {
  for (const subflow of subflows) {
    if (subflow.path.link !== link) continue
    retransmitAfresh(subflow.tcb)
    if (isLive(subflow)) askForAck(subflow.tcb)
  }
}

/** The link takes larger packets, or only smaller ones: the paths of its subflows say so already. */
export function mtuChanged({ subflows, settings }: Connection, link: number): void {
  for (const { path, tcb } of subflows) {
    if (path.link !== link) continue
    changePathMss(tcb, Math.min(path.mss, settings.maxSegment || path.mss))
  }
}
