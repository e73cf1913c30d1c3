// The calls that make a connection: bind, listen, accept, connect, and sendto where it connects (TCP Fast
// Open, RFC 7413). Each takes the socket behind a descriptor, and answers as the BSD calls do.

import { type AddressFamilies, EVENT_CLOSED, EVENT_ESTABLISHED } from '../mptcp/connection.js'
import type { FastOpenWish } from '../mptcp/syn-data.js'
import type { Stack } from '../stack/stack.js'
import {
  FAST_OPEN_ALL_LISTENERS,
  FAST_OPEN_CLIENT,
  FAST_OPEN_CLIENT_NO_COOKIE,
} from '../tcp/fast-open.js'
import { formatAddress, type IpAddress, parseAddress } from '../wire/address.js'
import type { ClosingConnections } from './closing-connections.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E, type MptcpErrnoName } from './constants.js'
import {
  type BsdSocket,
  type Descriptors,
  type MptcpSocketAddress,
  takeError,
} from './descriptors.js'
import { failure } from './disconnect.js'
import { isLinkLocal, localFor, parseScoped } from './scoped-address.js'
import { write } from './send.js'

const MAX_BACKLOG = 4096

export function bind(stack: Stack, socket: BsdSocket, address: MptcpSocketAddress): number {
  if (socket.state !== 'new' || socket.localPort !== 0) return -E.EINVAL
  const any = address.address === '' || address.address === '0.0.0.0' || address.address === '::'
  const scoped = any ? null : parseScoped(stack, address.address)
  const local = scoped?.address ?? null
  if (!any) {
    if (scoped === null || local === null) return -E.EINVAL
    if (!fits(socket, local)) return -E.EAFNOSUPPORT
    const ours = stack.paths.some(
      (path) =>
        formatAddress(path.address) === formatAddress(local) &&
        (scoped.link === null || path.link === scoped.link),
    )
    if (!ours && !socket.settings.foreignAddress) return -E.EADDRNOTAVAIL
  }
  if (!Number.isInteger(address.port) || address.port < 0 || address.port > 65_535) {
    return -E.EINVAL
  }
  socket.local = local
  const noPort = address.port === 0 && socket.settings.bindNoPort
  const result = noPort ? 0 : bindPort(stack, socket, address.port)
  if (result === 0) socket.bound = { local, port: socket.localPort }
  return result
}

/** 0 = any that is free. */
function bindPort(stack: Stack, socket: BsdSocket, port: number): number {
  socket.localPort = port === 0 ? freePort(stack, socket) : port
  if (socket.localPort !== 0 && stack.bindPort(socket)) return 0
  socket.localPort = 0
  return -E.EADDRINUSE
}

