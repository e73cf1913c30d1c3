// The BSD socket calls over one stack, non-blocking: small integers for descriptors, a count or a
// negated errno for an answer. `socket(AF_INET|AF_INET6, SOCK_STREAM, IPPROTO_MPTCP)` and
// `socket(AF_MULTIPATH, SOCK_STREAM, 0)` open the same socket; IPPROTO_TCP opens one that is plain TCP.
// What the calls do is in opening-calls.ts, send.ts, receive.ts, readiness.ts and options.ts.

import type { Connection } from '../mptcp/connection.js'
import type { Stack } from '../stack/stack.js'
import { formatAddress } from '../wire/address.js'
import { ClosingConnections } from './closing-connections.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import { type BsdSocket, Descriptors, type MptcpSocketAddress, takeError } from './descriptors.js'
import { disconnect } from './disconnect.js'
import type { MptcpMessage } from './message.js'
import type { MptcpInfoRequest } from './mptcp-info.js'
import { accept, bind, connect, listen, sendto } from './opening-calls.js'
import { getOption, setOption } from './options.js'
import { queueBytes, readiness } from './readiness.js'
import { receive, receiveMessage } from './receive.js'
import { shutdown, write } from './send.js'
import { zeroCopyArrivals } from './zero-copy.js'

export class MptcpBsd {
  readonly #stack: Stack
  readonly #sockets: Descriptors
  readonly #closing: ClosingConnections

  constructor(stack: Stack) {
    this.#stack = stack
    this.#sockets = new Descriptors(stack.config)
    this.#closing = new ClosingConnections(stack)
  }

  get stack(): Stack {
    return this.#stack
  }

  /**
   * A new socket. EAFNOSUPPORT, ESOCKTNOSUPPORT or EPROTONOSUPPORT for what is not spoken here. Of a stack that
   * is closed, this and what would open a connection or send is ENETDOWN.
   */
  socket(family: number, type: number, protocol: number): number {
    if (this.#stack.closed) return -E.ENETDOWN
    const kind = type & ~(C.SOCK_NONBLOCK | C.SOCK_CLOEXEC)
    if (family !== C.AF_INET && family !== C.AF_INET6 && family !== C.AF_MULTIPATH) {
      return -E.EAFNOSUPPORT
    }
    if (kind !== C.SOCK_STREAM) return -E.ESOCKTNOSUPPORT
    const wanted =
      protocol !== 0 ? protocol : family === C.AF_MULTIPATH ? C.IPPROTO_MPTCP : C.IPPROTO_TCP
    if (wanted !== C.IPPROTO_MPTCP && (wanted !== C.IPPROTO_TCP || family === C.AF_MULTIPATH)) {
      return -E.EPROTONOSUPPORT
    }
    const socket = this.#sockets.create(family, wanted)
    return socket === null ? -E.ENOBUFS : socket.fd
  }

  /** Binds to an address of the stack ('0.0.0.0', '::' or '' = any) and a port (0 = any). */
  bind(fd: number, address: MptcpSocketAddress): number {
    return this.#withOpen(fd, (socket) => bind(this.#stack, socket, address))
  }

  /** Starts to listen; `backlog` connections may wait. */
  listen(fd: number, backlog: number): number {
    return this.#withOpen(fd, (socket) => listen(this.#stack, socket, backlog))
  }

  /** Takes an established connection off a listening socket: its descriptor, or EAGAIN. */
  accept(fd: number): number {
    return this.#withOpen(fd, (socket) => accept(this.#stack, this.#sockets, socket))
  }

  /**
   * Starts a connection: EINPROGRESS; `poll` says POLLOUT when it stands, SO_ERROR how it ended. With
   * TCP_FASTOPEN_CONNECT and a cookie 0: the SYN leaves with the first write. Again while it is under way: EALREADY;
   * once it has ended, 0 or how it failed, after which the socket may connect anew. Null (AF_UNSPEC) ends what
   * there is, at once.
   */
  connect(fd: number, address: MptcpSocketAddress | null): number {
    return this.#withOpen(fd, (socket) =>
      address === null
        ? disconnect(this.#stack, this.#closing, socket)
        : connect(this.#stack, this.#closing, socket, address),
    )
  }

  /**
   * As `write`; with MSG_FASTOPEN it also connects to `address`, and as much of the data as fits rides in
   * the SYN if there is a cookie: the number of these bytes, or EINPROGRESS (RFC 7413 §4.2.2).
   */
  sendto(
    fd: number,
    bytes: Uint8Array,
    flags = 0,
    address: MptcpSocketAddress | null = null,
  ): number {
    return this.#withOpen(fd, (socket) => sendto(this.#stack, socket, bytes, flags, address))
  }

  /**
   * Copies received bytes to `target`: their number, 0 at the end of the data, or EAGAIN. `flags`:
   * MSG_PEEK leaves them, MSG_TRUNC drops them uncopied.
   */
  read(fd: number, target: Uint8Array, flags = 0): number {
    return this.#with(fd, (socket) => receive(this.#stack, socket, target, flags))
  }

  /** As `read`, with control messages: TCP_CM_INQ where TCP_INQ was set. */
  recvmsg(fd: number, target: Uint8Array, flags = 0): MptcpMessage {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return { count: -E.EBADF, control: [] }
    return receiveMessage(this.#stack, socket, target, flags)
  }

  /**
   * Takes bytes for sending: their number (fewer than offered when the buffer is full), or EAGAIN.
   * `flags`: with MSG_MORE, a piece below a full segment waits for what follows; others mean nothing.
   */
  write(fd: number, bytes: Uint8Array, flags = 0): number {
    return this.#withOpen(fd, (socket) =>
      socket.state === 'deferred'
        ? sendto(this.#stack, socket, bytes, flags, null)
        : write(this.#stack, socket, bytes, flags),
    )
  }

  /**
   * SHUT_WR ends our data (DATA_FIN), SHUT_RD drops what comes. A socket that is connecting, or (but by SHUT_WR)
   * listening, becomes a new one.
   */
  shutdown(fd: number, how: number): number {
    return this.#with(fd, (socket) => shutdown(this.#stack, this.#closing, socket, how))
  }

  /**
   * Gives the descriptor back. What was written is still delivered; unread data, or SO_LINGER with 0
   * seconds, makes it an abort (RFC 9293 §3.10.4, RFC 8684 §3.5).
   */
  close(fd: number): number {
    return this.#with(fd, (socket) => {
      this.#sockets.delete(fd)
      socket.watcher = null
      this.#stack.releasePort(socket)
      if (socket.listener !== null) this.#stack.unlisten(socket.listener)
      const { connection } = socket
      if (connection === null) return 0
      const { calls } = this.#stack
      const unread = connection.state !== 'M_CLOSED' && calls.readableBytes(connection) > 0
      if (socket.settings.linger === 0 || (unread && !socket.readShut)) calls.abort(connection)
      else calls.close(connection)
      this.#closing.letGo(connection)
      return 0
    })
  }

  /** Connections that were closed here and have not ended on the wire; those in TIME-WAIT have. */
  get closingCount(): number {
    return this.#closing.size
  }

  /** Calls `tell` once, as soon as `closingCount` is 0; the answer takes it back. */
  whenDrained(tell: () => void): () => void {
    return this.#closing.whenDrained(tell)
  }

  /** Ends the connection at once, with MP_FASTCLOSE and RSTs, and gives the descriptor back. */
  abort(fd: number): number {
    return this.#with(fd, (socket) => {
      socket.settings.linger = 0
      return this.close(fd)
    })
  }

