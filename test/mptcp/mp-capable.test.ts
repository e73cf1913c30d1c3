// MP_CAPABLE, RFC 8684 §3.1, in both roles, and the fallbacks of §3.7 that happen at the start.

import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../ts/random.js'
import { MP_CAPABLE, MP_PRIO } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import { dss, keyed } from '../harness/peer.js'
import {
  capable,
  established,
  knock,
  listening,
  synReceived,
  synSent,
  synSpec,
} from '../harness/states.js'

/** Draws these keys first. */
class Scripted extends SeededRandom {
  readonly #keys: Uint8Array[]

  constructor(keys: Uint8Array[]) {
    super(1)
    this.#keys = [...keys]
  }

  override bytes(n: number): Uint8Array {
    return (n === 8 ? this.#keys.shift() : undefined) ?? super.bytes(n)
  }
}

describe.each(BACKENDS)('MP_CAPABLE, %s core', (core) => {
  it('the vector of a key: token and IDSN are the ends of its SHA-256', () => {
    // Computed with `printf '\1\2\3\4\5\6\7\10' | sha256sum`.
    expect(keyed(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))).toMatchObject({
      token: 0x66840dda,
      idsnHigh: 0xf5a101d3,
      idsnLow: 0xd29d6f72,
    })
    const c = established({ core })
    const { connection } = c
    expect(connection.remoteToken).toBe(c.keys.peer.token)
    expect(connection.remoteIdsnHigh).toBe(c.keys.peer.idsnHigh)
    expect(connection.remoteIdsnLow).toBe(c.keys.peer.idsnLow)
    expect(connection.localToken).toBe(c.keys.stack!.token)
    expect(connection.localIdsnLow).toBe(c.keys.stack!.idsnLow)
  })

  it('a SYN with MP_CAPABLE is answered with our key', () => {
    const c = synReceived({ core })
    expect(c.keys.stack!.key).toHaveLength(8)
    expect(c.stack.counters.MPCapableSYNRX).toBe(1)
  })

  it('the third ACK with both keys makes it MPTCP', () => {
    const c = established({ core })
    expect(c.connection.fullyEstablished).toBe(true)
    expect(c.stack.counters.MPCapableACKRX).toBe(1)
  })

  it('a SYN of another version is answered with version 1, or by plain TCP', () => {
    for (const version of [0, 2]) {
      const c = listening({ core })
      knock(c, {})
      // A SYN of version 0 has a key (RFC 6824): our emitter writes version 1 lengths only for others.
      const key = version === 0 ? Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1) : null
      c.receives({
        flags: 'S',
        seq: 0,
        ...synSpec({}),
        mptcp: [capable({ version, senderKey: key })],
      })
      const said = c.sends({ flags: 'S.', ack: 1 })
      for (const option of said.mptcp) expect(option).toMatchObject({ version: 1 })
    }
  })

