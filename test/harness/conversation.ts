// A scripted peer for one stack, in virtual time: the test says what the stack receives and what it must
// send. Every packet of the stack's is held to its checksums, and the data in it to what was written.
// After each test the stack is closed and must have given everything back.

import { expect } from 'vitest'
import { VirtualClock } from '../../ts/clock.js'
import { createPacketBatch, type Frame, type Link, type PacketBatch } from '../../ts/link/link.js'
import type { Connection } from '../../ts/mptcp/connection.js'
import type { Subflow } from '../../ts/mptcp/subflow.js'
import { SeededRandom } from '../../ts/random.js'
import { Stack } from '../../ts/stack/stack.js'
import { parseIp } from '../../ts/wire/ip.js'
import { DSS, MP_CAPABLE } from '../../ts/wire/mptcp-options.js'
import { parseSegment } from '../../ts/wire/tcp.js'
import { freeResources, type StackSpec } from '../stack/world.js'
import {
  expectRightChecksum,
  type Keys,
  keyed,
  Peer,
  pattern,
  type Said,
  type SegmentSpec,
} from './peer.js'

/** What a test expects of a segment: the fields given, nothing of the others. */
export type Expectation = Partial<Omit<Said, 'mptcp' | 'data' | 'peer'>> & {
  data?: Uint8Array | string
  /** As many options as given here, each with at least these fields. */
  mptcp?: object[]
  peer?: Peer
}

interface Sent {
  link: number
  at: number
  bytes: Uint8Array
}

/** One end of a path whose other end is the test. */
class TestLink implements Link {
  readonly name: string
  readonly addresses: readonly string[]
  readonly caps
  receive: (batch: PacketBatch) => void = () => {}
  readonly #sent: (bytes: Uint8Array) => void

  constructor(index: number, mtu: number, sent: (bytes: Uint8Array) => void) {
    this.name = `test${index}`
    this.addresses = [stackAddress(index)]
    this.caps = { mtu, maxReceive: 65535, tso: 0, checksum: 'verify' as const }
    this.#sent = sent
  }

  open(receive: (batch: PacketBatch) => void): void {
    this.receive = receive
  }

  send(frame: Frame): boolean {
    this.#sent(frame.bytes.slice(frame.offset, frame.offset + frame.length))
    return true
  }

  flush(): void {}
  close(): void {}

  deliver(packets: readonly Uint8Array[]): void {
    const bytes = Uint8Array.from(Buffer.concat(packets))
    const batch = createPacketBatch(bytes)
    let at = 0
    packets.forEach((packet, i) => {
      batch.offset[i] = at
      batch.length[i] = packet.length
      at += packet.length
    })
    batch.count = packets.length
    this.receive(batch)
  }
}

export const stackAddress = (link: number): string => `10.0.${link + 1}.1`
export const peerAddress = (link: number): string => `10.0.${link + 1}.2`

export interface ConversationOptions {
  core?: 'wasm' | 'js'
  /** How many links, each with an address of its own. */
  links?: number
  mtu?: number
  seed?: number
  stack?: StackSpec
  /** The peer's key. */
  key?: Uint8Array
}

const open = new Set<Conversation>()

/** Ends those of the test that is over: after-each.ts does it. */
export function closeAll(): void {
  const left = [...open]
  open.clear()
  for (const conversation of left) conversation.close()
}

const PEER_KEY = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

export class Conversation {
  readonly clock = new VirtualClock({ now: 10_000, eventsPerInstant: 100_000 })
  readonly stack: Stack
  readonly links: TestLink[] = []
  readonly keys: Keys
  readonly peers: Peer[] = []
  /** The connection that the test is about. */
  connection!: Connection
  /** EVENT_* bits told so far. */
  events = 0
  /** Bytes that the application has written, and read. */
  written = 0
  readOffset = 1
  readonly #outbox: Sent[] = []
  readonly #start = this.clock.now()
  readonly #free: Record<string, number>
  /** From subflow to data, by the infinite mapping that the stack has sent. */
  #infiniteShift = 0

