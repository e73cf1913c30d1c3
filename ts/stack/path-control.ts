// Path management from outside: endpoints and limits that change while connections live, commands by token
// as `ip mptcp`'s userspace path manager has them, and who is told of events.

import type { Clock } from '../clock.js'
import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { runCommand } from '../mptcp/path-manager/commands.js'
import { ConnectionView, isOpen } from '../mptcp/path-manager/connection-view.js'
import { MAX_ENDPOINT_ID } from '../mptcp/path-manager/endpoint.js'
import { type Directive, EndpointManager } from '../mptcp/path-manager/endpoint-manager.js'
import {
  EndpointTable,
  type MptcpEndpoint,
  type MptcpEndpointOptions,
  pathError,
} from '../mptcp/path-manager/endpoint-table.js'
import { watch } from '../mptcp/path-manager/manage.js'
import { nearestPath } from '../mptcp/path-manager/nearest-path.js'
import {
  type MptcpLinkEvent,
  type MptcpListenerEvent,
  type MptcpPathCommand,
  type MptcpPathConnection,
  type MptcpPathManager,
  type MptcpPathWatcher,
  userspace,
} from '../mptcp/path-manager/path-manager.js'
import { forgetLocal } from '../mptcp/path-manager/retries.js'
import type { Subflow } from '../mptcp/subflow.js'
import { type OptionKinds, wrongOption } from '../option-kinds.js'
import { formatAddress, type IpAddress, parseAddress } from '../wire/address.js'
import type { Agenda } from './agenda.js'
import type { MptcpStackOptions, StackConfig } from './config.js'

/** Linux's limits, which count subflows beside the first. */
export interface MptcpPathLimits {
  /** Subflows of a connection beside the first, 0 to 63. */
  subflows: number
  /** Addresses of the peer that are joined, 0 to 64. */
  addAddrAccepted: number
}

const LIMIT_KINDS: OptionKinds<MptcpPathLimits> = { subflows: 'number', addAddrAccepted: 'number' }

/** A subflow by its ends; a port that is left out fits any. */
export interface MptcpSubflowEnds {
  local: string
  localPort?: number
  remote: string
  remotePort?: number
}

type WithoutType<T> = T extends { type: unknown } ? Omit<T, 'type'> : never
type Command<T extends MptcpPathCommand['type']> = WithoutType<
  Extract<MptcpPathCommand, { type: T }>
>

/** What it needs of the stack that is made after it. */
interface StackParts {
  readonly context: Context
  readonly clock: Clock
  readonly agenda: Agenda
}

/**
 * The path management of one stack. Endpoints and limits are those of the default path manager: with
 * another one they are refused, and the commands by token are refused with the default one
 * (ERR_MPTCP_PATH_MANAGER), as in Linux; all are once the stack is closed (ERR_MPTCP_CLOSED). Every error has a
 * `code`; nothing was done then.
 */
export class MptcpPathControl {
  /** @internal */
  readonly manager: MptcpPathManager
  /** @internal Bounded by who asks. */
  readonly watchers = new Set<MptcpPathWatcher>()
  readonly #endpoints: EndpointManager | null
  readonly #config: StackConfig
  readonly #paths: readonly LocalPath[]
  /** Nobody has configured endpoints: each address becomes one. */
  #isAutomatic: boolean
  #substitute: EndpointManager | null = null
  #stack: StackParts | null = null

  /** @internal */
  constructor(options: MptcpStackOptions, paths: readonly LocalPath[], config: StackConfig) {
    this.#config = config
    const { pathManager = 'endpoints', endpoints } = options
    this.#paths = paths
    this.#isAutomatic = endpoints === undefined
    if (pathManager === 'endpoints') {
      this.#endpoints = this.#makeManager(endpoints)
      this.manager = this.#endpoints
      return
    }
    if (endpoints !== undefined) {
      throw pathError('OPTION', 'endpoints are for the default path manager: leave one of them out')
    }
    this.#endpoints = null
    this.manager = pathManager === 'userspace' ? userspace : pathManager
    if (typeof this.manager?.onEvent !== 'function') {
      throw pathError('OPTION', "pathManager must be 'endpoints', 'userspace' or have onEvent()")
    }
  }

