// The in-kernel path manager's counterpart: which addresses are announced and which subflows are
// opened, from the endpoints and their flags. It only says what should happen; open.ts and output.ts
// do it. RFC 8684 §3.4.

import type { IpAddress } from '../../wire/address.js'
import { addressBytes, addressFromBytes, sameAddress } from '../../wire/address.js'
import {
  ADD_ADDR,
  type AddAddrOption,
  REMOVE_ADDR,
  type RemoveAddrOption,
} from '../../wire/mptcp-options.js'
import type { Connection } from '../connection.js'
import type { Context, LocalPath } from '../context.js'
import { openSubflow } from '../open.js'
import { isLive, type Subflow, subflowCount } from '../subflow.js'
import { equalBytes } from '../token.js'
import type { Endpoint } from './endpoint.js'
import type { RemoteAddress } from './state.js'

/** ADD_ADDRs of one address before it is given up: Linux's limit. */
const MAX_ANNOUNCE_TRIES = 3

/** The address id of a local address: 0 for that of the initial subflow. */
export function localAddressId(
  context: Context,
  connection: Connection,
  address: IpAddress,
): number {
  const initial = connection.subflows[0]
  if (initial !== undefined && sameAddress(initial.path.address, address)) return 0
  return context.endpoints.find((endpoint) => sameAddress(endpoint.address, address))?.id ?? 0
}

/** The connection is fully established: announce what is to be announced, open what is to be opened. */
export function start(context: Context, connection: Connection, now: number): void {
  const { pathManager } = connection
  if (pathManager.started || connection.mode !== 'mptcp') return
  pathManager.started = true
  const initial = connection.subflows[0]
  for (const endpoint of context.endpoints) {
    if (endpoint.port === 0 && sameAddress(endpoint.address, initial.path.address)) {
      if (endpoint.backup && !initial.localBackup) initial.localBackup = true
      continue
    }
    if (endpoint.signal && !(endpoint.automatic && connection.role === 'client')) {
      pathManager.announcements.push({ endpoint, deadline: now, tries: 0, echoed: false })
    }
    // Only the opener's side opens: the server waits for joins to what it announced, as Linux does
    // unless it is told of the peer's addresses.
    if (endpoint.subflow && connection.role === 'client')
      openFrom(context, connection, endpoint, now)
  }
}

/** A subflow from an endpoint to the peer's first address. */
function openFrom(context: Context, connection: Connection, endpoint: Endpoint, now: number): void {
  if (connection.denyJoinInitial || connection.pathManager.used.has(endpoint.id)) return
  if (endpoint.address.family !== connection.remote.family) return
  if (subflowCount(connection.subflows) >= context.config.maxSubflows) return
  const path = context.paths.find((each) => sameAddress(each.address, endpoint.address))
  if (path === undefined || isJoinedFrom(connection, path)) return
  connection.pathManager.used.add(endpoint.id)
  openSubflow(context, connection, path, connection.remote, connection.remotePort, now, {
    localAddressId: endpoint.id,
    remoteAddressId: 0,
    backup: endpoint.backup,
  })
}

/** Sends (again) the ADD_ADDRs whose time has come. */
export function announceDue(context: Context, connection: Connection, now: number): void {
  const { announcements } = connection.pathManager
  for (const announcement of announcements) {
    if (announcement.echoed || announcement.deadline > now) continue
    const subflow = connection.subflows.find(
      (each) => isLive(each) && each.confirmed && !each.stale,
    )
    if (subflow === undefined) {
      announcement.deadline = now + 200
      continue
    }
    if (announcement.tries >= MAX_ANNOUNCE_TRIES) {
      announcement.deadline = Number.POSITIVE_INFINITY
      continue
    }
    if (announcement.tries > 0) context.counters.AddAddrTxRetrans++
    // As Linux: the largest subflow RTO, doubling, at most `addAddrTimeoutMs`.
    let rto = 0
    for (const each of connection.subflows) rto = Math.max(rto, each.tcb.rtt.rtoMs)
    announcement.deadline =
      now + Math.min(rto * 2 ** announcement.tries, context.config.addAddrTimeoutMs)
    announcement.tries++
    subflow.pendingOptions.push(addAddr(context, connection, announcement.endpoint))
  }
}