  constructor(options: ConversationOptions = {}) {
    const { links = 1, mtu = 1500, seed = 1 } = options
    for (let i = 0; i < links; i++) {
      const sent = (bytes: Uint8Array): void => {
        this.#outbox.push({ link: i, at: this.clock.now(), bytes })
      }
      this.links.push(new TestLink(i, mtu, sent))
    }
    this.stack = new Stack({
      links: this.links,
      clock: this.clock,
      random: new SeededRandom(seed),
      core: options.core ?? 'js',
      memoryBytes: 4 * 1024 * 1024,
      endpoints: [],
      ...options.stack,
    })
    this.keys = { peer: keyed(options.key ?? PEER_KEY), stack: null }
    this.#free = freeResources(this.stack)
    open.add(this)
  }

  /** The first subflow's far end, unless a test says another. */
  get peer(): Peer {
    return this.peers[0]!
  }

  /** The stack's subflow that goes to `peer`. */
  subflow(peer = this.peer): Subflow {
    return this.connection.subflows.find(
      (each) => each.remotePort === peer.port && each.localPort === peer.stackPort,
    )!
  }

  readonly notify = (events: number): void => {
    this.events |= events
  }

  /** A far end on `link`, known to the stack or not. */
  addPeer(options: {
    link?: number
    port: number
    stackPort: number
    isn?: number
    shift?: number
    keys?: Keys
    address?: string
  }): Peer {
    const link = options.link ?? 0
    const peer = new Peer({
      link,
      address: options.address ?? peerAddress(link),
      port: options.port,
      stackAddress: stackAddress(link),
      stackPort: options.stackPort,
      isn: options.isn ?? 0xfffffe00 + this.peers.length,
      shift: options.shift ?? 7,
      keys: options.keys ?? this.keys,
    })
    this.peers.push(peer)
    return peer
  }

  // ---------------------------------------------------------------- the peer speaks

  /** The stack gets one segment of `peer`, and its turn. */
  receives(spec: SegmentSpec, peer = this.peer): void {
    this.links[peer.link]!.deliver([peer.emit(spec, this.clock.now())])
    this.#settle()
  }

  /** The stack gets several segments in one batch. */
  receivesTogether(specs: readonly SegmentSpec[], peer = this.peer): void {
    this.links[peer.link]!.deliver(specs.map((spec) => peer.emit(spec, this.clock.now())))
    this.#settle()
  }

  /** The stack gets these very bytes. */
  receivesBytes(bytes: Uint8Array, link = 0): void {
    this.links[link]!.deliver([bytes])
    this.#settle()
  }

  // ---------------------------------------------------------------- the stack speaks

  /** The next segment that the stack has sent must be like this. */
  sends(expected: Expectation = {}): Said {
    this.#settle()
    const sent = this.#outbox.shift()
    if (sent === undefined) {
      expect.fail(`the stack sent nothing, expected ${JSON.stringify(plain(expected))}`)
    }
    const said = this.#read(sent)
    const { peer, data, flags, ...rest } = expected
    if (peer !== undefined) expect(said.peer.port, 'port of the subflow').toBe(peer.port)
    const found = Object.fromEntries(Object.keys(rest).map((key) => [key, said[key as keyof Said]]))
    const shown = JSON.stringify(plain(said))
    expect(found, shown).toMatchObject(rest)
    // PSH tells the peer nothing that a test should depend on.
    if (flags !== undefined) expect(said.flags.replace('P', ''), shown).toBe(flags.replace('P', ''))
    if (data !== undefined) {
      const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
      expect(Buffer.from(said.data).toString('latin1')).toBe(Buffer.from(bytes).toString('latin1'))
    }
    return said
  }

  /** Everything that the stack has sent and was not asked for yet. */
  sendsAll(): Said[] {
    this.#settle()
    return this.#outbox.splice(0).map((sent) => this.#read(sent))
  }

  sendsNothing(): void {
    this.#settle()
    const rest = this.#outbox.splice(0).map((sent) => plain(this.#read(sent)))
    expect(rest, 'the stack should have sent nothing').toEqual([])
  }

