// The far side of one subflow, as a test tells it: numbers are stream offsets of the side that sends
// them (SYN 0, first byte 1; IDSN 0, first data byte 1), windows are bytes. Packets are built and read
// here, with checksums and HMACs by other code than the stack's.

import { createHash, createHmac } from 'node:crypto'
import { expect } from 'vitest'
import { type IpAddress, parseAddress, sameAddress } from '../../ts/wire/address.js'
import { emitIp, headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import { DSS, type DssOption, type MptcpOption } from '../../ts/wire/mptcp-options.js'
import { ACK, FIN, PSH, RST, SYN, URG } from '../../ts/wire/segment.js'
import { dsnHigh, dsnLow, offsetOf, seqOf } from '../../ts/wire/seq.js'
import { emitSegment, headerLength, parseSegment, writeChecksum } from '../../ts/wire/tcp.js'
import { noOptions } from '../../ts/wire/tcp-options.js'

/** A DSS in data offsets. */
export interface RelativeDss {
  subtype: typeof DSS
  fin: boolean
  ack: number | null
  ackBytes: 0 | 4 | 8
  dsn: number | null
  dsnBytes: 0 | 4 | 8
  ssn: number
  length: number
  checksum: number | null
}

export type RelativeOption = Exclude<MptcpOption, DssOption> | RelativeDss

/** A segment in one subflow's offsets. */
export interface Said {
  peer: Peer
  link: number
  at: number
  flags: string
  seq: number
  ack: number
  length: number
  data: Uint8Array
  window: number
  mss: number | null
  windowScale: number | null
  sackPermitted: boolean
  /** [left, right) pairs, in the offsets of whom the segment is to. */
  sack: [number, number][] | null
  tsval: number | null
  tsecr: number
  mptcp: RelativeOption[]
}

/** What a test says of a segment that the peer sends; the rest is what an honest peer would say. */
export interface SegmentSpec {
  flags?: string
  seq?: number
  ack?: number
  data?: Uint8Array | string | number
  window?: number
  mss?: number | null
  windowScale?: number | null
  sackPermitted?: boolean
  sack?: [number, number][]
  tsval?: number | null
  tsecr?: number
  mptcp?: RelativeOption[]
  /** The TCP checksum is to be wrong. */
  corrupt?: boolean
}

const FLAGS: [string, number][] = [
  ['S', SYN],
  ['F', FIN],
  ['R', RST],
  ['P', PSH],
  ['U', URG],
  ['.', ACK],
]

export const flagsOf = (text: string): number =>
  FLAGS.reduce((bits, [letter, bit]) => (text.includes(letter) ? bits | bit : bits), 0)
export const flagsText = (bits: number): string =>
  FLAGS.filter(([, bit]) => bits & bit)
    .map(([letter]) => letter)
    .join('')

/** Bytes whose values tell their data offset (the first byte is offset 1). */
export function pattern(offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((offset + i) * 31 + ((offset + i) >> 8) * 7) & 255)
}

/** A key with its token and IDSN, RFC 8684 §3.1. */
export function keyed(key: Uint8Array) {
  const digest = createHash('sha256').update(key).digest()
  return {
    key,
    token: digest.readUInt32BE(0),
    idsnHigh: digest.readUInt32BE(24),
    idsnLow: digest.readUInt32BE(28),
  }
}
export type Keyed = ReturnType<typeof keyed>

/** HMAC of a MP_JOIN whose sender's key is `own`, RFC 8684 §3.2. */
export function joinHmac(
  own: Uint8Array,
  other: Uint8Array,
  ownNonce: number,
  otherNonce: number,
): Uint8Array {
  const message = Buffer.alloc(8)
  message.writeUInt32BE(ownNonce, 0)
  message.writeUInt32BE(otherNonce, 4)
  const digest = createHmac('sha256', Buffer.concat([own, other]))
    .update(message)
    .digest()
  return Uint8Array.from(digest)
}

/** Rightmost 64 bits of an ADD_ADDR's HMAC, RFC 8684 §3.4.1. */
export function addAddressHmac(
  own: Uint8Array,
  other: Uint8Array,
  id: number,
  address: Uint8Array,
  port: number,
): Uint8Array {
  const message = Buffer.concat([Buffer.of(id), address, Buffer.of(port >> 8, port & 255)])
  const digest = createHmac('sha256', Buffer.concat([own, other]))
    .update(message)
    .digest()
  return Uint8Array.from(digest.subarray(24))
}

