// nc over a stack of our own on raw links: opens them on free ports, and takes all of it down again.

import type { LinkChange } from '../link/link.js'
import { openRawLinks, type RawLinkOptions, type RawLinks, type RawPath } from '../link/raw.js'
import { SystemRandom } from '../random.js'
import type { MptcpSocket } from '../socket/mptcp-socket.js'
import { MptcpStack } from '../socket/mptcp-stack.js'
import { parseAddress } from '../wire/address.js'
import { CaptureFile } from './capture-file.js'
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
import { type PathOption, stackEndpoints } from './path-option.js'

/** Local ports of a connecting nc: one for each subflow and for those that replace them. */
const LOCAL_PORTS = 16
const FIRST_LOCAL_PORT = 32_768
const LAST_LOCAL_PORT = 60_999
/** Ranges tried before giving up. */
const RANGE_TRIES = 64
/** How long the subflows may take for their FINs once all data is acknowledged. */
const GRACE_MS = 1000
const STEP_MS = 100
/** Routes are read anew once before a send error counts. */
const UNREACHABLE_MS = 2500

export class RawTransport implements NcTransport {
  readonly #options: NcOptions
  readonly #stack: MptcpStack
  readonly #links: RawLinks
  readonly #capture: CaptureFile | null
  readonly #sockets = new Set<MptcpSocket>()
  #server: ReturnType<MptcpStack['createServer']> | null = null

  private constructor(
    options: NcOptions,
    stack: MptcpStack,
    links: RawLinks,
    capture: CaptureFile | null,
  ) {
    this.#options = options
    this.#stack = stack
    this.#links = links
    this.#capture = capture
  }

  /** Errors are wrong use: a device, an address, a port or a privilege that is not there. */
  static async open(
    options: NcOptions,
    target: NcTarget,
    onLost: (error: Error) => void,
    say: (text: string) => void,
  ): Promise<RawTransport> {
    const listening = options.listen === true
    const open = {
      paths: options.path.map(rawPath),
      onGuardLost: onLost,
      onChange: (link: string, change: Parameters<typeof wordsOf>[0]) =>
        say(`${link}: ${wordsOf(change)}`),
    }
    let links: RawLinks | null = null
    let capture: CaptureFile | null = null
    try {
      const opened = listening ? await openOn(open, target.port, 1) : await openOnFreePorts(open)
      links = opened.links
      const { ports } = opened
      capture = options.pcap === undefined ? null : new CaptureFile(options.pcap)
      const file = capture
      const stack = await MptcpStack.open({
        links: file === null ? links : file.tapAll(links),
        core: options.core,
        checksum: options.checksum ?? false,
        congestion: options.cc,
        scheduler: options.scheduler,
        endpoints: stackEndpoints(
          options.path,
          links.links.map(({ addresses }) => addresses),
          listening,
        ),
        openTimeoutMs: options.timeout * 1000,
        ...(!listening && { ports: [ports.first, ports.last] as const }),
      })
      return new RawTransport(options, stack, links, capture)
    } catch (error) {
      capture?.close()
      await links?.close()
      throw error
    }
  }

  connect(host: string, port: number): Promise<NcConnection> {
    const remote = parseAddress(host)
    const localAddress = this.#stack.addresses.find(
      (address) => parseAddress(address)?.family === remote?.family,
    )
    if (localAddress === undefined) {
      const wanted = remote?.family === 6 ? 'IPv6' : 'IPv4'
      throw usageError(`no --path has an ${wanted} address, which ${host} needs`)
    }
    const socket = this.#stack.connect({
      host,
      port,
      localAddress,
      plain: this.#options.plain ?? false,
      allowHalfOpen: true,
    })
    this.#keep(socket)
    return new Promise((resolve, reject) => {
      const peer = `${host} port ${port}`
      const startedAt = performance.now()
      const timer = setInterval(() => {
        const elapsed = performance.now() - startedAt
        const refusal = this.#cannotSend()
        if (refusal !== null && elapsed > UNREACHABLE_MS) {
          socket.destroy(new Failure(STATUS_FAILED, `cannot send to ${peer}: ${refusal}`))
        } else if (elapsed > this.#options.timeout * 1000) {
          socket.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' }))
        }
      }, STEP_MS)
      const failed = (error: NodeJS.ErrnoException): void => {
        clearInterval(timer)
        reject(error instanceof Failure ? error : this.#connectFailure(error, peer))
      }
      socket.once('error', failed)
      socket.once('connect', () => {
        clearInterval(timer)
        socket.off('error', failed)
        resolve(new RawConnection(this.#stack, socket, peer, this.#options))
      })
    })
  }

  /** The error of a host's own device or routes, while nothing could be sent at all. */
  #cannotSend(): string | null {
    const { sent, sendErrors } = this.#links.links[0]!.stats
    const [code] = Object.keys(sendErrors)
    if (sent > 0 || code === undefined) return null
    const { device } = this.#options.path[0]!
    return `${code} on ${device} (see: ip route; a neighbour is named by --path ${device}@GATEWAY)`
  }

  #connectFailure(error: NodeJS.ErrnoException, peer: string): Failure {
    const { device } = this.#options.path[0]!
    switch (error.code) {
      case 'ECONNREFUSED':
        return new Failure(
          STATUS_FAILED,
          `${peer} refused the connection: does anything listen there?`,
        )
      case 'EHOSTUNREACH':
        return new Failure(STATUS_FAILED, `${peer} is unreachable by ${device} (see: ip route)`)
      case 'ETIMEDOUT':
        return new Failure(
          STATUS_FAILED,
          `${peer} did not answer by ${device} within ${this.#options.timeout} s (see --timeout)`,
        )
      default:
        return new Failure(STATUS_FAILED, `cannot connect to ${peer}: ${oneLine(error)}`)
    }
  }

  listen(target: NcTarget, onConnection: (connection: NcConnection) => void): Promise<void> {
    const { host, port } = target
    if (host !== undefined && !this.#stack.addresses.includes(host)) {
      throw usageError(
        `${host} is not an address of the paths (${this.#stack.addresses.join(', ')})`,
      )
    }
    const server = this.#stack.createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket)
      const peer = `${socket.remoteAddress} port ${socket.remotePort}`
      onConnection(new RawConnection(this.#stack, socket, peer, this.#options))
    })
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(
        { port, plain: this.#options.plain ?? false, ...(host !== undefined && { host }) },
        resolve,
      )
    })
  }

  unlisten(): void {
    this.#server?.close()
  }

  #keep(socket: MptcpSocket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  async close(): Promise<void> {
    this.unlisten()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    // The resets leave with the next turn.
    await this.#stack.drained(STEP_MS)
    this.#stack.close()
    this.#capture?.close()
    await this.#links.close()
  }
}

