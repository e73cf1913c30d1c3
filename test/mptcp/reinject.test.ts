// The data of a path that dies: RFC 8684 §3.3.6.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { dss } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'

describe.each(BACKENDS)('a path that dies, %s core', (core) => {
  it('with a RST: what it held goes to the other subflow at once', () => {
    const c = established({ core })
    const peer = joined(c)
    c.writes(3000)
    const lost = c.sendsAll()
    const [dead, alive] = lost[0]!.peer === c.peer ? [c.peer, peer] : [peer, c.peer]
    c.receives({ flags: 'R', seq: 1 }, dead)
    const again = c.sendsAll()
    expect(again.every((each) => each.peer === alive)).toBe(true)
    expect(again[0]).toMatchObject({ mptcp: [{ dsn: 1 }] })
  })

  it('with a timeout: what it held goes to the other subflow, and it is stale until it answers', () => {
    const c = established({ core })
    const peer = joined(c)
    c.connection.snd.noDelay = true
    c.writes(2000)
    const first = c.sendsAll()
    const used = first[0]!.peer
    const other = used === c.peer ? peer : c.peer
    c.after(1000)
    const moved = c.sendsAll().filter((each) => each.peer === other && each.length > 0)
    expect(moved[0]).toMatchObject({ mptcp: [{ dsn: 1 }] })
    expect(c.subflow(used).stale).toBe(true)
    c.receives({ seq: 1, ack: 2001, mptcp: [dss({ ack: 2001 })] }, other)
    c.writes(500)
    expect(c.sendsAll().filter((each) => each.length > 0)[0]!.peer).toBe(other)
    c.receives({ seq: 1, ack: 2001, mptcp: [dss({ ack: 2001 })] }, used)
    expect(c.subflow(used).stale).toBe(false)
  })

  it('a stale subflow is asked for a sign of life, and repeats its data at once when one comes', () => {
    const c = established({ core })
    const peer = joined(c)
    c.connection.snd.noDelay = true
    c.writes(1000)
    const used = c.sendsAll()[0]!.peer
    const other = used === c.peer ? peer : c.peer
    c.after(300)
    c.sendsAll()
    c.receives({ seq: 1, ack: 1001, mptcp: [dss({ ack: 1001 })] }, other)
    // By now the timeout has backed off to a second and more.
    c.after(1500)
    const asked = c.sendsAll().filter((each) => each.peer === used && each.length === 0)
    expect(asked.length).toBeGreaterThanOrEqual(4)
    expect(asked[0]!.seq).toBe(0)
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1001 })] }, used)
    const again = c.sendsAll().filter((each) => each.peer === used && each.length > 0)
    expect(again[0]).toMatchObject({ seq: 1 })
    c.receives({ seq: 1, ack: 1001, mptcp: [dss({ ack: 1001 })] }, used)
    expect(c.subflow(used).stale).toBe(false)
  })
})
