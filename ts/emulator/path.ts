// A path between two hosts: a link at each end and a direction each way. The model is a weak host's:
// whatever is sent on one end comes out at the other, whatever its destination address.

import type { Clock } from '../clock.js'
import type {
  Frame,
  Link,
  LinkCapabilities,
  LinkChange,
  LinkPolicy,
  PacketBatch,
} from '../link/link.js'
import type { OptionKinds } from '../option-kinds.js'
import { type Random, SeededRandom } from '../random.js'
import { Direction, type DirectionStats, LARGEST_PACKET, type Middlebox } from './direction.js'
import {
  changeShape,
  checkKinds,
  type PathShape,
  type ResolvedShape,
  resolveShape,
  SHAPE_KINDS,
} from './shape.js'

export type DirectionName = 'a-to-b' | 'b-to-a'

export interface PathEnd {
  /** The name of the host; paths whose ends bear the same name meet there. */
  host: string
  /** What the host owns on this path, IPv4 or IPv6 in text form. */
  addresses: readonly string[]
  /** What this end's host wants the path used for. */
  policy?: LinkPolicy
}

/** Changes for both directions, then for one. */
export interface PathChange extends PathShape {
  /** From a to b. */
  forward?: PathShape
  /** From b to a. */
  backward?: PathShape
}

export interface PathOptions extends PathChange {
  name: string
  a: PathEnd
  b: PathEnd
  /**
   * Whether super-segments of up to 65,535 bytes pass whole, with their `gsoSize`. Loss, reordering,
   * duplication and corruption then fall on the whole; the rate counts each segment's headers.
   */
  tso?: boolean
  /** What the links say of received checksums; 'verify' unless told. */
  checksum?: LinkCapabilities['checksum']
}

const END_KINDS: OptionKinds<PathEnd> = { host: 'string', addresses: 'list', policy: 'object' }

/** Of links, as of devices: less than any IP may have. */
const LEAST_MTU = 128

const CHANGE_KINDS: OptionKinds<PathChange> = {
  ...SHAPE_KINDS,
  forward: 'object',
  backward: 'object',
}

const PATH_KINDS: OptionKinds<PathOptions> = {
  ...CHANGE_KINDS,
  name: 'string',
  a: 'object',
  b: 'object',
  tso: 'boolean',
  checksum: 'string',
}

export class EmulatedLink implements Link {
  readonly name: string
  readonly host: string
  readonly policy: LinkPolicy
  readonly #addresses: string[]
  #caps: LinkCapabilities
  readonly #outward: Direction
  readonly #inward: Direction
  readonly #clock: Clock
  #changed: ((change: LinkChange) => void) | null = null
  #receive: ((batch: PacketBatch) => void) | null = null
  #isClosed = false
  #isDown = false

  constructor(
    name: string,
    end: PathEnd,
    caps: LinkCapabilities,
    outward: Direction,
    inward: Direction,
    clock: Clock,
  ) {
    this.name = name
    this.host = end.host
    this.policy = { ...end.policy }
    this.#addresses = [...end.addresses]
    this.#caps = caps
    this.#clock = clock
    this.#outward = outward
    this.#inward = inward
  }

  get addresses(): readonly string[] {
    return this.#addresses
  }

  get caps(): LinkCapabilities {
    return this.#caps
  }

  /** Packets are handed over in memory of the path's own; `staging` is not used. May follow close. */
  open(receive: (batch: PacketBatch) => void, _staging?: Uint8Array): void {
    this.#isClosed = false
    this.#receive = receive
    this.#inward.setReceiver(this.#isDown ? null : receive)
  }

  watch(changed: (change: LinkChange) => void): void {
    this.#changed = changed
  }

