// The descriptor table of the BSD calls: what stands behind each small integer.

import type { Connection } from '../mptcp/connection.js'
import type { StackConfig } from '../stack/config.js'
import type { Listener } from '../stack/listener.js'
import { createFastOpenSettings, type FastOpenSettings } from '../tcp/fast-open.js'
import { createTcpSettings, type TcpSettings } from '../tcp/settings.js'
import type { IpAddress } from '../wire/address.js'

/** Address in text form and port. */
export interface MptcpSocketAddress {
  address: string
  port: number
}

/** `deferred`: TCP_FASTOPEN_CONNECT, which sends its SYN with the first write. */
export type BsdState = 'new' | 'listening' | 'deferred' | 'connecting' | 'connected' | 'failed'

/** Writes with MSG_ZEROCOPY (zero-copy.ts). */
export interface ZeroCopy {
  /** Number of the next write. */
  next: number
  /** Ends of writes that are not acknowledged, in order; the first has number `next` - length. */
  readonly ends: number[]
  /** First of the numbers that wait to be told; -1 = none do. */
  told: number
  /** Notifications that have come in all. */
  arrived: number
}

/** What stands behind a descriptor. */
export interface BsdSocket {
  readonly fd: number
  readonly family: number
  readonly protocol: number
  state: BsdState
  /** Its address; null = any. */
  local: IpAddress | null
  localPort: number
  /** What bind() has given it, which outlives its connections; null = it was not called. */
  bound: { readonly local: IpAddress | null; readonly port: number } | null
  /** Where a deferred connect() goes. */
  target: MptcpSocketAddress | null
  connection: Connection | null
  /** connect() has said that it is connected, or accept() has. */
  isConnectTold: boolean
  listener: Listener | null
  /** The error that the next call, or SO_ERROR, reports once. */
  error: number
  readShut: boolean
  writeShut: boolean
  /** Told after each turn in which something happened: level-triggered questions go to `poll`. */
  watcher: (() => void) | null
  /** Null = no such write was made yet. */
  zeroCopy: ZeroCopy | null
  readonly settings: SocketSettings
}

/** What setsockopt has set. A connection that is accepted begins with its listener's. */
export interface SocketSettings {
  noDelay: boolean
  cork: boolean
  /** Seconds; -1 = off. */
  linger: number
  v6Only: boolean
  reuseAddress: boolean
  reusePort: boolean
  /** IP_FREEBIND, IP_TRANSPARENT: any address may be bound. */
  foreignAddress: boolean
  /** bind() without a port leaves its choice to connect(). */
  bindNoPort: boolean
  /** First and last of the ports to choose from; 0 = the stack's. */
  portRange: readonly [number, number]
  sendBuffer: number
  receiveBuffer: number
  /** Bytes from which on it counts as readable; and below which, unsent, as writable. */
  receiveLowWater: number
  notSentLowWater: number
  /** recvmsg() tells what is still to be read. */
  tellsInQueue: boolean
  /** Shared with the connection, so that a change acts on all its subflows. */
  tcp: TcpSettings
  /** Shared with the listener. */
  fastOpen: FastOpenSettings
  /** Options that are only given back; null = none was set. */
  remembered: Map<number, number> | null
}

/** Linux's fs.nr_open. */
const MAX_DESCRIPTORS = 1_048_576

export class Descriptors {
  readonly #config: StackConfig
  /** Bounded: a program cannot hold more than MAX_DESCRIPTORS of them. */
  readonly #sockets = new Map<number, BsdSocket>()
  #nextFd = 3

  constructor(config: StackConfig) {
    this.#config = config
  }

  get(fd: number): BsdSocket | undefined {
    return this.#sockets.get(fd)
  }

  delete(fd: number): void {
    this.#sockets.delete(fd)
  }

  get size(): number {
    return this.#sockets.size
  }

  /** A new socket with the stack's defaults; null if the table is full. */
  create(family: number, protocol: number): BsdSocket | null {
    if (this.#sockets.size >= MAX_DESCRIPTORS) return null
    const { sendBufferBytes, receiveBufferBytes } = this.#config
    const socket: BsdSocket = {
      fd: this.#nextFd++,
      family,
      protocol,
      state: 'new',
      local: null,
      localPort: 0,
      bound: null,
      target: null,
      connection: null,
      isConnectTold: false,
      listener: null,
      error: 0,
      readShut: false,
      writeShut: false,
      watcher: null,
      zeroCopy: null,
      settings: {
        noDelay: false,
        cork: false,
        linger: -1,
        v6Only: false,
        reuseAddress: false,
        reusePort: false,
        foreignAddress: false,
        bindNoPort: false,
        portRange: [0, 0],
        sendBuffer: sendBufferBytes,
        receiveBuffer: receiveBufferBytes,
        receiveLowWater: 1,
        notSentLowWater: 2 ** 32 - 1,
        tellsInQueue: false,
        tcp: createTcpSettings(),
        fastOpen: createFastOpenSettings(),
        remembered: null,
      },
    }
    this.#sockets.set(socket.fd, socket)
    return socket
  }
}

/** The error that waits, negated, once; 0 = none. */
export function takeError(socket: BsdSocket): number {
  const { error } = socket
  socket.error = 0
  return error === 0 ? 0 : -error
}
