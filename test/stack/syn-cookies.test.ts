// SYN cookies against a flood: strangers cost no memory, and who answers gets in. RFC 4987 §3.6.

import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../ts/clock.js'
import { createPacketBatch, type Frame, type Link, type PacketBatch } from '../../ts/link/link.js'
import type { Connection } from '../../ts/mptcp/connection.js'
import { readableBytes } from '../../ts/mptcp/connection.js'
import { SeededRandom } from '../../ts/random.js'
import type { Listener } from '../../ts/stack/listener.js'
import { Stack } from '../../ts/stack/stack.js'
import { addressFromBytes, type IpAddress, parseAddress } from '../../ts/wire/address.js'
import { emitIp, headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import {
  MP_CAPABLE,
  MP_JOIN,
  type MpJoinAckOption,
  type MpJoinSynOption,
} from '../../ts/wire/mptcp-options.js'
import { ACK, RST, type Segment, SYN } from '../../ts/wire/segment.js'
import { emitSegment, headerLength, parseSegment, writeChecksum } from '../../ts/wire/tcp.js'
import { noOptions } from '../../ts/wire/tcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import { joinHmac, keyed } from '../harness/peer.js'
import { capable } from '../harness/states.js'
import { freeResources } from './world.js'

const HOST = parseAddress('10.0.0.1') as IpAddress
const PEER = parseAddress('10.9.9.9') as IpAddress
const PORT = 443
const BACKLOG = 8
const PEER_KEY = Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2)

/** A link whose far end is the test. */
class Wire implements Link {
  readonly name = 'wire'
  readonly addresses = ['10.0.0.1']
  readonly caps = { mtu: 1500, maxReceive: 65_535, tso: 0, checksum: 'verify' as const }
  readonly sent: Uint8Array[] = []
  #receive: (batch: PacketBatch) => void = () => {}

  open(receive: (batch: PacketBatch) => void): void {
    this.#receive = receive
  }

  send(frame: Frame): boolean {
    this.sent.push(frame.bytes.slice(frame.offset, frame.offset + frame.length))
    return true
  }

  flush(): void {}
  close(): void {}

  /** The stack gets this segment; `data` zeros behind its header. */
  deliver(segment: Segment): void {
    const header = headerLength(segment.options)
    const bytes = new Uint8Array(20 + header + segment.payloadLength)
    const length = header + segment.payloadLength
    const { source, destination } = segment
    emitIp(bytes, 0, { source, destination, protocol: 6, payloadLength: length })
    emitSegment(bytes, 20, segment)
    const seed = pseudoHeaderSum(source, destination, 6, length)
    writeChecksum(bytes, 20, headerSum(bytes, 20, length, seed))
    const batch = createPacketBatch(bytes)
    batch.length[0] = bytes.length
    batch.count = 1
    this.#receive(batch)
  }

  /** What the stack has sent since, read. */
  answers(): Segment[] {
    return this.sent.splice(0).map((bytes) => {
      const ip = parseIp(bytes, 0, bytes.length)
      return parseSegment(bytes, ip!, null) as Segment
    })
  }
}

function segment(from: IpAddress, port: number, change: Partial<Segment>): Segment {
  return {
    source: from,
    destination: HOST,
    sourcePort: port,
    destinationPort: PORT,
    sequence: 1000,
    acknowledgment: 0,
    flags: SYN,
    window: 65_535,
    urgentPointer: 0,
    ecn: 0,
    options: noOptions(),
    payloadOffset: 0,
    payloadLength: 0,
    ...change,
  }
}

function syn(from: IpAddress, port: number): Segment {
  const options = { ...noOptions(), mss: 1460, mptcp: [capable()] }
  return segment(from, port, { options })
}

const spoofed = (i: number): IpAddress =>
  addressFromBytes(Uint8Array.of(172, 16 + (i >> 16), (i >> 8) & 255, i & 255))

const open: Stack[] = []
afterEach(() => {
  for (const stack of open.splice(0)) {
    stack.close()
    expect(stack.liveSlots, 'slots after closing').toBe(0)
  }
})

function world(core: 'wasm' | 'js', synCookies: 0 | 1 | 2) {
  const wire = new Wire()
  const stack = new Stack({
    links: [wire],
    clock: new VirtualClock({ now: 10_000, eventsPerInstant: 100_000 }),
    random: new SeededRandom(7),
    core,
    memoryBytes: 16 * 1024 * 1024,
    endpoints: [],
    synCookies,
  })
  open.push(stack)
  const listener = stack.listen(null, PORT, BACKLOG, false) as Listener
  return { wire, stack, listener }
}

/** The SYN/ACK that answers `syn`, and our key in it. */
function answered(wire: Wire): { synAck: Segment; key: Uint8Array } {
  const [synAck] = wire.answers()
  expect(synAck?.flags).toBe(SYN | ACK)
  const option = synAck!.options.mptcp.find((each) => each.subtype === MP_CAPABLE)
  return { synAck: synAck!, key: option?.senderKey as Uint8Array }
}

function thirdAck(port: number, synAck: Segment, change: Partial<Segment>, key: Uint8Array) {
  const acknowledgment = (synAck.sequence + 1) >>> 0
  const option = capable({ senderKey: PEER_KEY, receiverKey: key })
  const options = { ...noOptions(), mptcp: [option] }
  return segment(PEER, port, { sequence: 1001, acknowledgment, flags: ACK, options, ...change })
}

