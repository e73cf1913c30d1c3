// The BSD socket calls over one stack, non-blocking: small integers for descriptors, a count or a
// negated errno for an answer. `socket(AF_INET|AF_INET6, SOCK_STREAM, IPPROTO_MPTCP)` and
// `socket(AF_MULTIPATH, SOCK_STREAM, 0)` open the same socket; IPPROTO_TCP opens one that is plain TCP.

import { abort, closeSendingData, releaseReceiving, shutReceiving } from '../mptcp/close.js'
import {
  type Connection,
  EVENT_CLOSED,
  EVENT_ESTABLISHED,
  readableBytes,
} from '../mptcp/connection.js'
import { adjustBuffer, oweWindowUpdate, read as readData } from '../mptcp/receive-queue.js'
import { append, sendRoom } from '../mptcp/send-queue.js'
import type { Listener } from '../stack/listener.js'
import type { Stack } from '../stack/stack.js'
import { formatAddress, type IpAddress, parseAddress } from '../wire/address.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E, type MptcpErrnoName } from './constants.js'
import { getOption, setOption } from './options.js'

/** Address in text form and port. */
export interface MptcpSocketAddress {
  address: string
  port: number
}

export type BsdState = 'new' | 'listening' | 'connecting' | 'connected' | 'failed'

/** What stands behind a descriptor. */
export interface BsdSocket {
  readonly fd: number
  readonly family: number
  readonly protocol: number
  state: BsdState
  /** Bound address; null = any. */
  local: IpAddress | null
  localPort: number
  connection: Connection | null
  listener: Listener | null
  /** The error that the next call, or SO_ERROR, reports once. */
  error: number
  readShut: boolean
  writeShut: boolean
  /** Told after each turn in which something happened: level-triggered questions go to `poll`. */
  watcher: (() => void) | null
  readonly settings: {
    noDelay: boolean
    /** Seconds; -1 = off. */
    linger: number
    v6Only: boolean
    reuseAddress: boolean
    sendBuffer: number
    receiveBuffer: number
  }
}

const MAX_DESCRIPTORS = 65_536
const MAX_BACKLOG = 4096

export class MptcpBsd {
  readonly #stack: Stack
  readonly #sockets = new Map<number, BsdSocket>()
  /** Connections whose descriptors are gone and that have not ended on the wire. */
  readonly #closing = new Set<Connection>()
  readonly #whenDrained = new Set<() => void>()
  #nextFd = 3

  constructor(stack: Stack) {
    this.#stack = stack
  }

  get stack(): Stack {
    return this.#stack
  }

  /** A new socket. EAFNOSUPPORT, ESOCKTNOSUPPORT or EPROTONOSUPPORT for what is not spoken here. */
  socket(family: number, type: number, protocol: number): number {
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
    const socket = this.#create(family, wanted)
    return socket === null ? -E.ENOBUFS : socket.fd
  }

