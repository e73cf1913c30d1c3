// Bytes that no mapping explains: RFC 8684 §3.3.1, §3.7.

import { describe, expect, it } from 'vitest'
import { MP_TCPRST } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import { dss, pattern } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'
import { isReset, map } from './mappings.js'

describe.each(BACKENDS)('unmapped bytes, %s core', (core) => {
  it('where there are other subflows, data without any option, unmapped, resets its subflow at once', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, data: pattern(1, 10), mptcp: [map(1, 1, 10)] })
    c.sendsAll()
    c.receives({ seq: 11, ack: 1, data: 10 })
    c.sends({ flags: 'R.', mptcp: [{ subtype: MP_TCPRST, reason: 6 }] })
    c.receives({ seq: 1, ack: 1, data: pattern(11, 10), mptcp: [map(11, 1, 10)] }, peer)
    c.sends({ peer, mptcp: [{ ack: 21 }] })
    c.reads(20)
  })

  it('bytes without mapping are held for one receive window, then the subflow is reset', () => {
    const c = established({ core, stack: { receiveBufferBytes: 8192 } })
    c.receives({ seq: 1, ack: 1, mptcp: [map(20_001, 20_001, 10)] })
    for (let seq = 1; seq < 8000; seq += 1000) {
      c.receives({ seq, ack: 1, data: 1000, mptcp: [dss({ ack: 1 })] })
      expect(c.sendsAll().some((said) => said.flags.includes('R'))).toBe(false)
    }
    c.receives({ seq: 8001, ack: 1, data: 192, mptcp: [dss({ ack: 1 })] })
    isReset(c, 6)
    expect(c.stack.counters.UnmappedReset).toBe(1)
  })
})
