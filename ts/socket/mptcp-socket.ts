// MptcpSocket: a connection as a Duplex stream, in the manner of net.Socket, over the BSD calls. Writing
// waits when the send buffer is full, reading when nobody takes what came: the window then closes.

import { Duplex } from 'node:stream'
import type { Counters } from '../counters.js'
import { recordOf } from '../mptcp/close.js'
import type { Connection, SubflowRecord } from '../mptcp/connection.js'
import type { MptcpBsd } from './bsd.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E, mptcpErrnoName } from './constants.js'

/** One subflow, as `socket.subflows` shows it. */
export type MptcpSubflowInfo = SubflowRecord

/** What `socket.info` tells. Bytes at the data level, times in milliseconds. */
export interface MptcpConnectionInfo {
  state: string
  /** Several paths may be used; false = plain TCP. */
  multipath: boolean
  /** The counter that names why it is plain TCP; null if it is not, or was never to be MPTCP. */
  fallbackReason: string | null
  checksum: boolean
  /** Written by the application and DATA_ACKed by the peer. */
  bytesSent: number
  bytesReceived: number
  /** Written and not yet DATA_ACKed. */
  bytesUnacknowledged: number
  /** All that was written, and the end of it, is DATA_ACKed. */
  delivered: boolean
  /** Milliseconds of the stack's clock; null = not yet. */
  establishedAt: number | null
  /** When a DATA_ACK of either side last covered more payload. */
  dataAckedAt: number | null
  /** ECONNRESET, ETIMEDOUT …; null if all was well. */
  error: string | null
}

const NO_CONNECTION: MptcpConnectionInfo = {
  state: 'M_CLOSED',
  multipath: false,
  fallbackReason: null,
  checksum: false,
  bytesSent: 0,
  bytesReceived: 0,
  bytesUnacknowledged: 0,
  delivered: false,
  establishedAt: null,
  dataAckedAt: null,
  error: null,
}

/** Bytes asked of the stack at a time. */
const READ_BYTES = 64 * 1024

/**
 * A connection. Events as of net.Socket: 'connect', 'data', 'end', 'error' (with `code`: ECONNREFUSED,
 * ETIMEDOUT, ECONNRESET, EHOSTUNREACH …), 'close'; and 'subflows' when one came or went.
 */
export class MptcpSocket extends Duplex {
  readonly #bsd: MptcpBsd
  #fd: number
  #connected: boolean
  #wantsRead = false
  #pendingWrite: { chunk: Uint8Array; done: (error?: Error | null) => void } | null = null
  #pendingFinal: ((error?: Error | null) => void) | null = null
  /** The connection, once the descriptor is gone. */
  #last: Connection | null = null
  #ended = false
  #subflowCount = 0
  /** By the end of the stack, before all was said. */
  #isCutOff = false

  /** Not for users: made by MptcpStack.connect and MptcpServer. `fd` -1 = given later. */
  constructor(bsd: MptcpBsd, fd: number, connected: boolean) {
    super({
      allowHalfOpen: true,
      readableHighWaterMark: 256 * 1024,
      writableHighWaterMark: 256 * 1024,
    })
    this.#bsd = bsd
    this.#fd = -1
    this.#connected = connected
    if (fd >= 0) this.attach(fd)
  }

  /** Not for users: the descriptor is ready to be watched. */
  attach(fd: number): void {
    this.#fd = fd
    this.#bsd.setsockopt(fd, C.SOL_TCP, C.TCP_NODELAY, 1)
    this.#bsd.watch(fd, () => this.#happened())
  }

  /** Local address and port; undefined until they are known. */
  get localAddress(): string | undefined {
    return this.#bsd.getsockname(this.#fd)?.address
  }

  get localPort(): number | undefined {
    return this.#bsd.getsockname(this.#fd)?.port
  }

  get remoteAddress(): string | undefined {
    return this.#bsd.getpeername(this.#fd)?.address
  }

  get remotePort(): number | undefined {
    return this.#bsd.getpeername(this.#fd)?.port
  }

