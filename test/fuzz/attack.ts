// What the attacker on the paths of attacked-world.ts does, an act every four bytes: which act, and three
// numbers for it. It holds, drops, doubles, reorders and changes packets, makes new ones of what it saw,
// with right checksums and the connection's own keys; and it plays the applications.

import { emitIcmp, type IcmpKind } from '../../ts/wire/icmp.js'
import { emitIp, parseIp } from '../../ts/wire/ip.js'
import {
  ADD_ADDR,
  DSS,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  type MptcpOption,
  REMOVE_ADDR,
} from '../../ts/wire/mptcp-options.js'
import type { Segment } from '../../ts/wire/segment.js'
import { parseSegment } from '../../ts/wire/tcp.js'
import { emittedLength } from '../../ts/wire/tcp-options.js'
import * as forged from '../harness/forged-packets.js'
import type { AttackedWorld, Packet, Side } from './attacked-world.js'

/** An act and its numbers. */
export const UNIT = 4
/** Bounded: packets held back. */
const MAX_HELD = 16

/** What is added to a number on the wire. */
const STEPS = [
  1,
  -1,
  2,
  100,
  -100,
  1460,
  -1460,
  65_535,
  -65_536,
  2 ** 20,
  -(2 ** 20),
  2 ** 31,
  2 ** 31 - 1,
  2 ** 30,
  0,
  -2,
]

const ICMP_KINDS: readonly IcmpKind[] = [
  'unreachable-host',
  'unreachable-port',
  'unreachable-protocol',
  'packet-too-big',
  'time-exceeded',
  'parameter-problem',
  'prohibited',
  'unreachable-net',
]

type Act = (a: number, b: number, c: number) => void

export class Attack {
  static readonly acts = 22
  readonly #world: AttackedWorld
  readonly #program: Uint8Array
  readonly #held: Packet[] = []
  readonly #acts: readonly Act[]

