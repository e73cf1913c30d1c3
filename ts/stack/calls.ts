// What may be done to a connection from above: RFC 9293 §3.9.1's calls, at the data level. Each sees to what
// follows from it (the window that a read opens, the turn in which it is acted on), so that nobody above has to
// know the order, or may forget a step.

import type { Clock } from '../clock.js'
import {
  abort,
  closeSendingData,
  isReleased,
  releaseReceiving,
  shutReceiving,
} from '../mptcp/close.js'
import {
  type Connection,
  dataAck,
  type Notify,
  readableBytes,
  receivedEnd,
} from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import { adjustBuffer, oweWindowUpdate, peek, read } from '../mptcp/receive-queue.js'
import { append, endRecord, isStarved, sendRoom } from '../mptcp/send-queue.js'
import type { MptcpCongestionAlgorithm } from '../tcp/congestion/congestion-control.js'
import { changeAlgorithm } from '../tcp/congestion/tell.js'
import { setQuickAcks } from '../tcp/receive.js'
import type { TcpSettings } from '../tcp/settings.js'
import { lowerMss } from '../tcp/window.js'
import type { IpAddress } from '../wire/address.js'
import { type ActiveOpenOptions, activeOpen, hasFastOpenCookie } from './active-open.js'
import type { Agenda } from './agenda.js'

/** What a write says beside its bytes. */
export interface WriteFlags {
  /** More follows at once: a piece below a full segment waits for it (MSG_MORE). */
  more?: boolean
  /** The bytes end a record (MSG_EOR). */
  endsRecord?: boolean
}

/** What an application sets on a connection, beside the settings of TCP that it shares with it. */
export interface ConnectionSettings {
  noDelay: boolean
  cork: boolean
  sendBuffer: number
  receiveBuffer: number
  tcp: TcpSettings
}

export class Calls {
  readonly #context: Context
  readonly #clock: Clock
  readonly #agenda: Agenda

  constructor(context: Context, clock: Clock, agenda: Agenda) {
    this.#context = context
    this.#clock = clock
    this.#agenda = agenda
  }

  // ---------------------------------------------------------------- opening, and whose it is

