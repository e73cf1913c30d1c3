// The Server of the drop-in: Node's own, whose handle listens for MPTCP.

import { Server as NodeServer, Socket as NodeSocket, type ServerOpts } from 'node:net'
import type { KernelProvider } from './kernel-provider.js'
import { provider } from './provider.js'
import { adoptSocket, type Socket } from './socket.js'
import { giveSockets, handleOf, isTcpHandle, listeningHandle, tcpPrototype } from './tcp-handle.js'

interface Place {
  readonly address: string
  readonly is6: boolean
}

const EVERYWHERE: readonly Place[] = [
  { address: '::', is6: true },
  { address: '0.0.0.0', is6: false },
]

type ConnectionListener = (socket: Socket) => void

class MptcpNetServer extends NodeServer {
  constructor(options?: ServerOpts | ConnectionListener, listener?: ConnectionListener) {
    // Node takes either first.
    super(options as ServerOpts, listener as ((socket: NodeSocket) => void) | undefined)
  }

  /** What Node calls to get a handle that listens; its name, it says, is kept for those who put theirs around it. */
  _listen2(
    address: string | null,
    port: number,
    family: number,
    backlog: number,
    fd: number | undefined,
    flags: number,
  ): void {
    const isTcp = family !== -1 && !(fd !== undefined && fd >= 0) && handleOf(this) === null
    let place: Place | null = null
    if (isTcp) {
      const { kernel, userspace } = provider()
      if (kernel !== null) place = this.#bind(kernel, address, port, family, flags)
      else if (userspace !== null) {
        if (!userspace.listen(this, address, port)) return
        place = { address: address || '::', is6: !address || address.includes(':') }
      }
    }
    const where =
      place === null ? [address, port, family] : [place.address, port, place.is6 ? 6 : 4]
    const own = Reflect.get(NodeServer.prototype, '_listen2') as (...words: unknown[]) => void
    own.call(this, ...where, backlog, fd, flags)
  }

  /** Where it cannot be bound it has no handle, and Node, which tries as well, says why. */
  #bind(
    kernel: KernelProvider,
    address: string | null,
    port: number,
    family: number,
    flags: number,
  ): Place | null {
    const prototype = tcpPrototype(kernel.open)
    if (prototype === null) return null
    // As Node: everywhere, or where there is no IPv6 everywhere in IPv4.
    const places = address ? [{ address, is6: family === 6 }] : EVERYWHERE
    for (const place of places) {
      const { address, is6 } = place
      const handle = listeningHandle(prototype)
      giveSockets(handle, kernel.open, kernel.close)
      const bound = is6 ? handle.bind6(address, port, flags) : handle.bind(address, port)
      if (bound === 0) {
        Object.assign(this, { _handle: handle })
        return place
      }
      handle.close()
    }
    return null
  }

  override emit(event: string | symbol, ...given: unknown[]): boolean {
    const [socket] = given
    if (event === 'connection' && socket instanceof NodeSocket) {
      const handle = handleOf(socket)
      const isOurs = isTcpHandle(handle) || provider().userspace?.accepted(socket, handle) === true
      if (isOurs) adoptSocket(socket)
    }
    return super.emit(event as string, ...given)
  }
}

export type MptcpServerClass = typeof MptcpNetServer &
  ((options?: ServerOpts | ConnectionListener, listener?: ConnectionListener) => MptcpNetServer)

/** As net's, it may be called without `new`. */
export const Server = new Proxy(MptcpNetServer, {
  apply: (target, _self, [options, listener]) => new target(options, listener),
}) as MptcpServerClass
export type Server = MptcpNetServer
