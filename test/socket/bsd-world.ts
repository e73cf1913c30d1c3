// Two hosts whose applications speak BSD calls in virtual time, and the calls put together: a connection,
// a listener, an echo of errno names.

import { MptcpBsd } from '../../ts/socket/bsd.js'
import {
  MPTCP_CONSTANTS as C,
  MPTCP_ERRNO as E,
  mptcpErrnoName,
} from '../../ts/socket/constants.js'
import { finish, type World, type WorldOptions, world } from '../stack/world.js'

export const SERVER = '10.0.1.2'
export const PORT = 5000

export interface BsdWorld extends World {
  readonly a: MptcpBsd
  readonly b: MptcpBsd
}

export function bsdWorld(options: WorldOptions = {}): BsdWorld {
  const w = world(options)
  return { ...w, a: new MptcpBsd(w.client), b: new MptcpBsd(w.server) }
}

/** The errno's name for a negated errno, the number itself for anything else. */
export function named(result: number): number | string {
  return result < 0 ? mptcpErrnoName(result) : result
}

export function mptcpSocket(bsd: MptcpBsd): number {
  return bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
}

export function listen(bsd: MptcpBsd, port = PORT, backlog = 8, fd = mptcpSocket(bsd)): number {
  const bound = bsd.bind(fd, { address: '', port })
  const result = bound < 0 ? bound : bsd.listen(fd, backlog)
  if (result < 0) throw new Error(`cannot listen: ${mptcpErrnoName(result)}`)
  return fd
}

/** Runs until `condition` holds; fails if it does not within ten seconds of virtual time. */
export function until(w: BsdWorld, what: string, condition: () => boolean): void {
  if (!w.clock.runWhile(() => !condition(), 10_000)) throw new Error(`it never came: ${what}`)
}

export function connect(w: BsdWorld, fd = mptcpSocket(w.a), port = PORT): number {
  const result = w.a.connect(fd, { address: SERVER, port })
  if (result !== -E.EINPROGRESS) throw new Error(`cannot connect: ${mptcpErrnoName(result)}`)
  return fd
}

export function accept(w: BsdWorld, listener: number): number {
  until(w, 'a connection', () => (w.b.poll(listener) & C.POLLIN) !== 0)
  return w.b.accept(listener)
}

/** A connection that stands: descriptors of the client, the server and the listener. */
export function connected(
  w: BsdWorld,
  client = mptcpSocket(w.a),
  listening = mptcpSocket(w.b),
): { client: number; server: number; listener: number } {
  const listener = listen(w.b, PORT, 8, listening)
  connect(w, client)
  until(w, 'POLLOUT', () => (w.a.poll(client) & C.POLLOUT) !== 0)
  return { client, server: accept(w, listener), listener }
}

/** Reads until the end or EAGAIN. */
export function readAll(bsd: MptcpBsd, fd: number): { bytes: Buffer; end: number | string } {
  const pieces: Buffer[] = []
  for (;;) {
    const piece = Buffer.alloc(65_536)
    const count = bsd.read(fd, piece)
    if (count <= 0) return { bytes: Buffer.concat(pieces), end: named(count) }
    pieces.push(piece.subarray(0, count))
  }
}

/** Closes everything that is open, and holds both stacks to giving everything back. */
export function finishBsd(w: BsdWorld): void {
  for (const bsd of [w.a, w.b]) {
    for (let fd = 3; bsd.size > 0 && fd < 100; fd++) bsd.close(fd)
  }
  finish(w)
}
