// The default path manager, in the manner of Linux's in-kernel one (6.18): it works on endpoints, which may
// change while connections live, and within limits. Each endpoint is used once in a connection, until it is
// taken away; a subflow that ended by what may pass is opened again. Deviates: from Linux in that endpoints which nobody
// configured act by role (`automatic`).

import { RESET_PROHIBITED } from '../../wire/mptcp-options.js'
import { type Endpoint, familyOf, sameFamily } from './endpoint.js'
import {
  closeJoined,
  including,
  NO_IDS,
  tellBackup,
  type Use,
  withdraw,
  withdrawInitial,
  without,
} from './endpoint-changes.js'
import type { EndpointTable } from './endpoint-table.js'
import type {
  MptcpLocalAddress,
  MptcpPathCommand,
  MptcpPathConnection,
  MptcpPathEvent,
  MptcpPathManager,
  MptcpPathSubflow,
} from './path-manager.js'

/** What is accepted where nobody said: from a server that we chose to talk to. */
const DEFAULT_ACCEPTED_BY_CLIENT = 8

/** The stack's settings that bound it; they may change at any time. */
export interface PathLimits {
  /** Subflows of a connection, the first included. */
  readonly maxSubflows: number
  /** Addresses of the peer that are used; null = 8 for a client and none for a server. */
  readonly maxAddAddrAccepted: number | null
}

/** Commands for one connection, by its token. */
export interface Directive {
  readonly token: number
  readonly commands: readonly MptcpPathCommand[]
}

export class EndpointManager implements MptcpPathManager {
  readonly name = 'endpoints'
  readonly table: EndpointTable
  readonly #limits: PathLimits
  /** The address of ours that reaches an address, where it is not bound to one. */
  readonly #nearest: (remote: string) => string | null
  /** Our path with an address; undefined = the stack has not got it. */
  readonly #pathOf: (local: string) => OwnPath | undefined
  /** Addresses of endpoints that the stack had and has lost. Bounded: by the endpoints. */
  readonly #away = new Set<string>()
  /** Bounded by the connections; each is forgotten when it is closed. */
  readonly #uses = new Map<number, { view: MptcpPathConnection; use: Use }>()

  constructor(
    table: EndpointTable,
    limits: PathLimits,
    nearest: (remote: string) => string | null,
    pathOf: (local: string) => OwnPath | undefined,
  ) {
    this.table = table
    this.#limits = limits
    this.#nearest = nearest
    this.#pathOf = pathOf
  }

  // ---------------------------------------------------------------- what happens to connections

  onEvent(event: MptcpPathEvent, connection: MptcpPathConnection): readonly MptcpPathCommand[] {
    const use = this.#useOf(connection)
    switch (event.type) {
      case 'created':
      case 'sub-priority':
        return []
      case 'closed':
        this.#uses.delete(connection.token)
        return []
      case 'removed':
        use.accepted = without(use.accepted, event.id)
        return []
      case 'announced':
        return this.#announced(connection, use, event)
      case 'sub-closed':
        return [...this.#again(connection, use, event), ...this.#work(connection, use)]
      case 'established':
      case 'sub-established':
      case 'announce-echoed':
      case 'announce-failed':
        return this.#work(connection, use)
      default:
        return event satisfies never
    }
  }

  localAddress(connection: MptcpPathConnection, address: string, port: number): MptcpLocalAddress {
    const { id, backup } = this.table.at(address, port) ?? this.table.addImplicit(address)
    return { id: id === this.#useOf(connection).initialId ? 0 : id, backup }
  }

  #useOf(connection: MptcpPathConnection): Use {
    let known = this.#uses.get(connection.token)
    if (known === undefined) {
      const use: Use = {
        used: NO_IDS,
        accepted: NO_IDS,
        initialId: 0,
        ready: false,
      }
      known = { view: connection, use }
      this.#uses.set(connection.token, known)
    }
    return known.use
  }

  /** The address of the initial subflow is in use, and may be a backup, which its SYN could not say. */
  #setUpInitial(connection: MptcpPathConnection, use: Use): MptcpPathCommand[] {
    if (use.ready) return []
    use.ready = true
    const { table } = this
    const endpoint = table.at(connection.local, connection.localPort)
    if (endpoint === undefined) return []
    use.used = including(use.used, endpoint.id)
    use.initialId = endpoint.id
    const initial = connection.subflows.find((each) => each.localId === 0)
    if (!endpoint.backup || initial === undefined) return []
    return [{ type: 'set-flags', subflow: initial.id, backup: true }]
  }

