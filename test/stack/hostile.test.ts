// Hostile input: garbage, truncated and mutated packets, and well-formed segments with any options and
// numbers, into a stack in any state. It never throws, it counts what it drops, and everything comes back
// when it closes (conversation.ts looks).

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ADD_ADDR, MP_FAIL } from '../../ts/wire/mptcp-options.js'
import { BACKENDS, randomBytes } from '../contract/cores.js'
import type { Conversation } from '../harness/conversation.js'
import type { RelativeOption, SegmentSpec } from '../harness/peer.js'
import { dss } from '../harness/peer.js'
import {
  capable,
  established,
  joined,
  knock,
  listening,
  synReceived,
  synSent,
  synSpec,
} from '../harness/states.js'
import { mptcpOption } from '../wire/arbitraries.js'

const RUNS = Number(process.env.MPTCP_RANDOM_RUNS ?? 30)

const STATES: Record<string, (core: 'wasm' | 'js') => Conversation> = {
  listening: (core) => {
    const c = listening({ core })
    knock(c, {})
    return c
  },
  'SYN received': (core) => synReceived({ core }),
  'SYN sent': (core) => synSent({ core }),
  'SYN with data received': (core) => {
    const c = listening({ core, stack: { fastOpen: 0x202 } })
    knock(c, {})
    c.receives({ flags: 'S', seq: 0, data: 100, ...synSpec({}), mptcp: [capable()] })
    c.sends({ flags: 'S.', seq: 0, ack: 101 })
    return busy(c)
  },
  'SYN cookie sent': (core) => {
    const c = listening({ core, stack: { synCookies: 2 } })
    knock(c, {})
    c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [capable()] })
    c.sends({ flags: 'S.', seq: 0, ack: 1 })
    return c
  },
  'plain TCP': (core) => busy(established({ core, mptcp: false })),
  server: (core) => busy(established({ core })),
  client: (core) => busy(established({ core, role: 'client' })),
  checksums: (core) => busy(established({ core, checksum: true })),
  'two subflows': (core) => {
    const c = established({ core })
    joined(c)
    return busy(c)
  },
  joining: (core) => {
    const endpoints = [{ address: '10.0.1.1' }, { address: '10.0.2.1', subflow: true }]
    const c = synSent({ core, links: 2, stack: { endpoints } })
    const mptcp = [capable({ senderKey: c.keys.peer.key })]
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}), mptcp })
    c.sends({ flags: '.' })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] })
    c.sends({ flags: 'S', seq: 0, link: 1 })
    return busy(c)
  },
  closing: (core) => {
    const c = established({ core })
    c.writes(3000)
    c.closes()
    return c
  },
  'without room': (core) =>
    busy(established({ core, stack: { memoryBytes: 1024 * 1024, receiveBufferBytes: 4096 } })),
}

function busy(c: Conversation): Conversation {
  c.writes(5000)
  c.sendsAll()
  return c
}

/** Numbers around the places where comparisons turn. */
const offset = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -2, max: 3000 }) },
  fc.integer({ min: -70_000, max: 400_000 }),
  fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, -(2 ** 31)),
)

const relativeDss: fc.Arbitrary<RelativeOption> = fc
  .record({
    fin: fc.boolean(),
    ack: fc.option(offset.map((n) => Math.max(n, 0))),
    dsn: fc.option(offset.map((n) => Math.max(n, 0))),
    ssn: offset.map((n) => n >>> 0),
    length: fc.oneof(fc.integer({ min: 0, max: 1500 }), fc.integer({ min: 0, max: 65_535 })),
    checksum: fc.option(fc.integer({ min: 0, max: 65_535 })),
    short: fc.boolean(),
  })
  .map(({ short, ack, dsn, ...rest }) => {
    const bytes = short ? (4 as const) : (8 as const)
    return dss({
      ...rest,
      ack,
      dsn,
      ackBytes: ack === null ? 0 : bytes,
      dsnBytes: dsn === null ? 0 : bytes,
      checksum: dsn === null ? null : rest.checksum,
    })
  })

const segment: fc.Arbitrary<SegmentSpec> = fc.record(
  {
    flags: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom('.', 'P.') },
      fc.constantFrom('', 'S', 'S.', 'F.', 'F', 'R', 'R.', 'SF.', 'SR', 'FR.', 'U.', 'SFRPU.'),
    ),
    seq: offset,
    ack: offset,
    data: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1400 })),
    window: fc.integer({ min: 0, max: 100_000 }),
    sack: fc.array(fc.tuple(offset, offset), { minLength: 1, maxLength: 2 }),
    tsval: fc.integer({ min: 0, max: 0xffffffff }),
    mptcp: fc.oneof(
      { weight: 3, arbitrary: relativeDss.map((option) => [option]) },
      mptcpOption('ACK').map((option) => [option as RelativeOption]),
    ),
  },
  { requiredKeys: ['flags', 'seq', 'ack'] },
)

type Step =
  | { kind: 'segment'; spec: SegmentSpec; peer: number }
  | { kind: 'wait'; ms: number }
  | { kind: 'write'; bytes: number }
  | { kind: 'close' }
  | { kind: 'abort' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('segment' as const),
      spec: segment,
      peer: fc.nat(3),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(5000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('write' as const), bytes: fc.nat(3000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'close' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'abort' as const }) },
)

