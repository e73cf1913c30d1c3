// The BSD socket calls over one stack, non-blocking: small integers for descriptors, a count or a
// negated errno for an answer. `socket(AF_INET|AF_INET6, SOCK_STREAM, IPPROTO_MPTCP)` and
// `socket(AF_MULTIPATH, SOCK_STREAM, 0)` open the same socket; IPPROTO_TCP opens one that is plain TCP.

import {
  type AddressFamilies,
  type Connection,
  EVENT_CLOSED,
  EVENT_ESTABLISHED,
} from '../mptcp/connection.js'
import type { FastOpenWish } from '../mptcp/syn-data.js'
import type { Stack } from '../stack/stack.js'
import {
  FAST_OPEN_ALL_LISTENERS,
  FAST_OPEN_CLIENT,
  FAST_OPEN_CLIENT_NO_COOKIE,
} from '../tcp/fast-open.js'
import { formatAddress, type IpAddress, parseAddress } from '../wire/address.js'
import { ClosingConnections } from './closing-connections.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E, type MptcpErrnoName } from './constants.js'
import { type BsdSocket, Descriptors, takeError } from './descriptors.js'
import type { MptcpMessage } from './message.js'
import type { MptcpInfoRequest } from './mptcp-info.js'
import { getOption, setOption } from './options.js'
import { queueBytes, readiness } from './readiness.js'
import { receive, receiveMessage } from './receive.js'
import { hasZeroCopyRoom, noteZeroCopy, zeroCopyArrivals } from './zero-copy.js'

/** Address in text form and port. */
export interface MptcpSocketAddress {
  address: string
  port: number
}

