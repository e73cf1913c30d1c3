// What stands on a path of a soak and meddles: it cuts packets short, sends old ones again, and slips in what
// a stranger could make who sees no traffic: sequence numbers far outside the window, keys and tokens that he
// made up. None of it may show at either end.

import { SeededRandom } from '../../ts/random.js'
import { emitIcmp } from '../../ts/wire/icmp.js'
import { emitIp, PROTOCOL_ICMP, PROTOCOL_ICMPV6, parseIp } from '../../ts/wire/ip.js'
import {
  ADD_ADDR,
  MP_CAPABLE,
  MP_FASTCLOSE,
  MP_JOIN,
  type MptcpOption,
} from '../../ts/wire/mptcp-options.js'
import { ACK, FIN, PSH, RST, type Segment, SYN } from '../../ts/wire/segment.js'
import { parseSegment } from '../../ts/wire/tcp.js'
import { resized, rewritten } from '../harness/forged-packets.js'
import type { Meddling } from './random-world.js'

/** Bounded: packets that can come again. */
const MAX_HISTORY = 64
const HALF_OF_THE_NUMBERS = 2 ** 31
const MAX_NOISE_BYTES = 1400

export class Meddler {
  readonly #random: SeededRandom
  readonly #asked: Meddling
  readonly #history: Uint8Array[] = []
  #next = 0

  /** One for each direction of a path. */
  constructor(seed: number, asked: Meddling) {
    this.#random = new SeededRandom(seed)
    this.#asked = asked
  }

  readonly box = (packet: Uint8Array): Uint8Array[] => {
    const { truncate = 0, replay = 0, inject = 0 } = this.#asked
    // Whatever happens, a packet takes as many numbers: without one of the three the others stay as they are.
    const [cutShort, again, stranger] = [this.#float(), this.#float(), this.#float()]
    const forge = this.#random.uint32()
    const old = this.#history[forge % Math.max(1, this.#history.length)]
    const passed = [cutShort < truncate ? this.#truncated(packet, forge) : packet]
    if (again < replay && old !== undefined) passed.push(old.slice())
    if (stranger < inject) passed.push(...this.#forged(packet, forge))
    this.#history[this.#next++ % MAX_HISTORY] = packet.slice()
    return passed
  }

  #float(): number {
    return this.#random.float()
  }

  #truncated(packet: Uint8Array, draw: number): Uint8Array {
    const kept = packet.slice(0, 1 + (draw % packet.length))
    const ip = packet[0]! >> 4
    // The headers of IP say what is left of it, or what there was.
    if ((draw & 0x8000_0000) !== 0 && kept.length >= 40) {
      if (ip === 6) new DataView(kept.buffer).setUint16(4, kept.length - 40)
    }
    return kept
  }

  /** What a stranger makes who knows that this connection exists, or nothing where there is none. */
  #forged(packet: Uint8Array, draw: number): Uint8Array[] {
    const ip = parseIp(packet, 0, packet.length)
    const segment = ip === null ? null : parseSegment(packet, ip)
    if (segment === null || (segment.flags & SYN) !== 0) return [this.#noise(draw)]
    const kind = draw % 10
    const blind = (flags: number): Uint8Array =>
      rewritten(packet, (forged) => {
        this.#loseTrack(forged)
        forged.flags = flags
      })
    switch (kind) {
      case 0:
        return [resized(blind(RST), 0)]
      case 1:
        return [resized(blind(SYN), 0)]
      case 2:
        return [resized(blind(FIN | ACK), 0)]
      case 3:
        return [blind(PSH | ACK)]
      case 4:
        return [this.#withOption(packet, () => this.#join(draw))]
      case 5:
        return [this.#withOption(packet, () => this.#announcement(ip!.source.family))]
      case 6:
        return [this.#withOption(packet, () => this.#fastClose())]
      case 7:
        return [this.#complaint(packet, draw)]
      case 8:
        return [this.#withOption(packet, () => this.#capable())]
      default:
        return [this.#noise(draw)]
    }
  }

  /** Half of the numbers away from what is expected: what a guess nearly always is, and this always. */
  #loseTrack(segment: Segment): void {
    // Apart, as two guesses: a SYN cookie is the sum of a secret and the peer's number.
    const far = (): number => HALF_OF_THE_NUMBERS + this.#random.below(2 ** 20)
    segment.sequence = (segment.sequence + far()) >>> 0
    segment.acknowledgment = (segment.acknowledgment + far()) >>> 0
    segment.options.timestampValue = null
    segment.options.sack = null
    segment.options.mptcp = []
  }

  /** A SYN with MP_JOIN or MP_CAPABLE from another port, or an ACK with any other, outside the window. */
  #withOption(packet: Uint8Array, make: () => MptcpOption): Uint8Array {
    return rewritten(resized(packet, 0), (segment) => {
      this.#loseTrack(segment)
      const option = make()
      const opens = option.subtype === MP_JOIN || option.subtype === MP_CAPABLE
      segment.flags = opens ? SYN : ACK
      if (opens) segment.sourcePort = 1024 + this.#random.below(20_000)
      segment.options.mptcp = [option]
    })
  }

  #join(draw: number): MptcpOption {
    const token = this.#random.uint32()
    return {
      subtype: MP_JOIN,
      phase: 'SYN',
      backup: false,
      addressId: draw & 7,
      token,
      nonce: draw,
    }
  }

  #capable(): MptcpOption {
    const bits = { checksumRequired: false, extensibility: false, denyJoin: false }
    const keys = { senderKey: null, receiverKey: null, dataLength: null, checksum: null }
    return { subtype: MP_CAPABLE, version: 1, algorithms: 1, ...bits, ...keys }
  }

  #announcement(family: 4 | 6): MptcpOption {
    const address = family === 4 ? Uint8Array.of(10, 0, 1, 77) : this.#random.bytes(16)
    const hmac = this.#random.bytes(8)
    return { subtype: ADD_ADDR, echo: false, addressId: 9, address, port: null, hmac }
  }

  #fastClose(): MptcpOption {
    return { subtype: MP_FASTCLOSE, receiverKey: this.#random.bytes(8) }
  }

  /** A router's complaint that quotes nothing that is under way. */
  #complaint(packet: Uint8Array, draw: number): Uint8Array {
    const ip = parseIp(packet, 0, packet.length)!
    const quoted = parseSegment(packet, ip)!
    this.#loseTrack(quoted)
    const start = ip.source.family === 6 ? 40 : 20
    const message = new Uint8Array(start + 100)
    // It seems to come from where the packet comes from, about what its receiver had sent.
    const { source, destination } = ip
    const { sourcePort, destinationPort } = quoted
    Object.assign(quoted, { source: destination, destination: source })
    Object.assign(quoted, { sourcePort: destinationPort, destinationPort: sourcePort })
    const kind = (draw & 16) === 0 ? 'unreachable-port' : 'packet-too-big'
    const mtu = kind === 'packet-too-big' ? 576 : 0
    const length = emitIcmp(message, start, source, destination, { kind, mtu, quoted })
    const protocol = source.family === 6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP
    emitIp(message, 0, { source, destination, protocol, payloadLength: length })
    return message.slice(0, start + length)
  }

  #noise(draw: number): Uint8Array {
    return this.#random.bytes(1 + (draw % MAX_NOISE_BYTES))
  }
}