  /** What can be done now, among POLLIN, POLLOUT, POLLERR, POLLHUP and POLLRDHUP; EBADF. */
  poll(fd: number): number {
    return this.#with(fd, (socket) => readiness(this.#stack, socket))
  }

  /** Messages that the error queue has been given so far: for edge-triggered questions. */
  errorsQueued(fd: number): number {
    const socket = this.#sockets.get(fd)
    return socket === undefined ? 0 : zeroCopyArrivals(socket)
  }

  /** Bytes that `read` would give now, as FIONREAD; 0 also where there is no connection. */
  readableBytes(fd: number): number {
    const connection = this.#sockets.get(fd)?.connection
    return connection ? this.#stack.calls.readableBytes(connection) : 0
  }

  /** SIOCINQ, SIOCOUTQ or SIOCOUTQNSD: bytes to be read, not acknowledged, not sent; or an errno. */
  ioctl(fd: number, request: number): number {
    return this.#with(fd, (socket) => queueBytes(this.#stack, socket, request))
  }

  /** Calls `watcher` at the end of each turn in which something happened to the socket. */
  watch(fd: number, watcher: (() => void) | null): number {
    return this.#with(fd, (socket) => {
      socket.watcher = watcher
      return 0
    })
  }

  /** The watcher is called once more, in a scope of its own, though nothing new has happened. */
  tellAgain(fd: number): void {
    const connection = this.#sockets.get(fd)?.connection
    if (connection) this.#stack.calls.tellAgain(connection)
  }

  /**
   * Number, object or string by the option; a negated errno (a number below 0) if it is refused. `request`:
   * the room that a caller of Linux's call would have, for those of SOL_MPTCP.
   */
  getsockopt(
    fd: number,
    level: number,
    name: number,
    request?: MptcpInfoRequest,
  ): number | string | object {
    return this.#with(fd, (socket) => {
      if (level === C.SOL_SOCKET && name === C.SO_ERROR) return Math.abs(takeError(socket))
      return getOption(this.#stack, socket, level, name, request)
    })
  }

  setsockopt(fd: number, level: number, name: number, value: number | string): number {
    return this.#with(fd, (socket) => {
      const result = setOption(this.#stack, socket, level, name, value)
      if (result === 0 && socket.connection !== null) {
        this.#stack.calls.set(socket.connection, socket.settings)
      }
      return result
    })
  }

  getsockname(fd: number): MptcpSocketAddress | null {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return null
    const any = socket.family === C.AF_INET6 ? '::' : '0.0.0.0'
    return {
      address: socket.local === null ? any : formatAddress(socket.local),
      port: socket.localPort,
    }
  }

  getpeername(fd: number): MptcpSocketAddress | null {
    const connection = this.#sockets.get(fd)?.connection
    if (connection === undefined || connection === null) return null
    return { address: formatAddress(connection.remote), port: connection.remotePort }
  }

  /** The connection behind a descriptor, for those who look inside; null if there is none. */
  connectionOf(fd: number): Connection | null {
    return this.#sockets.get(fd)?.connection ?? null
  }

  /** Where a deferred connect() will go; null if none is. */
  deferredTarget(fd: number): MptcpSocketAddress | null {
    return this.#sockets.get(fd)?.target ?? null
  }

  /** Descriptors in use. */
  get size(): number {
    return this.#sockets.size
  }

  /** As `#with`; ENETDOWN once the stack is closed, where no error of the socket's own waits to be told. */
  #withOpen(fd: number, call: (socket: BsdSocket) => number): number {
    return this.#with(fd, (socket) =>
      this.#stack.closed ? takeError(socket) || -E.ENETDOWN : call(socket),
    )
  }

  /** `call` with what stands behind `fd`; EBADF if nothing does. */
  #with<Answer>(fd: number, call: (socket: BsdSocket) => Answer): Answer | number {
    const socket = this.#sockets.get(fd)
    return socket === undefined ? -E.EBADF : call(socket)
  }
}
