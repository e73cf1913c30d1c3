// The emulated host that a script runs on: its addresses, sysctls and MPTCP endpoints, and the stack,
// which is made when it is first needed. Nothing here reads or changes the real host.

import { VirtualClock } from '../clock.js'
import type { MptcpBackend } from '../core/load.js'
import type { LocalPath } from '../mptcp/context.js'
import type { Endpoint } from '../mptcp/path-manager/endpoint.js'
import { removeEndpoint, start } from '../mptcp/path-manager/path-manager.js'
import { SeededRandom } from '../random.js'
import { MptcpBsd } from '../socket/bsd.js'
import type { MptcpStackOptions } from '../stack/config.js'
import { Stack } from '../stack/stack.js'
import { formatAddress, type IpAddress, sameAddress } from '../wire/address.js'
import { TestDevice } from './device.js'
import type { RunSettings } from './settings.js'

const MiB = 1024 * 1024
/** Room for what one script moves; a stack is made for each. */
const MEMORY_BYTES = 16 * MiB
/** Not 0, which a deadline or a timestamp could be mistaken for. */
const START_MS = 10_000

/** Everything of the stack's configuration that a script can turn. */
export interface HostConfig {
  checksum: boolean
  timestamps: boolean
  sack: boolean
  windowScaling: boolean
  sendBufferBytes: number
  receiveBufferBytes: number
  maxSubflows: number
  maxAddAddrAccepted: number
  addAddrTimeoutMs: number
  closeTimeoutMs: number
  /** SYNs with MP_CAPABLE before one without. */
  mpCapableSyns: number
  /** `net.mptcp.enabled`. */
  mptcp: boolean
}

export interface HostOptions {
  settings: RunSettings
  core: MptcpBackend
  seed?: number
}

export class Host {
  readonly clock = new VirtualClock({ now: START_MS, eventsPerInstant: 100_000 })
  readonly settings: RunSettings
  readonly sysctls = new Map<string, string>()
  readonly endpoints: Endpoint[] = []
  /** Linux's defaults; MPTCP's limits count the first subflow, `ip mptcp limits` does not. */
  readonly config: HostConfig = {
    checksum: false,
    timestamps: true,
    sack: true,
    windowScaling: true,
    sendBufferBytes: 4 * MiB,
    receiveBufferBytes: 6 * MiB,
    maxSubflows: 3,
    maxAddAddrAccepted: 0,
    addAddrTimeoutMs: 120_000,
    closeTimeoutMs: 60_000,
    mpCapableSyns: 3,
    mptcp: true,
  }
  readonly #addresses: IpAddress[]
  readonly #core: MptcpBackend
  readonly #seed: number
  #device: TestDevice | null = null
  #stack: Stack | null = null
  #bsd: MptcpBsd | null = null

  constructor(options: HostOptions) {
    this.settings = options.settings
    this.#core = options.core
    this.#seed = options.seed ?? 1
    this.#addresses = [options.settings.local]
  }

  get addresses(): readonly IpAddress[] {
    return this.#addresses
  }

  get device(): TestDevice {
    if (this.#device === null) this.#open()
    return this.#device as TestDevice
  }

  get stack(): Stack {
    if (this.#stack === null) this.#open()
    return this.#stack as Stack
  }

  get bsd(): MptcpBsd {
    if (this.#bsd === null) this.#open()
    return this.#bsd as MptcpBsd
  }

  close(): void {
    this.#stack?.close()
  }

  #open(): void {
    const addresses = this.#addresses.map(formatAddress)
    this.#device = new TestDevice(this.clock, addresses, this.settings.mtu)
    const options: MptcpStackOptions = {
      ...this.#stackConfig(),
      links: [this.#device],
      clock: this.clock,
      random: new SeededRandom(this.#seed),
      core: this.#core,
      memoryBytes: MEMORY_BYTES,
      endpoints: this.endpoints.map((each) => ({ ...each, address: formatAddress(each.address) })),
    }
    this.#stack = new Stack(options)
    // Not among the options: how often is RFC 8684's own choice (§3.7).
    this.#stack.config.mpCapableSyns = this.config.mpCapableSyns
    this.#bsd = new MptcpBsd(this.#stack)
  }

  #stackConfig(): Omit<HostConfig, 'mptcp'> {
    const { mptcp: _, ...config } = this.config
    return config
  }

  /** What the stack already runs with is changed too: it counts for connections to come. */
  configure(change: Partial<HostConfig>): void {
    Object.assign(this.config, change)
    if (this.#stack !== null) Object.assign(this.#stack.config, this.#stackConfig())
  }

  // ---------------------------------------------------------------- addresses and endpoints

  addAddress(address: IpAddress): void {
    if (this.#addresses.some((each) => sameAddress(each, address))) return
    this.#addresses.push(address)
    if (this.#stack === null) return
    const paths = this.#stack.context.paths as LocalPath[]
    const headers = address.family === 4 ? 40 : 60
    const like = paths[0]!
    const likeHeaders = like.address.family === 4 ? 40 : 60
    const change = likeHeaders - headers
    paths.push({ address, link: 0, mss: like.mss + change, limit: like.limit + change })
  }

  removeAddress(address: IpAddress): void {
    const index = this.#addresses.findIndex((each) => sameAddress(each, address))
    if (index >= 0) this.#addresses.splice(index, 1)
    if (this.#stack === null) return
    const paths = this.#stack.context.paths as LocalPath[]
    const path = paths.findIndex((each) => sameAddress(each.address, address))
    if (path >= 0) paths.splice(path, 1)
  }

  /** Id 0 = the next free one. Null: the id, or the address with this port, is there already. */
  addEndpoint(wanted: Omit<Endpoint, 'automatic'>): Endpoint | null {
    const ids = new Set(this.endpoints.map((each) => each.id))
    let { id } = wanted
    if (id === 0) for (id = 1; ids.has(id); id++);
    else if (ids.has(id)) return null
    const taken = this.endpoints.some(
      (each) => sameAddress(each.address, wanted.address) && each.port === wanted.port,
    )
    if (taken) return null
    const endpoint: Endpoint = { ...wanted, id, automatic: false }
    this.endpoints.push(endpoint)
    if (this.#stack === null) return endpoint
    const { context } = this.#stack
    ;(context.endpoints as Endpoint[]).push(endpoint)
    for (const connection of context.tokens.values()) {
      if (!connection.pathManager.started) continue
      // The path manager acts on its endpoints once: here on the new one alone.
      connection.pathManager.started = false
      start({ ...context, endpoints: [endpoint] }, connection, this.clock.now())
      this.#stack.touch(connection)
    }
    return endpoint
  }

  deleteEndpoint(id: number): boolean {
    const index = this.endpoints.findIndex((each) => each.id === id)
    if (index < 0) return false
    const [endpoint] = this.endpoints.splice(index, 1) as [Endpoint]
    if (this.#stack === null) return true
    const { context } = this.#stack
    const live = context.endpoints as Endpoint[]
    const place = live.findIndex((each) => each.id === id)
    if (place >= 0) live.splice(place, 1)
    for (const connection of context.tokens.values()) {
      removeEndpoint(connection, endpoint)
      this.#stack.touch(connection)
    }
    return true
  }

  flushEndpoints(): void {
    for (const { id } of [...this.endpoints]) this.deleteEndpoint(id)
  }
}