  it('with flag B, or without HMAC-SHA256, the option is as if absent', () => {
    for (const spec of [{ extensibility: true }, { algorithms: 0 }, { algorithms: 0x10 }]) {
      const c = listening({ core })
      knock(c, {})
      c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [capable(spec)] })
      c.sends({ flags: 'S.', mptcp: [] })
      c.receives({ seq: 1, ack: 1 })
      expect(c.connection.mode).toBe('fallback')
    }
  })

  it('flags that are unknown are ignored', () => {
    const c = listening({ core })
    knock(c, {})
    c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [capable({ algorithms: 0x1f })] })
    c.sends({ flags: 'S.', mptcp: [{ subtype: MP_CAPABLE, algorithms: 1 }] })
  })

  it('a key whose token another connection has is not taken (§3.1)', () => {
    const [first, second] = [
      Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1),
      Uint8Array.of(2, 2, 2, 2, 2, 2, 2, 2),
    ]
    const c = listening({ core, stack: { random: new Scripted([first, first, second]) } })
    for (const [i, senderKey] of [first, second].entries()) {
      const peer = knock(c, {}, 40_000 + i)
      c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [capable({})] }, peer)
      c.sends({ peer, flags: 'S.', mptcp: [{ subtype: MP_CAPABLE, senderKey }] })
    }
    expect(c.stack.counters.MPFallbackTokenInit).toBe(0)
  })

  it('a third ACK without MP_CAPABLE makes it plain TCP', () => {
    const c = synReceived({ core })
    c.receives({ seq: 1, ack: 1 })
    expect(c.connection.mode).toBe('fallback')
    expect(c.connection.fallbackReason).toBe('MPCapableFallbackACK')
    c.receives({ seq: 1, ack: 1, data: 20 })
    c.sends({ ack: 21, mptcp: [] })
    c.reads(20)
    c.writes(30)
    c.sends({ length: 30, mptcp: [] })
  })

  it('a third ACK with a wrong receiver key is refused with a RST', () => {
    const c = synReceived({ core })
    const option = capable({
      senderKey: c.keys.peer.key,
      receiverKey: Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9),
    })
    c.receives({ seq: 1, ack: 1, mptcp: [option] })
    expect(c.sends().flags).toContain('R')
    expect(c.connection).toBeUndefined()
  })

  it('a lost third ACK is made good by data with MP_CAPABLE', () => {
    const c = synReceived({ core })
    const option = capable({
      senderKey: c.keys.peer.key,
      receiverKey: c.keys.stack!.key,
      dataLength: 100,
    })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [option] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    expect(c.connection.mode).toBe('mptcp')
    c.reads(100)
  })

  it('MP_CAPABLE with data that is repeated over several segments maps each of them', () => {
    const c = established({ core })
    const option = capable({
      senderKey: c.keys.peer.key,
      receiverKey: c.keys.stack!.key,
      dataLength: 3000,
    })
    c.receives({ seq: 1, ack: 1, data: 1400, mptcp: [option] })
    c.sends({ ack: 1401, mptcp: [{ ack: 1401 }] })
    c.receives({ seq: 1401, ack: 1, data: 1400, mptcp: [option] })
    c.sends({ ack: 2801, mptcp: [{ ack: 2801 }] })
    c.receives({ seq: 2801, ack: 1, data: 200, mptcp: [option] })
    c.sends({ ack: 3001, mptcp: [{ ack: 3001 }] })
    c.reads(3000)
  })

  it('first data without any option after a full handshake makes it plain TCP', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 50 })
    expect(c.connection.mode).toBe('fallback')
    expect(c.connection.fallbackReason).toBe('MPCapableDataFallback')
    c.sends({ ack: 51, mptcp: [] })
    c.reads(50)
    c.writes(10)
    c.sends({ length: 10, mptcp: [] })
  })

  it('a FIN without any option and no DSS before it does as well: what no mapping explained is the data', () => {
    const c = established({ core })
    const prio = { subtype: MP_PRIO, backup: false, addressId: null } as const
    c.receives({ seq: 1, ack: 1, data: 50, mptcp: [prio] })
    c.reads(0)
    c.receives({ flags: 'F.', seq: 51, ack: 1 })
    expect(c.connection.fallbackReason).toBe('DssFallback')
    c.reads(50)
    expect(c.connection.state).toBe('M_CLOSE_WAIT')
  })

  it('the SYN asks for MPTCP, and the third ACK proves both keys', () => {
    const c = synSent({ core })
    c.receives({
      flags: 'S.',
      seq: 0,
      ack: 1,
      ...synSpec({}),
      mptcp: [capable({ senderKey: c.keys.peer.key })],
    })
    c.sends({
      flags: '.',
      seq: 1,
      ack: 1,
      mptcp: [{ senderKey: c.keys.stack!.key, receiverKey: c.keys.peer.key, dataLength: null }],
    })
    expect(c.connection.mode).toBe('mptcp')
    expect(c.connection.fullyEstablished).toBe(false)
  })

  it('a SYN/ACK without MP_CAPABLE makes it plain TCP', () => {
    const c = synSent({ core })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}) })
    c.sends({ flags: '.', mptcp: [] })
    expect(c.connection.fallbackReason).toBe('MPCapableFallbackSYNACK')
    c.writes(10)
    c.sends({ length: 10, mptcp: [] })
  })

  it('a SYN/ACK of another version makes it plain TCP', () => {
    const c = synSent({ core })
    const option = capable({ version: 0, senderKey: c.keys.peer.key })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}), mptcp: [option] })
    c.sends({ flags: '.', mptcp: [] })
    expect(c.connection.mode).toBe('fallback')
  })

  it('after three SYNs with MP_CAPABLE the fourth goes without', () => {
    const c = synSent({ core })
    c.after(1000)
    c.sends({ flags: 'S', mptcp: [{ subtype: MP_CAPABLE }] })
    c.after(1000)
    c.sends({ flags: 'S', mptcp: [{ subtype: MP_CAPABLE }] })
    c.after(1000)
    c.sends({ flags: 'S', mptcp: [] })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}) })
    c.sends({ flags: '.', mptcp: [] })
    expect(c.connection.mode).toBe('fallback')
  })

  it('the first data of the opener carries both keys and its length, until a DSS has come', () => {
    const c = synSent({ core })
    c.receives({
      flags: 'S.',
      seq: 0,
      ack: 1,
      ...synSpec({}),
      mptcp: [capable({ senderKey: c.keys.peer.key })],
    })
    c.sends({ flags: '.' })
    c.writes(100)
    c.sends({
      seq: 1,
      length: 100,
      mptcp: [{ subtype: MP_CAPABLE, dataLength: 100, senderKey: c.keys.stack!.key }],
    })
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 101 })] })
    c.writes(100)
    c.sends({ seq: 101, length: 100, mptcp: [{ dsn: 101, ssn: 101, length: 100 }] })
  })

  it('data acknowledged without any MPTCP option makes the opener fall back', () => {
    const c = synSent({ core })
    c.receives({
      flags: 'S.',
      seq: 0,
      ack: 1,
      ...synSpec({}),
      mptcp: [capable({ senderKey: c.keys.peer.key })],
    })
    c.sends({ flags: '.' })
    c.writes(100)
    c.sends({ length: 100 })
    c.receives({ seq: 1, ack: 101 })
    expect(c.connection.mode).toBe('fallback')
    c.writes(50)
    c.sends({ seq: 101, length: 50 })
    c.receives({ seq: 1, ack: 151 })
    expect(c.connection.snd.una).toBe(151)
    c.sendsNothingFor(5000)
  })

  it('flag A from either side turns DSS checksums on', () => {
    expect(established({ core, checksum: true }).connection.checksum).toBe(true)
    const own = synReceived({ core, stack: { checksum: true } })
    expect(own.stack.context.tokens.values().next().value!.checksum).toBe(true)
    const active = established({ core, role: 'client', checksum: true })
    expect(active.connection.checksum).toBe(true)
    expect(established({ core }).connection.checksum).toBe(false)
  })

  it('our SYN/ACK says flag A if we want checksums', () => {
    const c = listening({ core, stack: { checksum: true } })
    knock(c, {})
    c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [capable()] })
    c.sends({ flags: 'S.', mptcp: [{ checksumRequired: true }] })
  })
})
