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