export function listen(stack: Stack, socket: BsdSocket, backlog: number): number {
  if (socket.state !== 'new') return -E.EINVAL
  if (socket.localPort === 0) {
    const bound = bindPort(stack, socket, 0)
    if (bound !== 0) return bound
  }
  const listener = stack.listen(
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
  if (fastOpen.queue === 0 && (stack.config.fastOpen & FAST_OPEN_ALL_LISTENERS) !== 0) {
    fastOpen.queue = listener.backlog
  }
  listener.fastOpen.settings = fastOpen
  socket.state = 'listening'
  listener.notify = () => socket.watcher?.()
  return 0
}

export function accept(stack: Stack, sockets: Descriptors, socket: BsdSocket): number {
  if (socket.listener === null) return -E.EINVAL
  const connection = socket.listener.ready.shift()
  if (connection === undefined) return -E.EAGAIN
  const family = socket.family
  const accepted = sockets.create(family, socket.protocol)
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
  accepted.isConnectTold = true
  const initial = connection.subflows[0]
  accepted.local = initial?.path.address ?? socket.local
  accepted.localPort = socket.localPort
  stack.calls.set(connection, accepted.settings)
  stack.calls.accept(connection, (events) => happened(accepted, events))
  if (connection.state === 'M_CLOSED') happened(accepted, EVENT_CLOSED)
  return accepted.fd
}

export function connect(
  stack: Stack,
  closing: ClosingConnections,
  socket: BsdSocket,
  address: MptcpSocketAddress,
): number {
  if (socket.state === 'deferred') return -E.EISCONN
  if (socket.state === 'connected' && !socket.isConnectTold) {
    // As Linux: the call that finds it connected says so, as if it had waited.
    socket.isConnectTold = true
    return socket.connection?.state === 'M_CLOSED' ? failure(stack, closing, socket) : 0
  }
  if (socket.state === 'failed') return failure(stack, closing, socket)
  if (!socket.settings.fastOpen.connect || socket.state !== 'new') {
    return open(stack, socket, address)
  }
  const remote = parseAddress(address.address)
  if (
    remote !== null &&
    fits(socket, remote) &&
    (needsNoCookie(stack, socket) || stack.calls.hasFastOpenCookie(remote, socket.local))
  ) {
    socket.target = address
    socket.state = 'deferred'
    return 0
  }
  return open(stack, socket, address, { data: new Uint8Array(0), noCookie: false })
}

export function sendto(
  stack: Stack,
  socket: BsdSocket,
  bytes: Uint8Array,
  flags: number,
  address: MptcpSocketAddress | null,
): number {
  const opens = (flags & C.MSG_FASTOPEN) !== 0
  if (socket.state !== 'deferred' && !opens) return write(stack, socket, bytes, flags)
  if (opens && (stack.config.fastOpen & FAST_OPEN_CLIENT) === 0) return -E.EOPNOTSUPP
  const target = socket.target ?? address
  if (target === null) return -E.EINVAL
  if (socket.state === 'deferred') socket.state = 'new'
  socket.target = null
  const noCookie = needsNoCookie(stack, socket)
  const result = open(stack, socket, target, { data: bytes, noCookie })
  if (result !== -E.EINPROGRESS || socket.connection === null) return result
  return socket.connection.snd.end - 1 || result
}

function open(
  stack: Stack,
  socket: BsdSocket,
  address: MptcpSocketAddress,
  fastOpen?: FastOpenWish,
): number {
  if (socket.state === 'connecting') return -E.EALREADY
  if (socket.state === 'connected') return -E.EISCONN
  if (socket.state === 'listening') return -E.EOPNOTSUPP
  if (socket.state === 'failed') return takeError(socket) || -E.ECONNABORTED
  const scoped = parseScoped(stack, address.address)
  if (scoped === null || !(address.port > 0 && address.port <= 65_535)) return -E.EINVAL
  const remote = scoped.address
  if (!fits(socket, remote)) return -E.EAFNOSUPPORT
  const local = socket.local ?? (isLinkLocal(remote) ? localFor(stack, scoped.link) : null)
  // As Linux: a link-local address of several links is of none.
  if (local === null && isLinkLocal(remote)) return -E.EINVAL
  if (!stack.paths.some((path) => path.address.family === remote.family)) {
    return -E.ENETUNREACH
  }
  const localPort = socket.localPort !== 0 ? socket.localPort : portToConnect(stack, socket)
  if (localPort !== 0 && isTaken(stack, local, localPort, remote, address.port)) {
    return -E.EADDRNOTAVAIL
  }
  const connection = stack.calls.connect(
    remote,
    address.port,
    {
      local,
      localPort,
      plain: socket.protocol === C.IPPROTO_TCP,
      settings: socket.settings.tcp,
      families: familiesOf(socket),
      fastOpen,
    },
    (events) => happened(socket, events),
  )
  // As Linux says that no port is left.
  if (connection === null) return -E.EADDRNOTAVAIL
  socket.connection = connection
  socket.state = 'connecting'
  const initial = connection.subflows[0]
  socket.local = initial.path.address
  socket.localPort = initial.localPort
  stack.calls.set(connection, socket.settings)
  return -E.EINPROGRESS
}

/** Whether a connection has the four already that this one would have. */
function isTaken(
  stack: Stack,
  local: IpAddress | null,
  localPort: number,
  remote: IpAddress,
  remotePort: number,
): boolean {
  const from = local ?? stack.paths.find((path) => path.address.family === remote.family)?.address
  return from !== undefined && stack.isTaken(from, localPort, remote, remotePort)
}

/** A port to listen on or to bind, within IP_LOCAL_PORT_RANGE. */
function freePort(stack: Stack, socket: BsdSocket): number {
  return stack.freePort(socket.settings.portRange)
}

/** 0: any that is free towards the peer. */
function portToConnect(stack: Stack, socket: BsdSocket): number {
  const [first, last] = socket.settings.portRange
  return first === 0 && last === 0 ? 0 : freePort(stack, socket)
}

/** What the stack tells of the socket's connection, after the turn. */
function happened(socket: BsdSocket, events: number): void {
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
