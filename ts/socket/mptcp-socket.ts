// MptcpSocket: a connection as Node's own net.Socket, over a handle of ours in the place of libuv's, with what MPTCP has
// to tell. Arguments, events, their order, errors and timeouts are Node's.

import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Counters } from '../counters.js'
import { recordOf } from '../mptcp/close.js'
import type { Connection, SubflowRecord } from '../mptcp/connection.js'
import type { MptcpBsd } from './bsd.js'
import { ConnectionHandle, resetSocket } from './connection-handle.js'
import { MPTCP_ERRNO as E } from './constants.js'
import type { JsStream } from './js-stream.js'
import { systemError } from './system-error.js'

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

/** What a Socket has as its `_handle`. Private to Node, and so old that half of npm relies on it. */
interface Handled {
  _handle: object | null
}

/** Options of net.Socket, and ours. */
export interface MptcpSocketOptions extends SocketConstructorOpts {
  /** Plain TCP. */
  plain?: boolean
}

/** The handle of a Socket, also when it is closed. */
const handles = new WeakMap<Socket, ConnectionHandle>()
/** What a Socket that has none yet is to have. */
const makers = new WeakMap<Socket, () => ConnectionHandle>()

/**
 * A connection: a net.Socket. Beyond it: `info`, `subflows`, `isMultipath`, `fallbackReason`, `counters`, and the event
 * 'subflows' when one came or went.
 */
export class MptcpSocket extends Socket {
  /** Not for users: made by MptcpStack.connect. Those that are accepted are adopted by MptcpServer. */
  constructor(bsd: MptcpBsd, { plain = false, ...options }: MptcpSocketOptions = {}) {
    super(options)
    makers.set(this, () => new ConnectionHandle(bsd, plain))
  }

  /** Node makes a handle of its own for each attempt to connect: ours takes its place. */
  get _handle(): object | null {
    return (Reflect.get(Socket.prototype, '_handle', this) as object | null) ?? null
  }

  set _handle(handle: object | null) {
    const make = makers.get(this)
    let taken = handle
    if (handle !== null && make !== undefined && !isOurs(handle)) {
      ;(handle as { close?: () => void }).close?.()
      const made = make()
      adopt(this, made)
      taken = made.stream
    }
    Reflect.set(Socket.prototype, '_handle', taken, this)
  }

  /** Node's: what was read already, and nobody has taken yet, comes before the error. */
  override read(size?: number): unknown {
    const piece = super.read(size)
    handles.get(this)?.wasRead()
    return piece
  }

  /** Node's, under _write() and _writev(): what the stack has not taken when it is destroyed was not written. */
  _writeGeneric(
    writev: boolean,
    data: unknown,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    const told = (error?: Error | null): void => {
      const isLost = !error && handles.get(this)?.isCutOff === true
      done(isLost ? systemError(E.ECONNABORTED, 'write') : error)
    }
    const own = Reflect.get(Socket.prototype, '_writeGeneric') as (...words: unknown[]) => void
    own.call(this, writev, data, encoding, told)
  }

  /** More than one path may be used; false = plain TCP, or not connected yet. */
  get isMultipath(): boolean {
    return connectionOf(this)?.mode === 'mptcp'
  }

  /** The counter that names why it is plain TCP; null if it is not, or was never to be MPTCP. */
  get fallbackReason(): string | null {
    return connectionOf(this)?.fallbackReason ?? null
  }

  /** Each subflow, also those that have ended (the last 32). */
  get subflows(): MptcpSubflowInfo[] {
    const connection = connectionOf(this)
    if (connection === null) return []
    return [...connection.ended, ...connection.subflows.map(recordOf)].sort((a, b) => a.id - b.id)
  }

  get info(): MptcpConnectionInfo {
    const connection = connectionOf(this)
    if (connection === null) return { ...NO_CONNECTION }
    const { snd } = connection
    const acknowledged = Math.min(snd.una, snd.end)
    return {
      state: connection.state,
      multipath: connection.mode === 'mptcp',
      fallbackReason: connection.fallbackReason,
      checksum: connection.checksum && connection.mode === 'mptcp',
      bytesSent: acknowledged - 1,
      bytesReceived: handles.get(this)?.received ?? 0,
      bytesUnacknowledged: snd.end - acknowledged,
      delivered: snd.fin >= 0 && snd.una > snd.fin,
      establishedAt: connection.establishedAt < 0 ? null : connection.establishedAt,
      dataAckedAt: connection.dataAckedAt < 0 ? null : connection.dataAckedAt,
      error: connection.error,
    }
  }

  /** The stack's counters, under Linux's names; of a socket that has no connection yet null. */
  get counters(): Counters | null {
    return handles.get(this)?.bsd.stack.counters ?? null
  }

  /** Ends the connection at once, with MP_FASTCLOSE and RSTs; one that is connecting, once it is. */
  override resetAndDestroy(): this {
    const { _handle } = this as Handled
    if (_handle === null || !isOurs(_handle)) return super.resetAndDestroy()
    resetSocket(this)
    return this
  }

  /** Not for users: the stack is closed. True = something that was written, or came, is lost. */
  endWithStack(): boolean {
    if (this.destroyed) return cutOff.has(this)
    const isWriting = handles.get(this)?.isWriting === true || this.writableLength > 0
    const isCutOff = (connectionOf(this)?.error ?? null) !== null || this.connecting || isWriting
    if (isCutOff) cutOff.add(this)
    // Whoever closed the stack is told by its answer; an 'error' that nobody listens to would end the process.
    const isHeard = isCutOff && this.listenerCount('error') > 0
    this.destroy(isHeard ? systemError(E.ECONNABORTED, 'read') : undefined)
    return isCutOff
  }
}

/** Sockets that ended with their stack before all was said. */
const cutOff = new WeakSet<Socket>()

function connectionOf(socket: Socket): Connection | null {
  return handles.get(socket)?.connection ?? null
}

function isOurs(handle: object): boolean {
  return typeof (handle as Partial<JsStream>).readBuffer === 'function'
}

/** The Socket that Node has made over a handle of ours is a MptcpSocket from now on. */
export function adopt(socket: Socket, handle: ConnectionHandle): MptcpSocket {
  handles.set(socket, handle)
  handle.owner = socket
  if (!(socket instanceof MptcpSocket)) Object.setPrototypeOf(socket, MptcpSocket.prototype)
  return socket as MptcpSocket
}