  /** Announces the next address, and opens what is to be opened. */
  #work(connection: MptcpPathConnection, use: Use): MptcpPathCommand[] {
    const commands = this.#setUpInitial(connection, use)
    if (!connection.established) return commands
    const signal = this.table.all.find(
      (each) =>
        each.signal &&
        !use.used.has(each.id) &&
        this.#acts(each, connection, 'server') &&
        !this.#away.has(each.address) &&
        !this.#isSpared(each, connection),
    )
    if (signal !== undefined) {
      use.used = including(use.used, signal.id)
      const id = signal.id === use.initialId ? 0 : signal.id
      commands.push({ type: 'announce', id, address: signal.address, port: signal.port })
    }
    if (this.#waitsForAddresses(connection, use)) return commands
    let room = this.#room(connection)
    const both = signal?.subflow === true && this.#acts(signal, connection, 'client')
    let next = both ? signal : this.#nextToOpen(connection, use)
    // Bounded: each round uses up an endpoint.
    for (; room > 0 && next !== undefined; next = this.#nextToOpen(connection, use)) {
      use.used = including(use.used, next.id)
      for (const remote of this.#remotes(connection, use, next).slice(0, room)) {
        commands.push(createFrom(next, use, remote))
        room--
      }
    }
    return commands
  }

  /**
   * A subflow of ours ended by what may pass: there is to be another. The stack gives it its time, ever later.
   * Deviates: from Linux, which opens it again only when something else happens.
   */
  #again(connection: MptcpPathConnection, use: Use, ended: SubflowClosed): MptcpPathCommand[] {
    const { local, remote, remotePort, remoteId, opener } = ended.subflow
    if (!connection.established || !opener || !mayPass(ended)) return []
    if (remoteId === 0 && connection.denyJoinInitial) return []
    // RFC 8684 §3.4.1: what was announced and could not be reached waits to be announced again.
    if (remoteId !== 0 && !ended.established) return []
    const endpoint =
      this.table.at(local) ??
      (local === connection.local ? unnamed(local, use.initialId) : undefined)
    if (endpoint === undefined || this.#isSpared(endpoint, connection)) return []
    return [createFrom(endpoint, use, { id: remoteId, address: remote, port: remotePort })]
  }