  /** The device has got an address; one that it has already changes nothing. Throws a TypeError where that is no text. */
  addAddress(address: string): void {
    if (typeof address !== 'string') throw new TypeError(`${this.name}: an address is a text`)
    if (this.#addresses.includes(address)) return
    this.#addresses.push(address)
    this.#tell({ type: 'address-added', address })
  }

  /** It has lost one: what is sent from there still passes, as on a network that does not check its sources. */
  removeAddress(address: string): void {
    const index = this.#addresses.indexOf(address)
    if (index < 0) return
    this.#addresses.splice(index, 1)
    this.#tell({ type: 'address-removed', address })
  }

  /** The device's own MTU, in bytes; that of the path beyond it is `EmulatedPath.set`'s. Throws a RangeError. */
  setMtu(mtu: number): void {
    if (!Number.isInteger(mtu) || mtu < LEAST_MTU || mtu > LARGEST_PACKET) {
      throw new RangeError(
        `${this.name}: an MTU is from ${LEAST_MTU} to ${LARGEST_PACKET}, not ${mtu}`,
      )
    }
    if (mtu === this.#caps.mtu) return
    this.#caps = { ...this.#caps, mtu }
    this.#tell({ type: 'mtu' })
  }

  /** Nothing leaves or arrives until `up`; the other end sees nothing of it. */
  down(): void {
    if (this.#isDown) return
    this.#isDown = true
    this.#inward.setReceiver(null)
    this.#tell({ type: 'down' })
  }

  up(): void {
    if (!this.#isDown) return
    this.#isDown = false
    if (!this.#isClosed) this.#inward.setReceiver(this.#receive)
    this.#tell({ type: 'up' })
  }

  /** In an event of its own, as a host hears of its devices. */
  #tell(change: LinkChange): void {
    this.#clock.soon(() => {
      if (!this.#isClosed) this.#changed?.(change)
    })
  }

  send(frame: Frame): boolean {
    if (this.#isClosed || this.#isDown) return false
    const { bytes, offset, length, gsoSize, needsCsum } = frame
    const largest = gsoSize > 0 && this.caps.tso > 0 ? this.caps.tso : this.caps.mtu
    if (length > largest) {
      this.#outward.refuseTooLarge(length)
      return false
    }
    return this.#outward.send(bytes, offset, length, gsoSize, needsCsum)
  }

  flush(): void {}

  /** Nothing more is sent or delivered here; what this end has sent still reaches the other. */
  close(): void {
    this.#isClosed = true
    this.#inward.setReceiver(null)
  }
}

export class EmulatedPath {
  readonly name: string
  readonly a: EmulatedLink
  readonly b: EmulatedLink
  readonly #directions: Record<DirectionName, Direction>
  readonly #asked: Record<DirectionName, PathShape>

  /** Each direction draws from a source of its own, so that traffic elsewhere changes nothing here. */
  constructor(clock: Clock, random: Random, options: PathOptions) {
    checkKinds(String(options?.name), options, PATH_KINDS)
    this.name = options.name
    for (const end of ['a', 'b'] as const)
      checkKinds(`${this.name}, ${end}`, options[end], END_KINDS)
    checkDirections(this.name, options)
    this.#asked = {
      'a-to-b': changeShape(changeShape({}, options), options.forward ?? {}),
      'b-to-a': changeShape(changeShape({}, options), options.backward ?? {}),
    }
    const shapes = this.#resolve(this.#asked)
    const forward = new Direction(clock, new SeededRandom(random.uint32()), shapes['a-to-b'])
    const backward = new Direction(clock, new SeededRandom(random.uint32()), shapes['b-to-a'])
    this.#directions = { 'a-to-b': forward, 'b-to-a': backward }
    const caps = (outward: ResolvedShape, inward: ResolvedShape): LinkCapabilities => ({
      mtu: outward.mtu,
      maxReceive: options.tso ? LARGEST_PACKET : inward.mtu,
      tso: options.tso ? LARGEST_PACKET : 0,
      checksum: options.checksum ?? 'verify',
    })
    const [ab, ba] = [shapes['a-to-b'], shapes['b-to-a']]
    this.a = new EmulatedLink(options.name, options.a, caps(ab, ba), forward, backward, clock)
    this.b = new EmulatedLink(options.name, options.b, caps(ba, ab), backward, forward, clock)
  }

  /** The two directions' counts as they now are. */
  get stats(): { forward: DirectionStats; backward: DirectionStats } {
    return {
      forward: this.#directions['a-to-b'].stats(),
      backward: this.#directions['b-to-a'].stats(),
    }
  }

  /** The shape that a direction now has. */
  shape(direction: DirectionName): ResolvedShape {
    return this.#directions[direction].shape
  }

  /**
   * Changes the shape from now on. What waits in the queue leaves at the new rate; packets that have
   * left it keep the delay they had. A smaller MTU drops silently: the links' `caps` stay as they
   * were, as they do on a host whose path narrows somewhere beyond it.
   */
  set(change: PathChange): void {
    checkKinds(this.name, change, CHANGE_KINDS)
    checkDirections(this.name, change)
    const asked: Record<DirectionName, PathShape> = {
      'a-to-b': changeShape(changeShape(this.#asked['a-to-b'], change), change.forward ?? {}),
      'b-to-a': changeShape(changeShape(this.#asked['b-to-a'], change), change.backward ?? {}),
    }
    const shapes = this.#resolve(asked)
    for (const name of DIRECTIONS) {
      this.#asked[name] = asked[name]
      this.#directions[name].setShape(shapes[name])
    }
  }

  /**
   * Both ways, or one way only, everything vanishes without a word, what is queued or on the wire
   * included; senders see nothing of it.
   */
  cut(direction?: DirectionName): void {
    for (const name of DIRECTIONS) {
      if (direction === undefined || direction === name) this.#directions[name].cut()
    }
  }

  heal(direction?: DirectionName): void {
    for (const name of DIRECTIONS) {
      if (direction === undefined || direction === name) this.#directions[name].heal()
    }
  }

  /** Lets `box` see, change, drop or multiply what enters the path; null takes it out again. */
  middlebox(
    box:
      | ((direction: DirectionName, packet: Uint8Array) => Uint8Array | Uint8Array[] | null)
      | null,
  ): void {
    for (const name of DIRECTIONS) {
      const inDirection: Middlebox | null = box === null ? null : (packet) => box(name, packet)
      this.#directions[name].middlebox = inDirection
    }
  }

  /** Sends a packet that neither end sent, past the middlebox. */
  inject(direction: DirectionName, packet: Uint8Array): void {
    this.#directions[direction].inject(packet)
  }

  /**
   * Bytes of whole IP packets (headers included) that the wire could have taken in a direction from
   * time `from` to time `to`, in milliseconds of the clock: the integral of the rate, 0 before the
   * path was made and while it was cut. Loss, delay and the queue's bound take nothing off it, and
   * after now the present rate is taken to go on. Infinity where the rate was infinite.
   */
  capacityBytes(from: number, to: number, direction: DirectionName = 'a-to-b'): number {
    return this.#directions[direction].history.bytesBetween(from, to)
  }

  /** Closes both links: no timer of the path remains. */
  close(): void {
    this.a.close()
    this.b.close()
  }

  #resolve(shapes: Record<DirectionName, PathShape>): Record<DirectionName, ResolvedShape> {
    return {
      'a-to-b': resolveShape(this.name, shapes['a-to-b']),
      'b-to-a': resolveShape(this.name, shapes['b-to-a']),
    }
  }
}

function checkDirections(path: string, { forward, backward }: PathChange): void {
  if (forward !== undefined) checkKinds(`${path}, forward`, forward, SHAPE_KINDS)
  if (backward !== undefined) checkKinds(`${path}, backward`, backward, SHAPE_KINDS)
}

const DIRECTIONS: readonly DirectionName[] = ['a-to-b', 'b-to-a']
