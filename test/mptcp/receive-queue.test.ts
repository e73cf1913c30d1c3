// Data that comes twice, or lies outside of what the connection takes: RFC 8684 §3.3.1, §3.3.5.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { pattern } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'
import { map } from './mappings.js'

describe.each(BACKENDS)('the receive queue, %s core', (core) => {
  it('data that came on another subflow already is dropped and counted', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ peer: c.peer })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] }, peer)
    c.sends({ peer, ack: 101, mptcp: [{ ack: 101 }] })
    expect(c.stack.counters.DuplicateData).toBe(1)
    c.reads(100)
  })

  it('data beyond the data-level window is dropped and counted, and the connection lives', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(50_000_000, 1, 100)] })
    c.sends({ ack: 101, mptcp: [{ ack: 1 }] })
    expect(c.stack.counters.NoDSSInWindow).toBeGreaterThan(0)
    c.reads(0)
    c.receives({ seq: 101, ack: 1, data: pattern(1, 100), mptcp: [map(1, 101, 100)] })
    c.sends({ ack: 201, mptcp: [{ ack: 101 }] })
    c.reads(100)
  })

  it('data in order beyond the shared edge is taken: TCP has let it in', () => {
    const c = established({ core, stack: { receiveBufferBytes: 4096 } })
    const peer = joined(c)
    c.sendsAll()
    const room = c.connection.rcv.right - 1
    c.receives({ seq: 1, ack: 1, data: pattern(1, room), mptcp: [map(1, 1, room)] })
    expect(c.sendsAll().at(-1)).toMatchObject({ mptcp: [{ ack: room + 1 }] })
    // The other subflow was told the same window, before the first one used it up.
    const more = pattern(room + 1, 100)
    c.receives({ seq: 1, ack: 1, data: more, mptcp: [map(room + 1, 1, 100)] }, peer)
    expect(c.sendsAll().at(-1)).toMatchObject({ mptcp: [{ ack: room + 101 }] })
    expect(c.stack.counters.NoDSSInWindow).toBe(0)
    c.reads(room + 100)
  })

  it('a DSN before the first byte, or out of all reach, is dropped and counted', () => {
    for (const dsn of [-5, 0, 2 ** 52, 2 ** 53]) {
      const c = established({ core })
      c.receives({ seq: 1, ack: 1, data: 10, mptcp: [map(dsn, 1, 10)] })
      expect(c.stack.counters.NoDSSInWindow).toBe(1)
      c.sends({ ack: 11, mptcp: [{ ack: 1 }] })
      c.reads(0)
    }
  })
})