/** Options that do not fit into a header are not a packet that anyone can send. */
function receivesIfItFits(c: Conversation, spec: SegmentSpec, index: number): void {
  const peer = c.peers[index % c.peers.length]!
  let bytes: Uint8Array
  try {
    bytes = peer.emit(spec, c.clock.now())
  } catch (error) {
    if (error instanceof RangeError) return
    throw error
  }
  c.receivesBytes(bytes, peer.link)
}

function take(c: Conversation, each: Step): void {
  const open = c.connection !== undefined && !c.connection.snd.released
  switch (each.kind) {
    case 'segment':
      receivesIfItFits(c, each.spec, each.peer)
      break
    case 'wait':
      c.after(each.ms)
      break
    case 'write':
      if (open && c.connection.snd.fin < 0) c.writes(each.bytes)
      break
    case 'close':
      if (open) c.closes()
      break
    case 'abort':
      if (open) c.stack.calls.abort(c.connection)
      break
    default:
      each satisfies never
  }
}

describe.each(BACKENDS)('hostile input, %s core', (core) => {
  it.each(Object.entries(STATES))('any segments into a stack that is: %s', (_name, make) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const c = make(core)
        for (const each of steps) take(c, each)
        c.after(300_000)
        c.close()
      }),
      { numRuns: RUNS },
    )
  })

  it('random bytes are dropped and counted', () => {
    const c = busy(established({ core }))
    const before = c.stack.counters.IpInReceives
    for (let i = 0; i < 500; i++) c.receivesBytes(randomBytes(1 + ((i * 37) % 1500), i + 1))
    const { counters } = c.stack
    expect(counters.IpInReceives - before).toBe(500)
    // A few look like IPv6 to someone else.
    expect(counters.IpInHdrErrors + counters.IpInAddrErrors).toBe(500)
    c.sendsNothing()
  })

  it('every truncation of a valid packet is dropped, or is the whole of it', () => {
    const c = busy(established({ core }))
    const option = dss({ ack: 1, dsn: 1, ssn: 1, length: 100 })
    const packet = c.peer.emit({ seq: 1, ack: 1, data: 100, mptcp: [option] }, c.clock.now())
    for (let length = 0; length < packet.length; length++) c.receivesBytes(packet.slice(0, length))
    c.sendsNothing()
    c.reads(0)
    c.receivesBytes(packet)
    c.sends({ ack: 101 })
    c.reads(100)
  })

  it('every flipped bit of a valid packet is noticed', () => {
    const c = busy(established({ core }))
    const option = dss({ ack: 1, dsn: 1, ssn: 1, length: 60 })
    const packet = c.peer.emit({ seq: 1, ack: 1, data: 60, mptcp: [option] }, c.clock.now())
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const changed = packet.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      c.receivesBytes(changed)
    }
    c.reads(0)
    const { TcpInCsumErrors, TcpInErrs, IpInHdrErrors, IpInAddrErrors } = c.stack.counters
    expect(TcpInCsumErrors + TcpInErrs + IpInHdrErrors + IpInAddrErrors).toBe(packet.length * 8)
  })

  it('a flood of SYNs holds no more than the backlog, and goes away by itself', () => {
    const c = listening({ core })
    for (let i = 0; i < 2000; i++) {
      const peer = c.addPeer({ port: 1024 + i, stackPort: 5000 })
      c.links[0]!.deliver([peer.emit({ flags: 'S', seq: 0, mss: 1460 }, c.clock.now())])
    }
    expect(c.stack.connectionCount).toBeLessThanOrEqual(16)
    expect(c.stack.counters.TcpExtSyncookiesSent).toBeGreaterThanOrEqual(2000 - 16)
    c.after(300_000)
    expect(c.stack.connectionCount).toBe(0)
  })

  it('a fallback while an address is still to be announced again leaves no timer that spins', () => {
    const endpoints = [{ address: '10.0.1.1' }, { address: '10.0.2.1', id: 7, signal: true }]
    const c = synReceived({ core, links: 2, stack: { endpoints } })
    const { peer, stack } = c.keys
    const keys = capable({ senderKey: peer.key, receiverKey: stack!.key })
    c.receives({ seq: 1, ack: 1, mptcp: [keys] })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] })
    c.sends({ mptcp: [{ subtype: ADD_ADDR, addressId: 7 }] })
    const dsn = { dsnHigh: stack!.idsnHigh, dsnLow: stack!.idsnLow + 1 }
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: MP_FAIL, ...dsn }] })
    expect(c.connection.mode).toBe('fallback')
    // The clock throws if time never moves on.
    c.after(600_000)
  })

  it('mappings of data that never comes are bounded', () => {
    const c = established({ core })
    for (let i = 0; i < 3000 && c.connection.subflows.length > 0; i++) {
      const at = 1000 + i * 2
      c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1, dsn: at, ssn: at, length: 1 })] })
      expect(c.subflow()?.mappings.list.length ?? 0).toBeLessThanOrEqual(1024)
    }
    expect(c.connection.subflows).toHaveLength(0)
  })

  it('one byte of every two, out of order, holds no more than the window', () => {
    const c = established({ core, mptcp: false, stack: { memoryBytes: 1024 * 1024 } })
    for (let i = 1; i < 3000; i++) c.receives({ seq: 1 + i * 2, ack: 1, data: 1 })
    c.sendsAll()
    const slots = c.stack.liveSlots
    expect(slots).toBeLessThan(512)
    c.receives({ seq: 1, ack: 1, data: 1460 })
    c.sendsAll()
    c.readOffset = 1
    c.readsSome(1460)
  })
})
