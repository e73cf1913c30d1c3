// The endpoints of a stack, as `ip mptcp endpoint` keeps them: ids, what may not stand beside what, and the
// order in which they are used.

import { type OptionKinds, wrongOption } from '../../option-kinds.js'
import { formatAddress, parseAddress } from '../../wire/address.js'
import { type Endpoint, MAX_ENDPOINT_ID } from './endpoint.js'

/** An address of this host and what the path manager may do with it. */
export interface MptcpEndpointOptions {
  /** IPv4 or IPv6 in text form. */
  address: string
  /** Address id, 1 to 255; left out or 0 = the next free one. */
  id?: number
  /** Joins are taken at this port: needs `signal`. 0 = the connection's port. */
  port?: number
  /** Open a subflow from here to the peer's first address. */
  subflow?: boolean
  /** Announce it to the peer. */
  signal?: boolean
  /** Subflows from here carry data only when no other can. */
  backup?: boolean
  /** Open subflows from here to every address of the peer; not with `signal`. */
  fullmesh?: boolean
  /** Open subflows from here to addresses that the peer announces. */
  laminar?: boolean
}

const ENDPOINT_KINDS: OptionKinds<MptcpEndpointOptions> = {
  address: 'string',
  id: 'number',
  port: 'number',
  subflow: 'boolean',
  signal: 'boolean',
  backup: 'boolean',
  fullmesh: 'boolean',
  laminar: 'boolean',
}

/** An endpoint as it stands: `implicit` if the stack made it to give an address an id. */
export type MptcpEndpoint = Readonly<Required<MptcpEndpointOptions>> & {
  readonly implicit: boolean
  /** One of those that stand where none were configured. */
  readonly automatic: boolean
}

/** What was wrong with a call: `code` says which, the message what to do. */
export function pathError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code: `ERR_MPTCP_${code}` })
}

export class EndpointTable {
  /** Bounded: one for each id. Those with a port come first, as in Linux. */
  readonly #endpoints: Endpoint[] = []
  #nextId = 1
  /** After that of the last automatic one. */
  #nextAutomatic = 1

  get all(): readonly Endpoint[] {
    return this.#endpoints
  }

  byId(id: number): Endpoint | undefined {
    return this.#endpoints.find((each) => each.id === id)
  }

  /** The endpoint of a subflow's local address and port. */
  at(address: string, port = 0): Endpoint | undefined {
    return this.#endpoints.find(
      (each) => each.address === address && (each.port === 0 || each.port === port),
    )
  }

  /**
   * Adds an endpoint. Errors: ERR_MPTCP_OPTION, ERR_MPTCP_ID_TAKEN, ERR_MPTCP_ADDRESS_TAKEN. One that the
   * stack has made itself is replaced, and keeps its id: `implicit`, or `automatic`.
   */
  add(options: MptcpEndpointOptions): Endpoint {
    const wrong = wrongOption(options, ENDPOINT_KINDS)
    if (wrong !== null) throw pathError('OPTION', `an endpoint: ${wrong}`)
    const parsed = parseAddress(options.address)
    if (parsed === null) {
      throw pathError('OPTION', `endpoint address '${options.address}' is not an IP address`)
    }
    const address = formatAddress(parsed)
    const { port = 0, subflow = false, signal = false, fullmesh = false } = options
    const wanted = options.id ?? 0
    if (!Number.isInteger(wanted) || wanted < 0 || wanted > MAX_ENDPOINT_ID) {
      throw pathError('OPTION', `endpoint id must be from 1 to ${MAX_ENDPOINT_ID}, not ${wanted}`)
    }
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw pathError('OPTION', `endpoint port must be from 1 to 65535, not ${port}`)
    }
    if (port !== 0 && (!signal || subflow)) {
      throw pathError('OPTION', 'an endpoint with a port needs signal, and cannot be subflow')
    }
    if (signal && fullmesh) throw pathError('OPTION', 'signal and fullmesh exclude each other')
    if (wanted !== 0 && this.byId(wanted) !== undefined) {
      throw pathError('ID_TAKEN', `the endpoint id ${wanted} is taken`)
    }
    const there = this.#endpoints.find((each) => each.address === address && each.port === port)
    if (there !== undefined && (!(there.implicit || there.automatic) || wanted !== 0)) {
      throw pathError('ADDRESS_TAKEN', `${address} is an endpoint already, with id ${there.id}`)
    }
    if (there !== undefined) this.remove(there)
    const id = there?.id ?? (wanted !== 0 ? wanted : this.#freeId())
    const { backup = false, laminar = false } = options
    const flags = { subflow, signal, backup, fullmesh, laminar }
    return this.#insert({ id, address, port, ...flags, implicit: false, automatic: false })
  }

  /** An endpoint without flags, so that the address has an id. */
  addImplicit(address: string): Endpoint {
    const none = { subflow: false, signal: false, backup: false, fullmesh: false, laminar: false }
    const id = this.#freeId()
    return this.#insert({ id, address, port: 0, ...none, implicit: true, automatic: false })
  }

  /** The endpoint of one of the host's addresses, where nobody has configured any. */
  addAutomatic(address: string, backup: boolean): void {
    const both = { subflow: true, signal: true, backup }
    const none = { fullmesh: false, laminar: false, implicit: false }
    // Not one of an address that has just gone: a peer may know that by its id still.
    const id = this.#freeId(this.#nextAutomatic)
    this.#nextAutomatic = id + 1
    this.#insert({ id, address, port: 0, ...both, ...none, automatic: true })
  }

  remove(endpoint: Endpoint): void {
    const index = this.#endpoints.indexOf(endpoint)
    if (index >= 0) this.#endpoints.splice(index, 1)
  }

  clear(): Endpoint[] {
    this.#nextId = 1
    return this.#endpoints.splice(0)
  }

  #insert(endpoint: Endpoint): Endpoint {
    if (endpoint.port === 0) this.#endpoints.push(endpoint)
    else this.#endpoints.unshift(endpoint)
    this.#nextId = Math.max(this.#nextId, endpoint.id)
    return endpoint
  }

  /** As Linux: the next one above those given so far, then from 1 again. */
  #freeId(from = this.#nextId): number {
    for (let i = 0; i < MAX_ENDPOINT_ID; i++) {
      const id = ((from - 1 + i) % MAX_ENDPOINT_ID) + 1
      if (this.byId(id) === undefined) return id
    }
    throw pathError('OPTION', `there are ${MAX_ENDPOINT_ID} endpoints, and no id is left`)
  }
}