  #makeManager(endpoints: readonly MptcpEndpointOptions[] | undefined): EndpointManager {
    const nearest = (remote: string): string | null => {
      const address = parseAddress(remote)
      const path = address === null ? null : nearestPath(this.#paths, address)
      return path === null ? null : formatAddress(path.address)
    }
    const pathOf = (local: string): LocalPath | undefined =>
      this.#paths.find((each) => formatAddress(each.address) === local)
    return new EndpointManager(makeTable(endpoints, this.#paths), this.#config, nearest, pathOf)
  }

  /** @internal For connections whose path manager has failed. */
  defaultManager(): MptcpPathManager {
    this.#substitute ??= this.#endpoints ?? this.#makeManager(undefined)
    return this.#substitute
  }

  /** @internal The stack is made. */
  attach(context: Context, clock: Clock, agenda: Agenda): void {
    this.#stack = { context, clock, agenda }
    for (const { address, port } of this.endpoints) {
      if (port !== 0) this.listener({ type: 'listener-created', address, port })
    }
  }

  get #parts(): StackParts {
    return this.#stack as StackParts
  }

  // ---------------------------------------------------------------- endpoints and limits

  /** The endpoints, in the order in which they are used. */
  get endpoints(): readonly MptcpEndpoint[] {
    return this.#endpoints?.table.all.map((each) => ({ ...each })) ?? []
  }

  /**
   * Adds an endpoint; connections that stand use it at once, or when the stack has its address. Returns it with its
   * id. Errors: ERR_MPTCP_OPTION, ERR_MPTCP_ID_TAKEN, ERR_MPTCP_ADDRESS_TAKEN.
   */
  addEndpoint(options: MptcpEndpointOptions): MptcpEndpoint {
    const manager = this.#manager()
    const endpoint = manager.table.add(options)
    const { address, port } = endpoint
    if (port !== 0) this.listener({ type: 'listener-created', address, port })
    this.#direct(manager.added(endpoint))
    return { ...endpoint }
  }

  /**
   * Changes flags of an endpoint, named by its id or its address: `backup` is told to the peers with
   * MP_PRIO, `fullmesh` closes and reopens its subflows. Errors: ERR_MPTCP_NO_ENDPOINT, ERR_MPTCP_OPTION.
   */
  changeEndpoint(which: number | string, flags: { backup?: boolean; fullmesh?: boolean }): void {
    const manager = this.#manager()
    const endpoint =
      typeof which === 'number' ? manager.table.byId(which) : manager.table.at(canonical(which))
    if (endpoint === undefined) throw pathError('NO_ENDPOINT', `there is no endpoint ${which}`)
    const { backup = endpoint.backup, fullmesh = endpoint.fullmesh } = flags
    if (fullmesh && (endpoint.signal || endpoint.implicit)) {
      throw pathError('OPTION', 'an endpoint that is signalled, or implicit, cannot be fullmesh')
    }
    const changed = [backup !== endpoint.backup, fullmesh !== endpoint.fullmesh] as const
    endpoint.backup = backup
    endpoint.fullmesh = fullmesh
    this.#direct(manager.changed(endpoint, ...changed))
  }

  /**
   * Deletes an endpoint: the peers are told with REMOVE_ADDR, its subflows are closed, and the id is free
   * again. Id 0 withdraws the first address of the connections that began with `address`, which need not
   * be an endpoint. Errors: ERR_MPTCP_NO_ENDPOINT, ERR_MPTCP_OPTION.
   */
  deleteEndpoint(id: number, address?: string): void {
    const manager = this.#manager()
    if (id === 0) {
      if (address === undefined) throw pathError('OPTION', 'id 0 needs the address beside it')
      this.#forgetFailures([canonical(address)])
      this.#direct(manager.deletedInitial(canonical(address)))
      return
    }
    const endpoint = manager.table.byId(id)
    if (endpoint === undefined) throw pathError('NO_ENDPOINT', `there is no endpoint ${id}`)
    manager.table.remove(endpoint)
    this.#unlisten(endpoint)
    this.#forgetFailures([endpoint.address])
    this.#direct(manager.deleted([endpoint], false))
  }

  /** Deletes all endpoints, with one REMOVE_ADDR for each connection. */
  flushEndpoints(): void {
    const manager = this.#manager()
    const endpoints = manager.table.clear()
    this.#isAutomatic = false
    for (const endpoint of endpoints) this.#unlisten(endpoint)
    this.#forgetFailures(endpoints.map(({ address }) => address))
    this.#direct(manager.deleted(endpoints, true))
  }

  get limits(): MptcpPathLimits {
    const { maxSubflows, maxAddAddrAccepted } = this.#config
    return { subflows: maxSubflows - 1, addAddrAccepted: maxAddAddrAccepted ?? 8 }
  }

  /** Sets the limits that are given; what is open already stays. Errors: ERR_MPTCP_OPTION. */
  setLimits(limits: Partial<MptcpPathLimits>): void {
    this.#refuseClosed()
    const wrong = wrongOption<Partial<MptcpPathLimits>>(limits, LIMIT_KINDS)
    if (wrong !== null) throw pathError('OPTION', wrong)
    const { subflows, addAddrAccepted } = limits
    for (const [value, most] of [
      [subflows ?? 0, 63],
      [addAddrAccepted ?? 0, 64],
    ] as const) {
      if (!Number.isInteger(value) || value < 0 || value > most) {
        throw pathError('OPTION', `a limit is from 0 to ${most}, not ${value}`)
      }
    }
    if (subflows !== undefined) this.#config.maxSubflows = subflows + 1
    if (addAddrAccepted !== undefined) this.#config.maxAddAddrAccepted = addAddrAccepted
  }

  // ---------------------------------------------------------------- events

  /**
   * Tells `watcher` of every event from now on; the answer ends that. It is
   * told after the turn: what it throws reaches 'uncaughtException', as from any listener.
   */
  watch(watcher: MptcpPathWatcher): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  /** The MPTCP connections that stand. */
  get connections(): MptcpPathConnection[] {
    return [...this.#parts.context.tokens.values()]
      .filter(({ mode }) => mode === 'mptcp')
      .map((each) => new ConnectionView(each))
  }

  /** @internal */
  listener(event: MptcpListenerEvent): void {
    try {
      this.manager.onListener?.(event)
    } catch (error) {
      this.#parts.context.pathManagerFault(error)
    }
    watch(this.#parts.context, event, null)
  }

  /** @internal */
  link(event: MptcpLinkEvent): void {
    watch(this.#parts.context, event, null)
  }

  /** @internal The stack has got an address: the endpoint that waits for it, or one by the policy of its link. */
  addressFound(address: string, path: LocalPath): void {
    const manager = this.#endpoints ?? this.#substitute
    if (manager === null) return
    const isKnown = manager.table.all.some((each) => each.address === address)
    // Bounded: there is an id for each; one more address is used by connections from it, and no other.
    if (!isKnown && this.#isAutomatic && manager.table.all.length < MAX_ENDPOINT_ID) {
      manager.table.addAutomatic(address, path.backup)
    }
    this.#direct(manager.found(address))
  }

  /** @internal It has lost one: an endpoint that nobody configured goes along, others wait for it. */
  addressLost(address: string): void {
    this.#direct((this.#endpoints ?? this.#substitute)?.lost(address) ?? [])
  }

  /** @internal A link is down, or up: others may be wanted. */
  pathsChanged(): void {
    this.#direct((this.#endpoints ?? this.#substitute)?.reconsider() ?? [])
  }

  /** @internal Whether an endpoint is listened on here: for joins, and nothing else. */
  isEndpointPort(port: number): boolean {
    return this.#endpoints?.table.all.some((each) => each.port === port && port !== 0) ?? false
  }

  // ---------------------------------------------------------------- commands by token

  /**
   * Announces an address under `id`, 1 to 255. Errors of this and the following, beside those named above:
   * ERR_MPTCP_NO_TOKEN, ERR_MPTCP_NOT_ESTABLISHED, ERR_MPTCP_ID_TAKEN, ERR_MPTCP_NO_ID,
   * ERR_MPTCP_ADDRESS, ERR_MPTCP_NOT_OURS, ERR_MPTCP_FAMILY, ERR_MPTCP_LIMIT, ERR_MPTCP_NO_SUBFLOW,
   * ERR_MPTCP_NO_PORT, ERR_MPTCP_NO_MEMORY.
   */
  announce(token: number, command: Command<'announce'>): void {
    this.#command(token, () => ({ type: 'announce', ...command }))
  }

  /** Takes ids back with REMOVE_ADDR; subflows are left alone. */
  remove(token: number, ...ids: number[]): void {
    this.#command(token, () => ({ type: 'remove', ids }))
  }

  createSubflow(token: number, command: Command<'subflow-create'>): void {
    this.#command(token, () => ({ type: 'subflow-create', ...command }))
  }

  destroySubflow(token: number, ends: MptcpSubflowEnds): void {
    this.#command(token, (connection) => {
      return { type: 'subflow-destroy', subflow: findSubflow(connection, ends).id }
    })
  }

  /** Makes a subflow a backup or not, and says so with MP_PRIO. */
  setFlags(token: number, ends: MptcpSubflowEnds, flags: { backup: boolean }): void {
    this.#command(token, (connection) => {
      return { type: 'set-flags', subflow: findSubflow(connection, ends).id, backup: flags.backup }
    })
  }

