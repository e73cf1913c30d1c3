// TCP Fast Open, RFC 7413: cookies of the server, the client's cache of them, and data in the SYN. Which
// data it is, and that it has no DSN, is MPTCP's business.

import { sipHashBytes } from '../siphash.js'
import { addressBytes, formatAddress, type IpAddress } from '../wire/address.js'
import type { FastOpenOption } from '../wire/segment.js'
import { MAX_OPTION_BYTES } from '../wire/tcp-options.js'
import { releaseAll } from './chunk-queue.js'
import type { Tcb } from './tcb.js'

/** Bits of the setting `fastOpen`, those of Linux's net.ipv4.tcp_fastopen. */
export const FAST_OPEN_CLIENT = 1
export const FAST_OPEN_SERVER = 2
/** Data in the SYN whether or not there is a cookie. */
export const FAST_OPEN_CLIENT_NO_COOKIE = 4
/** Data of a SYN is taken whether or not it has a cookie. */
export const FAST_OPEN_SERVER_NO_COOKIE = 0x200
/** Every listener, without asking for it by TCP_FASTOPEN. */
export const FAST_OPEN_ALL_LISTENERS = 0x400

/** What a socket may set: TCP_FASTOPEN, _KEY, _NO_COOKIE, _CONNECT. Shared with its listener. */
export interface FastOpenSettings {
  /** Most connections that wait for their third ACK; 0 = a listener takes no Fast Open. */
  queue: number
  /** 16 bytes, and 16 more of a backup; null = the stack's. */
  key: Uint8Array | null
  noCookie: boolean
  /** connect() waits for the first write where there is a cookie. */
  connect: boolean
}

export function createFastOpenSettings(): FastOpenSettings {
  return { queue: 0, key: null, noCookie: false, connect: false }
}

/** The first SYN, or SYN/ACK, of `tcb` will bear `option`. */
export function offerFastOpen(tcb: Tcb, option: FastOpenOption | null): void {
  tcb.fastOpen = { option, dataBytes: 0, accepted: false, dataTaken: false }
}

/** The SYN will carry `bytes` of the data that is queued. */
export function synCarries({ fastOpen }: Tcb, bytes: number): void {
  if (fastOpen !== null) fastOpen.dataBytes = bytes
}

/** The peer's SYN is taken with its data; what the SYN/ACK offers stays. */
export function acceptFastOpen(tcb: Tcb): void {
  const option = tcb.fastOpen?.option ?? null
  tcb.fastOpen = { option, dataBytes: 0, accepted: true, dataTaken: false }
}

/** All the data of the SYN, ours or the peer's, was taken. */
export function synDataTaken({ fastOpen }: Tcb): void {
  if (fastOpen !== null) fastOpen.dataTaken = true
}

/** The cookie of a client at `client` for this server, as Linux makes it: keys may be shared. */
export function makeCookie(key: Uint8Array, client: IpAddress, server: IpAddress): Uint8Array {
  const [from, to] = [addressBytes(client), addressBytes(server)]
  const path = new Uint8Array(from.length + to.length)
  path.set(from)
  path.set(to, from.length)
  return sipHashBytes(key, path)
}

/**
 * Bytes that a SYN may carry. Deviates: RFC 7413 §4.1.3.1 asks for the MSS of the earlier connection, or
 * 536 bytes; as Linux the path's own where none is known, less room for all options in both cases.
 */
export function synDataRoom(pathMss: number, cachedMss: number): number {
  const mss = cachedMss > 0 ? Math.min(pathMss, cachedMss) : pathMss
  return Math.max(0, mss - MAX_OPTION_BYTES)
}

/** What is known of one server (RFC 7413 §4.1.3). */
export interface CachedServer {
  cookie: FastOpenOption | null
  /** MSS of its last SYN/ACK; 0 = not known. */
  mss: number
  /** It ignored a request: once in RFC 7413's form, then in the older one; 2 = both. */
  ignored: 0 | 1 | 2
}

/** Bounded: servers that an application talks to; the one that was heard of least lately goes. */
const MAX_SERVERS = 1024

/** The client's cookies, by the pair of addresses. */
export class FastOpenCache {
  readonly #servers = new Map<string, CachedServer>()

  #key(local: IpAddress, remote: IpAddress): string {
    return `${formatAddress(local)} ${formatAddress(remote)}`
  }

  get(local: IpAddress, remote: IpAddress): CachedServer | null {
    return this.#servers.get(this.#key(local, remote)) ?? null
  }

  /** Notes a SYN/ACK; `cookie` null = it had none, `ignored` as in CachedServer. */
  set(
    local: IpAddress,
    remote: IpAddress,
    mss: number,
    cookie: FastOpenOption | null,
    ignored: 0 | 1 | 2,
  ): void {
    const key = this.#key(local, remote)
    const server = this.#servers.get(key) ?? { cookie: null, mss: 0, ignored: 0 }
    this.#servers.delete(key)
    if (mss > 0) server.mss = mss
    if (cookie !== null && cookie.cookie.length > 0) server.cookie = cookie
    else if (ignored > server.ignored && server.cookie === null) server.ignored = ignored
    this.#servers.set(key, server)
    if (this.#servers.size > MAX_SERVERS) {
      const [oldest] = this.#servers.keys()
      this.#servers.delete(oldest as string)
    }
  }

  get size(): number {
    return this.#servers.size
  }

  clear(): void {
    this.#servers.clear()
  }
}

/**
 * What the SYN says of Fast Open: the cookie, or the request for one, in the form that this server
 * answers to.
 */
export function optionForSyn(server: CachedServer | null): FastOpenOption {
  return server?.cookie ?? { cookie: new Uint8Array(0), experimental: server?.ignored === 1 }
}

/**
 * The SYN/ACK has not acknowledged all of the SYN's data: it goes again behind the handshake, as data
 * like any other (RFC 7413 §4.2.2). What is queued is given up, for the layer above to queue anew.
 */
export function dropUnackedSynData(tcb: Tcb): void {
  const { recovery, snd } = tcb
  releaseAll(tcb)
  snd.nxt = snd.una
  snd.end = snd.una
  recovery.phase = 'open'
  recovery.sackedBytes = 0
  recovery.sackedSegments = 0
  recovery.lostBytes = 0
  recovery.retransmitBytes = 0
  tcb.timers.retransmit = Number.POSITIVE_INFINITY
}