class RawConnection implements NcConnection {
  readonly socket: MptcpSocket
  readonly peer: string
  readonly #stack: MptcpStack
  readonly #expected: number

  constructor(stack: MptcpStack, socket: MptcpSocket, peer: string, options: NcOptions) {
    this.#stack = stack
    this.socket = socket
    this.peer = peer
    this.#expected = expectedSubflows(options)
  }

  isJoined(): boolean {
    const { info, subflows } = this.socket
    const settled = subflows.filter(({ state }) => !state.startsWith('SYN'))
    return !info.multipath || settled.length >= this.#expected
  }

  async settle(): Promise<void> {
    let acknowledgedAt = Number.POSITIVE_INFINITY
    // Ends: the stack gives a silent peer up, and then nothing is left to drain.
    while (!(await this.#stack.drained(STEP_MS))) {
      const { delivered } = this.socket.info
      if (delivered) acknowledgedAt = Math.min(acknowledgedAt, performance.now())
      if (performance.now() - acknowledgedAt > GRACE_MS) break
    }
    const { delivered, bytesUnacknowledged, error } = this.socket.info
    if (delivered) return
    throw new Failure(
      STATUS_FAILED,
      `${this.peer} did not acknowledge ${bytesUnacknowledged} bytes and the end` +
        `${error === null ? '' : ` (${error})`}`,
    )
  }

  abort(): void {
    this.socket.resetAndDestroy()
  }

  report(): NcReport {
    const { bytesSent, bytesReceived, multipath, fallbackReason, establishedAt, dataAckedAt } =
      this.socket.info
    const seconds = (dataAckedAt ?? 0) > 0 ? (dataAckedAt! - (establishedAt ?? 0)) / 1000 : 0
    return {
      bytesSent,
      bytesReceived,
      seconds,
      mbitPerSecond: megabits(bytesSent + bytesReceived, seconds),
      multipath,
      fallbackReason,
      subflows: this.socket.subflows.map(({ cwndBytes: _, ...subflow }) => subflow),
      counters: this.#stack.counters,
    }
  }
}

function rawPath({ device, address, gateway, flags }: PathOption): RawPath {
  return {
    device,
    ...(address !== undefined && { address }),
    ...(gateway !== undefined && { gateway }),
    backup: flags.includes('backup'),
    metered: flags.includes('metered'),
  }
}

/** What became of a path, for people. */
function wordsOf(change: LinkChange | { readonly type: 'link-added' }): string {
  switch (change.type) {
    case 'address-added':
      return `has the address ${change.address}`
    case 'address-removed':
      return `has lost the address ${change.address}`
    case 'mtu':
      return 'has another MTU'
    case 'link-added':
      return 'is a path from now on'
    case 'up':
    case 'down':
      return `is ${change.type}`
    default:
      return change satisfies never
  }
}

type Opened = { links: RawLinks; ports: { first: number; last: number } }

async function openOn(
  options: Omit<RawLinkOptions, 'ports'>,
  first: number,
  count: number,
): Promise<Opened> {
  const ports = { first, last: first + count - 1 }
  return { links: await openRawLinks({ ...options, ports }), ports }
}

/** On LOCAL_PORTS free ports in a row. */
async function openOnFreePorts(options: Omit<RawLinkOptions, 'ports'>): Promise<Opened> {
  const random = new SystemRandom()
  const span = LAST_LOCAL_PORT - FIRST_LOCAL_PORT - LOCAL_PORTS + 2
  for (let i = 1; ; i++) {
    try {
      return await openOn(options, FIRST_LOCAL_PORT + random.below(span), LOCAL_PORTS)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || i === RANGE_TRIES) throw error
    }
  }
}
