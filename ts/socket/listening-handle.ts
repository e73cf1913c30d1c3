// A listening socket of ours as a handle below Node's net.Server.

import type { Server } from 'node:net'
import type { MptcpBsd } from './bsd.js'
import { ConnectionHandle } from './connection-handle.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import { ProcessHold } from './process-hold.js'
import { hostErrno, systemError } from './system-error.js'

export interface ListenAddress {
  /** null = every one of the stack's. */
  readonly address: string | null
  /** 0 = any that is free. */
  readonly port: number
  readonly plain: boolean
}

export class ListeningHandle {
  readonly #bsd: MptcpBsd
  readonly #plain: boolean
  readonly #isAny: boolean
  #fd: number
  readonly #hold = new ProcessHold()
  /** Node's: it makes a Socket over the handle, or drops it. */
  onconnection: ((status: number, handle?: object) => void) | null = null
  /** Told of each handle before Node is. */
  readonly #accepted: (handle: ConnectionHandle) => void

  private constructor(
    bsd: MptcpBsd,
    fd: number,
    { address, plain }: ListenAddress,
    accepted: (handle: ConnectionHandle) => void,
  ) {
    this.#bsd = bsd
    this.#fd = fd
    this.#plain = plain
    this.#isAny = address === null
    this.#accepted = accepted
  }

  /** Bound; or a negated errno of ours. */
  private static bind(
    bsd: MptcpBsd,
    where: ListenAddress,
    accepted: (handle: ConnectionHandle) => void,
  ): ListeningHandle | number {
    const { address, port, plain } = where
    const fd = bsd.socket(
      plain ? C.AF_INET6 : C.AF_MULTIPATH,
      C.SOCK_STREAM,
      plain ? C.IPPROTO_TCP : C.IPPROTO_MPTCP,
    )
    if (fd < 0) return fd
    // As node:net: connections of a server that is gone do not keep the next one from its port.
    bsd.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1)
    const result = bsd.bind(fd, { address: address ?? '', port })
    if (result >= 0) return new ListeningHandle(bsd, fd, where, accepted)
    bsd.close(fd)
    return result
  }

  /** Binds it and puts it under a Server of Node's; false: it cannot, and the Server says so. */
  static under(
    server: Server,
    bsd: MptcpBsd,
    { address, port, plain }: ListenAddress,
    accepted: (handle: ConnectionHandle) => void,
  ): boolean {
    const isAny = !address || address === '::' || address === '0.0.0.0'
    const where = { address: isAny ? null : address, port: port || 0, plain }
    const bound = ListeningHandle.bind(bsd, where, accepted)
    if (typeof bound === 'number') {
      const error = systemError(bound, 'listen', address || '::', port)
      process.nextTick(() => server.emit('error', error))
      return false
    }
    Object.assign(server, { _handle: bound })
    return true
  }

  listen(backlog: number): number {
    const result = this.#bsd.listen(this.#fd, backlog)
    if (result < 0) return hostErrno(result)
    this.#bsd.watch(this.#fd, () => this.#accept())
    this.#hold.isOpen = true
    return 0
  }

  getsockname(out: object): number {
    const name = this.#bsd.getsockname(this.#fd)
    if (name === null) return hostErrno(E.EBADF)
    const address = this.#isAny ? '::' : name.address
    const family = address.includes(':') ? 'IPv6' : 'IPv4'
    Object.assign(out, { address, family, port: name.port })
    return 0
  }

  ref(): void {
    this.#hold.isRef = true
  }

  unref(): void {
    this.#hold.isRef = false
  }

  hasRef(): boolean {
    return this.#hold.isRef
  }

  close(closed?: () => void): void {
    if (this.#fd >= 0) this.#bsd.close(this.#fd)
    this.#fd = -1
    this.#hold.isOpen = false
    setImmediate(() => closed?.())
  }

  #accept(): void {
    while (this.#fd >= 0 && !this.#bsd.stack.closed) {
      const fd = this.#bsd.accept(this.#fd)
      if (fd === -E.EAGAIN) return
      if (fd < 0) {
        this.onconnection?.(hostErrno(fd))
        return
      }
      const handle = new ConnectionHandle(this.#bsd, this.#plain, fd)
      this.#accepted(handle)
      this.onconnection?.(0, handle.stream)
    }
  }
}