  /** Nothing leaves for `ms` milliseconds. */
  sendsNothingFor(ms: number): void {
    this.after(ms)
    this.sendsNothing()
  }

  // ---------------------------------------------------------------- time

  after(ms: number): void {
    this.clock.runUntil(this.clock.now() + ms)
  }

  /** Moves time on to `ms` after the conversation began. */
  at(ms: number): void {
    this.clock.runUntil(this.#start + ms)
  }

  // ---------------------------------------------------------------- the application

  /** Writes `length` bytes of the pattern; all must be taken. */
  writes(length: number): void {
    const bytes = pattern(this.written + 1, length)
    expect(this.stack.calls.write(this.connection, bytes)).toBe(length)
    this.written += length
    this.#settle()
  }

  /** Reads what there is: it must be `length` bytes of the pattern. */
  reads(length: number): void {
    this.#reads(length, new Uint8Array(length + 1))
  }

  /** Reads `length` bytes of the pattern, and leaves the rest. */
  readsSome(length: number): void {
    this.#reads(length, new Uint8Array(length))
  }

  #reads(length: number, target: Uint8Array): void {
    const count = this.stack.calls.read(this.connection, target)
    expect(count, 'bytes that the application can read').toBe(length)
    const want = pattern(this.readOffset, length)
    expect(Buffer.compare(target.subarray(0, count), want), 'the bytes read').toBe(0)
    this.readOffset += count
    this.#settle()
  }

  /** The application ends its sending side. */
  closes(): void {
    this.stack.calls.shutSending(this.connection)
    this.#settle()
  }

  close(): void {
    const { stack } = this
    stack.close()
    open.delete(this)
    expect(
      { liveSlots: stack.liveSlots, tokens: stack.context.tokens.size, ...freeResources(stack) },
      'given back when the stack closes',
    ).toEqual({ liveSlots: 0, tokens: 0, ...this.#free })
    this.clock.runUntil(this.clock.now() + 86_400_000)
    expect(this.clock.nextDeadline(), 'a timer is left').toBe(Number.POSITIVE_INFINITY)
  }

  #settle(): void {
    this.clock.runUntil(this.clock.now())
  }

  #read(sent: Sent): Said {
    expectRightChecksum(sent.bytes)
    const ip = parseIp(sent.bytes, 0, sent.bytes.length)!
    const segment = parseSegment(sent.bytes, ip)!
    const known = this.peers.find((each) =>
      each.isFor(ip.destination, segment.destinationPort, segment.sourcePort),
    )
    // A subflow that the stack opens: its far end is made as its SYN is seen.
    const peer =
      known ??
      this.addPeer({
        link: sent.link,
        port: segment.destinationPort,
        stackPort: segment.sourcePort,
        address: `10.0.${(ip.destination.w3 >>> 8) & 255}.${ip.destination.w3 & 255}`,
      })
    const said = peer.read(sent.bytes, sent.link, sent.at)
    if (said.length > 0) this.#checkPayload(said)
    return said
  }

  /** Whatever the mapping, the bytes are those that the application wrote there. */
  #checkPayload(said: Said): void {
    const mapping = said.mptcp.find((option) => option.subtype === DSS)
    const capable = said.mptcp.some((option) => option.subtype === MP_CAPABLE)
    let offset = said.seq
    if (mapping?.subtype === DSS && mapping.dsn !== null) {
      const shift = mapping.dsn - mapping.ssn
      if (mapping.length === 0) this.#infiniteShift = shift
      offset += shift
    } else if (!capable && this.connection?.mode === 'fallback') {
      offset += this.#infiniteShift
    }
    const want = pattern(offset, said.length)
    expect(Buffer.compare(said.data, want), `payload at data offset ${offset}`).toBe(0)
  }
}

function plain(said: object): object {
  return Object.fromEntries(
    Object.entries(said)
      .filter(([key]) => key !== 'peer')
      .map(([key, value]) => [key, value instanceof Uint8Array ? `${value.length} bytes` : value]),
  )
}