/** What both ends of a connection know of each other; filled in as it is said. */
export interface Keys {
  peer: Keyed
  stack: Keyed | null
}

/** One subflow's far end. */
export class Peer {
  readonly link: number
  readonly address: IpAddress
  readonly port: number
  readonly stackAddress: IpAddress
  stackPort: number
  /** Our ISN, and the stack's once it is known. */
  readonly isn: number
  iss = 0
  /** Window scale: ours as offered, the stack's as it said; in force once both did. */
  shift: number
  stackShift = 0
  scaling = false
  timestamps = true
  tsBase = 1_000_000
  lastTsval = 0
  keys: Keys
  /** What this side would say next if it just went on. */
  nextSeq = 0
  nextAck = 0

  constructor(options: {
    link: number
    address: string
    port: number
    stackAddress: string
    stackPort: number
    isn: number
    shift: number
    keys: Keys
  }) {
    this.link = options.link
    this.address = parseAddress(options.address)!
    this.port = options.port
    this.stackAddress = parseAddress(options.stackAddress)!
    this.stackPort = options.stackPort
    this.isn = options.isn
    this.shift = options.shift
    this.keys = options.keys
  }

  /** A packet from this side, as bytes. */
  emit(spec: SegmentSpec, now: number): Uint8Array {
    const flags = flagsOf(spec.flags ?? '.')
    const seq = spec.seq ?? this.nextSeq
    const ack = spec.ack ?? this.nextAck
    const payload = payloadOf(spec.data, seq)
    const options = noOptions()
    options.mss = spec.mss ?? null
    options.windowScale = spec.windowScale ?? null
    options.sackPermitted = spec.sackPermitted ?? false
    options.sack = spec.sack?.flat().map((offset) => seqOf(offset, this.iss)) ?? null
    if (spec.tsval !== null && this.timestamps) {
      options.timestampValue = spec.tsval ?? (this.tsBase + Math.floor(now)) >>> 0
      options.timestampEcho = spec.tsecr ?? this.lastTsval
    }
    options.mptcp = (spec.mptcp ?? []).map((option) => this.#toWire(option))
    const header = headerLength(options)
    const bytes = new Uint8Array(20 + header + payload.length)
    const scaled = this.scaling && (flags & SYN) === 0
    const window = spec.window ?? 64 * 1024 - 1
    const length = header + payload.length
    emitIp(bytes, 0, {
      source: this.address,
      destination: this.stackAddress,
      protocol: 6,
      payloadLength: length,
    })
    emitSegment(bytes, 20, {
      sourcePort: this.port,
      destinationPort: this.stackPort,
      sequence: seqOf(seq, this.isn),
      acknowledgment: flags & ACK ? seqOf(ack, this.iss) : 0,
      flags,
      window: Math.min(0xffff, scaled ? Math.ceil(window / 2 ** this.shift) : window),
      urgentPointer: 0,
      options,
    })
    bytes.set(payload, 20 + header)
    const pseudo = pseudoHeaderSum(this.address, this.stackAddress, 6, length)
    writeChecksum(bytes, 20, headerSum(bytes, 20, length, pseudo) ^ (spec.corrupt ? 0x1234 : 0))
    const control = (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)
    this.nextSeq = Math.max(this.nextSeq, seq + payload.length + control)
    return bytes
  }

  #toWire(option: RelativeOption): MptcpOption {
    if (option.subtype !== DSS) return option
    const { peer, stack } = this.keys
    const low = stack?.idsnLow ?? 0
    const ack = option.ack ?? 0
    const dsn = option.dsn ?? 0
    return {
      subtype: DSS,
      dataFin: option.fin,
      dataAckBytes: option.ackBytes,
      dataAckHigh: option.ackBytes === 8 ? dsnHigh(ack, low, stack?.idsnHigh ?? 0) : 0,
      dataAckLow: option.ackBytes === 0 ? 0 : dsnLow(ack, low),
      dsnBytes: option.dsnBytes,
      dsnHigh: option.dsnBytes === 8 ? dsnHigh(dsn, peer.idsnLow, peer.idsnHigh) : 0,
      dsnLow: option.dsnBytes === 0 ? 0 : dsnLow(dsn, peer.idsnLow),
      ssn: option.ssn,
      length: option.length,
      checksum: option.checksum,
    }
  }

  /** Whether a packet from the stack is for this side. */
  isFor(destination: IpAddress, port: number, stackPort: number): boolean {
    return (
      sameAddress(destination, this.address) && port === this.port && stackPort === this.stackPort
    )
  }

