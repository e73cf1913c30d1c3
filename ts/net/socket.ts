// The Socket of the drop-in: Node's own, whose handles speak MPTCP.

import { Socket as NodeSocket, type SocketConstructorOpts } from 'node:net'
import { type KernelMptcpInfo, mptcpInfo } from '../socket/kernel.js'
import { type MptcpProviderName, provider } from './provider.js'
import { giveSockets, isTcpHandle } from './tcp-handle.js'

class MptcpNetSocket extends NodeSocket {
  /** Node puts a new handle here for each attempt to connect. */
  get _handle(): unknown {
    return Reflect.get(NodeSocket.prototype, '_handle', this)
  }

  set _handle(handle: unknown) {
    if (isTcpHandle(handle)) {
      const { kernel } = provider()
      if (kernel !== null) giveSockets(handle, kernel.open, kernel.close)
    }
    Reflect.set(NodeSocket.prototype, '_handle', handle, this)
  }

  /** Which provider carries it. */
  get provider(): MptcpProviderName {
    return provider().name
  }

  /** More than one path may be used: it is connected, and has not fallen back to plain TCP. */
  get isMultipath(): boolean {
    const { info } = this
    return info !== null && !info.flags.fallback
  }

  /** Why it is plain TCP, in words; null if it is not, or not connected. */
  get fallbackReason(): string | null {
    if (this.connecting || this.destroyed || this.isMultipath) return null
    const { name, why } = provider()
    return name === 'tcp' ? why : 'the peer, or something on the way, does not speak MPTCP'
  }

  /** What the kernel says of the connection; null for plain TCP, and when it is closed. */
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
