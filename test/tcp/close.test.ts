// FINs in every order, RFC 9293 §3.6 and figure 5, half-close and TIME-WAIT, on plain TCP.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { established, synReceived, synSpec } from '../harness/states.js'

describe.each(BACKENDS)('closing, %s core', (core) => {
  const plain = { core, mptcp: false }

  /** We have closed first, and the peer has answered. */
  function inTimeWait() {
    const c = established(plain)
    c.closes()
    c.sends({ flags: 'F.' })
    c.receives({ flags: 'F.', seq: 1, ack: 2 })
    c.sends({ ack: 2 })
    return c
  }
  const stateOf = (c: ReturnType<typeof established>): string | undefined =>
    c.subflow()?.tcb.state ??
    [...c.stack.timeWaits]
      .filter(({ remotePort }) => remotePort === c.peer.port)
      .map(() => 'TIME-WAIT')[0]

  it('the peer closes first: CLOSE-WAIT, LAST-ACK, CLOSED', () => {
    const c = established(plain)
    c.receives({ flags: 'F.', seq: 1, ack: 1 })
    c.sends({ flags: '.', ack: 2 })
    expect(stateOf(c)).toBe('CLOSE-WAIT')
    c.closes()
    c.sends({ flags: 'F.', seq: 1, ack: 2 })
    expect(stateOf(c)).toBe('LAST-ACK')
    c.receives({ seq: 2, ack: 2 })
    c.sendsNothing()
    expect(stateOf(c)).toBeUndefined()
    expect(c.connection.state).toBe('M_CLOSED')
    expect(c.connection.error).toBeNull()
  })

  it('this side closes first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, and a minute later nothing', () => {
    const c = established(plain)
    c.closes()
    c.sends({ flags: 'F.', seq: 1, ack: 1 })
    expect(stateOf(c)).toBe('FIN-WAIT-1')
    c.receives({ seq: 1, ack: 2 })
    expect(stateOf(c)).toBe('FIN-WAIT-2')
    c.receives({ flags: 'F.', seq: 1, ack: 2 })
    c.sends({ flags: '.', seq: 2, ack: 2 })
    expect(stateOf(c)).toBe('TIME-WAIT')
    c.after(59_999)
    expect(stateOf(c)).toBe('TIME-WAIT')
    c.after(2)
    expect(stateOf(c)).toBeUndefined()
    c.stack.calls.close(c.connection)
    c.sendsNothing()
    expect(c.stack.connectionCount).toBe(0)
  })

  it('both close at once: CLOSING, TIME-WAIT', () => {
    const c = established(plain)
    c.closes()
    c.sends({ flags: 'F.', seq: 1 })
    c.receives({ flags: 'F.', seq: 1, ack: 1 })
    c.sends({ flags: '.', seq: 2, ack: 2 })
    expect(stateOf(c)).toBe('CLOSING')
    c.receives({ seq: 2, ack: 2 })
    expect(stateOf(c)).toBe('TIME-WAIT')
  })

  it('the peer acknowledges our FIN with its own: straight to TIME-WAIT', () => {
    const c = established(plain)
    c.closes()
    c.sends({ flags: 'F.', seq: 1 })
    c.receives({ flags: 'F.', seq: 1, ack: 2 })
    c.sends({ flags: '.', ack: 2 })
    expect(stateOf(c)).toBe('TIME-WAIT')
  })

  it('a FIN with text counts behind the text', () => {
    const c = established(plain)
    c.receives({ flags: 'F.', seq: 1, ack: 1, data: 100 })
    c.sends({ ack: 102 })
    c.reads(100)
    expect(c.connection.rcv.finReached).toBe(true)
  })

  it('a FIN that comes before the text counts once the text is there', () => {
    const c = established(plain)
    c.receives({ flags: 'F.', seq: 101, ack: 1 })
    c.sends({ flags: '.', ack: 1 })
    expect(stateOf(c)).toBe('ESTABLISHED')
    c.receives({ seq: 1, ack: 1, data: 100 })
    c.sends({ ack: 102 })
    expect(stateOf(c)).toBe('CLOSE-WAIT')
    c.reads(100)
  })

  it('text behind a FIN is not taken', () => {
    const c = established(plain)
    c.receives({ flags: 'F.', seq: 1, ack: 1 })
    c.sends({ ack: 2 })
    c.receives({ seq: 2, ack: 1, data: 50 })
    c.sends({ flags: '.', ack: 2 })
    c.reads(0)
  })

  it('after the peer closed, this side may write for as long as it likes', () => {
    const c = established(plain)
    c.receives({ flags: 'F.', seq: 1, ack: 1 })
    c.sends({ ack: 2 })
    c.after(3_600_000)
    c.writes(500)
    c.sends({ length: 500, ack: 2 })
    c.receives({ seq: 2, ack: 501 })
    c.closes()
    c.sends({ flags: 'F.', seq: 501 })
  })

  it('after this side closed, the peer may write for as long as it likes', () => {
    const c = established(plain)
    c.closes()
    c.sends({ flags: 'F.' })
    c.receives({ seq: 1, ack: 2 })
    c.after(3_600_000)
    c.receives({ seq: 1, ack: 2, data: 500 })
    c.sends({ ack: 501 })
    c.reads(500)
    c.receives({ flags: 'F.', seq: 501, ack: 2 })
    c.sends({ ack: 502 })
  })

  it('a FIN that is lost goes again', () => {
    const c = established(plain)
    c.closes()
    c.sends({ flags: 'F.', seq: 1 })
    c.after(700)
    // Linux's least timeout, and its double.
    expect(c.sendsAll()).toMatchObject([
      { flags: 'F.', seq: 1 },
      { flags: 'F.', seq: 1 },
    ])
    c.receives({ seq: 1, ack: 2 })
    c.sendsNothingFor(5000)
  })

  it('a FIN that comes again in TIME-WAIT is acknowledged, and the minute begins anew', () => {
    const c = established(plain)
    c.closes()
    c.sends({ flags: 'F.' })
    c.receives({ flags: 'F.', seq: 1, ack: 2 })
    const first = c.sends({ ack: 2 })
    c.after(50_000)
    c.receives({ flags: 'F.', seq: 1, ack: 2 })
    const again = c.sends({ flags: '.', seq: 2, ack: 2, mptcp: [] })
    expect((again.tsval! - first.tsval!) >>> 0).toBe(50_000)
    c.after(50_000)
    expect(stateOf(c)).toBe('TIME-WAIT')
    c.after(10_001)
    expect(stateOf(c)).toBeUndefined()
  })

  it('what is old, or nonsense, in TIME-WAIT is answered seldom, and restarts nothing', () => {
    const c = inTimeWait()
    c.after(50_000)
    c.receives({ flags: 'S.', seq: 2, ack: 2 })
    c.sends({ flags: '.', seq: 2, ack: 2 })
    c.receives({ seq: 2, ack: 900 })
    c.receives({ flags: 'R', seq: 3 })
    c.receives({ flags: '', seq: 2 })
    c.receives({ seq: 2, ack: 2 })
    c.sendsNothing()
    expect(c.stack.counters.TcpExtTCPACKSkipped).toBe(2)
    c.after(10_001)
    expect(stateOf(c)).toBeUndefined()
    expect(c.stack.connectionCount).toBe(0)
  })

  it.each([
    ['a later timestamp', { seq: -1000 }, 'S.'],
    ['a later sequence number', { seq: 1000, tsval: null }, 'S.'],
    ['an earlier one, and no timestamp', { seq: -1000, tsval: null }, '.'],
  ])('a SYN of the same four with %s in TIME-WAIT', (_what, spec, flags) => {
    const c = inTimeWait()
    c.after(1000)
    c.receives({ flags: 'S', ...synSpec({}), ...spec })
    expect(c.sendsAll().map((said) => said.flags)).toEqual([flags])
  })

  it('a RST in TIME-WAIT ends it', () => {
    const c = inTimeWait()
    c.receives({ flags: 'R', seq: 2 })
    expect(stateOf(c)).toBeUndefined()
    expect(c.connection.error).toBeNull()
  })

  it('a FIN in the ACK that opens the connection opens and ends it', () => {
    const c = synReceived(plain)
    c.receives({ flags: 'F.', seq: 1, ack: 1, data: 20 })
    c.sends({ ack: 22 })
    expect(stateOf(c)).toBe('CLOSE-WAIT')
    c.reads(20)
  })

  it('a FIN beyond the window is not taken', () => {
    const c = established(plain)
    c.receives({ flags: 'F.', seq: 5_000_000, ack: 1 })
    c.sends({ flags: '.', ack: 1 })
    c.receives({ seq: 1, ack: 1, data: 10 })
    c.sends({ ack: 11 })
    expect(stateOf(c)).toBe('ESTABLISHED')
    expect(c.subflow().tcb.rcv.fin).toBe(-1)
  })

  it('a second FIN elsewhere does not move the first', () => {
    const c = established(plain)
    c.receives({ flags: 'F.', seq: 101, ack: 1 })
    c.sendsAll()
    c.receives({ flags: 'F.', seq: 51, ack: 1 })
    c.sendsAll()
    c.receives({ seq: 1, ack: 1, data: 100 })
    c.sends({ ack: 102 })
    c.reads(100)
  })
})
