// What a path manager wants, done: ADD_ADDR, REMOVE_ADDR, MP_JOIN, a subflow's end, MP_PRIO. RFC 8684 §3.2,
// §3.3.8, §3.4. Leaves notes in the state; output.ts pays them.

import { formatAddress, type IpAddress, parseAddress, sameAddress } from '../../wire/address.js'
import { MP_PRIO, REMOVE_ADDR } from '../../wire/mptcp-options.js'
import type { Connection } from '../connection.js'
import type { Context } from '../context.js'
import { mayOpenJoin } from '../mp-join.js'
import { openSubflow } from '../open.js'
import { subflowRoom } from '../subflow.js'
import { announceDue, speaker } from './announcements.js'
import { ConnectionView, isOpen } from './connection-view.js'
import { nearestPath } from './nearest-path.js'
import type { MptcpLocalAddress, MptcpPathCommand } from './path-manager.js'
import { managerOf, replaceManager } from './replaced.js'
import { mustWait } from './retries.js'

/** Ids of one REMOVE_ADDR, as in Linux: more would not fit beside timestamps and a DATA_ACK. */
const MAX_REMOVED = 8
const MAX_ID = 255

/** Why a command was not carried out: the `code` of the error that a caller gets, and its words. */
export interface Refusal {
  readonly code: string
  readonly message: string
}

function refusal(code: string, message: string): Refusal {
  return { code: `ERR_MPTCP_${code}`, message }
}

/** Carries a command out; null, or why not. */
export function runCommand(
  context: Context,
  connection: Connection,
  command: MptcpPathCommand,
  now: number,
): Refusal | null {
  if (connection.mode !== 'mptcp' || connection.remoteKey === null) {
    return refusal('NOT_ESTABLISHED', 'the connection is plain TCP, or was not accepted yet')
  }
  switch (command.type) {
    case 'announce':
      return announce(context, connection, command, now)
    case 'remove':
      return remove(connection, command)
    case 'subflow-create':
      return createSubflow(context, connection, command, now)
    case 'subflow-destroy':
      return destroySubflow(context, connection, command)
    case 'set-flags':
      return setFlags(connection, command)
    default:
      // Of a user's path manager: it need not be typed.
      return refusal('OPTION', `there is no command '${(command as { type: unknown }).type}'`)
  }
}

type Command<T extends MptcpPathCommand['type']> = Extract<MptcpPathCommand, { type: T }>

function isNumber(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}

function announce(
  context: Context,
  connection: Connection,
  { id, address: text, port = 0 }: Command<'announce'>,
  now: number,
): Refusal | null {
  const { pathManager } = connection
  const address = parseAddress(String(text))
  if (address === null) return refusal('ADDRESS', `'${text}' is not an IP address`)
  if (!isNumber(port, 0, 65_535)) return refusal('OPTION', `port must be up to 65535, not ${port}`)
  const wrong = claimId(connection, id, address)
  if (wrong !== null) return wrong
  const again = pathManager.announcements.find((each) => each.id === id && each.port === port)
  if (again === undefined) {
    const deadline = now
    pathManager.announcements.push({ id, address, port, deadline, tries: 0, echoed: false })
  } else Object.assign(again, { deadline: now, tries: 0, echoed: false })
  announceDue(context, connection, now)
  return null
}

/** Gives the id to the address, for this connection; 0 is the first address's alone. */
function claimId(connection: Connection, id: number, address: IpAddress): Refusal | null {
  const { local, localIds } = connection.pathManager
  if (!isNumber(id, 0, MAX_ID)) return refusal('OPTION', `an id is from 0 to ${MAX_ID}, not ${id}`)
  const isFirst = local !== null && sameAddress(local, address)
  if (id === 0) return isFirst ? null : refusal('ID_TAKEN', 'id 0 is that of the first address')
  const holder = localIds.find((each) => each.id === id)
  if (holder === undefined) localIds.push({ id, address })
  else if (!sameAddress(holder.address, address)) {
    return refusal('ID_TAKEN', `id ${id} is that of ${formatAddress(holder.address)}`)
  }
  return null
}

function remove(connection: Connection, { ids }: Command<'remove'>): Refusal | null {
  const { announcements, localIds } = connection.pathManager
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > MAX_ID + 1) {
    return refusal('OPTION', 'ids must be a list of at least one id')
  }
  for (const id of ids) {
    if (!isNumber(id, 0, MAX_ID)) return refusal('OPTION', `'${id}' is not an id`)
    const known =
      announcements.some((each) => each.id === id) ||
      localIds.some((each) => each.id === id) ||
      connection.subflows.some((each) => each.localAddressId === id && isOpen(each))
    if (!known) return refusal('NO_ID', `no address of this connection has the id ${id}`)
  }
  drop(announcements, ids)
  drop(localIds, ids)
  if (sayRemoved(connection, ids)) return null
  return refusal('NO_SUBFLOW', 'there is no subflow to say it on')
}

/** REMOVE_ADDR for these ids; false = no subflow can carry it. */
export function sayRemoved(connection: Connection, ids: readonly number[]): boolean {
  // Not on a subflow of the very address, where there is another.
  const carrier = speaker(connection, (each) => ids.includes(each.localAddressId))
  if (carrier === undefined) return false
  for (let i = 0; i < ids.length; i += MAX_REMOVED) {
    const addressIds = ids.slice(i, i + MAX_REMOVED)
    carrier.pendingOptions.push({ subtype: REMOVE_ADDR, addressIds })
  }
  return true
}

function drop(list: { readonly id: number }[], ids: readonly number[]): void {
  for (let i = list.length - 1; i >= 0; i--) if (ids.includes(list[i].id)) list.splice(i, 1)
}

