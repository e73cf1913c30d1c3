// The host's own MPTCP (or TCP) sockets, through the optional package koffi: Node can speak on any
// stream socket, but cannot ask for IPPROTO_MPTCP. We make the socket and hand its descriptor to
// node:net, which connects, accepts, reads and writes as ever. kernel-endpoints configures the host.

import { lookup } from 'node:dns/promises'
import { createServer, isIP, type Server, Socket } from 'node:net'
import { codedError } from '../link/raw/errors.js'
import {
  AF_INET,
  AF_INET6,
  type Libc,
  needLibc,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socketAddress,
} from '../link/raw/libc.js'
import { type IpAddress, parseAddress } from '../wire/address.js'

export interface KernelConnectOptions {
  /** Name or address. */
  host: string
  port: number
  localAddress?: string
  localPort?: number
  /** false asks for plain TCP; default true. */
  mptcp?: boolean
  /** Milliseconds for each address of the host; default: the kernel's own patience, two minutes. */
  timeout?: number
  allowHalfOpen?: boolean
}

export interface KernelListenOptions {
  /** Address to listen on; default `::`, which takes IPv4 as well. */
  host?: string
  /** 0 = any free port. */
  port: number
  mptcp?: boolean
  /** Default 511, as in node:net. */
  backlog?: number
  allowHalfOpen?: boolean
}

/** struct mptcp_info of linux/mptcp.h; what an older kernel does not report is 0. */
export interface KernelMptcpInfo {
  /** Subflows besides the first. */
  subflows: number
  addAddrSignal: number
  addAddrAccepted: number
  subflowsMax: number
  addAddrSignalMax: number
  addAddrAcceptedMax: number
  flags: { fallback: boolean; remoteKeyReceived: boolean }
  token: number
  writeSeq: bigint
  sndUna: bigint
  rcvNxt: bigint
  localAddrUsed: number
  localAddrMax: number
  checksum: boolean
  retransmits: number
  /** In bytes, as the next three. */
  bytesRetransmitted: bigint
  bytesSent: bigint
  bytesReceived: bigint
  bytesAcked: bigint
  /** Subflows with the first. */
  subflowsTotal: number
}

const IPPROTO_TCP = 6
const IPPROTO_MPTCP = 262
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SOL_MPTCP = 284
const MPTCP_INFO = 1
const SOL_TCP = 6
/** The first byte of struct tcp_info is the state. */
const TCP_INFO = 11
/** FIN-WAIT-1, LAST-ACK, CLOSING: our FIN is not acknowledged. */
const UNACKNOWLEDGED = [4, 9, 11]
const FLAG_FALLBACK = 1
const FLAG_REMOTE_KEY_RECEIVED = 2
/** More than struct mptcp_info has grown to. */
const INFO_BYTES = 256

/**
 * Opens a connection with the host's own stack. Errors: ERR_MPTCP_NO_KOFFI, EPROTONOSUPPORT (no MPTCP
 * in this kernel), and what net.connect gives.
 */
export async function kernelConnect(options: KernelConnectOptions): Promise<Socket> {
  const libc = needLibc("the host's own MPTCP sockets need")
  const hosts = isIP(options.host)
    ? [options.host]
    : (await lookup(options.host, { all: true })).map(({ address }) => address)
  let failure: unknown
  for (const host of hosts) {
    try {
      return await connectTo(libc, host, options)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function connectTo(libc: Libc, host: string, options: KernelConnectOptions): Promise<Socket> {
  const { port, localAddress, localPort, timeout } = options
  // By its text: a mapped address (::ffff:a.b.c.d) is written to a socket of IPv6.
  const fd = openSocket(libc, isIP(host) === 6 ? AF_INET6 : AF_INET, options.mptcp ?? true)
  // manualStart: nothing can be read before it is connected, and trying to is an error.
  const init = { fd, allowHalfOpen: options.allowHalfOpen ?? false, manualStart: true }
  let socket: Socket
  try {
    socket = new Socket({ ...init, readable: true, writable: true })
  } catch (error) {
    libc.close(fd)
    throw error
  }
  return new Promise((resolve, reject) => {
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            const what = `${host}:${port} did not answer within ${timeout} ms`
            socket.destroy(codedError('ETIMEDOUT', what))
          }, timeout)
    const onError = (error: Error) => {
      clearTimeout(timer)
      reject(error)
    }
    socket.once('error', onError)
    // node:net connects the handle that it was given.
    socket.connect(
      {
        host,
        port,
        ...(localAddress !== undefined && { localAddress }),
        ...(localPort !== undefined && { localPort }),
      },
      () => {
        clearTimeout(timer)
        socket.off('error', onError)
        resolve(socket)
      },
    )
  })
}

/** Listens with the host's own stack; resolves when it does. */
export async function kernelListen(
  options: KernelListenOptions,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const libc = needLibc("the host's own MPTCP sockets need")
  const host = options.host ?? '::'
  const address = mustParse(host)
  const backlog = options.backlog ?? 511
  const fd = openSocket(libc, address.family === 4 ? AF_INET : AF_INET6, options.mptcp ?? true)
  try {
    libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, new Uint8Array([1, 0, 0, 0]), 4)
    const name = socketAddress(address, options.port)
    if (libc.bind(fd, name, name.length) < 0 || libc.listen(fd, backlog) < 0) {
      const code = libc.errno()
      throw codedError(code, `cannot listen on ${host} port ${options.port}: ${code}`)
    }
  } catch (error) {
    libc.close(fd)
    throw error
  }
  const server = createServer({ allowHalfOpen: options.allowHalfOpen ?? false }, onConnection)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd, backlog }, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

