// A connection of ours as a handle below Node's net.Socket, in the place of libuv's: what it does is what a TCP handle
// does, over the BSD calls. All that people know of net.Socket is Node's own.

import type { Socket } from 'node:net'
import type { Connection } from '../mptcp/connection.js'
import type { MptcpBsd } from './bsd.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import { createJsStream, type JsStream } from './js-stream.js'
import { ProcessHold } from './process-hold.js'
import { hostErrno, systemError } from './system-error.js'

/** Bytes asked of the stack at a time: Node copies them, so that one buffer does for all. */
const READ = Buffer.allocUnsafeSlow(64 * 1024)

interface ConnectRequest {
  oncomplete?: (
    status: number,
    handle: object,
    request: object,
    readable: boolean,
    writable: boolean,
  ) => void
}

interface Write {
  readonly request: object
  readonly buffers: Uint8Array[]
}

export class ConnectionHandle {
  readonly #bsd: MptcpBsd
  /** What Node's Socket is given. */
  readonly stream: JsStream
  /** The Socket above; null until it is known. */
  owner: Socket | null = null
  readonly #plain: boolean
  #fd: number
  #isConnected: boolean
  readonly #hold = new ProcessHold()
  #isReading = false
  /** The first read was asked for. */
  #isStarted = false
  #isEnded = false
  #isClosed = false
  #connecting: ConnectRequest | null = null
  /** Bounded: a Socket has one at a time, and what is above it likewise. */
  readonly #writes: Write[] = []
  #shutdown: object | null = null
  /** The connection, once the descriptor is gone. */
  #last: Connection | null = null
  #subflowCount = 0
  received = 0
  /** It was closed before the stack had taken all that was written. */
  isCutOff = false
  /** What it has ended with, and whoever reads is not told yet. */
  #failure = 0

