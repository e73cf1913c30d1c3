// The mapping that each data segment bears: RFC 8684 §3.3.1.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { dss, type RelativeDss } from '../harness/peer.js'
import { established } from '../harness/states.js'

describe.each(BACKENDS)('options of a data segment, %s core', (core) => {
  it('what leaves has a mapping that says where it belongs, also when it is sent again', () => {
    const c = established({ core })
    c.connection.snd.noDelay = true
    c.writes(3000)
    // Payload of a full segment beside timestamps and a DSS with two 8-byte numbers.
    c.sends({ seq: 1, length: 1420, mptcp: [{ dsn: 1, dsnBytes: 8, ssn: 1 }] })
    c.sends({ seq: 1421, length: 1420 })
    c.sends({ seq: 2841, length: 160 })
    c.receives({ seq: 1, ack: 1421, mptcp: [dss({ ack: 1421 })] })
    c.after(1100)
    const again = c.sendsAll()[0]!
    const option = again.mptcp[0] as RelativeDss
    expect(again.seq).toBe(1421)
    expect(option.dsn! - option.ssn).toBe(0)
    expect(option.ssn + option.length).toBeGreaterThanOrEqual(again.seq + again.length)
  })
})
