// Our own stack under the drop-in: of a program's own, or one that speaks to itself alone, over loopback.

import type { Server, Socket } from 'node:net'
import { RealClock } from '../clock.js'
import { loadMptcpCoreSync } from '../core/load.js'
import { LoopbackLink } from '../link/loopback.js'
import { MptcpBsd } from '../socket/bsd.js'
import { ConnectionHandle } from '../socket/connection-handle.js'
import { ListeningHandle } from '../socket/listening-handle.js'
import { Stack } from '../stack/stack.js'

/** As MptcpStack.open's. */
const MEMORY_BYTES = 64 * 1024 * 1024

export class UserspaceProvider {
  readonly #bsd: MptcpBsd
  /** The handle of a Socket, also when it is closed. */
  readonly #handles = new WeakMap<Socket, ConnectionHandle>()
  /** Accepted, and not yet a Socket's, by what Node knows of them. */
  readonly #fresh = new WeakMap<object, ConnectionHandle>()

  constructor(bsd: MptcpBsd) {
    this.#bsd = bsd
  }

  /** A handle that is to connect. */
  connecting(socket: Socket): object {
    const handle = new ConnectionHandle(this.#bsd, false)
    this.#own(socket, handle)
    return handle.stream
  }

  /** False: it cannot, and the Server says so. */
  listen(server: Server, address: string | null, port: number): boolean {
    return ListeningHandle.under(server, this.#bsd, { address, port, plain: false }, (handle) => {
      this.#fresh.set(handle.stream, handle)
    })
  }

  /** A Socket that Node has made: whether it is over a handle of ours. */
  accepted(socket: Socket, stream: unknown): boolean {
    const handle =
      typeof stream === 'object' && stream !== null ? this.#fresh.get(stream) : undefined
    if (handle === undefined) return false
    this.#own(socket, handle)
    return true
  }

  handleOf(socket: Socket): ConnectionHandle | null {
    return this.#handles.get(socket) ?? null
  }

  #own(socket: Socket, handle: ConnectionHandle): void {
    this.#handles.set(socket, handle)
    handle.owner = socket
  }
}

/** It has 127.0.0.1 and ::1, which are its own and not the host's. */
export function loopbackProvider(): UserspaceProvider {
  const core = loadMptcpCoreSync({ memoryBytes: MEMORY_BYTES })
  const links = [new LoopbackLink()]
  // What is open keeps the process, and nothing else.
  const clock = new RealClock({ ref: false })
  return new UserspaceProvider(new MptcpBsd(new Stack({ links, clock, core })))
}