  /** Reads a packet that the stack sent to this side. */
  read(bytes: Uint8Array, link: number, at: number): Said {
    const ip = parseIp(bytes, 0, bytes.length)!
    const segment = parseSegment(bytes, ip)!
    const { flags, options } = segment
    if (flags & SYN) {
      this.iss = segment.sequence
      this.stackShift = options.windowScale ?? 0
      this.scaling = this.shift >= 0 && options.windowScale !== null
      this.timestamps &&= options.timestampValue !== null
    }
    if (options.timestampValue !== null) this.lastTsval = options.timestampValue
    const seq = offsetOf(segment.sequence, this.iss, this.nextAck)
    const scale = this.scaling && (flags & SYN) === 0 ? 2 ** this.stackShift : 1
    const control = (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)
    if (seq === this.nextAck) this.nextAck += segment.payloadLength + control
    const near = this.nextSeq
    const sack: [number, number][] = []
    for (let i = 0; i + 1 < (options.sack?.length ?? 0); i += 2) {
      const [left, right] = [options.sack![i]!, options.sack![i + 1]!]
      sack.push([offsetOf(left, this.isn, near), offsetOf(right, this.isn, near)])
    }
    return {
      peer: this,
      link,
      at,
      flags: flagsText(flags),
      seq,
      ack: flags & ACK ? offsetOf(segment.acknowledgment, this.isn, near) : 0,
      length: segment.payloadLength,
      data: bytes.slice(segment.payloadOffset, segment.payloadOffset + segment.payloadLength),
      window: segment.window * scale,
      mss: options.mss,
      windowScale: options.windowScale,
      sackPermitted: options.sackPermitted,
      sack: options.sack === null ? null : sack,
      tsval: options.timestampValue,
      tsecr: options.timestampEcho,
      mptcp: options.mptcp.map((option) => this.#fromWire(option)),
    }
  }

  #fromWire(option: MptcpOption): RelativeOption {
    if (option.subtype !== DSS) return option
    const { peer, stack } = this.keys
    const offset = (bytes: number, high: number, low: number, of: Keyed | null): number | null => {
      if (bytes === 0 || of === null) return null
      const near = low - of.idsnLow
      if (bytes === 4) return near < -(2 ** 31) ? near + 2 ** 32 : near
      const wire = (BigInt(high) << 32n) | BigInt(low)
      const initial = (BigInt(of.idsnHigh) << 32n) | BigInt(of.idsnLow)
      return Number(BigInt.asIntN(64, wire - initial))
    }
    return {
      subtype: DSS,
      fin: option.dataFin,
      ack: offset(option.dataAckBytes, option.dataAckHigh, option.dataAckLow, peer),
      ackBytes: option.dataAckBytes,
      dsn: offset(option.dsnBytes, option.dsnHigh, option.dsnLow, stack),
      dsnBytes: option.dsnBytes,
      ssn: option.ssn,
      length: option.length,
      checksum: option.checksum,
    }
  }
}

function payloadOf(data: SegmentSpec['data'], seq: number): Uint8Array {
  if (data === undefined) return new Uint8Array(0)
  if (typeof data === 'number') return pattern(seq, data)
  return typeof data === 'string' ? Uint8Array.from(Buffer.from(data, 'latin1')) : data
}

/** A packet of the stack's is whole and its checksums are right. */
export function expectRightChecksum(bytes: Uint8Array): void {
  const ip = parseIp(bytes, 0, bytes.length)
  expect(ip, 'the stack sent a packet that is not IP').not.toBeNull()
  const { source, destination, payloadOffset, payloadLength } = ip!
  const pseudo = pseudoHeaderSum(source, destination, 6, payloadLength)
  expect(headerSum(bytes, payloadOffset, payloadLength, pseudo), 'TCP checksum').toBe(0xffff)
}

/** A DSS for a test to send: what is not said is absent. */
export function dss(
  spec: Partial<Omit<RelativeDss, 'subtype'>> & { ack?: number | null; dsn?: number | null },
): RelativeDss {
  const ack = spec.ack ?? null
  const dsn = spec.dsn ?? null
  return {
    subtype: DSS,
    fin: spec.fin ?? false,
    ack,
    ackBytes: spec.ackBytes ?? (ack === null ? 0 : 8),
    dsn,
    dsnBytes: spec.dsnBytes ?? (dsn === null ? 0 : 8),
    ssn: spec.ssn ?? 0,
    length: spec.length ?? 0,
    checksum: spec.checksum ?? null,
  }
}