  #nextToOpen(connection: MptcpPathConnection, use: Use): Endpoint | undefined {
    return this.table.all.find(
      (each) =>
        each.subflow &&
        !use.used.has(each.id) &&
        this.#acts(each, connection, 'client') &&
        this.#pathOf(each.address) !== undefined &&
        !this.#isSpared(each, connection),
    )
  }

  /** It costs, and a path that does not works. */
  #isSpared({ address }: Endpoint, { subflows }: MptcpPathConnection): boolean {
    if (this.#pathOf(address)?.metered !== true) return false
    return subflows.some((each) => {
      const path = this.#pathOf(each.local)
      return path !== undefined && !path.metered && !path.down && isConnected(each)
    })
  }

  /** Endpoints that nobody configured: the client opens, the server announces. */
  #acts(endpoint: Endpoint, connection: MptcpPathConnection, role: 'client' | 'server'): boolean {
    if (!endpoint.automatic) return true
    return connection.role === role && sameFamily(endpoint.address, connection.remote)
  }

  /** One where none is left, whatever the limit: the first, anew. */
  #room({ subflows, extraSubflows }: MptcpPathConnection): number {
    const least = subflows.length === 0 ? 1 : 0
    return Math.max(least, this.#limits.maxSubflows - 1 - extraSubflows)
  }

  /**
   * The peer denies joins to its first address, and accepts are not allowed: then the endpoints are kept
   * for the first address that it announces.
   */
  #waitsForAddresses(connection: MptcpPathConnection, use: Use): boolean {
    const unused = this.table.all.every(
      ({ id, subflow }) => !subflow || id === use.initialId || !use.used.has(id),
    )
    return (
      connection.denyJoinInitial &&
      this.#limits.maxAddAddrAccepted === 0 &&
      this.#room(connection) > 0 &&
      unused
    )
  }

  /** Where an endpoint's subflows go: to the peer's first address, or with fullmesh to all of them. */
  #remotes(connection: MptcpPathConnection, use: Use, endpoint: Endpoint): Remote[] {
    const { remote, remotePort, denyJoinInitial, subflows } = connection
    if (!endpoint.fullmesh) {
      if (denyJoinInitial || !sameFamily(endpoint.address, remote)) return []
      return [{ id: 0, address: remote, port: remotePort }]
    }
    const localId = endpoint.id === use.initialId ? 0 : endpoint.id
    const taken = new Set(
      subflows.filter((each) => each.localId === localId).map(({ remoteId }) => remoteId),
    )
    const remotes: Remote[] = []
    for (const { remoteId: id, remote: address, remotePort: port } of subflows) {
      if ((denyJoinInitial && id === 0) || taken.has(id)) continue
      if (!sameFamily(endpoint.address, address)) continue
      taken.add(id)
      remotes.push({ id, address, port })
    }
    return remotes
  }

  // ---------------------------------------------------------------- the peer's addresses

  #announced(connection: MptcpPathConnection, use: Use, remote: Remote): MptcpPathCommand[] {
    const commands = this.#setUpInitial(connection, use)
    const port = remote.port === 0 ? connection.remotePort : remote.port
    if (remote.id === 0) {
      // The first address has id 0, and no other has.
      if (remote.address !== connection.remote || port !== connection.remotePort) return commands
    } else if (!this.#accepts(connection, use)) return commands
    if (this.#isUseless(connection, remote)) return commands
    const locals = this.#locals(connection, use, remote)
      .filter((each) => !this.#isSpared(each, connection))
      .slice(0, this.#room(connection))
    for (const local of locals) {
      if (local.subflow) use.used = including(use.used, local.id)
      commands.push(createFrom(local, use, { ...remote, port }))
    }
    if (locals.length > 0 && remote.id !== 0) use.accepted = including(use.accepted, remote.id)
    return commands
  }

  #accepts(connection: MptcpPathConnection, use: Use): boolean {
    if (this.#waitsForAddresses(connection, use)) return true
    const most =
      this.#limits.maxAddAddrAccepted ??
      (connection.role === 'client' ? DEFAULT_ACCEPTED_BY_CLIENT : 0)
    return use.accepted.size < most && this.#room(connection) > 0
  }

  /** Not of a family of the socket, not an address of another host, or one that a subflow goes to already. */
  #isUseless(connection: MptcpPathConnection, { address, port }: Remote): boolean {
    const { families } = connection
    if (families !== 'both' && families !== familyOf(address)) return true
    if (isLoopback(address) && !isLoopback(connection.remote)) return true
    if (this.#nearest(address) === address) return true
    return connection.subflows.some(
      (each) =>
        each.remote === address && (port === 0 || each.remotePort === port) && isConnected(each),
    )
  }

  /** From where an announced address is joined. */
  #locals(connection: MptcpPathConnection, use: Use, remote: Remote): Endpoint[] {
    const usable = this.table.all.filter((each) => sameFamily(each.address, remote.address))
    if (this.table.all.some((each) => each.fullmesh)) return usable.filter((each) => each.fullmesh)
    if (this.table.all.some((each) => each.laminar)) {
      const taken = new Set(connection.subflows.filter(isConnected).map(({ localId }) => localId))
      const first = usable.find(
        (each) => each.laminar && !taken.has(each.id === use.initialId ? 0 : each.id),
      )
      return first === undefined ? [] : [first]
    }
    if (remote.id !== 0 && this.#waitsForAddresses(connection, use)) {
      return usable.filter((each) => each.subflow && each.id !== use.initialId)
    }
    const address = this.#nearest(remote.address)
    if (address === null) return []
    const endpoint = this.table.at(address)
    // A second subflow over a path that nobody asked for would only compete with the first.
    const joined = connection.subflows.some((each) => each.id > 0 && each.local === address)
    if (endpoint?.automatic && joined) return []
    // The address of the initial subflow is 0 without being an endpoint.
    if (address === connection.local) return [unnamed(address, use.initialId)]
    return [endpoint ?? this.table.addImplicit(address)]
  }

  // ---------------------------------------------------------------- changes of the endpoints

  /** A new endpoint: what open connections do with it. */
  added(endpoint: Endpoint): Directive[] {
    return this.#forEach((connection, use) => {
      if (!connection.established) return []
      // The initial subflow's endpoint is back, perhaps with another id.
      if (endpoint.address === connection.local && endpoint.port === 0) {
        use.initialId = endpoint.id
        if (connection.subflows.some(({ localId }) => localId === 0))
          use.used = including(use.used, endpoint.id)
      }
      return this.#work(connection, use)
    })
  }

  /** The stack has got an address: the endpoints there are used from now on. */
  found(address: string): Directive[] {
    this.#away.delete(address)
    const endpoint = this.table.at(address)
    return endpoint === undefined ? this.reconsider() : this.added(endpoint)
  }

  /** The stack has lost an address: its subflows have ended already. Its endpoints are used anew when it is back. */
  lost(address: string): Directive[] {
    const there = this.table.all.filter((each) => each.address === address)
    if (there.length === 0) return this.reconsider()
    for (const each of there) if (each.automatic || each.implicit) this.table.remove(each)
    if (this.table.all.some((each) => each.address === address)) this.#away.add(address)
    for (const { use } of this.#uses.values()) {
      for (const { id, automatic, implicit } of there) {
        use.used = without(use.used, id)
        if ((automatic || implicit) && use.initialId === id) use.initialId = 0
      }
    }
    return this.reconsider()
  }

  /** What can be opened or announced may have changed, by no change of an endpoint. */
  reconsider(): Directive[] {
    return this.#forEach((connection, use) =>
      connection.established ? this.#work(connection, use) : [],
    )
  }

  /** Endpoints that are gone; `all` = a flush. */
  deleted(endpoints: readonly Endpoint[], all: boolean): Directive[] {
    for (const { address } of endpoints) this.#away.delete(address)
    return this.#forEach((connection, use) => withdraw(connection, use, endpoints, all))
  }

  /** The first address of connections is withdrawn: `ip mptcp endpoint delete id 0 ADDRESS`. */
  deletedInitial(address: string): Directive[] {
    return this.#forEach((connection, use) =>
      connection.local === address ? withdrawInitial(connection, use) : [],
    )
  }

  /** The flags of an endpoint were changed. */
  changed(endpoint: Endpoint, backup: boolean, fullmesh: boolean): Directive[] {
    return this.#forEach((connection, use) => {
      const commands = backup ? tellBackup(connection, endpoint) : []
      // They are opened anew, to as many addresses as now befits.
      if (!fullmesh || !endpoint.subflow) return commands
      const ended = closeJoined(connection, use, endpoint)
      // Once they are gone the endpoint is used again: here, if there is none.
      return [...commands, ...(ended.length > 0 ? ended : this.#work(connection, use))]
    })
  }

  #forEach(
    decide: (connection: MptcpPathConnection, use: Use) => readonly MptcpPathCommand[],
  ): Directive[] {
    const directives: Directive[] = []
    for (const [token, { view, use }] of this.#uses) {
      const commands = decide(view, use)
      if (commands.length > 0) directives.push({ token, commands })
    }
    return directives
  }
}

