// The peer's window: how much leaves, probes when it is shut, its scale; the sender's own bounds, and how
// what is written is cut (Nagle, PSH).

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { established } from '../harness/states.js'

const MSS = 1448

describe.each(BACKENDS)('window, %s core', (core) => {
  const plain = { core, mptcp: false }

  it('no more leaves than the peer has room for', () => {
    const c = established({ ...plain, window: 3 * 1024 })
    c.writes(20_000)
    c.sends({ seq: 1, length: MSS })
    c.sends({ seq: 1 + MSS, length: MSS })
    // The rest of the window is less than a segment: it waits (RFC 9293 §3.8.6.2.1).
    c.sendsNothing()
    // So does less than half of the largest window, though nothing is in flight, until a timeout.
    c.receives({ seq: 1, ack: 1 + 2 * MSS, window: 1024 })
    c.sendsNothing()
    c.after(250)
    c.sends({ seq: 1 + 2 * MSS, length: 1024 })
    c.sendsNothing()
  })

  it('no more leaves at first than ten segments', () => {
    const c = established({ ...plain, window: 1 << 20 })
    c.writes(100_000)
    expect(c.sendsAll().map((said) => said.length)).toEqual(Array(10).fill(MSS))
  })

  it('a window update from an older segment is not taken', () => {
    const c = established({ ...plain, window: 20_480 })
    c.receives({ seq: 1, ack: 1, data: 10, window: 20_480 })
    c.sendsAll()
    c.receives({ seq: 1, ack: 1, data: 5, window: 1024 })
    c.sendsAll()
    c.connection.snd.noDelay = true
    c.writes(5000)
    expect(c.sendsAll().reduce((sum, said) => sum + said.length, 0)).toBe(5000)
  })

  it.each([false, true])(
    'a shut window whose probes nobody answers is given up (MPTCP %s)',
    (mptcp) => {
      const c = established({ core, mptcp, window: 0 })
      c.connection.snd.noDelay = true
      c.writes(5000)
      const times: number[] = []
      while (c.connection.error === null && c.clock.now() < 3_600_000) {
        c.after(1000)
        for (const said of c.sendsAll()) if (!said.flags.includes('R')) times.push(said.at)
      }
      expect(c.connection.error).toBe('ETIMEDOUT')
      expect(times).toHaveLength(16)
      const gaps = times.slice(1).map((at, i) => Math.round(at - times[i]!))
      expect(gaps.every((gap, i) => i === 0 || gap >= gaps[i - 1]!)).toBe(true)
      expect(Math.max(...gaps)).toBe(120_000)
      expect(c.stack.counters.TcpExtTCPAbortOnTimeout).toBe(1)
    },
  )

  it('a shut window is probed with backoff until it opens, for as long as the peer answers', () => {
    const c = established({ ...plain, window: 0 })
    c.connection.snd.noDelay = true
    c.writes(5000)
    c.sendsNothing()
    const times: number[] = []
    for (let i = 0; i < 7; i++) {
      const before = times.length
      while (times.length === before) {
        c.after(10)
        for (const said of c.sendsAll()) {
          times.push(said.at)
          // One byte in front of the window, or the last one again: it must provoke an ACK.
          expect(said.seq + said.length).toBeLessThanOrEqual(2)
          c.receives({ seq: 1, ack: 1, window: 0 })
        }
      }
    }
    const gaps = times.slice(1).map((t, i) => t - times[i]!)
    for (let i = 1; i < gaps.length; i++) expect(gaps[i]).toBeGreaterThan(gaps[i - 1]! * 1.5)
    expect(c.connection.error).toBeNull()
    c.receives({ seq: 1, ack: 1, window: 65_535 })
    expect(c.sendsAll().reduce((sum, said) => sum + said.length, 0)).toBe(5000)
  })

  it('a probe goes on for hours without giving the connection up', () => {
    const c = established({ ...plain, window: 0 })
    c.writes(100)
    for (let minutes = 0; minutes < 180; minutes++) {
      c.after(60_000)
      for (const _probe of c.sendsAll()) c.receives({ seq: 1, ack: 1, window: 0 })
    }
    expect(c.connection.error).toBeNull()
    c.receives({ seq: 1, ack: 1, window: 4096 })
    c.sends({ seq: 1, length: 100 })
  })

  it('a window that shuts over data in flight: the data is repeated, not forgotten', () => {
    const c = established({ ...plain, window: 10_240 })
    c.connection.snd.noDelay = true
    c.writes(3000)
    c.sendsAll()
    c.receives({ seq: 1, ack: 1449, window: 0 })
    c.after(30_000)
    expect(c.sendsAll().length).toBeGreaterThan(0)
    expect(c.connection.error).toBeNull()
    c.receives({ seq: 1, ack: 3001, window: 10_240 })
    c.sendsNothingFor(1000)
  })

  it('windows are scaled by what the SYNs said, and not without both', () => {
    const scaled = established({ ...plain, window: 1 << 20 })
    expect(scaled.subflow().tcb.snd.right).toBe(1 + (1 << 20))
    const not = established({ ...plain, windowScaling: false, window: 30_000 })
    expect(not.subflow().tcb.snd.right).toBe(30_001)
  })

  it('a small piece waits while anything is unacknowledged (Nagle)', () => {
    const c = established(plain)
    c.writes(10)
    c.sends({ seq: 1, length: 10 })
    c.writes(10)
    c.writes(10)
    c.sendsNothing()
    c.receives({ seq: 1, ack: 11 })
    c.sends({ seq: 11, length: 20 })
  })

  it('without Nagle every piece leaves at once', () => {
    const c = established(plain)
    c.connection.snd.noDelay = true
    for (let i = 0; i < 3; i++) {
      c.writes(10)
      c.sends({ seq: 1 + 10 * i, length: 10 })
    }
  })

  it('the last piece does not wait when the writer has closed', () => {
    const c = established(plain)
    c.writes(10)
    c.sends({ length: 10 })
    c.writes(10)
    c.closes()
    c.sends({ flags: '.', seq: 11, length: 10 })
    c.sends({ flags: 'F.', seq: 21, length: 0 })
  })

  it('what was written last is pushed', () => {
    const c = established(plain)
    c.writes(MSS + 100)
    expect(c.sends({ length: MSS }).flags).toBe('.')
    // The rest is held by Nagle until the first is acknowledged.
    c.receives({ seq: 1, ack: 1 + MSS })
    expect(c.sends({ length: 100 }).flags).toBe('P.')
  })
})
