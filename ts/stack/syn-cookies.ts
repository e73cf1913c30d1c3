// SYN cookies, RFC 4987 §3.6: under a flood a SYN is answered without keeping anything. The ISN of the
// SYN/ACK is a keyed hash of the 4-tuple, of the minute and of the MSS; what else the SYN offered lies in
// the low bits of the timestamp. The key of MP_CAPABLE is such a hash too, so that it can be verified when
// the third ACK brings it back. A MP_JOIN needs a nonce and a token: for those there is a small table.

import type { Context } from '../mptcp/context.js'
import { SIPHASH_KEY_BYTES, sipHash, sipHashBytes } from '../siphash.js'
import { addressBytes } from '../wire/address.js'
import { writeU16, writeU32 } from '../wire/big-endian.js'
import type { Segment } from '../wire/segment.js'
import { ETHERNET_MSS } from '../wire/tcp.js'
import type { Listener } from './listener.js'

const MINUTE_MS = 60_000
/** A cookie is good in its minute and the next, as in Linux. */
const MAX_AGE_MINUTES = 2
const COUNT_SHIFT = 24
const DATA_MASK = 0xff_ffff
/** The sizes that most peers announce, rounded down to; by family (Linux's msstab). */
const SIZES = { 4: [536, 1300, 1440, ETHERNET_MSS], 6: [1220, 1420, 1440, 8940] } as const
/** The low six bits of TSval: window scale (15 = none), SACK, ECN. */
const TS_BITS = 6
const TS_SCALE = 0x0f
const TS_SACK = 0x10

/** What the SYN had offered. */
export interface CookieOffer {
  mss: number
  windowScale: number | null
  sackPermitted: boolean
  timestamps: boolean
}

/** What is kept of a MP_JOIN. */
export interface JoinEntry {
  token: number
  remoteNonce: number
  localNonce: number
  addressId: number
  backup: boolean
}

/** Bounded: as Linux; who joins must know a token, and the later one takes the place. */
const JOIN_SLOTS = 1024

export class SynCookies {
  readonly #context: Context
  readonly #joins: (JoinEntry | null)[] = []
  #secrets: Uint8Array[] | null = null

  constructor(context: Context) {
    this.#context = context
  }

  /** The n-th secret; drawn when the first flood comes. */
  #secret(n: number): Uint8Array {
    const { random } = this.#context
    this.#secrets ??= [0, 1, 2, 3, 4].map(() => random.bytes(SIPHASH_KEY_BYTES))
    return this.#secrets[n] as Uint8Array
  }

  /** The 4-tuple and two numbers, to be hashed. */
  #message(segment: Segment, first: number, second: number): Uint8Array {
    const source = addressBytes(segment.source)
    const destination = addressBytes(segment.destination)
    const message = new Uint8Array(2 * source.length + 12)
    message.set(source)
    message.set(destination, source.length)
    const at = 2 * source.length
    writeU16(message, at, segment.sourcePort)
    writeU16(message, at + 2, segment.destinationPort)
    writeU32(message, at + 4, first)
    writeU32(message, at + 8, second)
    return message
  }

  #hash(secret: number, segment: Segment, count: number): number {
    return sipHash(this.#secret(secret), this.#message(segment, count, 0))[0]
  }

  /** Added to the clock for TSval: the same for every segment between two addresses. */
  timestampBase(segment: Segment): number {
    const at = addressBytes(segment.source).length * 2
    return sipHash(this.#secret(2), this.#message(segment, 0, 0).subarray(0, at))[0]
  }

  /** The ISN that answers a SYN. */
  isn(segment: Segment, now: number): number {
    const sizes = SIZES[segment.source.family]
    const mss = segment.options.mss ?? 536
    let index = sizes.length - 1
    while (index > 0 && mss < sizes[index]!) index--
    const count = Math.floor(now / MINUTE_MS)
    const hidden = (this.#hash(1, segment, count) + index) & DATA_MASK
    return (this.#hash(0, segment, 0) + segment.sequence + (count << COUNT_SHIFT) + hidden) >>> 0
  }

  /** TSval of the SYN/ACK: not after the clock, so that those that follow are not older. */
  timestamp(segment: Segment, offer: Segment['options'], now: number): number {
    const clock = Math.floor(now)
    const scale = offer.windowScale === null ? TS_SCALE : Math.min(offer.windowScale, 14)
    const bits = scale | (offer.sackPermitted ? TS_SACK : 0)
    let value = clock - (clock % 2 ** TS_BITS) + bits
    if (value > clock) value -= 2 ** TS_BITS
    return (value + this.timestampBase(segment)) >>> 0
  }

  /** What the SYN had offered that this ACK completes; null = its cookie is wrong or too old. */
  check(segment: Segment, now: number): CookieOffer | null {
    const cookie = (segment.acknowledgment - 1) >>> 0
    const isn = (segment.sequence - 1) >>> 0
    const rest = (cookie - this.#hash(0, segment, 0) - isn) >>> 0
    const count = Math.floor(now / MINUTE_MS)
    const age = (count - (rest >>> COUNT_SHIFT)) & 0xff
    if (age >= MAX_AGE_MINUTES) return null
    const index = (rest - this.#hash(1, segment, count - age)) & DATA_MASK
    const mss = SIZES[segment.source.family][index]
    if (mss === undefined) return null
    const { timestampValue, timestampEcho } = segment.options
    if (timestampValue === null) {
      return { mss, windowScale: null, sackPermitted: false, timestamps: false }
    }
    const bits = (timestampEcho - this.timestampBase(segment)) & (2 ** TS_BITS - 1)
    const scale = bits & TS_SCALE
    return {
      mss,
      windowScale: scale === TS_SCALE ? null : scale,
      sackPermitted: (bits & TS_SACK) !== 0,
      timestamps: true,
    }
  }

  /** Our MPTCP key of a connection whose ISNs are these. */
  key(segment: Segment, peerIsn: number, isn: number): Uint8Array {
    return sipHashBytes(this.#secret(3), this.#message(segment, peerIsn, isn))
  }

  #joinSlot(segment: Segment, peerIsn: number): number {
    return sipHash(this.#secret(4), this.#message(segment, peerIsn, 0))[0] % JOIN_SLOTS
  }

  keepJoin(segment: Segment, entry: JoinEntry): void {
    this.#joins[this.#joinSlot(segment, segment.sequence)] = entry
  }

  /** The MP_JOIN that this ACK completes, once; null = its place was taken by another. */
  takeJoin(segment: Segment): JoinEntry | null {
    const slot = this.#joinSlot(segment, (segment.sequence - 1) >>> 0)
    const entry = this.#joins[slot] ?? null
    this.#joins[slot] = null
    return entry
  }
}

/** Whether a listener answers SYNs with cookies now: `setting` 1 = when too many are half open, 2 = always. */
export function wantsCookie(setting: number, listener: Listener): boolean {
  return setting === 2 || (setting === 1 && listener.opening.size >= listener.backlog)
}

/** Whether cookies that this listener sent may still come back. */
export function mayHoldCookies(setting: number, listener: Listener, now: number): boolean {
  return setting !== 0 && now - listener.cookieSentAt < MAX_AGE_MINUTES * MINUTE_MS
}
