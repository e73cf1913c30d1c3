// nc over the host's own MPTCP: sockets by socket/kernel, and the paths as endpoints of the host, which
// are taken away again at the end.

import type { Server, Socket } from 'node:net'
import { chooseAddresses, readDevice } from '../link/raw/device.js'
import {
  HeldConnection,
  type KernelMptcpInfo,
  kernelConnect,
  kernelListen,
} from '../socket/kernel.js'
import {
  addEndpoint,
  type EndpointFlag,
  mptcpLimits,
  removeEndpoint,
  setMptcpLimits,
} from '../socket/kernel-endpoints.js'
import { formatAddress, parseAddress } from '../wire/address.js'
import { Failure, oneLine, STATUS_FAILED, usageError } from './failure.js'
import {
  expectedSubflows,
  megabits,
  type NcConnection,
  type NcOptions,
  type NcReport,
  type NcTarget,
  type NcTransport,
} from './nc-transport.js'
import { type PathOption, pathRoles } from './path-option.js'

/** The kernel's own bound on subflows besides the first. */
const MAX_EXTRA_SUBFLOWS = 8
/** How exact the moment of the last DATA_ACK is. */
const SAMPLE_MS = 20
const STEP_MS = 5
/** As long as our own stack waits for a silent peer. */
const SETTLE_MS = 60_000

interface KernelPath {
  option: PathOption
  addresses: string[]
  flags: EndpointFlag[]
}

export class KernelTransport implements NcTransport {
  readonly #options: NcOptions
  readonly #paths: readonly KernelPath[]
  /** What undoes our changes to the host, last first. */
  readonly #undo: (() => Promise<void>)[] = []
  readonly #sockets = new Set<Socket>()
  #server: Server | null = null
  #deaf = false

  private constructor(options: NcOptions, paths: readonly KernelPath[]) {
    this.#options = options
    this.#paths = paths
  }

  static async open(options: NcOptions): Promise<KernelTransport> {
    const listening = options.listen === true
    const paths = options.path.map((option, i) => {
      if (option.gateway !== undefined) {
        throw usageError(
          "--link kernel leaves gateways to the host's routes: take @GATEWAY out of --path",
        )
      }
      const addresses = chooseAddresses(readDevice(option.device), option.address).map(
        formatAddress,
      )
      return { option, addresses, flags: endpointFlags(option, i, listening) }
    })
    const transport = new KernelTransport(options, paths)
    try {
      await transport.#configure()
      return transport
    } catch (error) {
      await transport.close()
      throw error
    }
  }

  async #configure(): Promise<void> {
    const wanted = this.#paths.filter(({ flags }) => flags.length > 0)
    if (wanted.length === 0) return
    if (process.getuid?.() !== 0) {
      throw usageError("--path under --link kernel changes the host's MPTCP endpoints: run as root")
    }
    const extra = Math.min(this.#paths.length - 1, MAX_EXTRA_SUBFLOWS)
    const limits = await mptcpLimits()
    if (limits.subflows < extra) {
      await setMptcpLimits({ ...limits, subflows: extra })
      this.#undo.push(() => setMptcpLimits(limits))
    }
    for (const { option, addresses, flags } of wanted) {
      for (const address of addresses) {
        const id = await addEndpoint({ address, device: option.device, flags })
        this.#undo.push(() => removeEndpoint(id))
      }
    }
  }

