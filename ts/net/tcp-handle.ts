// libuv's TCP handle, which Node's net puts under its sockets, and how it comes to speak MPTCP: libuv asks the host for a
// TCP socket only when the handle first connects or binds, unless it was given one before. Private to Node and as old as
// libuv in it; tried on Node 20, 22, 24 and 26.

import { Socket } from 'node:net'
import { AF_INET, AF_INET6 } from '../link/raw/libc.js'

type Call = (...words: unknown[]) => number

export interface TcpHandle {
  /** -1 = it has none yet. */
  readonly fd: number
  open(fd: number): number
  close(): void
  connect: Call
  connect6: Call
  bind: Call
  bind6: Call
}

/** The calls at which libuv wants a socket, each with the family that it is to be of. */
const WANTING = [
  ['connect', AF_INET],
  ['connect6', AF_INET6],
  ['bind', AF_INET],
  ['bind6', AF_INET6],
] as const

export type OpenSocket = (family: number) => number

/** Node's kind of handle that listens. */
const SERVER = 1
/** Nothing can be read before it is connected, and trying to is an error. */
const MANUAL = { manualStart: true }

export function isTcpHandle(handle: unknown): handle is TcpHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    handle.constructor.name === 'TCP' &&
    WANTING.every(([name]) => typeof Reflect.get(handle, name) === 'function')
  )
}

/** What a Socket, or a Server, has below it; null = nothing yet. */
export function handleOf(of: object): unknown {
  return (of as { _handle?: unknown })._handle ?? null
}

/**
 * From now on the handle, or every one of a prototype of them, is given what `open` gives: the descriptor of a socket, or
 * a negative number, and then libuv makes its own. The answer undoes it.
 */
export function giveSockets(
  to: TcpHandle,
  open: OpenSocket,
  close: (fd: number) => void,
): () => void {
  const undo: (() => void)[] = []
  for (const [name, family] of WANTING) {
    const own = to[name]
    const had = Object.hasOwn(to, name)
    to[name] = function (this: TcpHandle, ...words: unknown[]): number {
      if (this.fd < 0) {
        const fd = open(family)
        if (fd >= 0 && this.open(fd) !== 0) close(fd)
      }
      return own.apply(this, words)
    }
    undo.push(() => {
      if (had) to[name] = own
      else Reflect.deleteProperty(to, name)
    })
  }
  return () => {
    for (const each of undo) each()
  }
}

let prototype: TcpHandle | null = null

/** That of all of them, which nobody has published: Node makes one for a descriptor. Null = it has changed. */
export function tcpPrototype(open: OpenSocket): TcpHandle | null {
  if (prototype !== null) return prototype
  const fd = open(AF_INET)
  if (fd < 0) return null
  const carrier = new Socket({ fd, readable: true, writable: true, ...MANUAL })
  carrier.on('error', () => {})
  const handle = handleOf(carrier)
  if (isTcpHandle(handle)) prototype = Object.getPrototypeOf(handle) as TcpHandle
  carrier.destroy()
  return prototype
}

/** A handle that is to listen. */
export function listeningHandle(of: TcpHandle): TcpHandle {
  return new (of.constructor as new (kind: number) => TcpHandle)(SERVER)
}