  /** Binds to an address of the stack ('0.0.0.0', '::' or '' = any) and a port (0 = any). */
  bind(fd: number, address: MptcpSocketAddress): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.state !== 'new' || socket.localPort !== 0) return -E.EINVAL
    const any = address.address === '' || address.address === '0.0.0.0' || address.address === '::'
    const local = any ? null : parseAddress(address.address)
    if (!any) {
      if (local === null) return -E.EINVAL
      if (!fits(socket, local)) return -E.EAFNOSUPPORT
      const ours = this.#stack.context.paths.some(
        (path) => formatAddress(path.address) === formatAddress(local),
      )
      if (!ours) return -E.EADDRNOTAVAIL
    }
    if (!Number.isInteger(address.port) || address.port < 0 || address.port > 65_535) {
      return -E.EINVAL
    }
    const port = address.port === 0 ? this.#stack.freePort() : address.port
    if (port === 0) return -E.EADDRINUSE
    socket.local = local
    socket.localPort = port
    return 0
  }

  /** Starts to listen; `backlog` connections may wait. */
  listen(fd: number, backlog: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.state !== 'new') return -E.EINVAL
    if (socket.localPort === 0) socket.localPort = this.#stack.freePort()
    const listener = this.#stack.listen(
      socket.local,
      socket.localPort,
      Math.min(Math.max(1, backlog), MAX_BACKLOG),
      socket.protocol === C.IPPROTO_TCP,
    )
    if (listener === null) return -E.EADDRINUSE
    socket.listener = listener
    socket.state = 'listening'
    listener.notify = () => socket.watcher?.()
    return 0
  }

  /** Takes an established connection off a listening socket: its descriptor, or EAGAIN. */
  accept(fd: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.listener === null) return -E.EINVAL
    const connection = socket.listener.ready.shift()
    if (connection === undefined) return -E.EAGAIN
    const family = socket.family
    const accepted = this.#create(family, socket.protocol)
    if (accepted === null) {
      socket.listener.ready.unshift(connection)
      return -E.ENOBUFS
    }
    Object.assign(accepted.settings, socket.settings)
    accepted.connection = connection
    accepted.state = 'connected'
    const initial = connection.subflows[0]
    accepted.local = initial?.path.address ?? socket.local
    accepted.localPort = socket.localPort
    this.#apply(accepted, connection)
    this.#stack.own(connection, (events) => this.#happened(accepted, events))
    if (connection.state === 'M_CLOSED') this.#happened(accepted, EVENT_CLOSED)
    return accepted.fd
  }

  /** Starts a connection: EINPROGRESS; `poll` says POLLOUT when it stands, SO_ERROR how it ended. */
  connect(fd: number, address: MptcpSocketAddress): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.state === 'connecting') return -E.EALREADY
    if (socket.state === 'connected') return -E.EISCONN
    if (socket.state === 'listening') return -E.EOPNOTSUPP
    if (socket.state === 'failed') return this.#takeError(socket) || -E.ECONNABORTED
    const remote = parseAddress(address.address)
    if (remote === null || !(address.port > 0 && address.port <= 65_535)) return -E.EINVAL
    if (!fits(socket, remote)) return -E.EAFNOSUPPORT
    if (!this.#stack.context.paths.some((path) => path.address.family === remote.family)) {
      return -E.ENETUNREACH
    }
    const connection = this.#stack.connect(
      remote,
      address.port,
      {
        local: socket.local,
        localPort: socket.localPort,
        plain: socket.protocol === C.IPPROTO_TCP,
      },
      (events) => this.#happened(socket, events),
    )
    if (connection === null) return -E.ENOBUFS
    socket.connection = connection
    socket.state = 'connecting'
    const initial = connection.subflows[0]
    socket.local = initial.path.address
    socket.localPort = initial.localPort
    this.#apply(socket, connection)
    return -E.EINPROGRESS
  }

  /** Copies received bytes to `target`: their number, 0 at the end of the data, or EAGAIN. */
  read(fd: number, target: Uint8Array): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    const { connection } = socket
    if (connection === null) return -E.ENOTCONN
    if (socket.readShut) return 0
    const { context, clock } = this.#stack
    const count = connection.rcv.queue === 0 ? 0 : readData(context, connection, target)
    if (count > 0) {
      if (connection.state === 'M_CLOSED') this.#releaseIfRead(connection)
      else {
        adjustBuffer(context, connection, clock.now())
        oweWindowUpdate(context, connection)
        if (connection.rcv.windowOwed) this.#stack.touch(connection)
      }
      return count
    }
    if (target.length === 0) return 0
    if (connection.rcv.finReached) return 0
    const error = this.#takeError(socket)
    if (error !== 0) return error
    if (connection.state === 'M_CLOSED') return 0
    return -E.EAGAIN
  }

  /** Takes bytes for sending: their number (fewer than offered when the buffer is full), or EAGAIN. */
  write(fd: number, bytes: Uint8Array): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    const { connection } = socket
    if (connection === null) return -E.ENOTCONN
    const error = this.#takeError(socket)
    if (error !== 0) return error
    if (socket.writeShut || connection.state === 'M_CLOSED') return -E.EPIPE
    if (socket.state === 'connecting') {
      connection.wantsWrite = true
      return -E.EAGAIN
    }
    const taken = append(this.#stack.context, connection, bytes)
    if (taken > 0) this.#stack.touch(connection)
    if (taken < bytes.length) connection.wantsWrite = true
    return taken === 0 && bytes.length > 0 ? -E.EAGAIN : taken
  }

  /** SHUT_WR ends our data (DATA_FIN), SHUT_RD drops what comes. */
  shutdown(fd: number, how: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    const { connection } = socket
    if (connection === null || socket.state !== 'connected') return -E.ENOTCONN
    if (how !== C.SHUT_RD && how !== C.SHUT_WR && how !== C.SHUT_RDWR) return -E.EINVAL
    if (how !== C.SHUT_RD && !socket.writeShut) {
      socket.writeShut = true
      closeSendingData(connection)
    }
    if (how !== C.SHUT_WR && !socket.readShut) {
      socket.readShut = true
      shutReceiving(this.#stack.context, connection)
    }
    this.#stack.touch(connection)
    return 0
  }

  /**
   * Gives the descriptor back. What was written is still delivered; unread data, or SO_LINGER with 0
   * seconds, makes it an abort (RFC 9293 §3.10.4, RFC 8684 §3.5).
   */
  close(fd: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    this.#sockets.delete(fd)
    socket.watcher = null
    if (socket.listener !== null) this.#stack.unlisten(socket.listener)
    const { connection } = socket
    if (connection === null) return 0
    const { context } = this.#stack
    connection.detached = true
    const unread = connection.state !== 'M_CLOSED' && readableBytes(context, connection) > 0
    const opening = connection.state === 'M_INIT'
    if (opening || socket.settings.linger === 0 || (unread && !socket.readShut)) {
      abort(connection, null)
    } else if (connection.state !== 'M_CLOSED') closeSendingData(connection)
    shutReceiving(context, connection)
    this.#letGo(connection)
    this.#stack.touch(connection)
    return 0
  }

  /** Nobody owns it any more but `drained`, until it has ended. */
  #letGo(connection: Connection): void {
    // Its memory for sending is given back when its end is told.
    if (connection.snd.account === 0) {
      this.#stack.own(connection, null)
      return
    }
    this.#closing.add(connection)
    this.#stack.own(connection, (events) => {
      if ((events & EVENT_CLOSED) === 0) return
      this.#closing.delete(connection)
      this.#stack.own(connection, null)
      if (this.#closing.size > 0) return
      for (const tell of this.#whenDrained) tell()
      this.#whenDrained.clear()
    })
  }

  /** Connections that were closed here and have not ended on the wire; those in TIME-WAIT have. */
  get closingCount(): number {
    return this.#closing.size
  }

  /** Calls `tell` once, as soon as `closingCount` is 0; the answer takes it back. */
  whenDrained(tell: () => void): () => void {
    if (this.#closing.size === 0) tell()
    else this.#whenDrained.add(tell)
    return () => this.#whenDrained.delete(tell)
  }

  /** Ends the connection at once, with MP_FASTCLOSE and RSTs, and gives the descriptor back. */
  abort(fd: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    socket.settings.linger = 0
    return this.close(fd)
  }

  /** What can be done now, among POLLIN, POLLOUT, POLLERR, POLLHUP and POLLRDHUP; EBADF. */
  poll(fd: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.listener !== null) return socket.listener.ready.length > 0 ? C.POLLIN : 0
    const { connection } = socket
    if (connection === null) return C.POLLHUP | C.POLLOUT
    let ready = 0
    if (socket.error !== 0) ready |= C.POLLERR
    if (connection.state === 'M_CLOSED') ready |= C.POLLHUP | C.POLLIN | C.POLLRDHUP
    if (readableBytes(this.#stack.context, connection) > 0) ready |= C.POLLIN
    if (connection.rcv.finReached) ready |= C.POLLIN | C.POLLRDHUP
    if (socket.state === 'connected' && !socket.writeShut && this.#canTake(connection)) {
      ready |= C.POLLOUT
    }
    return ready
  }

  /** A write may still find that memory just ran out; then this is false until some came back. */
  #canTake(connection: Connection): boolean {
    return sendRoom(connection) > 0 && !this.#stack.context.starved.has(connection)
  }

  /** Bytes that `read` would give now, as FIONREAD; 0 also where there is no connection. */
  readableBytes(fd: number): number {
    const connection = this.#sockets.get(fd)?.connection
    return connection ? readableBytes(this.#stack.context, connection) : 0
  }

  /** Calls `watcher` at the end of each turn in which something happened to the socket. */
  watch(fd: number, watcher: (() => void) | null): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    socket.watcher = watcher
    return 0
  }

  /** Number, object or string by the option; a negated errno (a number below 0) if it is refused. */
  getsockopt(fd: number, level: number, name: number): number | string | object {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (level === C.SOL_SOCKET && name === C.SO_ERROR) return -this.#takeError(socket)
    return getOption(this.#stack, socket, level, name)
  }

  setsockopt(fd: number, level: number, name: number, value: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    const result = setOption(this.#stack, socket, level, name, value)
    if (result === 0 && socket.connection !== null) this.#apply(socket, socket.connection)
    return result
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

  /** Descriptors in use. */
  get size(): number {
    return this.#sockets.size
  }

  #create(family: number, protocol: number): BsdSocket | null {
    if (this.#sockets.size >= MAX_DESCRIPTORS) return null
    const { sendBufferBytes, receiveBufferBytes } = this.#stack.config
    const socket: BsdSocket = {
      fd: this.#nextFd++,
      family,
      protocol,
      state: 'new',
      local: null,
      localPort: 0,
      connection: null,
      listener: null,
      error: 0,
      readShut: false,
      writeShut: false,
      watcher: null,
      settings: {
        noDelay: false,
        linger: -1,
        v6Only: false,
        reuseAddress: false,
        sendBuffer: sendBufferBytes,
        receiveBuffer: receiveBufferBytes,
      },
    }
    this.#sockets.set(socket.fd, socket)
    return socket
  }

  /** Settings that live in the connection. */
  #apply(socket: BsdSocket, connection: Connection): void {
    const { settings } = socket
    if (connection.snd.noDelay !== settings.noDelay) {
      connection.snd.noDelay = settings.noDelay
      this.#stack.touch(connection)
    }
    connection.snd.bufferBytes = settings.sendBuffer
    connection.rcv.bufferMost = settings.receiveBuffer
    connection.rcv.buffer = Math.min(connection.rcv.buffer, settings.receiveBuffer)
  }

  #happened(socket: BsdSocket, events: number): void {
    const { connection } = socket
    if (connection === null) return
    if (events & EVENT_ESTABLISHED && socket.state === 'connecting') socket.state = 'connected'
    if (events & EVENT_CLOSED) {
      const failed = socket.state === 'connecting'
      if (failed) socket.state = 'failed'
      const name = connection.error ?? (failed ? 'ECONNREFUSED' : null)
      if (name !== null) socket.error = E[name as MptcpErrnoName] ?? E.ECONNRESET
    }
    socket.watcher?.()
  }

  #takeError(socket: BsdSocket): number {
    const { error } = socket
    socket.error = 0
    return -error
  }

  /** A closed connection keeps its memory only until its last byte was read. */
  #releaseIfRead(connection: Connection): void {
    if (readableBytes(this.#stack.context, connection) > 0) return
    releaseReceiving(this.#stack.context, connection)
    this.#stack.touch(connection)
  }
}

/** Whether an address may be used with a socket of this family. */
function fits(socket: BsdSocket, address: IpAddress): boolean {
  if (socket.family === C.AF_INET) return address.family === 4
  if (socket.family === C.AF_INET6) return address.family === 6 || !socket.settings.v6Only
  return true
}