/**
 * What the kernel says of an MPTCP connection; null for plain TCP, after a fallback, or when it is
 * closed. Takes a connected socket or its descriptor.
 */
export function mptcpInfo(of: Socket | number): KernelMptcpInfo | null {
  const libc = needLibc('MPTCP_INFO needs')
  const fd = typeof of === 'number' ? of : descriptor(of)
  if (fd < 0) return null
  const value = new Uint8Array(INFO_BYTES)
  const length = new Uint32Array([value.length])
  if (libc.getsockopt(fd, SOL_MPTCP, MPTCP_INFO, value, length) < 0) return null
  return parseInfo(new DataView(value.buffer))
}

/** A second descriptor of a connection: it can be asked about after the Socket is closed. */
export class HeldConnection {
  readonly #libc: Libc
  readonly #fd: number
  #open = true

  constructor(socket: Socket) {
    this.#libc = needLibc('asking about a connection needs')
    this.#fd = this.#libc.dup(descriptor(socket))
    if (this.#fd < 0) throw codedError(this.#libc.errno(), 'cannot hold the connection')
  }

  /** As mptcpInfo. */
  info(): KernelMptcpInfo | null {
    return this.#open ? mptcpInfo(this.#fd) : null
  }

  /** After the end was sent: whether the peer has all, the end included. */
  isDelivered(): boolean {
    const info = this.info()
    if (info !== null) return info.sndUna === info.writeSeq
    const value = new Uint8Array(1)
    const result = this.#libc.getsockopt(this.#fd, SOL_TCP, TCP_INFO, value, new Uint32Array([1]))
    return result < 0 || !UNACKNOWLEDGED.includes(value[0]!)
  }

  close(): void {
    if (this.#open) this.#libc.close(this.#fd)
    this.#open = false
  }
}

function parseInfo(view: DataView): KernelMptcpInfo {
  // Native order: little-endian, see socketAddress.
  const flags = view.getUint32(8, true)
  return {
    subflows: view.getUint8(0),
    addAddrSignal: view.getUint8(1),
    addAddrAccepted: view.getUint8(2),
    subflowsMax: view.getUint8(3),
    addAddrSignalMax: view.getUint8(4),
    addAddrAcceptedMax: view.getUint8(5),
    flags: {
      fallback: (flags & FLAG_FALLBACK) !== 0,
      remoteKeyReceived: (flags & FLAG_REMOTE_KEY_RECEIVED) !== 0,
    },
    token: view.getUint32(12, true),
    writeSeq: view.getBigUint64(16, true),
    sndUna: view.getBigUint64(24, true),
    rcvNxt: view.getBigUint64(32, true),
    localAddrUsed: view.getUint8(40),
    localAddrMax: view.getUint8(41),
    checksum: view.getUint8(42) !== 0,
    retransmits: view.getUint32(44, true),
    bytesRetransmitted: view.getBigUint64(48, true),
    bytesSent: view.getBigUint64(56, true),
    bytesReceived: view.getBigUint64(64, true),
    bytesAcked: view.getBigUint64(72, true),
    subflowsTotal: view.getUint8(80),
  }
}

function openSocket(libc: Libc, family: number, mptcp: boolean): number {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC
  const fd = libc.socket(family, type, mptcp ? IPPROTO_MPTCP : IPPROTO_TCP)
  if (fd >= 0) return fd
  const code = libc.errno()
  // ENOPROTOOPT: the kernel has it, and it is switched off.
  if (mptcp && (code === 'EPROTONOSUPPORT' || code === 'ENOPROTOOPT')) {
    throw codedError(
      'EPROTONOSUPPORT',
      'this kernel offers no MPTCP: it needs Linux 5.6 or later with CONFIG_MPTCP, and ' +
        'sysctl net.mptcp.enabled=1',
    )
  }
  throw codedError(code, `cannot open a socket: ${code}`)
}

/** Node does not publish it. */
function descriptor(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1
}

function mustParse(text: string): IpAddress {
  const address = parseAddress(text)
  if (address === null) throw codedError('EINVAL', `'${text}' is not an IP address`)
  return address
}
