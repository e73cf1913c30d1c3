// The emulated host that a script runs on: its addresses, sysctls and MPTCP endpoints, and the stack,
// which is made when it is first needed. Nothing here reads or changes the real host.

import { VirtualClock } from '../../clock.js'
import type { MptcpBackend } from '../../core/load.js'
import { shortestLinger } from '../../mptcp/scheduler/shortest-linger.js'
import { SeededRandom } from '../../random.js'
import { MptcpBsd } from '../../socket/bsd.js'
import type { MptcpPathControl } from '../../stack/path-control.js'
import { Stack } from '../../stack/stack.js'
import type { MptcpCongestionAlgorithm } from '../../tcp/congestion/congestion-control.js'
import { cubic } from '../../tcp/congestion/cubic.js'
import { formatAddress, type IpAddress, sameAddress } from '../../wire/address.js'
import { TestDevice } from './device.js'
import type { RunSettings } from './settings.js'

const MiB = 1024 * 1024
/** Room for what one script moves; a stack is made for each. */
const MEMORY_BYTES = 4 * MiB
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
  allowJoinInitialAddress: boolean
  addAddrTimeoutMs: number
  closeTimeoutMs: number
  blackholeTimeoutMs: number
  fastOpen: number
  fastOpenKey: Uint8Array
  synCookies: 0 | 1 | 2
  /** SYNs with MP_CAPABLE before one without. */
  mpCapableSyns: number
  congestion: MptcpCongestionAlgorithm
  /** Linux's tcp_min_tso_segs, tcp_rto_max_ms and tcp_slow_start_after_idle. */
  leastBurst: number
  maxRtoMs: number
  slowStartAfterIdle: boolean
  /** `net.mptcp.enabled`. */
  mptcp: boolean
  /** What each new socket begins with: the values of options of SOL_TCP. */
  sockets: Readonly<Record<number, number>>
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
  /** Linux's defaults, until sysctls change them. */
  #config: HostConfig = {
    checksum: false,
    timestamps: true,
    sack: true,
    windowScaling: true,
    sendBufferBytes: 4 * MiB,
    receiveBufferBytes: 6 * MiB,
    allowJoinInitialAddress: true,
    addAddrTimeoutMs: 120_000,
    closeTimeoutMs: 60_000,
    blackholeTimeoutMs: 3_600_000,
    fastOpen: 0x70403,
    fastOpenKey: Uint8Array.from(Buffer.from('a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4', 'hex')),
    synCookies: 1,
    mpCapableSyns: 3,
    congestion: cubic,
    leastBurst: 2,
    maxRtoMs: 120_000,
    slowStartAfterIdle: false,
    mptcp: true,
    sockets: {},
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

  get config(): Readonly<HostConfig> {
    return this.#config
  }

  get addresses(): readonly IpAddress[] {
    return this.#addresses
  }

  /** Whether the stack has been made: the device's own properties no longer change. */
  get isOpen(): boolean {
    return this.#stack !== null
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
    this.#device = new TestDevice(this.clock, addresses, this.settings)
    this.#stack = new Stack({
      links: [this.#device],
      clock: this.clock,
      random: new SeededRandom(this.#seed),
      core: this.#core,
      memoryBytes: MEMORY_BYTES,
      scheduler: shortestLinger,
      // Linux's: two subflows beside the first, and no address of the peer is joined.
      maxSubflows: 3,
      maxAddAddrAccepted: 0,
      endpoints: [],
    })
    this.#configureStack(this.config)
    this.#bsd = new MptcpBsd(this.#stack)
  }

  configure(change: Partial<HostConfig>): void {
    this.#config = { ...this.#config, ...change }
    this.#configureStack(change)
  }

  /** A stack that is made later gets all at once. */
  #configureStack({ mptcp: _, sockets: _s, ...settings }: Partial<HostConfig>): void {
    this.#stack?.configure(settings)
  }

  // ---------------------------------------------------------------- addresses and endpoints

  get pathControl(): MptcpPathControl {
    return this.stack.pathControl
  }

  addAddress(address: IpAddress): void {
    if (this.#addresses.some((each) => sameAddress(each, address))) return
    this.#addresses.push(address)
    this.#stack?.addAddress(address, 0)
  }

  removeAddress(address: IpAddress): void {
    const index = this.#addresses.findIndex((each) => sameAddress(each, address))
    if (index >= 0) this.#addresses.splice(index, 1)
    this.#stack?.removeAddress(address)
  }
}
