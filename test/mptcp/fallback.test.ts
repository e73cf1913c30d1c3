// An infinite mapping from the peer: RFC 8684 §3.7.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { dss, pattern } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'

describe.each(BACKENDS)('an infinite mapping, %s core', (core) => {
  it('an infinite mapping on the only subflow makes it plain TCP where the data stands', () => {
    const c = established({ core })
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 100 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map] })
    c.sends({ ack: 101 })
    const infinite = dss({ ack: 1, dsn: 101, ssn: 101, length: 0 })
    c.receives({ seq: 101, ack: 1, data: 50, mptcp: [infinite] })
    c.receives({ seq: 151, ack: 1, data: 50 })
    c.sendsAll()
    expect(c.connection.mode).toBe('fallback')
    c.reads(200)
  })

  it('and where it is the last of two, the data goes on where it stands in both directions', () => {
    const c = established({ core })
    const last = joined(c)
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 60 })
    c.receives({ seq: 1, ack: 1, data: 60, mptcp: [map] })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] }, last)
    c.writes(100)
    c.sendsAll()
    const used = c.peers.find((each) => each !== last)!
    c.receives({ seq: 61, ack: 101, mptcp: [dss({ ack: 101 })] }, used)
    c.receives({ flags: 'R', seq: 61 }, used)
    expect(c.connection.subflows).toHaveLength(1)
    const infinite = dss({ ack: 101, dsn: 61, ssn: 1, length: 0 })
    c.receives({ seq: 1, ack: 1, data: pattern(61, 50), mptcp: [infinite] }, last)
    c.sendsAll()
    expect(c.connection.mode).toBe('fallback')
    c.reads(110)
    c.writes(40)
    c.sends({ peer: last, seq: 1, length: 40, mptcp: [{ dsn: 101, ssn: 1, length: 0 }] })
    c.receives({ seq: 51, ack: 41 }, last)
    expect(c.connection.snd).toMatchObject({
      una: 141,
      right: 141 + c.connection.subflows[0]!.tcb.snd.right - 41,
    })
    c.writes(30)
    c.sends({ peer: last, seq: 41, length: 30, mptcp: [] })
    c.receives({ flags: 'F.', seq: 51, ack: 71 }, last)
    expect(c.connection).toMatchObject({ rcv: { fin: 111, finReached: true }, snd: { una: 171 } })
  })

  it('an infinite mapping where two subflows work resets the one that carries it', () => {
    const c = established({ core })
    const peer = joined(c)
    const infinite = dss({ ack: 1, dsn: 1, ssn: 1, length: 0 })
    c.receives({ seq: 1, ack: 1, data: pattern(1, 50), mptcp: [infinite] }, peer)
    expect(c.sendsAll().at(-1)!.flags).toContain('R')
    expect(c.connection.mode).toBe('mptcp')
    expect(c.connection.subflows).toHaveLength(1)
  })
})

describe.each(BACKENDS)('options that vanish in the middle, %s core', (core) => {
  /** The peer has said DSS; then its data comes without, as new bytes. */
  function bare() {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] })
    c.receives({ seq: 1, ack: 1, data: pattern(1, 100) })
    expect(c.sendsAll().every((each) => each.mptcp.length === 0)).toBe(true)
    expect(c.connection.mode).toBe('fallback')
    return c
  }

  it('plain TCP, and the data is read once the peer has not said it again', () => {
    const c = bare()
    c.after(900)
    c.reads(0)
    c.after(200)
    c.reads(100)
    c.receives({ seq: 101, ack: 1, data: pattern(101, 50) })
    c.reads(50)
  })

  it('a peer that says it again does not know: the subflow is reset, and nothing is read twice', () => {
    const c = bare()
    c.after(300)
    c.receives({ seq: 101, ack: 1, data: pattern(1, 100) })
    expect(c.sendsAll().at(-1)!.flags).toContain('R')
    expect(c.connection.error).not.toBeNull()
    c.reads(0)
  })

  it("TCP's own repetition is none, and an end is no doubt", () => {
    const c = bare()
    c.receives({ seq: 1, ack: 1, data: pattern(1, 100) })
    c.receives({ flags: 'F.', seq: 101, ack: 1 })
    c.sendsAll()
    expect(c.connection.error).toBeNull()
    c.reads(100)
  })
})