  constructor(world: AttackedWorld, program: Uint8Array) {
    this.#world = world
    this.#program = program
    const side = (a: number): Side => ((a & 1) === 0 ? world.client : world.server)
    this.#acts = [
      (a) => this.#pass(1 + (a & 63)),
      () => this.#pass(1),
      () => void world.next(),
      () => this.#withNext((packet) => [packet, packet]),
      () => this.#withNext((packet) => this.#hold(packet)),
      (a) => this.#release(a),
      // The queue is turned round: what was sent last comes first.
      () => void world.queue.reverse(),
      (a, b, c) => this.#withNext((packet) => [changedByte(packet, a, b, c)]),
      (a, b, c) => this.#withNext((packet) => [this.#changedField(packet, a, b, c)]),
      (a, b, c) => this.#replay(a, (packet) => this.#changedField(packet, b, c, 0)),
      (a, b, c) => this.#replay(a, (packet) => changedByte(packet, b, c, 1)),
      (a, b) => this.#withNext((packet) => [resized(packet, a * 256 + b)]),
      (a) => world.after(a * a),
      (a, b) => world.write(side(a), b * b),
      (a) => {
        side(a).reads = (a & 2) !== 0
        world.settle()
      },
      (a) => world.close(side(a)),
      (a) => {
        if (side(a).fd >= 0) side(a).bsd.shutdown(side(a).fd, (a >> 1) % 3)
        world.settle()
      },
      (a) => world.abort(side(a)),
      (a, b, c) => this.#inject(a, b, c),
      (a, b, c) => this.#withNext((packet) => [this.#withOption(packet, a, b, c)]),
      (a, b, c) => this.#icmp(a, b, c),
      // It arrives on the other path.
      (a) => this.#replay(a, (packet) => ({ ...packet, link: 1 - packet.link })),
    ]
  }

  run(): void {
    const program = this.#program
    for (let at = 0; at + UNIT <= program.length; at += UNIT) {
      const act = this.#acts[program[at]! % Attack.acts]!
      act(program[at + 1]!, program[at + 2]!, program[at + 3]!)
    }
    for (const packet of this.#held.splice(0)) this.#world.deliver(packet)
  }

  // ---------------------------------------------------------------- packets on their way

  #pass(count: number): void {
    for (let i = 0; i < count; i++) this.#world.pass()
  }

  #withNext(change: (packet: Packet) => Packet[]): void {
    const packet = this.#world.next()
    if (packet === undefined) return
    for (const each of change(packet)) this.#world.deliver(each)
  }

  #hold(packet: Packet): Packet[] {
    if (this.#held.length < MAX_HELD) this.#held.push(packet)
    return []
  }

  #release(index: number): void {
    const [packet] = this.#held.splice(index % Math.max(1, this.#held.length), 1)
    if (packet !== undefined) this.#world.deliver(packet)
  }

  /** A packet of the past; 0 is the first, 255 the last. */
  #past(index: number): Packet | undefined {
    const { history } = this.#world
    return index < 128 ? history[index % Math.max(1, history.length)] : history.at(index - 256)
  }

  #replay(index: number, change: (packet: Packet) => Packet): void {
    const packet = this.#past(index)
    if (packet !== undefined) this.#world.deliver(change(packet))
  }

  // ---------------------------------------------------------------- packets made anew

  #changedField(packet: Packet, field: number, step: number, more: number): Packet {
    const by = STEPS[step % STEPS.length]! + more
    return rewritten(packet, (segment) => {
      const dss = segment.options.mptcp.find((option) => option.subtype === DSS)
      const { options } = segment
      switch (field % 16) {
        case 0:
          segment.flags ^= 1 << (step % 8)
          break
        case 1:
          segment.sequence = (segment.sequence + by) >>> 0
          break
        case 2:
          segment.acknowledgment = (segment.acknowledgment + by) >>> 0
          break
        case 3:
          segment.window = (segment.window + by) & 0xffff
          break
        case 4:
          segment.window = 0
          break
        case 5:
          segment.urgentPointer = by & 0xffff
          break
        case 6:
          if (dss !== undefined) dss.dsnLow = (dss.dsnLow + by) >>> 0
          break
        case 7:
          if (dss !== undefined) dss.dataAckLow = (dss.dataAckLow + by) >>> 0
          break
        case 8:
          if (dss !== undefined) dss.ssn = (dss.ssn + by) >>> 0
          break
        case 9:
          if (dss !== undefined) dss.length = (dss.length + by) & 0xffff
          break
        case 10:
          if (dss !== undefined) dss.dataFin = !dss.dataFin
          break
        case 11:
          options.mptcp = []
          break
        case 12: {
          const edge = (segment.acknowledgment + by) >>> 0
          options.sack = [edge, (edge + 1 + more) >>> 0]
          break
        }
        case 13:
          if (options.timestampValue !== null) {
            options.timestampValue = (options.timestampValue + by) >>> 0
          }
          break
        case 14:
          options.mss = step
          options.windowScale = more
          break
        default:
          segment.sourcePort = (segment.sourcePort + step) & 0xffff
      }
    })
  }

  /** The last packet of that way, its data gone, and one option in place of its own. */
  #inject(a: number, b: number, c: number): void {
    const to = (a & 1) === 0 ? 'client' : 'server'
    const packet = this.#world.history.findLast(
      (each) => each.to === to && each.link === ((a >> 1) & 1),
    )
    if (packet === undefined) return
    this.#world.deliver(this.#withOption(resized(packet, 0), a >> 2, b, c))
  }

  #withOption(packet: Packet, which: number, b: number, c: number): Packet {
    return rewritten(packet, (segment) => {
      const option = this.#option(packet, segment, which, b, c)
      const options = { ...segment.options, mptcp: [option] }
      if (emittedLength(options) > forged.MAX_OPTION_BYTES) {
        Object.assign(options, { mss: null, windowScale: null, sack: null, timestampValue: null })
      }
      segment.options = options
    })
  }

  /** As one who knows the keys would make it, or nearly. */
  #option(packet: Packet, segment: Segment, which: number, b: number, c: number): MptcpOption {
    const side = this.#world.sideNamed(packet.to)
    const connection = [...side.stack.context.tokens.values()][0]
    const key = connection?.localKey ?? new Uint8Array(8)
    const known = segment.options.mptcp.find((option) => option.subtype === DSS)
    const near = (STEPS[b % STEPS.length]! + (known?.dsnLow ?? known?.dataAckLow ?? 0)) >>> 0
    const high = known?.dsnHigh ?? known?.dataAckHigh ?? 0
    switch (which % 12) {
      case 0:
        return { subtype: REMOVE_ADDR, addressIds: c === 0 ? [b] : [b & 3, c & 3] }
      case 1:
        return { subtype: MP_PRIO, backup: (b & 1) !== 0, addressId: (b & 2) === 0 ? null : c & 3 }
      case 2:
        return { subtype: MP_FAIL, dsnHigh: high, dsnLow: near }
      case 3:
        return { subtype: MP_FASTCLOSE, receiverKey: b === 0 ? new Uint8Array(8) : key }
      case 4:
        return { subtype: MP_TCPRST, flags: b & 15, reason: c }
      case 5: {
        const address = Uint8Array.of(10, 0, 1 + (b & 3), c & 3)
        const echo = (b & 4) !== 0
        const port = (b & 8) === 0 ? null : 5000
        return { subtype: ADD_ADDR, echo, addressId: b & 3, address, port, hmac: echo ? null : key }
      }
      case 6: {
        // A mapping of what the segment may carry; 0 = an infinite one.
        const mapping = { dsnBytes: 8 as const, dsnHigh: high, dsnLow: near, length: c * 16 }
        const ssn = b < 128 ? (segment.sequence - c) >>> 0 : 1 + c
        const checksum = (b & 1) === 0 ? null : b
        const ack = { dataAckBytes: 0 as const, dataAckHigh: 0, dataAckLow: 0 }
        return { subtype: DSS, dataFin: (c & 1) !== 0, ...ack, ...mapping, ssn, checksum }
      }
      case 7: {
        const ack = { dataAckBytes: 8 as const, dataAckHigh: high, dataAckLow: near }
        const none = { dsnBytes: 0 as const, dsnHigh: 0, dsnLow: 0, ssn: 0, length: 0 }
        return { subtype: DSS, dataFin: (c & 1) !== 0, ...ack, ...none, checksum: null }
      }
      case 8:
      case 9: {
        const bits = {
          checksumRequired: (b & 1) !== 0,
          extensibility: false,
          denyJoin: (b & 2) !== 0,
        }
        const dataLength = c === 0 ? null : c
        const keys = { senderKey: key, receiverKey: key, dataLength, checksum: null }
        return { subtype: MP_CAPABLE, version: 1, algorithms: 1, ...bits, ...keys }
      }
      case 10: {
        const token = [...side.stack.context.tokens.keys()][0] ?? 0
        segment.flags = 2
        segment.sourcePort = (segment.sourcePort + b) & 0xffff
        const ids = { backup: (c & 1) !== 0, addressId: c >> 1 }
        return { subtype: MP_JOIN, phase: 'SYN', ...ids, token: Number(token), nonce: b }
      }
      default:
        return { subtype: MP_JOIN, phase: 'ACK', hmac: new Uint8Array(20).fill(b) }
    }
  }

  /** A router's complaint about a packet of the past, to who sent it. */
  #icmp(a: number, b: number, c: number): void {
    const packet = this.#past(a)
    if (packet === undefined) return
    const ip = parseIp(packet.bytes, 0, packet.bytes.length)
    const segment = ip === null ? null : parseSegment(packet.bytes, ip)
    if (ip === null || segment === null) return
    const v6 = ip.source.family === 6
    const kind = ICMP_KINDS[b % ICMP_KINDS.length]!
    const mtu = kind === 'packet-too-big' ? c * 6 : 0
    const message = new Uint8Array(200)
    const start = v6 ? 40 : 20
    const { destination: source, source: destination } = ip
    const length = emitIcmp(message, start, source, destination, { kind, mtu, quoted: segment })
    emitIp(message, 0, { source, destination, protocol: v6 ? 58 : 1, payloadLength: length })
    const to = packet.to === 'client' ? 'server' : 'client'
    this.#world.deliver({ to, link: packet.link, bytes: message.subarray(0, start + length) })
  }
}

// ---------------------------------------------------------------- the same with the way that a packet goes

function rewritten(packet: Packet, change: (segment: Segment) => void): Packet {
  return { ...packet, bytes: forged.rewritten(packet.bytes, change) }
}

function changedByte(packet: Packet, at: number, value: number, mode: number): Packet {
  return { ...packet, bytes: forged.changedByte(packet.bytes, at, value, mode) }
}

function resized(packet: Packet, length: number): Packet {
  return { ...packet, bytes: forged.resized(packet.bytes, length) }
}