  /** Starts a connection; null when ports ran out. The SYN leaves with the next turn. */
  connect(
    remote: IpAddress,
    remotePort: number,
    options: ActiveOpenOptions,
    owner: Notify,
  ): Connection | null {
    const connection = activeOpen(this.#context, remote, remotePort, options, this.#clock.now())
    if (connection === null) return null
    this.#agenda.adopt(connection, null)
    this.own(connection, owner)
    this.#agenda.touch(connection)
    return connection
  }

  /** Whether a SYN to `remote` may carry data: a cookie of its is known. */
  hasFastOpenCookie(remote: IpAddress, local: IpAddress | null): boolean {
    return hasFastOpenCookie(this.#context, remote, local)
  }

  /** Who is told of its events from now on; null = nobody any more. */
  own(connection: Connection, owner: Notify | null): void {
    this.#agenda.own(connection, owner)
  }

  /**
   * As `own`, for one that waited to be accepted. What reset it before anyone had it is nobody's error: it is
   * only over.
   */
  accept(connection: Connection, owner: Notify): void {
    if (connection.mode === 'mptcp' && connection.state === 'M_CLOSED') connection.error = null
    this.own(connection, owner)
  }

  /** The owner is told once more that there may be something to read or room to write. */
  tellAgain(connection: Connection): void {
    this.#agenda.tellAgain(connection)
  }

  // ---------------------------------------------------------------- data

  /** Copies data that is in order to `target`: the number of bytes. */
  read(connection: Connection, target: Uint8Array): number {
    const { rcv } = connection
    // Nothing has come, or nothing more will.
    if (rcv.queue === 0) return 0
    const count = read(this.#context, connection, target)
    if (count === 0) return 0
    if (isReleased(connection)) {
      // A closed connection keeps its memory only until its last byte was read.
      if (this.readableBytes(connection) > 0) return count
      releaseReceiving(this.#context, connection)
      this.#agenda.touch(connection)
      return count
    }
    adjustBuffer(this.#context, connection, this.#clock.now())
    oweWindowUpdate(this.#context, connection)
    if (rcv.windowOwed) this.#agenda.touch(connection)
    return count
  }

  /** As `read`, and leaves the bytes where they are. */
  peek(connection: Connection, target: Uint8Array): number {
    return connection.rcv.queue === 0 ? 0 : peek(this.#context, connection, target)
  }

  /** Bytes that `read` would give now. */
  readableBytes(connection: Connection): number {
    return readableBytes(this.#context, connection)
  }

  /**
   * Takes bytes for sending: their number, fewer than offered where the buffer, or memory, is full; the owner
   * is told when there is room again.
   */
  write(connection: Connection, bytes: Uint8Array, flags: WriteFlags = {}): number {
    const { snd } = connection
    if (snd.released) return 0
    const taken = append(this.#context, connection, bytes)
    if (taken > 0) {
      snd.more = flags.more ?? false
      snd.moreSince = snd.una
      if (flags.endsRecord && taken === bytes.length) endRecord(connection)
      this.#agenda.touch(connection)
    }
    if (taken < bytes.length) this.awaitRoom(connection)
    return taken
  }

  /** The owner is told when there is room to write. */
  awaitRoom(connection: Connection): void {
    connection.wantsWrite = true
  }

  /** Bytes that `write` would take now. */
  sendRoom(connection: Connection): number {
    return isStarved(this.#context, connection) ? 0 : sendRoom(connection)
  }

  /** What a cork or MSG_MORE held goes now. */
  push(connection: Connection): void {
    connection.snd.pushed = connection.snd.end
    this.#agenda.touch(connection)
  }

  /** The data that has come in order, and the DATA_ACK that says so: offsets. */
  received(connection: Connection): { end: number; dataAck: number } {
    return {
      end: receivedEnd(this.#context, connection),
      dataAck: dataAck(this.#context, connection),
    }
  }

  // ---------------------------------------------------------------- ending

  /** The application has written all: the DATA_FIN (in plain TCP the FIN) comes behind what is queued. */
  shutSending(connection: Connection): void {
    closeSendingData(connection)
    this.#agenda.touch(connection)
  }

  /** The application will not read any more: what comes is acknowledged and dropped. */
  shutReceiving(connection: Connection): void {
    shutReceiving(this.#context, connection)
    this.#agenda.touch(connection)
  }

  /**
   * The application lets go of it: what was written is still delivered. One that is only being opened is
   * called off.
   */
  close(connection: Connection): void {
    if (connection.state === 'M_INIT') abort(connection, null)
    else if (connection.state !== 'M_CLOSED') closeSendingData(connection)
    this.#letGo(connection)
  }

  /** The application lets go of it, and it ends at once: MP_FASTCLOSE, RSTs. */
  abort(connection: Connection): void {
    abort(connection, null)
    this.#letGo(connection)
  }

  #letGo(connection: Connection): void {
    connection.detached = true
    this.shutReceiving(connection)
  }

  // ---------------------------------------------------------------- settings

  /** Takes over what the application has set; `settings.tcp` stays shared. */
  set(connection: Connection, settings: ConnectionSettings): void {
    const { snd, rcv } = connection
    const goesOn = snd.noDelay !== settings.noDelay || settings.tcp.keepAlive
    snd.noDelay = settings.noDelay
    snd.cork = settings.cork
    snd.bufferBytes = settings.sendBuffer
    rcv.bufferMost = settings.receiveBuffer
    rcv.buffer = Math.min(rcv.buffer, settings.receiveBuffer)
    if (settings.tcp.maxSegment > 0) {
      for (const { tcb } of connection.subflows) lowerMss(tcb, settings.tcp.maxSegment)
    }
    if (goesOn) this.#agenda.touch(connection)
  }

  /** The ACKs of its subflows leave at once from now on, or may wait. */
  setQuickAcks(connection: Connection, on: boolean): void {
    for (const { tcb } of connection.subflows) setQuickAcks(tcb, on)
    this.#agenda.touch(connection)
  }

  /** Its subflows go on under another congestion control. */
  setCongestion(connection: Connection, algorithm: MptcpCongestionAlgorithm): void {
    const tcbs = connection.subflows.map(({ tcb }) => tcb)
    changeAlgorithm(connection.congestion, algorithm, tcbs)
  }
}