const MAX_BACKLOG = 4096

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
    const socket = this.#sockets.create(family, wanted)
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
      const ours = this.#stack.paths.some(
        (path) => formatAddress(path.address) === formatAddress(local),
      )
      if (!ours && !socket.settings.foreignAddress) return -E.EADDRNOTAVAIL
    }
    if (!Number.isInteger(address.port) || address.port < 0 || address.port > 65_535) {
      return -E.EINVAL
    }
    socket.local = local
    if (address.port === 0 && socket.settings.bindNoPort) return 0
    const port = address.port === 0 ? this.#freePort(socket) : address.port
    if (port === 0) return -E.EADDRINUSE
    socket.localPort = port
    return 0
  }

  /** Starts to listen; `backlog` connections may wait. */
  listen(fd: number, backlog: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.state !== 'new') return -E.EINVAL
    if (socket.localPort === 0) socket.localPort = this.#freePort(socket)
    const listener = this.#stack.listen(
      socket.local,
      socket.localPort,
      Math.min(Math.max(1, backlog), MAX_BACKLOG),
      socket.protocol === C.IPPROTO_TCP,
      socket.settings.reusePort,
    )
    if (listener === null) return -E.EADDRINUSE
    socket.listener = listener
    listener.settings = socket.settings.tcp
    listener.families = familiesOf(socket)
    const { fastOpen } = socket.settings
    if (fastOpen.queue === 0 && (this.#stack.config.fastOpen & FAST_OPEN_ALL_LISTENERS) !== 0) {
      fastOpen.queue = listener.backlog
    }
    listener.fastOpen.settings = fastOpen
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
    const accepted = this.#sockets.create(family, socket.protocol)
    if (accepted === null) {
      socket.listener.ready.unshift(connection)
      return -E.ENOBUFS
    }
    Object.assign(accepted.settings, socket.settings, {
      tcp: connection.settings,
      fastOpen: { ...socket.settings.fastOpen },
      remembered: socket.settings.remembered && new Map(socket.settings.remembered),
    })
    accepted.connection = connection
    accepted.state = 'connected'
    const initial = connection.subflows[0]
    accepted.local = initial?.path.address ?? socket.local
    accepted.localPort = socket.localPort
    this.#stack.calls.set(connection, accepted.settings)
    this.#stack.calls.accept(connection, (events) => this.#happened(accepted, events))
    if (connection.state === 'M_CLOSED') this.#happened(accepted, EVENT_CLOSED)
    return accepted.fd
  }

  /**
   * Starts a connection: EINPROGRESS; `poll` says POLLOUT when it stands, SO_ERROR how it ended. With
   * TCP_FASTOPEN_CONNECT and a cookie 0: the SYN leaves with the first write.
   */
  connect(fd: number, address: MptcpSocketAddress): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.state === 'deferred') return -E.EISCONN
    if (!socket.settings.fastOpen.connect || socket.state !== 'new') {
      return this.#open(socket, address)
    }
    const remote = parseAddress(address.address)
    if (
      remote !== null &&
      fits(socket, remote) &&
      (needsNoCookie(this.#stack, socket) ||
        this.#stack.calls.hasFastOpenCookie(remote, socket.local))
    ) {
      socket.target = address
      socket.state = 'deferred'
      return 0
    }
    return this.#open(socket, address, { data: new Uint8Array(0), noCookie: false })
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
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    const opens = (flags & C.MSG_FASTOPEN) !== 0
    if (socket.state !== 'deferred' && !opens) return this.write(fd, bytes, flags)
    if (opens && (this.#stack.config.fastOpen & FAST_OPEN_CLIENT) === 0) return -E.EOPNOTSUPP
    const target = socket.target ?? address
    if (target === null) return -E.EINVAL
    if (socket.state === 'deferred') socket.state = 'new'
    socket.target = null
    const noCookie = needsNoCookie(this.#stack, socket)
    const result = this.#open(socket, target, { data: bytes, noCookie })
    if (result !== -E.EINPROGRESS || socket.connection === null) return result
    return socket.connection.snd.end - 1 || result
  }

  #open(socket: BsdSocket, address: MptcpSocketAddress, fastOpen?: FastOpenWish): number {
    if (socket.state === 'connecting') return -E.EALREADY
    if (socket.state === 'connected') return -E.EISCONN
    if (socket.state === 'listening') return -E.EOPNOTSUPP
    if (socket.state === 'failed') return takeError(socket) || -E.ECONNABORTED
    const remote = parseAddress(address.address)
    if (remote === null || !(address.port > 0 && address.port <= 65_535)) return -E.EINVAL
    if (!fits(socket, remote)) return -E.EAFNOSUPPORT
    if (!this.#stack.paths.some((path) => path.address.family === remote.family)) {
      return -E.ENETUNREACH
    }
    const connection = this.#stack.calls.connect(
      remote,
      address.port,
      {
        local: socket.local,
        localPort: socket.localPort !== 0 ? socket.localPort : this.#portToConnect(socket),
        plain: socket.protocol === C.IPPROTO_TCP,
        settings: socket.settings.tcp,
        families: familiesOf(socket),
        fastOpen,
      },
      (events) => this.#happened(socket, events),
    )
    if (connection === null) return -E.ENOBUFS
    socket.connection = connection
    socket.state = 'connecting'
    const initial = connection.subflows[0]
    socket.local = initial.path.address
    socket.localPort = initial.localPort
    this.#stack.calls.set(connection, socket.settings)
    return -E.EINPROGRESS
  }

  /**
   * Copies received bytes to `target`: their number, 0 at the end of the data, or EAGAIN. `flags`:
   * MSG_PEEK leaves them, MSG_TRUNC drops them uncopied.
   */
  read(fd: number, target: Uint8Array, flags = 0): number {
    const socket = this.#sockets.get(fd)
    return socket === undefined ? -E.EBADF : receive(this.#stack, socket, target, flags)
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
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (socket.state === 'deferred') return this.sendto(fd, bytes, flags)
    const { connection } = socket
    if (connection === null) return -E.EPIPE
    const error = takeError(socket)
    if (error !== 0) return error
    if (socket.writeShut || connection.state === 'M_CLOSED') return -E.EPIPE
    if (socket.state === 'connecting') {
      this.#stack.calls.awaitRoom(connection)
      return -E.EAGAIN
    }
    const zeroCopy =
      (flags & C.MSG_ZEROCOPY) !== 0 && this.getsockopt(fd, C.SOL_SOCKET, C.SO_ZEROCOPY) === 1
    if (zeroCopy && !hasZeroCopyRoom(socket)) return -E.ENOBUFS
    const taken = this.#stack.calls.write(connection, bytes, {
      more: (flags & C.MSG_MORE) !== 0,
      endsRecord: (flags & C.MSG_EOR) !== 0,
    })
    if (zeroCopy && taken > 0) noteZeroCopy(socket, connection.snd.end)
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
      this.#stack.calls.shutSending(connection)
    }
    if (how !== C.SHUT_WR && !socket.readShut) {
      socket.readShut = true
      this.#stack.calls.shutReceiving(connection)
    }
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
    const { calls } = this.#stack
    const unread = connection.state !== 'M_CLOSED' && calls.readableBytes(connection) > 0
    if (socket.settings.linger === 0 || (unread && !socket.readShut)) calls.abort(connection)
    else calls.close(connection)
    this.#closing.letGo(connection)
    return 0
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
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    socket.settings.linger = 0
    return this.close(fd)
  }

  /** What can be done now, among POLLIN, POLLOUT, POLLERR, POLLHUP and POLLRDHUP; EBADF. */
  poll(fd: number): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    return readiness(this.#stack, socket)
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
    const socket = this.#sockets.get(fd)
    return socket === undefined ? -E.EBADF : queueBytes(this.#stack, socket, request)
  }

  /** Calls `watcher` at the end of each turn in which something happened to the socket. */
  watch(fd: number, watcher: (() => void) | null): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    socket.watcher = watcher
    return 0
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
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    if (level === C.SOL_SOCKET && name === C.SO_ERROR) return Math.abs(takeError(socket))
    return getOption(this.#stack, socket, level, name, request)
  }

  setsockopt(fd: number, level: number, name: number, value: number | string): number {
    const socket = this.#sockets.get(fd)
    if (socket === undefined) return -E.EBADF
    const result = setOption(this.#stack, socket, level, name, value)
    if (result === 0 && socket.connection !== null) {
      this.#stack.calls.set(socket.connection, socket.settings)
    }
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

  /** Where a deferred connect() will go; null if none is. */
  deferredTarget(fd: number): MptcpSocketAddress | null {
    return this.#sockets.get(fd)?.target ?? null
  }

  /** Descriptors in use. */
  get size(): number {
    return this.#sockets.size
  }

  /** A port to listen on or to bind, within IP_LOCAL_PORT_RANGE. */
  #freePort(socket: BsdSocket): number {
    return this.#stack.freePort(socket.settings.portRange)
  }

  /** 0: any that is free towards the peer. */
  #portToConnect(socket: BsdSocket): number {
    const [first, last] = socket.settings.portRange
    return first === 0 && last === 0 ? 0 : this.#freePort(socket)
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
}

/** Whether its SYN carries data even where no cookie is known. */
function needsNoCookie(stack: Stack, socket: BsdSocket): boolean {
  return (
    socket.settings.fastOpen.noCookie || (stack.config.fastOpen & FAST_OPEN_CLIENT_NO_COOKIE) !== 0
  )
}

/** What subflows a socket of this family may have; AF_MULTIPATH has both. */
function familiesOf(socket: BsdSocket): AddressFamilies {
  if (socket.family === C.AF_INET) return 'ipv4'
  return socket.family === C.AF_INET6 && socket.settings.v6Only ? 'ipv6' : 'both'
}

/** Whether an address may be used with a socket of this family. */
function fits(socket: BsdSocket, address: IpAddress): boolean {
  if (socket.family === C.AF_INET) return address.family === 4
  if (socket.family === C.AF_INET6) return address.family === 6 || !socket.settings.v6Only
  return true
}