  async connect(host: string, port: number): Promise<NcConnection> {
    const family = parseAddress(host)?.family
    const localAddress = this.#paths[0]?.addresses.find(
      (address) => parseAddress(address)?.family === family,
    )
    if (this.#paths.length > 0 && localAddress === undefined) {
      throw usageError(`the first --path has no address of the family of ${host}`)
    }
    const peer = `${host} port ${port}`
    try {
      const socket = await kernelConnect({
        host,
        port,
        mptcp: this.#options.plain !== true,
        timeout: this.#options.timeout * 1000,
        allowHalfOpen: true,
        ...(localAddress !== undefined && { localAddress }),
      })
      return this.#connection(socket, peer)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ERR_MPTCP_NO_KOFFI' || code === 'EPROTONOSUPPORT') {
        throw usageError(oneLine(error))
      }
      const why =
        code === 'ECONNREFUSED'
          ? `${peer} refused the connection: does anything listen there?`
          : code === 'ETIMEDOUT'
            ? `${peer} did not answer within ${this.#options.timeout} s (see --timeout)`
            : `cannot connect to ${peer}: ${oneLine(error)}`
      throw new Failure(STATUS_FAILED, why)
    }
  }

  async listen(target: NcTarget, onConnection: (connection: NcConnection) => void): Promise<void> {
    const { port } = target
    const take = (socket: Socket): void => {
      if (this.#deaf) socket.resetAndDestroy()
      else
        onConnection(this.#connection(socket, `${socket.remoteAddress} port ${socket.remotePort}`))
    }
    const start = (host: string): Promise<Server> =>
      kernelListen({ host, port, mptcp: this.#options.plain !== true, allowHalfOpen: true }, take)
    // Every address, since those that are announced must be answered as well.
    this.#server =
      target.host !== undefined
        ? await start(target.host)
        : await start('::').catch((error: NodeJS.ErrnoException) => {
            if (error.code !== 'EAFNOSUPPORT' && error.code !== 'EADDRNOTAVAIL') throw error
            return start('0.0.0.0')
          })
  }

  /** Linux finds the connection of a MP_JOIN through the listener: it must stay until the end. */
  unlisten(): void {
    this.#deaf = true
  }

  async close(): Promise<void> {
    this.#server?.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    // One failure must not leave the rest behind.
    const failures: unknown[] = []
    for (const undo of this.#undo.splice(0).reverse()) {
      await undo().catch((error) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }

  #connection(socket: Socket, peer: string): NcConnection {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    return new KernelConnection(socket, peer, this.#options)
  }
}

/** The first path needs no endpoint: its subflow is there anyway. */
function endpointFlags(option: PathOption, index: number, listening: boolean): EndpointFlag[] {
  const { subflow, signal, backup } = pathRoles(option, index, listening)
  const flags: EndpointFlag[] = option.flags.filter(
    (flag) => flag === 'fullmesh' || flag === 'laminar',
  )
  if (subflow && !flags.includes('laminar')) flags.push('subflow')
  if (signal) flags.push('signal')
  if (backup) flags.push('backup')
  return flags
}

class KernelConnection implements NcConnection {
  readonly socket: Socket
  readonly peer: string
  readonly #mptcp: boolean
  readonly #expected: number
  readonly #held: HeldConnection
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #info: KernelMptcpInfo | null = null
  #movedAt = this.#startedAt
  #moved = 0

  constructor(socket: Socket, peer: string, options: NcOptions) {
    this.socket = socket
    this.peer = peer
    this.#mptcp = options.plain !== true
    this.#expected = expectedSubflows(options)
    this.#held = new HeldConnection(socket)
    this.#sample()
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
    socket.on('error', () => this.#release())
  }

  isJoined(): boolean {
    this.#sample()
    return this.#info === null || this.#info.subflows >= this.#expected - 1
  }

  /** The endpoints may go only then: with them goes what their subflows still carry. */
  async settle(): Promise<void> {
    const startedAt = performance.now()
    while (!this.#held.isDelivered()) {
      if (performance.now() - startedAt > SETTLE_MS) {
        this.#release()
        throw new Failure(STATUS_FAILED, `${this.peer} did not acknowledge everything`)
      }
      await new Promise((resolve) => setTimeout(resolve, STEP_MS))
      this.#sample()
    }
    this.#release()
  }

  #release(): void {
    clearInterval(this.#timer)
    this.#sample()
    this.#held.close()
  }

  abort(): void {
    this.socket.resetAndDestroy()
  }

  report(): NcReport {
    const seconds = (this.#movedAt - this.#startedAt) / 1000
    const { bytesRead, bytesWritten } = this.socket
    const info = this.#info
    return {
      bytesSent: bytesWritten,
      bytesReceived: bytesRead,
      seconds,
      mbitPerSecond: megabits(bytesWritten + bytesRead, seconds),
      multipath: info !== null && !info.flags.fallback,
      fallbackReason:
        this.#mptcp && (info === null || info.flags.fallback) ? 'not told by the kernel' : null,
      // MPTCP_INFO tells how many there are, not which.
      subflows: [],
      counters: info === null ? {} : numbers(info),
    }
  }

  #sample(): void {
    const info = this.#mptcp ? this.#held.info() : null
    if (info === null) {
      this.#progress(this.socket.bytesRead + this.socket.bytesWritten)
      return
    }
    // At the end the subflows go before the connection does.
    const subflows = Math.max(info.subflows, this.#info?.subflows ?? 0)
    this.#info = { ...info, subflows }
    this.#progress(Number(info.bytesAcked + info.bytesReceived))
  }

  #progress(bytes: number): void {
    if (bytes <= this.#moved) return
    this.#moved = bytes
    this.#movedAt = performance.now()
  }
}

/** JSON knows no bigint. */
function numbers(info: KernelMptcpInfo): object {
  return Object.fromEntries(
    Object.entries(info).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? Number(value) : value,
    ]),
  )
}