  #command(token: number, make: (connection: Connection) => MptcpPathCommand): void {
    this.#refuseClosed()
    if (this.#endpoints !== null) {
      throw pathError('PATH_MANAGER', "commands by token need pathManager: 'userspace'")
    }
    const { context, clock, agenda } = this.#parts
    const connection = context.tokens.get(token)
    if (connection === undefined) throw pathError('NO_TOKEN', `no connection has token ${token}`)
    const wrong = runCommand(context, connection, make(connection), clock.now())
    if (wrong !== null) throw Object.assign(new Error(wrong.message), { code: wrong.code })
    agenda.touch(connection)
  }

  #refuseClosed(): void {
    if (this.#parts.agenda.isClosed) throw pathError('CLOSED', 'the stack is closed')
  }

  #manager(): EndpointManager {
    this.#refuseClosed()
    if (this.#endpoints !== null) return this.#endpoints
    throw pathError('PATH_MANAGER', 'endpoints are for the default path manager')
  }

  /** What waited to be opened from there is not wanted any more. */
  #forgetFailures(addresses: readonly string[]): void {
    for (const connection of this.#parts.context.tokens.values()) {
      if (connection.pathManager.failures === null) continue
      for (const address of addresses) forgetLocal(connection, parseAddress(address) as IpAddress)
    }
  }

  #direct(directives: readonly Directive[]): void {
    const { context, clock, agenda } = this.#parts
    for (const { token, commands } of directives) {
      const connection = context.tokens.get(token)
      if (connection === undefined) continue
      for (const command of commands) {
        if (runCommand(context, connection, command, clock.now()) !== null) {
          context.counters.PathCommandRefused++
        }
      }
      agenda.touch(connection)
    }
  }

  #unlisten({ address, port }: MptcpEndpoint): void {
    if (port !== 0) this.listener({ type: 'listener-closed', address, port })
  }
}

function canonical(text: string): string {
  const address = parseAddress(text)
  if (address === null) throw pathError('OPTION', `'${text}' is not an IP address`)
  return formatAddress(address)
}

function findSubflow(connection: Connection, ends: MptcpSubflowEnds): Subflow {
  const local = canonical(ends.local)
  const remote = canonical(ends.remote)
  const found = connection.subflows.find(
    (each) =>
      isOpen(each) &&
      formatAddress(each.path.address) === local &&
      formatAddress(each.remote) === remote &&
      (ends.localPort ?? each.localPort) === each.localPort &&
      (ends.remotePort ?? each.remotePort) === each.remotePort,
  )
  if (found !== undefined) return found
  throw pathError('NO_SUBFLOW', `the connection has no subflow from ${local} to ${remote}`)
}

/** The endpoints as configured, or one for each path: those act by the role of the connection. */
function makeTable(
  given: readonly MptcpEndpointOptions[] | undefined,
  paths: readonly LocalPath[],
): EndpointTable {
  const table = new EndpointTable()
  if (given !== undefined) for (const each of given) table.add(each)
  else {
    for (const { address, backup } of paths) table.addAutomatic(formatAddress(address), backup)
  }
  return table
}
