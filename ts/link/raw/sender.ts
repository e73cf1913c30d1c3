// Sends whole IP packets of one family through one raw socket: now, or not at all. The next hop of each
// destination is looked up once and remembered.

import type { IpAddress } from '../../wire/address.js'
import { readAddress4, readAddress6 } from '../../wire/address.js'
import { readI32 } from '../../wire/big-endian.js'
import type { Frame } from '../link.js'
import type { RawSocketWrap } from './driver.js'
import { errnoOf } from './errors.js'
import type { RoutingTable } from './routes.js'

export interface SendStats {
  sent: number
  /** Packets not sent, by errno name. */
  sendErrors: Record<string, number>
}

export interface SenderOptions {
  wrap: RawSocketWrap
  family: 4 | 6
  mtu: number
  gateway: string | null
  routes: RoutingTable
  stats: SendStats
}

/** Bounded: next hops remembered; a server that is flooded from forged sources must not grow. */
const KNOWN_HOPS = 4096

export class Sender {
  readonly #options: SenderOptions
  #routes: RoutingTable
  #mtu: number
  #hops = new Map<number | string, string>()
  // The destination of the last packet: nearly always the next one's as well.
  #w0 = 0
  #w1 = 0
  #w2 = 0
  #w3 = 0
  #hop = ''
  // A Buffer over all of the core's memory, made once: memory never grows.
  #memory: ArrayBufferLike | null = null
  #view: Buffer = Buffer.alloc(0)
  readonly #sent = (): void => {}

  constructor(options: SenderOptions) {
    this.#options = options
    this.#routes = options.routes
    this.#mtu = options.mtu
  }

  /** What the host says now; the next hops that were remembered are forgotten. */
  update(routes: RoutingTable, mtu: number): void {
    this.#routes = routes
    this.#mtu = mtu
    this.#hops.clear()
    this.#hop = ''
  }

  send(frame: Frame): boolean {
    const { wrap, stats } = this.#options
    // The kernel would say so too, but with an exception, at 4 µs each.
    if (frame.length > this.#mtu) return this.#dropped('EMSGSIZE')
    const { bytes } = frame
    if (bytes.buffer !== this.#memory) {
      this.#memory = bytes.buffer
      this.#view = Buffer.from(bytes.buffer)
    }
    const hop = this.#nextHop(bytes, frame.offset)
    try {
      wrap.send(this.#view, bytes.byteOffset + frame.offset, frame.length, hop, this.#sent)
      stats.sent++
      return true
    } catch (error) {
      return this.#dropped(errnoOf(error))
    }
  }

  #dropped(code: string): false {
    const { sendErrors } = this.#options.stats
    sendErrors[code] = (sendErrors[code] ?? 0) + 1
    return false
  }

  #nextHop(bytes: Uint8Array, at: number): string {
    if (this.#options.family === 4) {
      const w3 = readI32(bytes, at + 16)
      if (this.#hop !== '' && w3 === this.#w3) return this.#hop
      this.#w3 = w3
      this.#hop = this.#hops.get(w3) ?? this.#resolve(w3, readAddress4(bytes, at + 16))
      return this.#hop
    }
    const w0 = readI32(bytes, at + 24)
    const w1 = readI32(bytes, at + 28)
    const w2 = readI32(bytes, at + 32)
    const w3 = readI32(bytes, at + 36)
    const same = w3 === this.#w3 && w2 === this.#w2 && w1 === this.#w1 && w0 === this.#w0
    if (this.#hop !== '' && same) return this.#hop
    this.#w0 = w0
    this.#w1 = w1
    this.#w2 = w2
    this.#w3 = w3
    const key = `${w0}.${w1}.${w2}.${w3}`
    this.#hop = this.#hops.get(key) ?? this.#resolve(key, readAddress6(bytes, at + 24))
    return this.#hop
  }

  #resolve(key: number | string, destination: IpAddress): string {
    const hop = this.#routes.nextHop(destination, this.#options.gateway)
    if (this.#hops.size >= KNOWN_HOPS) this.#hops.clear()
    this.#hops.set(key, hop)
    return hop
  }
}