function addAddr(context: Context, connection: Connection, endpoint: Endpoint): AddAddrOption {
  const address = addressBytes(endpoint.address)
  const port = endpoint.port === 0 ? null : endpoint.port
  return {
    subtype: ADD_ADDR,
    echo: false,
    addressId: endpoint.id,
    address,
    port,
    hmac: context.core.addAddressHmac(
      connection.localKey,
      connection.remoteKey as Uint8Array,
      endpoint.id,
      address,
      endpoint.port,
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

/** ADD_ADDR has come: verified, echoed, and used for a subflow if there is room. */
export function addAddrArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  option: AddAddrOption,
  now: number,
): void {
  const { counters, config } = context
  const { pathManager } = connection
  if (option.echo) {
    counters.EchoAdd++
    for (const announcement of pathManager.announcements) {
      if (announcement.endpoint.id === option.addressId) announcement.echoed = true
    }
    return
  }
  const expected = context.core.addAddressHmac(
    connection.remoteKey as Uint8Array,
    connection.localKey,
    option.addressId,
    option.address,
    option.port ?? 0,
  )
  if (option.hmac === null || !equalBytes(option.hmac, expected)) {
    counters.AddAddrHMacFailure++
    return
  }
  const known = pathManager.remoteAddresses.some((each) => each.id === option.addressId)
  if (!known && pathManager.remoteAddresses.length >= config.maxAddAddrAccepted) {
    counters.AddAddrDrop++
    return
  }
  // Echoed whenever the HMAC holds, also a repeated one: our first echo may be lost.
  if (subflow.pendingOptions.length < 16) {
    subflow.pendingOptions.push({ ...option, echo: true, hmac: null })
  }
  if (known) return
  counters.AddAddr++
  // Its HMAC proves that the peer has our key, before any DSS does.
  if (!connection.fullyEstablished) {
    connection.fullyEstablished = true
    start(context, connection, now)
  }
  if (option.port !== null) counters.PortAdd++
  const remote: RemoteAddress = {
    id: option.addressId,
    address: addressFromBytes(option.address),
    port: option.port ?? connection.remotePort,
  }
  pathManager.remoteAddresses.push(remote)
  if (connection.role === 'client') joinRemote(context, connection, remote, now)
}

/** A subflow to an announced address, from a path of ours that has none. */
function joinRemote(
  context: Context,
  connection: Connection,
  remote: RemoteAddress,
  now: number,
): void {
  if (subflowCount(connection.subflows) >= context.config.maxSubflows) return
  const path = nearestPath(context, remote.address)
  if (path === null) return
  // A second joined subflow over the same path of ours would only compete with the first.
  if (isJoinedFrom(connection, path) || sameAddress(remote.address, connection.remote)) return
  const endpoint = context.endpoints.find((each) => sameAddress(each.address, path.address))
  openSubflow(context, connection, path, remote.address, remote.port, now, {
    localAddressId: localAddressId(context, connection, path.address),
    remoteAddressId: remote.id,
    backup: endpoint?.backup ?? false,
  })
}

/** A second joined subflow over the same path of ours would only compete with the first. */
function isJoinedFrom(connection: Connection, path: LocalPath): boolean {
  return connection.subflows.some(
    (each) =>
      each.kind === 'join' &&
      each.tcb.state !== 'CLOSED' &&
      sameAddress(each.path.address, path.address),
  )
}

/** Of our paths of the same family, the one whose address shares the longest prefix. */
export function nearestPath(context: Context, address: IpAddress): LocalPath | null {
  let best: LocalPath | null = null
  let bestBits = -1
  for (const path of context.paths) {
    if (path.address.family !== address.family) continue
    const bits = commonPrefix(path.address, address)
    if (bits > bestBits) {
      best = path
      bestBits = bits
    }
  }
  return best
}

function commonPrefix(a: IpAddress, b: IpAddress): number {
  const words = [a.w0 ^ b.w0, a.w1 ^ b.w1, a.w2 ^ b.w2, a.w3 ^ b.w3]
  let bits = 0
  for (const word of words) {
    const same = Math.clz32(word)
    bits += same
    if (same < 32) break
  }
  return bits
}

/** REMOVE_ADDR has come: the subflows to those addresses end (RFC 8684 §3.4.2). */
export function removeAddrArrived(
  context: Context,
  connection: Connection,
  option: RemoveAddrOption,
): void {
  const { pathManager } = connection
  for (const id of option.addressIds) {
    context.counters.RmAddr++
    const index = pathManager.remoteAddresses.findIndex((each) => each.id === id)
    if (index >= 0) pathManager.remoteAddresses.splice(index, 1)
    let found = index >= 0
    for (const subflow of connection.subflows) {
      if (subflow.remoteAddressId !== id || subflow.tcb.state === 'CLOSED') continue
      found = true
      context.counters.RmSubflow++
      subflow.resetOwed = -1
    }
    if (!found) context.counters.RmAddrDrop++
  }
}

/** Takes an address of ours back: announces that, and ends its subflows. */
export function removeEndpoint(connection: Connection, endpoint: Endpoint): void {
  const { pathManager } = connection
  const index = pathManager.announcements.findIndex((each) => each.endpoint.id === endpoint.id)
  if (index >= 0) pathManager.announcements.splice(index, 1)
  pathManager.used.delete(endpoint.id)
  for (const subflow of connection.subflows) {
    if (subflow.localAddressId === endpoint.id && subflow.tcb.state !== 'CLOSED')
      subflow.resetOwed = -1
  }
  const other = connection.subflows.find((each) => isLive(each) && each.resetOwed === null)
  other?.pendingOptions.push({ subtype: REMOVE_ADDR, addressIds: [endpoint.id] })
}
