// MptcpServer: a listening socket in the manner of net.Server.

import { EventEmitter } from 'node:events'
import { type OptionKinds, wrongOption } from '../option-kinds.js'
import { optionError } from '../stack/config.js'
import type { MptcpBsd } from './bsd.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import type { MptcpSocketAddress } from './descriptors.js'
import { MptcpSocket, socketError } from './mptcp-socket.js'
import { closedError, StackMembers } from './stack-members.js'

export interface MptcpListenOptions {
  port: number
  /** One of the stack's addresses; default: all. */
  host?: string
  /** Connections that may wait; default 511. */
  backlog?: number
  /** Plain TCP only. */
  plain?: boolean
}

const LISTEN_KINDS: OptionKinds<MptcpListenOptions> = {
  port: 'number',
  host: 'string',
  backlog: 'number',
  plain: 'boolean',
}

/** Events: 'listening', 'connection' (MptcpSocket), 'error', 'close'. */
export class MptcpServer extends EventEmitter {
  readonly #bsd: MptcpBsd
  readonly #members: StackMembers
  readonly #sockets = new Set<MptcpSocket>()
  #fd = -1

  /** Not for users: made by MptcpStack.createServer. */
  constructor(bsd: MptcpBsd, members = new StackMembers(bsd.stack, bsd)) {
    super()
    this.#bsd = bsd
    this.#members = members
  }

  /**
   * Starts to listen; an 'error' event (EADDRINUSE, EADDRNOTAVAIL, ERR_MPTCP_CLOSED) if it cannot. What is no
   * option throws: ERR_MPTCP_OPTION.
   */
  listen(options: MptcpListenOptions, listening?: () => void): this {
    const wrong = wrongOption(options, LISTEN_KINDS)
    if (wrong !== null) throw optionError(wrong)
    if (listening !== undefined) this.once('listening', listening)
    if (this.#members.isClosed) {
      queueMicrotask(() => this.emit('error', closedError()))
      return this
    }
    const fd = this.#bsd.socket(
      options.plain === true ? C.AF_INET6 : C.AF_MULTIPATH,
      C.SOCK_STREAM,
      options.plain === true ? C.IPPROTO_TCP : C.IPPROTO_MPTCP,
    )
    // As node:net: connections of a server that is gone do not keep the next one from its port.
    if (fd >= 0) this.#bsd.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1)
    let result =
      fd < 0 ? fd : this.#bsd.bind(fd, { address: options.host ?? '', port: options.port })
    if (result >= 0) result = this.#bsd.listen(fd, options.backlog ?? 511)
    if (result < 0) {
      if (fd >= 0) this.#bsd.close(fd)
      queueMicrotask(() => this.emit('error', socketError(-result)))
      return this
    }
    this.#fd = fd
    this.#members.add(this)
    this.#bsd.watch(fd, () => this.#accept())
    queueMicrotask(() => this.emit('listening'))
    return this
  }

  address(): MptcpSocketAddress | null {
    return this.#fd < 0 ? null : this.#bsd.getsockname(this.#fd)
  }

  /** Accepts no more; 'close' comes when the last connection has ended. */
  close(closed?: () => void): this {
    if (closed !== undefined) this.once('close', closed)
    if (this.#fd >= 0) this.#bsd.close(this.#fd)
    this.#fd = -1
    this.#closeIfEmpty()
    return this
  }

  /** Not for users: the stack closes once its sockets have ended, or is closed. */
  end(): void {
    if (this.#fd >= 0) this.close()
  }

  /** Not for users: what it has lost, its sockets say. */
  endWithStack(): boolean {
    this.end()
    return false
  }

  #accept(): void {
    while (this.#fd >= 0 && !this.#bsd.stack.closed) {
      const fd = this.#bsd.accept(this.#fd)
      if (fd === -E.EAGAIN) return
      if (fd < 0) {
        this.emit('error', socketError(-fd))
        return
      }
      const socket = new MptcpSocket(this.#bsd, fd, true)
      this.#sockets.add(socket)
      this.#members.add(socket)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        this.#members.remove(socket)
        this.#closeIfEmpty()
      })
      this.emit('connection', socket)
    }
  }

  #closeIfEmpty(): void {
    if (this.#fd >= 0 || this.#sockets.size > 0) return
    queueMicrotask(() => {
      this.#members.remove(this)
      this.emit('close')
    })
  }
}
