// Data that is not DATA_ACKed goes again: RFC 8684 §3.3.6.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { dss } from '../harness/peer.js'
import { established } from '../harness/states.js'

describe.each(BACKENDS)('data-level retransmission, %s core', (core) => {
  it('a subflow ACK alone frees nothing at the data level: the data goes again in time', () => {
    const c = established({ core })
    c.writes(100)
    c.sends({ seq: 1, length: 100, mptcp: [{ dsn: 1, ssn: 1, length: 100 }] })
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 1 })] })
    expect(c.connection.snd.una).toBe(1)
    c.after(3000)
    const [again] = c.sendsAll()
    expect(again).toMatchObject({ seq: 101, length: 100, mptcp: [{ dsn: 1, ssn: 101 }] })
  })
})
