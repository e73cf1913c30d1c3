// MptcpServer: a listening socket as Node's own net.Server, over a handle of ours.

import { type ListenOptions, Server, type ServerOpts, Socket } from 'node:net'
import { type OptionKinds, wrongOption } from '../option-kinds.js'
import { optionError } from '../stack/config.js'
import type { MptcpBsd } from './bsd.js'
import type { ConnectionHandle } from './connection-handle.js'
import { ListeningHandle } from './listening-handle.js'
import { adopt, type MptcpSocket } from './mptcp-socket.js'
import { closedError, StackMembers } from './stack-members.js'

/** Those of net.Server's listen(), and ours. `host`: one of the stack's addresses; default: all. */
export interface MptcpListenOptions extends ListenOptions {
  /** Plain TCP only. */
  plain?: boolean
  /** Of Node 23 and later. */
  reusePort?: boolean
}

const LISTEN_KINDS: OptionKinds<MptcpListenOptions> = {
  port: null,
  host: 'string',
  backlog: 'number',
  path: 'string',
  exclusive: 'boolean',
  readableAll: 'boolean',
  writableAll: 'boolean',
  ipv6Only: 'boolean',
  reusePort: 'boolean',
  signal: null,
  plain: 'boolean',
}

/** As net.Server; 'connection' brings a MptcpSocket. */
export class MptcpServer extends Server {
  readonly #bsd: MptcpBsd
  readonly #members: StackMembers
  #plain = false
  /** Accepted, and not yet a Socket: by what Node knows of them. */
  readonly #fresh = new WeakMap<object, ConnectionHandle>()

  /** Not for users: made by MptcpStack.createServer. */
  constructor(
    bsd: MptcpBsd,
    members = new StackMembers(bsd.stack, bsd),
    options: ServerOpts = {},
    onConnection?: (socket: MptcpSocket) => void,
  ) {
    super(options, onConnection as ((socket: Socket) => void) | undefined)
    this.#bsd = bsd
    this.#members = members
    this.once('close', () => members.remove(this))
  }

  /**
   * As net.Server's, in all of its forms; an 'error' event (EADDRINUSE, EADDRNOTAVAIL, ERR_MPTCP_CLOSED) if it cannot.
   * An object with what is no option throws: ERR_MPTCP_OPTION.
   */
  override listen(...given: unknown[]): this {
    const [options] = given
    if (typeof options === 'object' && options !== null) {
      const wrong = wrongOption(options as MptcpListenOptions, LISTEN_KINDS)
      if (wrong !== null) throw optionError(wrong)
      const { plain = false, ...others } = options as MptcpListenOptions
      this.#plain = plain
      // A worker of node:cluster has a stack of its own.
      given[0] = { ...others, exclusive: true }
    }
    if (this.#members.isClosed) {
      process.nextTick(() => this.emit('error', closedError()))
      return this
    }
    return super.listen(...(given as Parameters<Server['listen']>))
  }

  /** What Node calls to get a handle that listens; its name, it says, is kept for those who put theirs around it. */
  _listen2(
    address: string | null,
    port: number,
    family: number,
    backlog: number,
    fd: number | undefined,
    flags: number,
  ): void {
    const isPipe = family === -1 || (fd !== undefined && fd >= 0)
    if (!isPipe && !this.#bind(address, port)) return
    const own = Reflect.get(Server.prototype, '_listen2') as (...words: unknown[]) => void
    own.call(
      this,
      isPipe ? address : (address ?? '::'),
      port,
      isPipe ? family : family || 6,
      backlog,
      fd,
      flags,
    )
    this.#members.add(this)
  }

  #bind(address: string | null, port: number): boolean {
    const where = { address, port, plain: this.#plain }
    return ListeningHandle.under(this, this.#bsd, where, (handle) => {
      this.#fresh.set(handle.stream, handle)
    })
  }

  override emit(event: string | symbol, ...given: unknown[]): boolean {
    const [socket] = given
    if (event === 'connection' && socket instanceof Socket) this.#takeOver(socket)
    return super.emit(event as string, ...given)
  }

  #takeOver(socket: Socket): void {
    const { _handle } = socket as unknown as { _handle: object | null }
    const handle = _handle === null ? undefined : this.#fresh.get(_handle)
    if (handle === undefined) return
    const adopted = adopt(socket, handle)
    this.#members.add(adopted)
    adopted.once('close', () => this.#members.remove(adopted))
  }

  /** Not for users: the stack closes once its sockets have ended, or is closed. */
  end(): void {
    if (this.listening) this.close()
    else this.#members.remove(this)
  }

  /** Not for users: what it has lost, its sockets say. */
  endWithStack(): boolean {
    this.end()
    return false
  }
}
