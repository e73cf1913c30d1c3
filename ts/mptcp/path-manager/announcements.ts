// ADD_ADDR as we send it: again until it is echoed, and not for ever. RFC 8684 §3.4.1.

import { addressBytes } from '../../wire/address.js'
import { ADD_ADDR, type AddAddrOption } from '../../wire/mptcp-options.js'
import type { Connection } from '../connection.js'
import type { Context } from '../context.js'
import { isLive, type Subflow } from '../subflow.js'
import type { Announcement } from './path-state.js'

/** Linux's ADD_ADDR_RETRANS_MAX: the first and three more. */
const MAX_SENT = 4
/** While no subflow could carry it. */
const RETRY_MS = 200

/** The subflow that says what is of the connection: a working one, else a stale one. */
export function speaker(
  connection: Connection,
  avoid: (subflow: Subflow) => boolean = () => false,
): Subflow | undefined {
  const able = connection.subflows.filter(
    (each) => isLive(each) && each.confirmed && each.resetOwed === null,
  )
  return (
    able.find((each) => !each.stale && !avoid(each)) ??
    able.find((each) => !each.stale) ??
    able.at(0)
  )
}

/** Sends (again) the ADD_ADDRs whose time has come. */
export function announceDue(context: Context, connection: Connection, now: number): void {
  const { announcements, events } = connection.pathManager
  for (const announcement of announcements) {
    if (announcement.echoed || announcement.deadline > now) continue
    const subflow = speaker(connection)
    if (subflow === undefined) {
      announcement.deadline = now + RETRY_MS
      continue
    }
    if (announcement.tries > 0) context.counters.AddAddrTxRetrans++
    subflow.pendingOptions.push(addAddr(context, connection, announcement))
    announcement.tries++
    announcement.deadline = now + timeout(context, connection) * 2 ** (announcement.tries - 1)
    // As Linux: the first address is not said again; and the next address need not wait any more.
    if (announcement.id === 0 || announcement.tries === MAX_SENT) {
      announcement.deadline = Number.POSITIVE_INFINITY
      if (announcement.id !== 0) events.push({ type: 'announce-failed', id: announcement.id })
    }
  }
}

/** As Linux: the largest subflow RTO, at most `addAddrTimeoutMs`; it doubles from there. */
function timeout(context: Context, connection: Connection): number {
  let rto = 0
  for (const each of connection.subflows) rto = Math.max(rto, each.tcb.rtt.rtoMs)
  return Math.min(rto, context.config.addAddrTimeoutMs)
}

function addAddr(
  context: Context,
  connection: Connection,
  announcement: Announcement,
): AddAddrOption {
  const { id, port } = announcement
  const address = addressBytes(announcement.address)
  return {
    subtype: ADD_ADDR,
    echo: false,
    addressId: id,
    address,
    port: port === 0 ? null : port,
    hmac: context.core.addAddressHmac(
      connection.localKey,
      connection.remoteKey as Uint8Array,
      id,
      address,
      port,
    ),
  }
}

/** Earliest time at which `announceDue` has something to do. */
export function announceDeadline(connection: Connection): number {
  let deadline = Number.POSITIVE_INFINITY
  for (const announcement of connection.pathManager.announcements) {
    if (!announcement.echoed) deadline = Math.min(deadline, announcement.deadline)
  }
  return deadline
}

/** The peer has said ours back. */
export function echoArrived(connection: Connection, option: AddAddrOption): void {
  const { announcements, events } = connection.pathManager
  for (const announcement of announcements) {
    if (announcement.id !== option.addressId || announcement.echoed) continue
    if (announcement.port !== (option.port ?? 0)) continue
    const address = addressBytes(announcement.address)
    if (address.length !== option.address.length) continue
    if (!address.every((byte, i) => byte === option.address[i])) continue
    announcement.echoed = true
    events.push({ type: 'announce-echoed', id: announcement.id })
  }
}
