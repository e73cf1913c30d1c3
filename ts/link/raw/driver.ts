// The raw-socket package behind types: it is optional and native, so it is loaded when the first raw
// link opens. Its event emitter is passed by: we own the wrap (the C++ object) and drain it ourselves,
// because the package takes one packet a wakeup and starves queued sends while input is readable.

import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { codedError, errnoOf } from './errors.js'

/** SocketWrap of raw-socket 1.8: every call is synchronous and throws strerror's text. */
export interface RawSocketWrap {
  recv(buffer: Buffer, callback: (buffer: Buffer, bytes: number, source: string) => void): void
  send(
    buffer: Buffer,
    offset: number,
    length: number,
    address: string,
    callback: (bytes: number) => void,
  ): void
  setOption(level: number, option: number, value: number): void
  setOption(level: number, option: number, value: Buffer, length: number): void
  getOption(level: number, option: number, value: Buffer, length: number): number
  pause(receive: boolean, send: boolean): void
  close(): void
  on(event: 'recvReady' | 'error', listener: (error?: Error) => void): void
  removeAllListeners(): void
}

interface RawSocketModule {
  createSocket(options: { protocol: number; addressFamily: 1 | 2; bufferSize: number }): {
    wrap: RawSocketWrap
  }
}

const SOL_SOCKET = 1
const SO_BINDTODEVICE = 25
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SO_MARK = 36
const SO_MEMINFO = 55
const IPPROTO_IP = 0
const IP_HDRINCL = 3
const IPPROTO_IPV6 = 41
const IPV6_HDRINCL = 36
const SOL_RAW = 255
const ICMP_FILTER = 1
const SOL_ICMPV6 = 58
const ICMPV6_FILTER = 1

const PROTOCOL_ICMP = 1
const PROTOCOL_TCP = 6
const PROTOCOL_ICMPV6 = 58

/** What a burst may put in a socket before we are scheduled: 8 MB is 50 ms at 1 Gbit/s. */
const SOCKET_BUFFER_BYTES = 8 * 1024 * 1024

let driver: RawSocketModule | null = null

export function loadRawSocket(): RawSocketModule {
  if (!isMainThread) {
    throw codedError(
      'ERR_MPTCP_MAIN_THREAD',
      'raw links work on the main thread only (raw-socket polls on its event loop)',
    )
  }
  if (driver !== null) return driver
  try {
    driver = createRequire(import.meta.url)('raw-socket') as RawSocketModule
  } catch (cause) {
    throw codedError(
      'ERR_MPTCP_NO_RAW_SOCKET',
      'raw links need the package raw-socket, which is missing or not compiled: run ' +
        '`npm install raw-socket` (it needs python3, make and a C++ compiler, and npm 11 wants ' +
        '`npm install-scripts approve raw-socket`), or use another link',
      cause,
    )
  }
  return driver
}

// Measured: a wrap that nobody refers to is collected while it polls, and the process stops or crashes.
const held = new Set<RawSocketWrap>()

function createWrap(protocol: number, family: 4 | 6): RawSocketWrap {
  const module = loadRawSocket()
  try {
    const addressFamily = family === 4 ? 1 : 2
    const { wrap } = module.createSocket({ protocol, addressFamily, bufferSize: 1 })
    wrap.removeAllListeners()
    held.add(wrap)
    return wrap
  } catch (cause) {
    const code = errnoOf(cause)
    if (code === 'EPERM' || code === 'EACCES') {
      throw codedError(
        'EPERM',
        'raw links need the capabilities CAP_NET_RAW and CAP_NET_ADMIN: run as root, or ' +
          'use a link that needs none',
        cause,
      )
    }
    throw codedError(code, `cannot open a raw socket: ${(cause as Error).message}`, cause)
  }
}

/** Throws what opening a raw socket would throw. */
export function probeRawSocket(): void {
  closeWrap(createWrap(PROTOCOL_TCP, 4))
}

/** A raw TCP socket of one device, whose packets we write from the IP header on. */
export function openTcpWrap(family: 4 | 6, device: string, mark: number): RawSocketWrap {
  const wrap = createWrap(PROTOCOL_TCP, family)
  try {
    const name = Buffer.from(`${device}\0`)
    wrap.setOption(SOL_SOCKET, SO_BINDTODEVICE, name, name.length)
    if (family === 4) wrap.setOption(IPPROTO_IP, IP_HDRINCL, 1)
    else wrap.setOption(IPPROTO_IPV6, IPV6_HDRINCL, 1)
    wrap.setOption(SOL_SOCKET, SO_MARK, mark)
    enlarge(wrap)
    return wrap
  } catch (cause) {
    closeWrap(wrap)
    const reason = (cause as Error).message
    throw codedError(errnoOf(cause), `cannot set up a raw socket on ${device}: ${reason}`, cause)
  }
}

/**
 * A raw ICMP socket that is shown errors only. It is bound to no device: the error for a packet that
 * left by one path may come in by another, or from the host itself.
 */
export function openIcmpWrap(family: 4 | 6): RawSocketWrap {
  const wrap = createWrap(family === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6, family)
  try {
    if (family === 4) {
      // One bit a type, 1 = not shown: all but unreachable (3), exceeded (11), parameter problem (12).
      wrap.setOption(SOL_RAW, ICMP_FILTER, ~((1 << 3) | (1 << 11) | (1 << 12)) >>> 0)
    } else {
      const filter = Buffer.alloc(32, 0xff)
      // Shown: unreachable (1), packet too big (2), time exceeded (3), parameter problem (4).
      filter.writeUInt32LE(0xffffffe1, 0)
      wrap.setOption(SOL_ICMPV6, ICMPV6_FILTER, filter, filter.length)
    }
    return wrap
  } catch (cause) {
    closeWrap(wrap)
    throw codedError(errnoOf(cause), `cannot filter ICMP: ${(cause as Error).message}`, cause)
  }
}

function enlarge(wrap: RawSocketWrap): void {
  try {
    wrap.setOption(SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES)
    wrap.setOption(SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES)
  } catch {
    // A container may withhold it in spite of CAP_NET_ADMIN: slower under bursts, not broken.
  }
}

/** SK_MEMINFO_RMEM_ALLOC of SO_MEMINFO's nine words. */
const memoryInfo = Buffer.alloc(36)

/** Bytes of kernel memory that wait to be read, bookkeeping included; NaN if the kernel cannot say. */
export function waitingBytes(wrap: RawSocketWrap): number {
  try {
    wrap.getOption(SOL_SOCKET, SO_MEMINFO, memoryInfo, memoryInfo.length)
    return memoryInfo.readUInt32LE(0)
  } catch {
    return Number.NaN
  }
}

/** Closes once: afterwards the wrap must not be used, since it would quietly open itself again. */
export function closeWrap(wrap: RawSocketWrap): void {
  if (!held.delete(wrap)) return
  wrap.removeAllListeners()
  wrap.close()
}