  /** `fd`: that of an accepted connection; -1 = it is to connect. */
  constructor(bsd: MptcpBsd, plain: boolean, fd = -1) {
    this.#bsd = bsd
    this.#plain = plain
    this.#fd = fd
    this.#isConnected = fd >= 0
    this.stream = createJsStream()
    Object.assign(this.stream, this.#calls())
    // net's timeout looks whether a write goes on.
    Object.defineProperty(this.stream, 'writeQueueSize', { get: () => this.#unwritten() })
    if (fd >= 0) this.#watch()
  }

  /** What stands behind it, also when it is closed; null before connect(). */
  get connection(): Connection | null {
    return this.#fd >= 0 ? this.#bsd.connectionOf(this.#fd) : this.#last
  }

  get bsd(): MptcpBsd {
    return this.#bsd
  }

  /** Something that was written has not been taken by the stack. */
  get isWriting(): boolean {
    return this.#writes.length > 0
  }

  #calls(): object {
    const setting = (level: number, name: number, value: number): number =>
      this.#fd < 0 ? 0 : hostErrno0(this.#bsd.setsockopt(this.#fd, level, name, value))
    return {
      onreadstart: () => this.#readStart(),
      onreadstop: () => {
        this.#isReading = false
        return 0
      },
      onwrite: (request: object, buffers: readonly Uint8Array[]) => this.#write(request, buffers),
      onshutdown: (request: object) => this.#end(request),
      isClosing: () => this.#isClosed,
      connect: (request: object, address: string, port: number) =>
        this.#connect(request, address, port),
      connect6: (request: object, address: string, port: number) =>
        this.#connect(request, address, port),
      bind: (address: string, port?: number) => this.#bind(address, port),
      bind6: (address: string, port?: number) => this.#bind(address, port),
      getsockname: (out: object) => nameInto(out, this.#bsd.getsockname(this.#fd)),
      getpeername: (out: object) => nameInto(out, this.#bsd.getpeername(this.#fd)),
      setNoDelay: (enable: boolean) => setting(C.SOL_TCP, C.TCP_NODELAY, enable ? 1 : 0),
      setKeepAlive: (enable: boolean, seconds: number) => {
        if (enable && seconds > 0) setting(C.SOL_TCP, C.TCP_KEEPIDLE, seconds)
        return setting(C.SOL_SOCKET, C.SO_KEEPALIVE, enable ? 1 : 0)
      },
      ref: () => {
        this.#hold.isRef = true
      },
      unref: () => {
        this.#hold.isRef = false
      },
      hasRef: () => this.#hold.isRef,
      reset: (closed?: () => void) => this.#close(true, closed),
      close: (closed?: () => void) => this.#close(false, closed),
    }
  }

  #open(): number {
    if (this.#fd >= 0) return this.#fd
    const fd = this.#bsd.socket(
      this.#plain ? C.AF_INET6 : C.AF_MULTIPATH,
      C.SOCK_STREAM,
      this.#plain ? C.IPPROTO_TCP : C.IPPROTO_MPTCP,
    )
    if (fd < 0) return fd
    this.#fd = fd
    this.#watch()
    return fd
  }

  #watch(): void {
    // As ever: Nagle's algorithm is off from the start.
    this.#bsd.setsockopt(this.#fd, C.SOL_TCP, C.TCP_NODELAY, 1)
    this.#bsd.watch(this.#fd, () => this.#happened())
    this.#hold.isOpen = true
  }

  /** Node leaves the port out where it has none. */
  #bind(address: string, port = 0): number {
    const fd = this.#open()
    if (fd < 0) return hostErrno(fd)
    // Which port is free is known once it is known towards whom.
    if (port === 0) this.#bsd.setsockopt(fd, C.SOL_IP, C.IP_BIND_ADDRESS_NO_PORT, 1)
    return hostErrno0(this.#bsd.bind(fd, { address, port }))
  }

  #connect(request: ConnectRequest, address: string, port: number): number {
    const fd = this.#open()
    if (fd < 0) return hostErrno(fd)
    const result = this.#bsd.connect(fd, { address, port })
    if (result !== -E.EINPROGRESS) return hostErrno0(result)
    this.#connecting = request
    return 0
  }

  /** What a listener throws goes up; the rest of what is to be done is done when told again. */
  #happened(): void {
    let isDone = false
    try {
      this.#step()
      isDone = true
    } finally {
      if (!isDone && !this.#isClosed) this.#bsd.tellAgain(this.#fd)
    }
  }

  #step(): void {
    if (this.#isClosed || this.#failure !== 0) return
    if (this.#bsd.stack.closed) {
      this.#stackClosed()
      return
    }
    const ready = this.#bsd.poll(this.#fd)
    if (!this.#isConnected) {
      this.#stepOpening(ready)
      return
    }
    // Node has done so, unless a listener of 'connect' has thrown.
    if (!this.#isStarted) {
      this.#isStarted = true
      if (!this.#isReading && this.owner?.isPaused() === false) this.owner._read(0)
    }
    const count = this.connection?.subflows.length ?? 0
    if (count !== this.#subflowCount) {
      this.#subflowCount = count
      this.owner?.emit('subflows')
    }
    // What came before the error is still read.
    if (ready & C.POLLERR && this.#bsd.readableBytes(this.#fd) === 0) {
      this.#fail(Number(this.#bsd.getsockopt(this.#fd, C.SOL_SOCKET, C.SO_ERROR)))
      return
    }
    if (this.#isReading && ready & (C.POLLIN | C.POLLHUP)) this.#read()
    if (!this.#isClosed) this.#writeOn()
  }

  #stepOpening(ready: number): void {
    const request = this.#connecting
    if (request === null) return
    const isOver = (ready & (C.POLLERR | C.POLLHUP)) !== 0
    if (!isOver && (ready & C.POLLOUT) === 0) return
    this.#connecting = null
    const errno = Number(this.#bsd.getsockopt(this.#fd, C.SOL_SOCKET, C.SO_ERROR))
    const status = errno !== 0 ? hostErrno(errno) : 0
    this.#isConnected = status === 0
    request.oncomplete?.(status, this.stream, request, status === 0, status === 0)
    if (status === 0 && !this.#isClosed) this.#bsd.tellAgain(this.#fd)
  }

  #fail(errno: number): void {
    if (errno === 0 || this.#failure !== 0) return
    this.#failure = errno
    if (this.owner?.readableLength === 0) this.#tellFailure()
  }

  #tellFailure(): void {
    this.owner?.destroy(systemError(this.#failure, 'read'))
  }

  /** Its Socket has given something to whoever reads. */
  wasRead(): void {
    if (this.#failure === 0 || this.owner?.readableLength !== 0) return
    process.nextTick(() => this.#tellFailure())
  }

  /** As net: 'data' is never said from within a call of the user's. */
  #readStart(): number {
    this.#isReading = true
    if (this.#isConnected && !this.#isEnded && this.#fd >= 0) this.#bsd.tellAgain(this.#fd)
    return 0
  }

  #read(): void {
    while (this.#isReading && !this.#isEnded && !this.#isClosed) {
      const count = this.#bsd.read(this.#fd, READ)
      if (count === -E.EAGAIN) return
      // Its subflows have ended without a word of the data.
      if (count === -E.ENOTCONN) {
        this.#fail(E.ECONNRESET)
        return
      }
      if (count < 0) {
        this.#fail(-count)
        return
      }
      if (count === 0) {
        this.#isEnded = true
        this.stream.emitEOF()
        return
      }
      this.received += count
      this.stream.readBuffer(READ.subarray(0, count))
    }
  }

  #write(request: object, buffers: readonly Uint8Array[]): number {
    this.#writes.push({ request, buffers: buffers.slice() })
    if (this.#isConnected) this.#writeOn()
    return 0
  }

  #writeOn(): void {
    while (this.#writes.length > 0) {
      const { request, buffers } = this.#writes[0]!
      const status = this.#writeSome(buffers)
      if (status === -E.EAGAIN) return
      this.#writes.shift()
      process.nextTick(() => this.stream.finishWrite(request, hostErrno0(status)))
    }
    if (this.#shutdown !== null) this.#endNow(this.#shutdown)
  }

  #writeSome(buffers: Uint8Array[]): number {
    while (buffers.length > 0) {
      const taken = this.#bsd.write(this.#fd, buffers[0]!)
      if (taken < 0) return taken
      if (taken < buffers[0]!.length) buffers[0] = buffers[0]!.subarray(taken)
      else buffers.shift()
    }
    return 0
  }

  #unwritten(): number {
    return this.#writes
      .flatMap(({ buffers }) => buffers)
      .reduce((sum, { length }) => sum + length, 0)
  }

  #end(request: object): number {
    if (this.#writes.length > 0 || !this.#isConnected) this.#shutdown = request
    else this.#endNow(request)
    return 0
  }

  #endNow(request: object): void {
    this.#shutdown = null
    this.#bsd.shutdown(this.#fd, C.SHUT_WR)
    process.nextTick(() => this.stream.finishShutdown(request, 0))
  }

  /** The stack is closed under it: StackMembers asks its Socket, where it has one that knows. */
  #stackClosed(): void {
    const owner = this.owner as (Socket & { endWithStack?: () => boolean }) | null
    owner?.endWithStack?.()
  }

  #close(reset: boolean, closed?: () => void): number {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#hold.isOpen = false
      if (this.#fd >= 0) {
        this.#last = this.#bsd.connectionOf(this.#fd)
        // What was taken from the user and never reached the stack is lost: that must not look whole.
        this.isCutOff = this.#writes.length > 0
        if (reset || this.isCutOff) this.#bsd.abort(this.#fd)
        else this.#bsd.close(this.#fd)
        this.#fd = -1
      }
      this.#abandon()
    }
    setImmediate(() => closed?.())
    return 0
  }

  /** What was asked of it and is not done never will be. */
  #abandon(): void {
    const status = hostErrno(E.ECANCELED)
    for (const { request } of this.#writes.splice(0)) {
      process.nextTick(() => this.stream.finishWrite(request, status))
    }
    const shutdown = this.#shutdown
    this.#shutdown = null
    if (shutdown !== null) process.nextTick(() => this.stream.finishShutdown(shutdown, status))
  }
}

/** net's resetAndDestroy(), which Node does for handles of libuv alone: at once, or when it is connected. */
export function resetSocket(socket: Socket): void {
  if (socket.connecting) socket.once('connect', () => resetSocket(socket))
  else {
    Object.assign(socket, { resetAndClosing: true })
    socket.destroy()
  }
}

/** 0 for what went well, else the host's errno, negated. */
function hostErrno0(result: number): number {
  return result >= 0 ? 0 : hostErrno(result)
}

function nameInto(out: object, name: { address: string; port: number } | null): number {
  if (name === null) return hostErrno(E.ENOTCONN)
  const family = name.address.includes(':') ? 'IPv6' : 'IPv4'
  Object.assign(out, { address: name.address, family, port: name.port })
  return 0
}
