// What a change of an endpoint means for one connection that stands: which ids are withdrawn, which subflows
// end, and what the peer is told. RFC 8684 §3.3.8, §3.4.2.

import type { Endpoint } from './endpoint.js'
import type { MptcpPathCommand, MptcpPathConnection, MptcpPathSubflow } from './path-manager.js'

/** What it remembers of one connection. */
export interface Use {
  /** Endpoints that were announced or opened from. Bounded: one for each id. */
  used: ReadonlySet<number>
  /** Ids of the peer's addresses that were joined. Bounded likewise. */
  accepted: ReadonlySet<number>
  /** The endpoint of the initial subflow's address, whose id on the wire is 0; 0 = none. */
  initialId: number
  /** The initial subflow's endpoint was looked for. */
  ready: boolean
}

/** What most connections have: shared, since an empty set of their own would weigh 150 bytes. */
export const NO_IDS: ReadonlySet<number> = new Set()

export function including(ids: ReadonlySet<number>, id: number): ReadonlySet<number> {
  return ids.has(id) ? ids : new Set(ids).add(id)
}

export function without(ids: ReadonlySet<number>, id: number): ReadonlySet<number> {
  if (!ids.has(id)) return ids
  const others = new Set(ids)
  others.delete(id)
  return others
}

/** Endpoints that are gone: REMOVE_ADDR for what the peer knows of them, and their subflows end. */
export function withdraw(
  connection: MptcpPathConnection,
  use: Use,
  endpoints: readonly Endpoint[],
  all: boolean,
): MptcpPathCommand[] {
  const ids: number[] = []
  const ended: MptcpPathSubflow[] = []
  for (const endpoint of endpoints) {
    const id = endpoint.id === use.initialId ? 0 : endpoint.id
    const subflows = subflowsOf(connection, endpoint, id)
    const announced = connection.announced.some((each) => each.id === id)
    // As Linux: a flush withdraws what was announced, no more.
    if (announced || (!all && subflows.length > 0 && !endpoint.implicit)) ids.push(id)
    // Those that nobody configured leave the connections their first subflow.
    ended.push(...subflows.filter((each) => !(all && endpoint.automatic && each.id === 0)))
    use.used = without(use.used, endpoint.id)
    if (endpoint.id === use.initialId) use.initialId = 0
  }
  if (all) use.used = NO_IDS
  const removal: MptcpPathCommand[] = ids.length > 0 ? [{ type: 'remove', ids }] : []
  return [...removal, ...ended.map(destroy)]
}

function subflowsOf(
  connection: MptcpPathConnection,
  endpoint: Endpoint,
  id: number,
): MptcpPathSubflow[] {
  return connection.subflows.filter(
    ({ local, localPort, localId }) =>
      local === endpoint.address &&
      (endpoint.port === 0 || localPort === endpoint.port) &&
      localId === id,
  )
}

/** The first address is withdrawn, whether it is an endpoint or not. */
export function withdrawInitial(connection: MptcpPathConnection, use: Use): MptcpPathCommand[] {
  use.used = without(use.used, use.initialId)
  const subflows = connection.subflows.filter((each) => each.localId === 0)
  const announced = connection.announced.some((each) => each.id === 0)
  if (subflows.length === 0 && !announced) return []
  return [{ type: 'remove', ids: [0] }, ...subflows.map(destroy)]
}

/** Deviates: from Linux, which tells the first subflow of the endpoint only. */
export function tellBackup(
  connection: MptcpPathConnection,
  { address, backup }: Endpoint,
): MptcpPathCommand[] {
  return connection.subflows
    .filter((each) => each.local === address)
    .map(({ id }) => ({ type: 'set-flags', subflow: id, backup }))
}

/** The subflows that the endpoint was used for end, so that it can be used anew. */
export function closeJoined(
  connection: MptcpPathConnection,
  use: Use,
  endpoint: Endpoint,
): MptcpPathCommand[] {
  use.used = without(use.used, endpoint.id)
  return connection.subflows
    .filter((each) => each.local === endpoint.address && each.id > 0)
    .map(destroy)
}

function destroy({ id }: MptcpPathSubflow): MptcpPathCommand {
  return { type: 'subflow-destroy', subflow: id }
}