/** What it must know of a path of ours. */
interface OwnPath {
  readonly metered: boolean
  readonly down: boolean
}

type SubflowClosed = Extract<MptcpPathEvent, { type: 'sub-closed' }>

/**
 * Not in order, nor by a RST that says that what it was lasts (RFC 8684 §3.6). Deviates: a join that was prohibited
 * is tried again all the same, since Linux says so, for good, where it does not know yet that the connection is
 * established.
 */
function mayPass({ established, error, resetReason, resetTransient }: SubflowClosed): boolean {
  if (error === null || error === 'EADDRNOTAVAIL') return false
  return (
    resetReason === null || resetTransient || (resetReason === RESET_PROHIBITED && !established)
  )
}

interface Remote {
  readonly id: number
  readonly address: string
  /** 0 = that of the connection. */
  readonly port: number
}

function createFrom(local: Endpoint, use: Use, remote: Remote): MptcpPathCommand {
  return {
    type: 'subflow-create',
    local: local.address,
    localId: local.id === use.initialId ? 0 : local.id,
    remote: remote.address,
    remotePort: remote.port,
    remoteId: remote.id,
    backup: local.backup,
  }
}

/** The address of the initial subflow where it is no endpoint. */
function unnamed(address: string, id: number): Endpoint {
  return {
    id,
    address,
    port: 0,
    subflow: false,
    signal: false,
    laminar: false,
    fullmesh: false,
    backup: false,
    implicit: true,
    automatic: false,
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

/** Open, or about to be: one that closes does not count. */
function isConnected({ state }: MptcpPathSubflow): boolean {
  return state === 'ESTABLISHED' || state.startsWith('SYN')
}
