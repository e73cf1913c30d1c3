// A client and a server with two addresses each, two paths between them, and a queue of the packets on
// their way, which the attacker works on. Applications are BSD sockets that read all that comes.

import { VirtualClock } from '../../ts/clock.js'
import { createPacketBatch, type Frame, type Link, type PacketBatch } from '../../ts/link/link.js'
import { SeededRandom } from '../../ts/random.js'
import { MptcpBsd } from '../../ts/socket/bsd.js'
import { MPTCP_CONSTANTS as C } from '../../ts/socket/constants.js'
import { Stack } from '../../ts/stack/stack.js'
import { check } from './target.js'

export interface Packet {
  readonly to: 'client' | 'server'
  /** Which path: 0 or 1. */
  readonly link: number
  readonly bytes: Uint8Array
}

export interface Side {
  readonly name: 'client' | 'server'
  readonly stack: Stack
  readonly bsd: MptcpBsd
  readonly links: readonly AttackedLink[]
  /** Of its connections; -1 = none (yet, or any more). */
  fd: number
  reads: boolean
}

export const PORT = 5000
const MEMORY_BYTES = 1024 * 1024
/** Bounded: packets that the attacker can replay. */
const MAX_HISTORY = 256
/** The attacker never waits longer than this for the next packet. */
const PATIENCE_MS = 60_000
const TRIP_MS = 5

class AttackedLink implements Link {
  readonly name: string
  readonly addresses: readonly string[]
  readonly caps = { mtu: 1500, maxReceive: 65_535, tso: 0, checksum: 'verify' as const }
  readonly #sent: (bytes: Uint8Array) => void
  #receive: (batch: PacketBatch) => void = () => {}

  constructor(name: string, address: string, sent: (bytes: Uint8Array) => void) {
    this.name = name
    this.addresses = [address]
    this.#sent = sent
  }

  open(receive: (batch: PacketBatch) => void): void {
    this.#receive = receive
  }

  send(frame: Frame): boolean {
    this.#sent(frame.bytes.slice(frame.offset, frame.offset + frame.length))
    return true
  }

  flush(): void {}

  close(): void {
    this.#receive = () => {}
  }

  deliver(bytes: Uint8Array): void {
    const batch = createPacketBatch(bytes)
    batch.length[0] = bytes.length
    batch.count = 1
    this.#receive(batch)
  }
}

export class AttackedWorld {
  readonly clock = new VirtualClock({ now: 10_000, eventsPerInstant: 100_000 })
  readonly client: Side
  readonly server: Side
  /** On their way, the oldest first. */
  readonly queue: Packet[] = []
  /** As they were sent. */
  readonly history: Packet[] = []
  readonly #version: 4 | 6
  readonly #buffer = new Uint8Array(65_536)
  readonly #plain: boolean
  #listener = -1
  #packets = 0

  /** `mode` bits: IPv6, DSS checksums, plain TCP client, small buffers, no timestamps, limits. */
  constructor(core: 'wasm' | 'js', mode: number) {
    this.#version = (mode & 1) === 0 ? 4 : 6
    this.#plain = (mode & 4) !== 0
    const side = (name: 'client' | 'server', host: number): Side => {
      const other = name === 'client' ? 'server' : 'client'
      const links = [0, 1].map(
        (link) =>
          new AttackedLink(`${name}${link}`, this.#address(link, host), (bytes) =>
            this.#sent({ to: other, link, bytes }),
          ),
      )
      const stack = new Stack({
        links,
        clock: this.clock,
        random: new SeededRandom(host),
        core,
        memoryBytes: MEMORY_BYTES,
        checksum: (mode & 2) !== 0,
        timestamps: (mode & 16) === 0,
        ...((mode & 8) === 0
          ? {}
          : { sendBufferBytes: 4096, receiveBufferBytes: 4096, maxActiveConnections: 1 }),
        ...((mode & 32) === 0 ? {} : { maxSubflows: 2, maxAddAddrAccepted: 1 }),
      })
      return { name, stack, bsd: new MptcpBsd(stack), links, fd: -1, reads: true }
    }
    this.client = side('client', 1)
    this.server = side('server', 2)
  }

