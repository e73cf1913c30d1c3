// The few calls of libc that Node does not offer, through the optional package koffi.

import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { type IpAddress, writeAddress } from '../../wire/address.js'
import { codedError } from './errors.js'

export interface Libc {
  /** Each returns -1 on error; `errno` then names it. */
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  listen(fd: number, backlog: number): number
  connect(fd: number, address: Uint8Array, length: number): number
  close(fd: number): number
  dup(fd: number): number
  /** `length` holds the size of `value`, and then how much of it was written. */
  getsockopt(
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: Uint32Array,
  ): number
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number
  /** Name of the last error of the calling thread, e.g. `EADDRINUSE`. */
  errno(): string
}

interface Koffi {
  load(path: string | null): { func(definition: string): (...args: unknown[]) => number }
  errno(): number
}

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))
// One number has two names.
NAMES.set(constants.errno.EAGAIN, 'EAGAIN')

let libc: Libc | null | undefined

/** null where koffi is not installed. */
export function loadLibc(): Libc | null {
  if (libc !== undefined) return libc
  libc = null
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    // The process itself: its libc, whatever it is called.
    const process = koffi.load(null)
    const option = 'int fd, int level, int option'
    libc = {
      socket: process.func('int socket(int family, int type, int protocol)'),
      bind: process.func('int bind(int fd, const uint8_t *address, uint32_t length)'),
      listen: process.func('int listen(int fd, int backlog)'),
      connect: process.func('int connect(int fd, const uint8_t *address, uint32_t length)'),
      close: process.func('int close(int fd)'),
      dup: process.func('int dup(int fd)'),
      getsockopt: process.func(
        `int getsockopt(${option}, _Out_ uint8_t *value, _Inout_ uint32_t *length)`,
      ),
      setsockopt: process.func(`int setsockopt(${option}, const uint8_t *value, uint32_t length)`),
      errno: () => NAMES.get(koffi.errno()) ?? `errno ${koffi.errno()}`,
    }
  } catch {
    // Absent, or without a binary for this machine.
  }
  return libc
}

/** loadLibc, or the error that says what to do. */
export function needLibc(what: string): Libc {
  const loaded = loadLibc()
  if (loaded !== null) return loaded
  throw codedError(
    'ERR_MPTCP_NO_KOFFI',
    `${what} the package koffi, which is missing: run \`npm install koffi\``,
  )
}

/** struct sockaddr_in or sockaddr_in6. */
export function socketAddress(address: IpAddress, port: number): Uint8Array {
  const bytes = new Uint8Array(address.family === 4 ? 16 : 28)
  const view = new DataView(bytes.buffer)
  // sa_family_t is in host order; every platform of Node 20 that Linux runs on but s390x is little-endian.
  new Uint16Array(bytes.buffer, 0, 1)[0] = address.family === 4 ? AF_INET : AF_INET6
  view.setUint16(2, port)
  writeAddress(address, bytes, address.family === 4 ? 4 : 8)
  return bytes
}
