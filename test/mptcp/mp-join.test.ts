// MP_JOIN, RFC 8684 §3.2, in both roles: tokens, HMACs, limits, and the ACK that must be acknowledged.

import { describe, expect, it } from 'vitest'
import { DSS, MP_JOIN, MP_TCPRST } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import type { Conversation } from '../harness/conversation.js'
import { dss, joinHmac, pattern } from '../harness/peer.js'
import {
  answerJoin,
  capable,
  established,
  joinAck,
  joined,
  joinSyn,
  joinSynAck,
  synReceived,
  synSent,
  synSpec,
} from '../harness/states.js'

const REFUSED = [{ subtype: MP_TCPRST, reason: 1 }]
const WRONG = new Uint8Array(20).fill(0x5a)

const joinsFromSecondLink = {
  links: 2,
  stack: { endpoints: [{ address: '10.0.1.1' }, { address: '10.0.2.1', subflow: true }] },
}

describe.each(BACKENDS)('MP_JOIN, %s core', (core) => {
  it("HMACs are those of RFC 8684 §3.2: keys joined, nonces joined, the sender's first", () => {
    const a = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    const b = Uint8Array.of(0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18)
    const c = established({ core })
    const own = c.stack.core.joinHmac(a, b, 0x01020304, 0xfffefdfc)
    expect(Buffer.from(own)).toEqual(Buffer.from(joinHmac(a, b, 0x01020304, 0xfffefdfc)))
  })

  it('a join with the right HMAC makes a second subflow, and its third ACK is acknowledged', () => {
    const c = established({ core })
    const peer = joined(c)
    expect(c.connection.subflows).toHaveLength(2)
    expect(c.subflow(peer).tcb.state).toBe('ESTABLISHED')
    expect(c.subflow(peer).remoteAddressId).toBe(2)
  })

  it('data on both subflows is one stream', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [dss({ ack: 1, dsn: 1, ssn: 1, length: 100 })] })
    c.sends({ peer: c.peer, ack: 101, mptcp: [{ ack: 101 }] })
    c.receives(
      { seq: 1, ack: 1, data: pattern(101, 100), mptcp: [dss({ dsn: 101, ssn: 1, length: 100 })] },
      peer,
    )
    c.sends({ peer, ack: 101, mptcp: [{ ack: 201 }] })
    c.reads(200)
  })

  it('a MP_JOIN with an unknown token is reset', () => {
    const c = established({ core })
    const peer = joinSyn(c, { token: 0x12345678 })
    c.sends({ peer, flags: 'R.', ack: 1, mptcp: REFUSED })
    expect(c.stack.counters.MPJoinNoTokenFound).toBe(1)
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('a third ACK with a wrong HMAC is reset', () => {
    const c = established({ core })
    const peer = joinSyn(c)
    joinSynAck(c, peer)
    joinAck(c, peer, 0, { hmac: WRONG })
    const said = c.sends({ peer, mptcp: REFUSED })
    expect(said.flags).toContain('R')
    expect(c.stack.counters.MPJoinAckHMacFailure).toBe(1)
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('a join before the third ACK of the first subflow is refused', () => {
    const c = synReceived({ core })
    const peer = joinSyn(c)
    c.sends({ peer, flags: 'R.', mptcp: [{ subtype: MP_TCPRST }] })
    expect(c.stack.counters.MPJoinRejected).toBe(1)
  })

  it('a join to a connection that fell back is refused', () => {
    const c = synReceived({ core })
    c.receives({ seq: 1, ack: 1 })
    const peer = joinSyn(c)
    c.sends({ peer, flags: 'R.' })
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('joins past the limit are refused', () => {
    const c = established({ core, stack: { maxSubflows: 3 } })
    joined(c, { port: 41_001 })
    joined(c, { port: 41_002 })
    const peer = joinSyn(c, { port: 41_003 })
    c.sends({ peer, flags: 'R.', mptcp: [{ subtype: MP_TCPRST }] })
    expect(c.stack.counters.MPJoinRejected).toBe(1)
    expect(c.connection.subflows).toHaveLength(3)
  })

  it('half-open joins count against the limit', () => {
    const c = established({ core, stack: { maxSubflows: 2 } })
    joinSynAck(c, joinSyn(c, { port: 41_001 }))
    c.sends({ peer: joinSyn(c, { port: 41_002 }), flags: 'R.' })
  })

  it('a third ACK without MP_JOIN is reset, whatever else it bears', () => {
    const c = established({ core })
    const peer = joinSyn(c)
    joinSynAck(c, peer)
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 50 })
    c.receives({ seq: 1, ack: 1, data: pattern(1, 50), mptcp: [map] }, peer)
    const said = c.sends({ peer, mptcp: REFUSED })
    expect(said.flags).toContain('R')
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('the SYN/ACK of a join that is lost goes again; without third ACK the subflow goes away', () => {
    const c = established({ core })
    const peer = joinSyn(c)
    joinSynAck(c, peer)
    c.after(1000)
    joinSynAck(c, peer)
    c.after(200_000)
    c.sendsAll()
    expect(c.connection.subflows).toHaveLength(1)
    expect(c.connection.error).toBeNull()
  })

  it('a RST of a joined subflow ends it alone', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ flags: 'R', seq: 1 }, peer)
    expect(c.connection.subflows).toHaveLength(1)
    expect(c.connection.error).toBeNull()
    c.writes(10)
    c.sends({ peer: c.peer, length: 10 })
  })

  it('flag C of the peer keeps this side from joining its address', () => {
    const c = synSent({ core, ...joinsFromSecondLink })
    const option = capable({ senderKey: c.keys.peer.key, denyJoin: true })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}), mptcp: [option] })
    c.sends({ flags: '.' })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] })
    c.sendsNothingFor(5000)
  })

  it('the opener joins from its other address once the connection is fully established', () => {
    const c = synSent({ core, ...joinsFromSecondLink })
    const option = capable({ senderKey: c.keys.peer.key })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}), mptcp: [option] })
    c.sends({ flags: '.' })
    c.sendsNothing()
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] })
    const peer = answerJoin(c)
    expect(peer.link).toBe(1)
    expect(c.subflow(peer).confirmed).toBe(true)
  })

  it('a SYN/ACK of a join with a wrong HMAC is reset', () => {
    const c = opened(core)
    const peer = answerJoin(c, { hmac: new Uint8Array(8) })
    const said = c.sends({ peer, mptcp: REFUSED })
    expect(said.flags).toContain('R')
    expect(c.stack.counters.MPJoinSynAckHMacFailure).toBe(1)
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('a SYN/ACK of a join without MP_JOIN is reset', () => {
    const c = opened(core)
    const { peer } = c.sends({ flags: 'S' })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}) }, peer)
    expect(c.sends({ peer }).flags).toContain('R')
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('a SYN that crosses the SYN of a join is dropped, and the join goes on', () => {
    const c = opened(core)
    const { peer } = c.sends({ flags: 'S' })
    c.receives({ flags: 'S', seq: 0, ...synSpec({}) }, peer)
    c.sendsNothing()
    expect(c.subflow(peer).tcb.state).toBe('SYN-SENT')
    c.after(1000)
    peer.nextSeq = 0
    answerJoin(c)
    expect(c.subflow(peer).confirmed).toBe(true)
  })

  it('no data goes on a joined subflow before its third ACK was acknowledged', () => {
    const c = opened(core)
    const peer = answerJoin(c, { confirm: false })
    c.writes(40_000)
    for (const said of c.sendsAll()) {
      expect(said.peer).toBe(c.peer)
    }
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] }, peer)
    const after = c.sendsAll()
    expect(after.length).toBeGreaterThan(0)
    for (const said of after) expect(said.peer).toBe(peer)
  })

  it('the third ACK of a join goes again after two round trips, later with backoff, until it is acknowledged', () => {
    const c = opened(core)
    const peer = answerJoin(c, { confirm: false })
    const interval = Math.max(20, 2 * c.subflow(peer).tcb.rtt.srttMs)
    for (const times of [1, 1, 1, 1, 2, 4]) {
      c.sendsNothingFor(times * interval - 1)
      c.after(1)
      c.sends({ peer, flags: '.', seq: 1, ack: 1, mptcp: [{ subtype: MP_JOIN, phase: 'ACK' }] })
    }
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] }, peer)
    c.sendsNothingFor(60_000)
  })

  it('data from the peer on a joined subflow confirms it as well', () => {
    const c = opened(core)
    const peer = answerJoin(c, { confirm: false })
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 10 })
    c.receives({ seq: 1, ack: 1, data: pattern(1, 10), mptcp: [map] }, peer)
    c.sends({ peer, ack: 11, mptcp: [{ subtype: DSS, ack: 11 }] })
    expect(c.subflow(peer).confirmed).toBe(true)
    c.reads(10)
  })

  it('a join that is never confirmed is given up, and the connection goes on', () => {
    const c = opened(core)
    answerJoin(c, { confirm: false })
    c.after(10 * 60_000)
    c.sendsAll()
    expect(c.connection.subflows).toHaveLength(1)
    expect(c.connection.error).toBeNull()
  })

  it('first data without a mapping on a joined subflow resets that subflow', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, data: 20 }, peer)
    const said = c.sendsAll().at(-1)!
    expect(said.flags).toContain('R')
    expect(said.mptcp).toMatchObject([{ subtype: MP_TCPRST, reason: 6 }])
    expect(c.connection.mode).toBe('mptcp')
    expect(c.connection.subflows).toHaveLength(1)
  })
})

/** An open connection of the stack's, about to join from its second link. */
function opened(core: 'wasm' | 'js'): Conversation {
  const c = synSent({ core, ...joinsFromSecondLink })
  const option = capable({ senderKey: c.keys.peer.key })
  c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}), mptcp: [option] })
  c.sends({ flags: '.' })
  c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] })
  return c
}