describe.each(BACKENDS)('SYN cookies on the %s core', (core) => {
  it('a flood of 10,000 SYNs costs no memory, and a real handshake gets in with MPTCP', () => {
    const { wire, stack, listener } = world(core, 1)
    for (let i = 0; i < BACKLOG; i++) wire.deliver(syn(spoofed(i), 2000))
    expect(listener.opening.size).toBe(BACKLOG)
    const before = freeResources(stack)
    const connections = stack.connectionCount
    const tokens = stack.context.tokens.size
    for (let i = BACKLOG; i < 10_000; i++) wire.deliver(syn(spoofed(i), 2000))
    expect(freeResources(stack)).toEqual(before)
    expect(stack.connectionCount).toBe(connections)
    expect(stack.context.tokens.size).toBe(tokens)
    expect(stack.counters.TcpExtSyncookiesSent).toBe(10_000 - BACKLOG)
    const isns = new Set(wire.answers().map((each) => each.sequence))
    expect(isns.size).toBeGreaterThan(9_990)

    wire.deliver(syn(PEER, 3000))
    const { synAck, key } = answered(wire)
    wire.deliver(thirdAck(3000, synAck, {}, key))
    expect(stack.counters.TcpExtSyncookiesRecv).toBe(1)
    expect(listener.ready).toHaveLength(1)
    const connection = listener.ready[0] as Connection
    expect(connection.mode).toBe('mptcp')
    expect(connection.localKey).toEqual(key)
    expect(connection.localToken).toBe(keyed(key).token)
  })

  it('the third ACK may carry the first data', () => {
    const { wire, stack, listener } = world(core, 2)
    wire.deliver(syn(PEER, 3000))
    const { synAck, key } = answered(wire)
    const option = capable({ senderKey: PEER_KEY, receiverKey: key, dataLength: 100 })
    const options = { ...noOptions(), mptcp: [option] }
    wire.deliver(thirdAck(3000, synAck, { options, payloadLength: 100 }, key))
    expect(readableBytes(stack.context, listener.ready[0] as Connection)).toBe(100)
  })

  it('a forged ACK is refused with a RST', () => {
    const { wire, stack, listener } = world(core, 2)
    wire.deliver(syn(PEER, 3000))
    const { synAck, key } = answered(wire)
    const random = new SeededRandom(3)
    let made = 0
    for (let i = 0; i < 1000; i++) {
      const forged = thirdAck(3000, synAck, { acknowledgment: random.uint32() }, key)
      wire.deliver(forged)
      const [answer] = wire.answers()
      if (answer !== undefined && answer.flags & RST) continue
      made++
    }
    expect(made).toBe(0)
    // The same cookie from another port, or with another key, is none.
    wire.deliver(thirdAck(3001, synAck, {}, key))
    expect(wire.answers()[0]?.flags).toBe(RST)
    wire.deliver(
      thirdAck(
        3000,
        synAck,
        {},
        Uint8Array.from(key, (byte) => byte ^ 1),
      ),
    )
    expect(wire.answers()[0]?.flags).toBe(RST)
    expect(stack.counters.TcpExtSyncookiesRecv).toBe(0)
    expect(stack.connectionCount).toBe(0)
    expect(listener.ready).toHaveLength(0)
  })

  it('no ACK is looked at for a cookie where none was sent', () => {
    const { wire, stack } = world(core, 1)
    wire.deliver(segment(PEER, 3000, { flags: ACK, acknowledgment: 77 }))
    expect(wire.answers()[0]?.flags).toBe(RST)
    expect(stack.counters.TcpExtSyncookiesFailed).toBe(0)
  })

  it('without cookies the SYNs past the backlog are dropped', () => {
    const { wire, stack } = world(core, 0)
    for (let i = 0; i < BACKLOG + 5; i++) wire.deliver(syn(spoofed(i), 2000))
    expect(wire.answers()).toHaveLength(BACKLOG)
    expect(stack.counters.TcpExtTCPReqQFullDrop).toBe(5)
  })

  it('a join is made from its third ACK, by the HMAC', () => {
    const { wire, stack, listener } = world(core, 2)
    wire.deliver(syn(PEER, 3000))
    const { synAck, key } = answered(wire)
    wire.deliver(thirdAck(3000, synAck, {}, key))
    const connection = listener.ready[0] as Connection
    for (const isForged of [true, false]) {
      const option: MpJoinSynOption = {
        subtype: MP_JOIN,
        phase: 'SYN',
        backup: false,
        addressId: 2,
        token: connection.localToken,
        nonce: 0x1234,
      }
      const options = { ...noOptions(), mss: 1460, mptcp: [option] }
      wire.deliver(segment(PEER, 3001, { options }))
      const [answer] = wire.answers()
      const join = answer!.options.mptcp[0]
      if (join?.subtype !== MP_JOIN || join.phase !== 'SYN/ACK') throw new Error('no MP_JOIN')
      expect(connection.subflows).toHaveLength(1)
      expect(join.hmac).toEqual(joinHmac(key, PEER_KEY, join.nonce, 0x1234).subarray(0, 8))
      const hmac = joinHmac(PEER_KEY, key, 0x1234, join.nonce).subarray(0, 20)
      if (isForged) hmac[0]! ^= 1
      const proof: MpJoinAckOption = { subtype: MP_JOIN, phase: 'ACK', hmac }
      const ack = { ...noOptions(), mptcp: [proof] }
      const acknowledgment = (answer!.sequence + 1) >>> 0
      wire.deliver(
        segment(PEER, 3001, { sequence: 1001, acknowledgment, flags: ACK, options: ack }),
      )
      expect(wire.answers()[0]!.flags & RST, 'RST').toBe(isForged ? RST : 0)
      expect(connection.subflows).toHaveLength(isForged ? 1 : 2)
    }
    expect(stack.counters.MPJoinAckHMacFailure).toBe(1)
  })
})
