// Drains one raw socket straight into the stack's staging memory and hands over batches. A raw socket
// is shown every TCP packet of the host on its device, so what is not ours is dropped here, by
// `Admission`, before it costs the stack anything.

import { BATCH_PACKETS, createPacketBatch, type PacketBatch } from '../link.js'
import { closeWrap, type RawSocketWrap, waitingBytes } from './driver.js'
import { errnoOf } from './errors.js'

/** Which packets of a socket are ours. */
export interface Admission {
  /** Bytes to leave free before what the socket gives: IPv6 sockets give no IP header. */
  readonly headroom: 0 | 40
  /** The length of the whole IP packet that now starts at `at`, or 0 if it is not ours. */
  admit(bytes: Uint8Array, at: number, received: number, source: string): number
}

export interface ReceiveStats {
  /** Packets handed over. */
  received: number
  /** Packets of others, dropped. */
  skipped: number
  /** Packets larger than `maxReceive`, dropped. */
  truncated: number
  /** Times that the event loop called. */
  wakes: number
  /** By errno name. */
  receiveErrors: Record<string, number>
}

/** Packets start at multiples of this, so that every view of staging can be made once. */
const STRIDE = 2048
/**
 * Kernel memory that an ordinary packet takes at most (an sk_buff and a page or two), so that reading
 * one packet for each of these rarely finds nothing. Measured: asking costs 0.55 µs, finding nothing
 * 4.3 µs (raw-socket throws), and a busy path has about two packets a wake.
 */
const PACKET_MEMORY = 8192
/** The largest packet is 65,535 bytes: one more shows that it was cut off. */
const ROOM = 65_536
/**
 * Bounded: wakes in a row that end in an error other than EAGAIN before the socket is given up, since
 * poll would call again at once and without end.
 */
const MAX_FAILED_WAKES = 1000

export class Receiver {
  readonly #wrap: RawSocketWrap
  readonly #admission: Admission
  readonly #stats: ReceiveStats
  #receive: (batch: PacketBatch) => void = () => {}
  #batch: PacketBatch
  /** #views[i] starts `headroom` behind the i-th multiple of STRIDE in staging. */
  #views: Buffer[] = []
  #failedWakes = 0
  #closed = false
  #deaf = false
  // What the callback of recv was told last.
  #bytes = 0
  #source = ''
  readonly #took = (_buffer: Buffer, bytes: number, source: string): void => {
    this.#bytes = bytes
    this.#source = source
  }

  constructor(wrap: RawSocketWrap, admission: Admission, stats: ReceiveStats) {
    this.#wrap = wrap
    this.#admission = admission
    this.#stats = stats
    this.#batch = createPacketBatch(new Uint8Array(0))
    // Until the link is opened the kernel keeps what arrives.
    wrap.pause(true, true)
  }

  open(receive: (batch: PacketBatch) => void, staging: Uint8Array): void {
    if (staging.length < ROOM + STRIDE) {
      throw new RangeError(`a raw link needs ${ROOM + STRIDE} bytes of staging`)
    }
    this.#receive = receive
    this.#batch = createPacketBatch(staging)
    this.#views = stagingViews(staging, this.#admission.headroom)
    this.#wrap.on('recvReady', () => this.#drain())
    this.#wrap.on('error', () => this.#pollFailed())
    this.#wrap.pause(false, true)
  }

  close(): void {
    this.#closed = true
    closeWrap(this.#wrap)
  }

  /** One wake, at most one batch: what is left makes the event loop call again, after others. */
  #drain(): void {
    const { headroom } = this.#admission
    const batch = this.#batch
    const stats = this.#stats
    batch.count = 0
    stats.wakes++
    let index = 0
    // Packets that may be read before asking again; the wake itself stands for one.
    let credit = 1
    for (let taken = 0; taken < BATCH_PACKETS && index < this.#views.length; taken++) {
      if (credit === 0) credit = this.#expected()
      if (credit-- === 0) break
      const view = this.#views[index]!
      if (!this.#take(view)) break
      if (this.#bytes >= view.length) {
        stats.truncated++
        continue
      }
      const at = index * STRIDE
      const length = this.#admission.admit(batch.bytes, at, this.#bytes, this.#source)
      if (length === 0) {
        stats.skipped++
        continue
      }
      batch.offset[batch.count] = at
      batch.length[batch.count] = length
      batch.count++
      index += Math.ceil((headroom + this.#bytes) / STRIDE)
    }
    if (batch.count === 0) return
    stats.received += batch.count
    this.#receive(batch)
  }

  /** Packets that can be read now without much fear of finding none. */
  #expected(): number {
    const waiting = waitingBytes(this.#wrap)
    if (waiting === 0) return 0
    return Number.isNaN(waiting) ? BATCH_PACKETS : Math.ceil(waiting / PACKET_MEMORY)
  }

  /** false: nothing more to read now. */
  #take(view: Buffer): boolean {
    try {
      this.#wrap.recv(view, this.#took)
      this.#failedWakes = 0
      return true
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'EAGAIN') this.#failedWakes = 0
      else this.#failed(code)
      return false
    }
  }

  /** Sending goes on: the socket stays open. */
  #giveUp(): void {
    this.#deaf = true
    if (!this.#closed) this.#wrap.pause(true, true)
  }

  /** libuv stops polling on an error condition of the socket; reading it clears it. */
  #pollFailed(): void {
    this.#failed('POLLERR')
    if (this.#closed || this.#deaf) return
    this.#take(this.#views[0]!)
    if (!this.#deaf) this.#wrap.pause(false, true)
  }

  #failed(code: string): void {
    const { receiveErrors } = this.#stats
    receiveErrors[code] = (receiveErrors[code] ?? 0) + 1
    if (++this.#failedWakes > MAX_FAILED_WAKES) this.#giveUp()
  }
}

function stagingViews(staging: Uint8Array, headroom: number): Buffer[] {
  const views: Buffer[] = []
  for (let at = 0; at + ROOM + headroom <= staging.length; at += STRIDE) {
    views.push(Buffer.from(staging.buffer, staging.byteOffset + at + headroom, ROOM))
  }
  return views
}
