// The numbers of a DSS, DATA_ACKs and the window that they move: RFC 8684 §3.3.1, §3.3.2.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { dss } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'
import { map } from './mappings.js'

describe.each(BACKENDS)('DSS options, %s core', (core) => {
  it('4-byte DSNs and DATA_ACKs do as well, and are answered in kind', () => {
    const c = established({ core })
    const short = dss({ ack: 1, ackBytes: 4, dsn: 1, dsnBytes: 4, ssn: 1, length: 100 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [short] })
    c.sends({ ack: 101, mptcp: [{ ack: 101, ackBytes: 4 }] })
    c.reads(100)
    c.writes(50)
    c.sends({ length: 50 })
    c.receives({ seq: 101, ack: 51, mptcp: [dss({ ack: 51, ackBytes: 4 })] })
    expect(c.connection.snd.una).toBe(51)
  })

  it('an 8-byte DSN is answered with an 8-byte DATA_ACK', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ mptcp: [{ ack: 101, ackBytes: 8 }] })
  })

  it('a DATA_ACK of what was never sent is ignored', () => {
    const c = established({ core })
    c.writes(100)
    c.sends({ length: 100 })
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 5000 })] })
    expect(c.connection.snd.una).toBe(1)
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 101 })] })
    expect(c.connection.snd.una).toBe(101)
  })

  it('the window counts from the DATA_ACK, whichever subflow tells it', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, window: 4096, mptcp: [dss({ ack: 1 })] }, peer)
    const { right } = c.connection.snd
    c.receives({ seq: 1, ack: 1, window: 128 * 1024, mptcp: [dss({ ack: 1 })] }, peer)
    expect(c.connection.snd.right).toBe(1 + 128 * 1024)
    expect(right).toBeLessThan(128 * 1024)
  })
})
