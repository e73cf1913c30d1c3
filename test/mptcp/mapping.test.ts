// Mappings in every relation to their bytes: RFC 8684 §3.3.1.

import { describe, expect, it } from 'vitest'
import { DSS } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import { dss, pattern } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'
import { isReset, map } from './mappings.js'

describe.each(BACKENDS)('mappings, %s core', (core) => {
  it('a mapping with its bytes passes them up and DATA_ACKs them', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ flags: '.', ack: 101, mptcp: [{ subtype: DSS, ack: 101 }] })
    c.reads(100)
  })

  it('a mapping ahead of its bytes waits for them', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [map(1, 1, 100)] })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [dss({ ack: 1 })] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.reads(100)
  })

  it('bytes ahead of their mapping are ACKed, and DATA_ACKed once the mapping comes', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [dss({ ack: 1 })] })
    c.sends({ ack: 101, mptcp: [{ ack: 1 }] })
    c.reads(0)
    c.receives({ seq: 101, ack: 1, mptcp: [map(1, 1, 100)] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.reads(100)
    c.receives({ seq: 101, ack: 1, data: pattern(101, 10), mptcp: [map(101, 101, 10)] })
    c.sendsAll()
    expect(c.connection.rcv.finReached).toBe(false)
    c.reads(10)
  })

  it('a mapping spread over segments, repeated on each', () => {
    const c = established({ core })
    for (let i = 0; i < 4; i++) {
      const seq = 1 + i * 1000
      c.receives({ seq, ack: 1, data: 1000, mptcp: [map(1, 1, 4000)] })
      c.sends({ ack: seq + 1000, mptcp: [{ ack: seq + 1000 }] })
    }
    c.reads(4000)
    expect(c.subflow().mappings.list).toHaveLength(0)
  })

  it('a mapping spread over segments, on the first only', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 1000, mptcp: [map(1, 1, 3000)] })
    c.receives({ seq: 1001, ack: 1, data: 1000 })
    c.receives({ seq: 2001, ack: 1, data: 1000 })
    c.sendsAll()
    c.reads(3000)
  })

  it('as many mappings wait behind a hole as segments that the window takes, and no more', () => {
    const c = established({ core })
    const size = 100
    const most = Math.ceil(c.connection.rcv.buffer / 256)
    expect(most).toBe(1024)
    c.connection.rcv.buffer = 2 * c.connection.rcv.buffer
    const waits = (i: number): void => {
      const at = 1 + i * size
      c.receives({ seq: 1, ack: 1, mptcp: [map(at, at, size)] })
    }
    for (let i = 1; i <= 2 * most; i++) waits(i)
    expect(c.subflow().mappings.list).toHaveLength(2 * most)
    expect(c.subflow().resetOwed).toBe(null)
    c.sendsAll()
    waits(2 * most + 1)
    isReset(c, 1)
  })

  it('two mappings that meet inside one segment', () => {
    const c = established({ core })
    const mptcp = [map(1, 1, 60)]
    c.receives({ seq: 1, ack: 1, mptcp: [map(61, 61, 40)] })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.reads(100)
  })

  it('a mapping of data that is out of order waits for what comes before it', () => {
    const c = established({ core })
    const peer = joined(c)
    const later = { ack: 1, mptcp: [map(101, 1, 100)], data: pattern(101, 100) }
    c.receives({ seq: 1, ...later }, peer)
    c.sends({ peer, ack: 101, mptcp: [{ ack: 1 }] })
    c.reads(0)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ peer: c.peer, ack: 101, mptcp: [{ ack: 201 }] })
    c.reads(200)
  })

  it('a mapping that says something else of the same bytes resets the subflow', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [map(1, 1, 100)] })
    c.receives({ seq: 1, ack: 1, mptcp: [map(51, 1, 100)] })
    isReset(c, 1)
    expect(c.stack.counters.DSSNotMatching).toBe(1)
  })

  it('a mapping that overlaps another resets the subflow', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [map(1, 1, 100)] })
    c.receives({ seq: 1, ack: 1, mptcp: [map(51, 51, 100)] })
    isReset(c, 1)
  })

  it('a mapping of bytes passed up long ago changes nothing', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ ack: 101 })
    c.receives({ seq: 101, ack: 1, mptcp: [map(7001, 1, 100)] })
    expect(c.connection.error).toBeNull()
    c.reads(100)
  })
})