  get connecting(): boolean {
    return !this.#connected && !this.destroyed
  }

  /** Each subflow, also those that have ended (the last 32). */
  get subflows(): MptcpSubflowInfo[] {
    const connection = this.#connection()
    if (connection === null) return []
    return [...connection.ended, ...connection.subflows.map(recordOf)].sort((a, b) => a.id - b.id)
  }

  get info(): MptcpConnectionInfo {
    const connection = this.#connection()
    if (connection === null) return { ...NO_CONNECTION }
    const { snd } = connection
    const acknowledged = Math.min(snd.una, snd.end)
    return {
      state: connection.state,
      multipath: connection.mode === 'mptcp',
      fallbackReason: connection.fallbackReason,
      checksum: connection.checksum && connection.mode === 'mptcp',
      bytesSent: acknowledged - 1,
      bytesReceived: this.#received,
      bytesUnacknowledged: snd.end - acknowledged,
      delivered: snd.fin >= 0 && snd.una > snd.fin,
      establishedAt: connection.establishedAt < 0 ? null : connection.establishedAt,
      dataAckedAt: connection.dataAckedAt < 0 ? null : connection.dataAckedAt,
      error: connection.error,
    }
  }

  /** The stack's counters, under Linux's names. */
  get counters(): Counters {
    return this.#bsd.stack.counters
  }

  /** Nagle's algorithm is off from the start; `false` turns it on. */
  setNoDelay(noDelay = true): this {
    this.#bsd.setsockopt(this.#fd, C.SOL_TCP, C.TCP_NODELAY, noDelay ? 1 : 0)
    return this
  }

  /** Ends the connection at once, with MP_FASTCLOSE and RSTs. */
  resetAndDestroy(): this {
    this.#last = this.#connection()
    this.#bsd.abort(this.#fd)
    this.#fd = -1
    return this.destroy()
  }

  #received = 0

