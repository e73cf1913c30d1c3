// MptcpStack: what a user of the package opens. One stack owns its links, its core memory and its
// connections; several may live in one process.

import type { ServerOpts, TcpNetConnectOpts } from 'node:net'
import { loadMptcpCore } from '../core/load.js'
import type { Counters } from '../counters.js'
import { type OptionKinds, wrongOption } from '../option-kinds.js'
import { checkNames, type MptcpStackOptions, optionError } from '../stack/config.js'
import type { MptcpPathControl } from '../stack/path-control.js'
import { Stack } from '../stack/stack.js'
import { formatAddress } from '../wire/address.js'
import { MptcpBsd } from './bsd.js'
import { MptcpServer } from './mptcp-server.js'
import { MptcpSocket } from './mptcp-socket.js'
import { isAddressText } from './scoped-address.js'
import { closedError, StackMembers } from './stack-members.js'

/**
 * Those of net.connect(), and ours. `host`: an IP address, link-local ones with the name of their link (`fe80::1%eth0`),
 * or a name, of which all addresses are tried. `localAddress`: one of the stack's, the path of the initial subflow;
 * default: the first that fits.
 */
export interface MptcpConnectOptions extends TcpNetConnectOpts {
  /** Plain TCP. */
  plain?: boolean
}

export interface MptcpCloseOptions {
  /** Milliseconds in which sockets may end by themselves, and what was written may leave. Default 0. */
  lingerMs?: number
}

const CLOSE_KINDS: OptionKinds<MptcpCloseOptions> = { lingerMs: 'number' }

const CONNECT_KINDS: OptionKinds<MptcpConnectOptions> = {
  host: 'string',
  port: 'number',
  localAddress: 'string',
  localPort: 'number',
  plain: 'boolean',
  // Node checks the others.
  allowHalfOpen: null,
  autoSelectFamily: null,
  autoSelectFamilyAttemptTimeout: null,
  family: null,
  fd: null,
  hints: null,
  keepAlive: null,
  keepAliveInitialDelay: null,
  lookup: null,
  noDelay: null,
  onread: null,
  readable: null,
  signal: null,
  timeout: null,
  writable: null,
}

export class MptcpStack {
  readonly #stack: Stack
  /** The BSD calls of this stack, for those who want descriptors, or virtual time. */
  readonly bsd: MptcpBsd
  readonly #members: StackMembers

  private constructor(stack: Stack) {
    this.#stack = stack
    this.bsd = new MptcpBsd(stack)
    this.#members = new StackMembers(stack, this.bsd)
  }

  /**
   * Opens a stack over its links, which it owns from now on. Errors: ERR_MPTCP_OPTION, ERR_MPTCP_CORE.
   */
  static async open(options: MptcpStackOptions): Promise<MptcpStack> {
    checkNames(options)
    const { core } = options
    const loaded =
      typeof core === 'object'
        ? core
        : await loadMptcpCore({
            backend: core ?? 'auto',
            memoryBytes: options.memoryBytes ?? 64 * 1024 * 1024,
            maxActiveConnections: options.maxActiveConnections,
          })
    return new MptcpStack(new Stack({ ...options, core: loaded }))
  }

  /** Which core it runs on. */
  get backend(): 'wasm' | 'js' {
    return this.#stack.core.backend
  }

  /** Counts under Linux's names; `MPTCP_COUNTER_MEANINGS` says what each means. */
  get counters(): Counters {
    return this.#stack.counters
  }

  /** Addresses of the stack, in the order of its links. */
  get addresses(): string[] {
    return this.#stack.paths.map((path) => formatAddress(path.address))
  }

  /** Endpoints and limits, which may change at any time; events; a userspace path manager's commands. */
  get pathControl(): MptcpPathControl {
    return this.#stack.pathControl
  }

  /** Slots of 2 KiB in use: 0 when all is closed and read. */
  get liveSlots(): number {
    return this.#stack.liveSlots
  }

  /** Connections, those in TIME-WAIT included. */
  get connectionCount(): number {
    return this.#stack.connectionCount
  }

  /**
   * Opens a connection: a Duplex that emits 'connect', or 'error' with a code (ERR_MPTCP_CLOSED from a stack
   * that is closed). What is no option throws: ERR_MPTCP_OPTION.
   */
  connect(options: MptcpConnectOptions, connected?: () => void): MptcpSocket {
    const wrong = wrongOption(options, CONNECT_KINDS)
    if (wrong !== null) throw optionError(wrong)
    const { host, port, localAddress } = options
    if (host === undefined) throw optionError('connect() needs a host')
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw optionError(`port must be from 1 to 65535, not ${port}`)
    }
    if (localAddress !== undefined && !isAddressText(localAddress)) {
      throw optionError(`localAddress '${localAddress}' is not an IP address`)
    }
    const socket = new MptcpSocket(this.bsd, options)
    if (this.#members.isClosed) {
      if (connected !== undefined) socket.once('connect', connected)
      queueMicrotask(() => socket.destroy(closedError()))
      return socket
    }
    this.#members.add(socket)
    socket.once('close', () => this.#members.remove(socket))
    if (options.timeout !== undefined) socket.setTimeout(options.timeout)
    return socket.connect(options, connected)
  }

  /** A server; `onConnection` is told of each MptcpSocket. Options as net.createServer()'s. */
  createServer(onConnection?: (socket: MptcpSocket) => void): MptcpServer
  createServer(options: ServerOpts, onConnection?: (socket: MptcpSocket) => void): MptcpServer
  createServer(
    first?: ServerOpts | ((socket: MptcpSocket) => void),
    second?: (socket: MptcpSocket) => void,
  ): MptcpServer {
    const isAlone = typeof first === 'function'
    return new MptcpServer(this.bsd, this.#members, isAlone ? {} : first, isAlone ? first : second)
  }

  /**
   * Waits for the connections whose sockets are closed: true when all of them have ended on the wire
   * (TIME-WAIT is not waited for), false after `limitMs`, also if the stack is closed before. What `close` would
   * cut off has then left.
   */
  drained(limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (all: boolean): void => {
        clearTimeout(timer)
        forget?.()
        resolve(all)
      }
      let forget: (() => void) | null = null
      const timer = setTimeout(() => finish(false), limitMs)
      forget = this.bsd.whenDrained(() => {
        // What the end of the stack has cut off has not ended on the wire.
        if (!this.#stack.closed) finish(true)
      })
    })
  }

  /**
   * Ends every socket and server, frees all and closes the links. At once, without a word to the peers, unless
   * `lingerMs` is given: then servers stop to listen and sockets are ended as by `end()`, and it waits until all
   * have closed, but no longer. Each says 'close', and before it 'error' (ECONNABORTED) if data was under way or
   * unread, provided that someone listens for it. The answer comes behind the last 'close': true = nothing was
   * lost. A second call may only make it sooner. What is no option throws: ERR_MPTCP_OPTION.
   */
  close(options: MptcpCloseOptions = {}): Promise<boolean> {
    const wrong = wrongOption(options, CLOSE_KINDS)
    if (wrong !== null) throw optionError(wrong)
    const { lingerMs = 0 } = options
    if (!(lingerMs >= 0 && lingerMs < Number.POSITIVE_INFINITY)) {
      throw optionError(`lingerMs must be a number of milliseconds from 0 on, not ${lingerMs}`)
    }
    return this.#members.close(lingerMs)
  }
}