function createSubflow(
  context: Context,
  connection: Connection,
  command: Command<'subflow-create'>,
  now: number,
): Refusal | null {
  const { counters, config } = context
  const { remoteId = 0, remotePort = 0 } = command
  const remote = parseAddress(String(command.remote))
  if (remote === null || isNobody(remote)) {
    return refusal('ADDRESS', `'${command.remote}' is not an address of a host`)
  }
  if (!isNumber(remotePort, 0, 65_535) || !isNumber(remoteId, 0, MAX_ID)) {
    return refusal('OPTION', `a port is up to 65535 and an id up to ${MAX_ID}`)
  }
  if (!mayOpenJoin(connection)) {
    return refusal('NOT_ESTABLISHED', 'the connection is not established, or is being closed')
  }
  if (subflowRoom(connection.subflows, config.maxSubflows) === 0) {
    return refusal('LIMIT', `a connection has at most ${config.maxSubflows} subflows`)
  }
  const local = command.local === undefined ? null : parseAddress(command.local)
  const path =
    command.local === undefined
      ? nearestPath(context.paths, remote)
      : context.paths.find((each) => local !== null && sameAddress(each.address, local))
  if (path === undefined || path === null) {
    if (command.local === undefined) counters.MPJoinSynTxConnectErr++
    else counters.MPJoinSynTxBindErr++
    return refusal(
      'NOT_OURS',
      `this stack has no address ${command.local ?? `for ${command.remote}`}`,
    )
  }
  const family = remote.family === 4 ? 'ipv4' : 'ipv6'
  const spoken = connection.families === 'both' || connection.families === family
  if (path.address.family !== remote.family || !spoken) {
    counters.MPJoinSynTxConnectErr++
    return refusal('FAMILY', `${formatAddress(path.address)} cannot reach ${command.remote}`)
  }
  const own = addressId(context, connection, path.address)
  const localId = command.localId ?? own.id
  if (command.localId !== undefined) {
    const wrong = claimId(connection, localId, path.address)
    if (wrong !== null) return wrong
  }
  const toPort = remotePort === 0 ? connection.remotePort : remotePort
  const wanted = { ...command, local: formatAddress(path.address), localId, remotePort: toPort }
  if (mustWait(connection, path.address, remote, wanted, now)) return null
  // The address is back: what would say that it is gone would end this subflow.
  const unsaid = connection.pathManager.removals.indexOf(localId)
  if (unsaid >= 0) connection.pathManager.removals.splice(unsaid, 1)
  const localPort = context.takePort(path.address, remote, toPort)
  if (localPort === 0) {
    counters.MPJoinSynTxBindErr++
    return refusal('NO_PORT', 'no local port is free')
  }
  const subflow = openSubflow(context, connection, path, remote, toPort, now, {
    localAddressId: localId,
    remoteAddressId: remoteId,
    backup: command.backup ?? own.backup,
    localPort,
  })
  if (subflow !== null) return null
  counters.MPJoinSynTxCreatSkErr++
  return refusal('NO_MEMORY', 'the core has no memory for another subflow')
}

/** 0.0.0.0, ::, multicast and broadcast: nobody can be reached there. */
export function isNobody(address: IpAddress): boolean {
  if (address.family === 4) return address.w3 === 0 || address.w3 >>> 28 >= 0xe
  const zero = (address.w0 | address.w1 | address.w2 | address.w3) === 0
  return zero || address.w0 >>> 24 === 0xff
}

function destroySubflow(
  context: Context,
  connection: Connection,
  command: Command<'subflow-destroy'>,
): Refusal | null {
  const subflow = connection.subflows.find((each) => each.id === command.subflow)
  if (subflow === undefined || subflow.tcb.state === 'CLOSED') {
    return refusal('NO_SUBFLOW', `the connection has no subflow ${command.subflow}`)
  }
  subflow.resetOwed ??= -1
  context.counters.RmSubflow++
  return null
}

function setFlags(connection: Connection, command: Command<'set-flags'>): Refusal | null {
  const subflow = connection.subflows.find((each) => each.id === command.subflow)
  if (subflow === undefined || !isOpen(subflow)) {
    return refusal('NO_SUBFLOW', `the connection has no subflow ${command.subflow}`)
  }
  const backup = command.backup === true
  subflow.localBackup = backup
  // One that has not left yet says what held before.
  const { pendingOptions } = subflow
  const waiting = pendingOptions.findIndex((each) => each.subtype === MP_PRIO)
  if (waiting >= 0) pendingOptions.splice(waiting, 1)
  pendingOptions.push({ subtype: MP_PRIO, backup, addressId: null })
  return null
}

/** The id of an address of ours in this connection, and whether its subflows are backups. */
export function addressId(
  context: Context,
  connection: Connection,
  address: IpAddress,
  port = 0,
): MptcpLocalAddress {
  const { local, localIds } = connection.pathManager
  if (local !== null && sameAddress(local, address)) {
    return { id: 0, backup: connection.subflows.find(({ id }) => id === 0)?.localBackup ?? false }
  }
  const view = new ConnectionView(connection)
  const text = formatAddress(address)
  let own: MptcpLocalAddress | undefined
  try {
    own = managerOf(context, connection).localAddress?.(view, text, port)
  } catch (error) {
    own = replaceManager(context, connection, error).localAddress?.(view, text, port)
  }
  if (own && isNumber(own.id, 1, MAX_ID)) return own
  let known = localIds.find((each) => sameAddress(each.address, address))
  if (known === undefined) {
    let id = 1
    while (id < MAX_ID && localIds.some((each) => each.id === id)) id++
    known = { id, address }
    localIds.push(known)
  }
  return { id: known.id, backup: false }
}
