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

  it('a stale subflow that is heard again repeats its data at once when one comes', () => {
    const c = established({ core })
    const peer = joined(c)
    c.connection.snd.noDelay = true
    c.writes(1000)
    const used = c.sendsAll()[0]!.peer
    const other = used === c.peer ? peer : c.peer
    c.after(300)
    c.sendsAll()
    c.receives({ seq: 1, ack: 1001, mptcp: [dss({ ack: 1001 })] }, other)
    // What its TCP repeats asks as well, and enough: by now the timeout has backed off to a second and more.
    c.after(1500)
    const asked = c.sendsAll().filter((each) => each.peer === used)
    expect(asked.map((each) => each.length)).toEqual([1000, 1000])
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1001 })] }, used)
    const again = c.sendsAll().filter((each) => each.peer === used && each.length > 0)
    expect(again[0]).toMatchObject({ seq: 1 })
    c.receives({ seq: 1, ack: 1001, mptcp: [dss({ ack: 1001 })] }, used)
    expect(c.subflow(used).stale).toBe(false)
  })

  it('while every path is silent and data waits, each is asked at most 1.5 s apart, at intervals that double', () => {
    const c = established({ core })
    const peer = joined(c)
    c.connection.snd.noDelay = true
    c.writes(1000)
    c.sendsAll()
    const asked = new Map<unknown, number[]>([
      [c.peer, []],
      [peer, []],
    ])
    for (let waited = 0; waited < 60_000; waited += 50) {
      c.after(50)
      for (const each of c.sendsAll()) asked.get(each.peer)!.push(each.at)
    }
    for (const times of asked.values()) {
      const gaps = times.slice(1).map((at, i) => at - times[i]!)
      expect(Math.max(...gaps)).toBeLessThanOrEqual(1550)
      // Eight a minute by TCP beside a question each 1.5 s, and those of the first seconds.
      expect(times.length).toBeLessThan(60)
    }
    // The first path that answers carries what is missing, though its own timeout is far away.
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] }, peer)
    const again = c.sendsAll().filter((each) => each.length > 0)
    expect(again[0]).toMatchObject({ peer, mptcp: [{ dsn: 1 }] })
  })
})
