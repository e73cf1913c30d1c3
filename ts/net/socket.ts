// The Socket of the drop-in: Node's own, whose handles speak MPTCP.

import { Socket as NodeSocket, type SocketConstructorOpts } from 'node:net'
import { resetSocket } from '../socket/connection-handle.js'
import { type KernelMptcpInfo, mptcpInfo } from '../socket/kernel.js'
import { type MptcpProviderName, provider } from './provider.js'
import { giveSockets, isTcpHandle, type TcpHandle } from './tcp-handle.js'

/** Sockets over what their owner has opened: their handles stay as they are. */
const given = new WeakSet<NodeSocket>()
/** Those that are being made over such. Node makes the handle before the options can be noted with the Socket. */
let isGiven = false

function noting(options: SocketConstructorOpts | undefined): SocketConstructorOpts | undefined {
  isGiven = options?.fd !== undefined || typeof options === 'number'
  return options
}

function handleFor(socket: NodeSocket, handle: TcpHandle): object {
  const { kernel, userspace } = provider()
  if (kernel !== null) giveSockets(handle, kernel.open, kernel.close)
  if (userspace === null) return handle
  handle.close()
  return userspace.connecting(socket)
}

class MptcpNetSocket extends NodeSocket {
  constructor(options?: SocketConstructorOpts) {
    super(noting(options))
    isGiven = false
  }

  /** Node puts a new handle here for each attempt to connect. */
  get _handle(): unknown {
    return Reflect.get(NodeSocket.prototype, '_handle', this)
  }

  set _handle(handle: unknown) {
    if (isGiven) given.add(this)
    const isNew = isTcpHandle(handle) && handle.fd < 0 && !given.has(this)
    Reflect.set(NodeSocket.prototype, '_handle', isNew ? handleFor(this, handle) : handle, this)
  }

  /** As net's, which does so for handles of libuv alone. */
  override resetAndDestroy(): this {
    const { _handle } = this
    if (_handle === null || isTcpHandle(_handle) || provider().userspace === null) {
      return super.resetAndDestroy()
    }
    resetSocket(this)
    return this
  }

  /** Which provider carries it. */
  get provider(): MptcpProviderName {
    return provider().name
  }

  /** More than one path may be used: it is connected, and has not fallen back to plain TCP. */
  get isMultipath(): boolean {
    const { userspace } = provider()
    if (userspace !== null) return userspace.handleOf(this)?.connection?.mode === 'mptcp'
    const { info } = this
    return info !== null && !info.flags.fallback
  }

  /** Why it is plain TCP, in words; null if it is not, or not connected. */
  get fallbackReason(): string | null {
    if (this.connecting || this.destroyed || this.isMultipath) return null
    const { name, why } = provider()
    return name === 'tcp' ? why : 'the peer, or something on the way, does not speak MPTCP'
  }

  /** What the kernel says of the connection; null for plain TCP, for another provider, and when it is closed. */
  get info(): KernelMptcpInfo | null {
    if (this.connecting || this.destroyed || provider().kernel === null) return null
    return mptcpInfo(this)
  }
}

export type MptcpSocketClass = typeof MptcpNetSocket &
  ((options?: SocketConstructorOpts) => MptcpNetSocket)

/** As net's, it may be called without `new`. */
export const Socket = new Proxy(MptcpNetSocket, {
  apply: (target, _self, [options]) => new target(options as SocketConstructorOpts),
}) as MptcpSocketClass
export type Socket = MptcpNetSocket

/** A Socket that Node has made, for a connection that was accepted, is one of these from now on. */
export function adoptSocket(socket: NodeSocket): Socket {
  if (!(socket instanceof MptcpNetSocket)) Object.setPrototypeOf(socket, MptcpNetSocket.prototype)
  return socket as Socket
}