  #address(link: number, host: number): string {
    return this.#version === 4 ? `10.0.${link + 1}.${host}` : `fd00:${link + 1}::${host}`
  }

  #sent(packet: Packet): void {
    this.#packets++
    this.queue.push(packet)
    if (this.history.length < MAX_HISTORY) this.history.push(packet)
  }

  sideNamed(name: 'client' | 'server'): Side {
    return name === 'client' ? this.client : this.server
  }

  begin(): void {
    const family = this.#version === 4 ? C.AF_INET : C.AF_INET6
    const { client, server } = this
    this.#listener = server.bsd.socket(family, C.SOCK_STREAM, C.IPPROTO_MPTCP)
    server.bsd.bind(this.#listener, { address: '', port: PORT })
    server.bsd.listen(this.#listener, 4)
    client.fd = client.bsd.socket(
      family,
      C.SOCK_STREAM,
      this.#plain ? C.IPPROTO_TCP : C.IPPROTO_MPTCP,
    )
    client.bsd.connect(client.fd, { address: this.#address(0, 2), port: PORT })
    this.settle()
  }

  /** What is due now happens, and the applications take what came. */
  settle(): void {
    this.clock.runUntil(this.clock.now())
    const { client, server } = this
    const accepted = this.#listener < 0 ? -1 : server.bsd.accept(this.#listener)
    if (accepted >= 0) {
      if (server.fd >= 0) server.bsd.close(server.fd)
      server.fd = accepted
    }
    for (const side of [client, server]) {
      if (side.fd < 0 || !side.reads) continue
      while (side.bsd.read(side.fd, this.#buffer) > 0);
    }
    this.clock.runUntil(this.clock.now())
  }

  after(ms: number): void {
    this.clock.runUntil(this.clock.now() + ms)
    this.settle()
  }

  deliver(packet: Packet): void {
    this.sideNamed(packet.to).links[packet.link]!.deliver(packet.bytes)
    this.settle()
  }

  /** The oldest packet on its way, after a wait if there is none. */
  next(): Packet | undefined {
    if (this.queue.length === 0) {
      const wait = Math.min(this.clock.nextDeadline() - this.clock.now(), PATIENCE_MS)
      this.after(wait)
    }
    return this.queue.shift()
  }

  /** The oldest packet arrives as it was sent. */
  pass(): void {
    const packet = this.next()
    if (packet === undefined) return
    this.after(TRIP_MS)
    this.deliver(packet)
  }

  write(side: Side, length: number): void {
    if (side.fd >= 0) side.bsd.write(side.fd, this.#buffer.subarray(0, length))
    this.settle()
  }

  close(side: Side): void {
    if (side.fd >= 0) side.bsd.close(side.fd)
    side.fd = -1
    this.settle()
  }

  abort(side: Side): void {
    if (side.fd >= 0) side.bsd.abort(side.fd)
    side.fd = -1
    this.settle()
  }

  /** Applications let go, packets arrive as they are, and time passes until nothing happens any more. */
  end(limitMs: number, maxPackets: number): void {
    const { client, server, clock } = this
    client.reads = true
    server.reads = true
    this.settle()
    const before = this.#packets
    const limit = clock.now() + limitMs
    const isOver = (): boolean => this.queue.length === 0 && clock.nextDeadline() > limit
    this.close(client)
    this.close(server)
    server.bsd.close(this.#listener)
    this.#listener = -1
    while (!isOver()) {
      const packet = this.queue.shift()
      if (packet === undefined) {
        clock.runUntil(clock.nextDeadline())
        continue
      }
      check(this.#packets - before < maxPackets, `${maxPackets} packets, and no end`)
      this.after(TRIP_MS)
      this.deliver(packet)
    }
    clock.runUntil(Math.max(limit, clock.now()))
  }
}