  #connection(): Connection | null {
    return this.#fd >= 0 ? this.#bsd.connectionOf(this.#fd) : this.#last
  }

  /** What a listener throws goes up; the rest of what is to be done is done when told again. */
  #happened(): void {
    let isDone = false
    try {
      this.#step()
      isDone = true
    } finally {
      if (!isDone && !this.destroyed) this.#bsd.tellAgain(this.#fd)
    }
  }

  /** Not for users: the stack is closed. True = something that was written, or came, is lost. */
  endWithStack(): boolean {
    if (this.destroyed) return this.#isCutOff
    const error = this.#connection()?.error ?? null
    const isWriting = this.#pendingWrite !== null || this.writableLength > 0
    this.#isCutOff = error !== null || this.connecting || isWriting
    // Whoever closed the stack is told by its answer; an 'error' that nobody listens to would end the process.
    const isHeard = this.#isCutOff && this.listenerCount('error') > 0
    this.destroy(isHeard ? socketError(E.ECONNABORTED, this) : undefined)
    return this.#isCutOff
  }

  #step(): void {
    if (this.destroyed) return
    if (this.#bsd.stack.closed) {
      this.endWithStack()
      return
    }
    const ready = this.#bsd.poll(this.#fd)
    if (!this.#connected && ready & (C.POLLOUT | C.POLLIN) && (ready & C.POLLERR) === 0) {
      this.#connected = true
      this.emit('connect')
      this.emit('ready')
      if (this.destroyed) return
    }
    // What came before the error is still read.
    if (ready & C.POLLERR && this.#bsd.readableBytes(this.#fd) === 0) {
      this.#fail()
      return
    }
    const count = this.#connection()?.subflows.length ?? 0
    if (count !== this.#subflowCount) {
      this.#subflowCount = count
      this.emit('subflows')
    }
    if (this.#wantsRead && ready & C.POLLIN) this.#readNow()
    if (this.destroyed) return
    if (this.#pendingWrite !== null && this.#connected) this.#writeNow()
    if (this.#pendingFinal !== null && this.#connected) this.#finalNow()
    if (ready & C.POLLHUP && !this.destroyed) this.#closeIfOver()
  }

  #fail(): void {
    const errno = this.#bsd.getsockopt(this.#fd, C.SOL_SOCKET, C.SO_ERROR)
    if (typeof errno === 'number' && errno !== 0) this.#destroyWith(errno)
  }

  /** The pending write is told as well, by `_destroy`. */
  #destroyWith(errno: number): void {
    this.destroy(socketError(errno, this))
  }

  /** As net: 'data' is never said from within a call of the user's. */
  override _read(): void {
    this.#wantsRead = true
    if (this.#fd < 0 || !this.#connected || this.#ended) return
    if (this.#bsd.poll(this.#fd) & C.POLLIN) this.#bsd.tellAgain(this.#fd)
  }

  #readNow(): void {
    while (this.#wantsRead && !this.#ended) {
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      const count = this.#bsd.read(this.#fd, buffer)
      if (count === -E.EAGAIN) return
      if (count < 0) {
        this.#destroyWith(-count)
        return
      }
      if (count === 0) {
        this.#ended = true
        this.push(null)
        return
      }
      this.#received += count
      // A small piece must not keep 64 KiB alive.
      const piece =
        count < READ_BYTES / 2 ? Buffer.from(buffer.subarray(0, count)) : buffer.subarray(0, count)
      if (!this.push(piece)) this.#wantsRead = false
    }
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#pendingWrite = { chunk, done }
    if (this.#fd >= 0 && this.#connected) this.#writeNow()
  }

  #writeNow(): void {
    const pending = this.#pendingWrite
    if (pending === null) return
    while (pending.chunk.length > 0) {
      const taken = this.#bsd.write(this.#fd, pending.chunk)
      if (taken === -E.EAGAIN) return
      if (taken < 0) {
        this.#pendingWrite = null
        pending.done(socketError(-taken, this))
        return
      }
      pending.chunk = pending.chunk.subarray(taken)
    }
    this.#pendingWrite = null
    pending.done()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#pendingFinal = done
    if (this.#fd >= 0 && this.#connected) this.#finalNow()
  }

  #finalNow(): void {
    const done = this.#pendingFinal
    this.#pendingFinal = null
    this.#bsd.shutdown(this.#fd, C.SHUT_WR)
    done?.()
  }

  /** The connection is over; what came before is still read. */
  #closeIfOver(): void {
    if (this.#ended) return
    if (this.#wantsRead) this.#readNow()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#fd >= 0) {
      this.#last = this.#bsd.connectionOf(this.#fd)
      // What was taken from the user and never reached the stack is lost: that must not look whole.
      if (this.#pendingWrite !== null || this.writableLength > 0) this.#bsd.abort(this.#fd)
      else this.#bsd.close(this.#fd)
      this.#fd = -1
    }
    const write = this.#pendingWrite
    this.#pendingWrite = null
    write?.done(error ?? socketError(E.ECONNABORTED, this))
    this.#pendingFinal?.(error)
    this.#pendingFinal = null
    done(error)
  }
}

/** An error as net's: `code`, and the peer in the message. */
export function socketError(errno: number, socket?: MptcpSocket): Error {
  const code = mptcpErrnoName(errno)
  const peer =
    socket?.remoteAddress === undefined ? '' : ` ${socket.remoteAddress}:${socket.remotePort}`
  return Object.assign(new Error(`${MEANINGS[code] ?? 'socket error'}${peer} (${code})`), {
    code,
    errno: -Math.abs(errno),
  })
}

const MEANINGS: Record<string, string> = {
  ECONNREFUSED: 'connection refused by',
  ECONNRESET: 'connection reset by',
  ETIMEDOUT: 'no answer from',
  EHOSTUNREACH: 'no route to',
  ENETUNREACH: 'no path of this stack reaches',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'not an address of this stack',
  EPIPE: 'the connection is closed',
  ECONNABORTED: 'connection aborted',
  ENOBUFS: 'no memory or port left',
  EINVAL: 'invalid argument',
  EAFNOSUPPORT: 'address family does not fit',
}
