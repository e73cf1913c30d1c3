// Opening, RFC 9293 §3.5 and §3.10.7.2 to .4: both roles and at once, what the SYNs negotiate, SYNs that
// are lost, and what does not open anything.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import {
  capable,
  established,
  knock,
  listening,
  PORT,
  synReceived,
  synSent,
  synSpec,
} from '../harness/states.js'

describe.each(BACKENDS)('handshake, %s core', (core) => {
  const plain = { core, mptcp: false }

  it('a SYN is answered with a SYN/ACK, and the ACK of that opens the connection', () => {
    const c = synReceived(plain)
    expect(c.connection).toBeUndefined()
    c.receives({ flags: '.', seq: 1, ack: 1 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('ESTABLISHED')
    c.sendsNothing()
  })

  it('data in the ACK that opens the connection is taken', () => {
    const c = synReceived(plain)
    c.receives({ flags: '.', seq: 1, ack: 1, data: 100 })
    c.sends({ flags: '.', ack: 101 })
    c.reads(100)
  })

  it('a connection is opened with a SYN that offers everything, and confirmed with an ACK', () => {
    const c = synSent({ ...plain, plain: true, stack: { receiveBufferBytes: 1 << 20 } })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}) })
    c.sends({ flags: '.', seq: 1, ack: 1 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('ESTABLISHED')
  })

  it('simultaneous SYNs make one connection', () => {
    const c = synSent({ ...plain, plain: true })
    c.receives({ flags: 'S', seq: 0, ...synSpec({}) })
    c.sends({ flags: 'S.', seq: 0, ack: 1, mss: 1460 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('SYN-RECEIVED')
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}) })
    c.receives({ flags: '.', seq: 1, ack: 1 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('ESTABLISHED')
  })

  it('simultaneous SYNs with MP_CAPABLE fall back to plain TCP', () => {
    const c = synSent({ core })
    c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [capable()] })
    c.sends({ flags: 'S.', seq: 0, ack: 1 })
    c.receives({ flags: '.', seq: 1, ack: 1 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('ESTABLISHED')
    expect(c.connection.mode).toBe('fallback')
    c.receives({ seq: 1, ack: 1, data: 10 })
    c.sends({ ack: 11, mptcp: [] })
    c.reads(10)
  })

  it('only what both sides offer is used', () => {
    for (const off of ['timestamps', 'sack', 'windowScaling'] as const) {
      const c = listening({ core })
      knock(c, { [off]: false })
      c.receives({ flags: 'S', seq: 0, ...synSpec({ [off]: false }) })
      const said = c.sends({ flags: 'S.' })
      expect(said.tsval === null).toBe(off === 'timestamps')
      expect(said.sackPermitted).toBe(off !== 'sack')
      expect(said.windowScale === null).toBe(off === 'windowScaling')
    }
  })

  it('what this stack does not offer is not used', () => {
    const c = listening({ core, stack: { timestamps: false, sack: false, windowScaling: false } })
    knock(c, {})
    c.receives({ flags: 'S', seq: 0, ...synSpec({}) })
    c.sends({ flags: 'S.', tsval: null, sackPermitted: false, windowScale: null })
  })

  it('the MSS told is the path MTU less 40, and what the peer told bounds our segments', () => {
    const c = established({ ...plain, mss: 1000, mtu: 1400 })
    expect(c.connection.subflows[0]!.tcb.rcv.mss).toBe(1360)
    c.writes(3000)
    // Timestamps take 12 of the 1,000 (RFC 6691).
    for (let i = 0; i < 3; i++) c.sends({ length: 988 })
    // The rest rides along: nothing was unacknowledged when it was written (RFC 9293 §3.7.4).
    c.sends({ length: 36 })
    c.writes(10)
    c.sendsNothing()
  })

  it('a peer that tells no MSS gets 536', () => {
    const c = listening({ core })
    knock(c, { timestamps: false })
    c.receives({ flags: 'S', seq: 0, mss: null, windowScale: null, sackPermitted: false })
    c.sends({ flags: 'S.', mss: 1460 })
    c.receives({ seq: 1, ack: 1 })
    c.writes(600)
    c.sends({ length: 536 })
  })

  it('a SYN/ACK that is lost goes again at 1, 3, 7, 15 and 31 s, then the connection is given up', () => {
    const c = synReceived(plain)
    for (const seconds of [1, 2, 4, 8, 16]) {
      c.sendsNothingFor(seconds * 1000 - 1)
      c.after(1)
      c.sends({ flags: 'S.', seq: 0, ack: 1 })
    }
    c.after(120_000)
    expect(c.sendsAll().filter((said) => said.flags.includes('S'))).toEqual([])
    expect(c.stack.connectionCount).toBe(0)
    expect(c.stack.liveSlots).toBe(0)
  })

  it('a SYN that comes again makes the SYN/ACK go again at once', () => {
    const c = synReceived(plain)
    c.after(300)
    c.receives({ flags: 'S', seq: 0, ...synSpec({}) })
    c.sends({ flags: 'S.', seq: 0, ack: 1 })
    c.receives({ seq: 1, ack: 1 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('ESTABLISHED')
  })

  it('a SYN that comes again each second is answered each time, and is no timeout of the SYN/ACK', () => {
    const c = synReceived(plain)
    for (let i = 0; i < 30; i++) {
      c.after(900)
      c.receives({ flags: 'S', seq: 0, ...synSpec({}) })
      c.sends({ flags: 'S.', seq: 0, ack: 1 })
      c.sendsNothing()
    }
    expect(c.stack.counters.TcpExtTCPTimeouts).toBe(0)
    c.receives({ seq: 1, ack: 1 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('ESTABLISHED')
  })

  it('SYNs in a row are answered once in half a second, and the SYN/ACK goes again after its own second', () => {
    const c = synReceived(plain)
    for (let i = 0; i < 4; i++) {
      c.after(5)
      c.receives({ flags: 'S', seq: 0, ...synSpec({}) })
    }
    c.sends({ flags: 'S.', seq: 0, ack: 1 })
    c.sendsNothing()
    expect(c.stack.counters.TcpExtTCPACKSkipped).toBe(3)
    c.after(980)
    c.sendsNothing()
    c.after(20)
    c.sends({ flags: 'S.', seq: 0, ack: 1 })
  })

  it('a SYN that is not answered goes again each second, after four with backoff, and fails in time', () => {
    const c = synSent({ ...plain, plain: true, stack: { openTimeoutMs: 20_000 } })
    for (const seconds of [1, 1, 1, 1, 1, 2, 4, 8]) {
      c.sendsNothingFor(seconds * 1000 - 1)
      c.after(1)
      c.sends({ flags: 'S', seq: 0 })
    }
    c.after(20_000)
    c.sendsNothing()
    expect(c.connection.error).toBe('ETIMEDOUT')
    expect(c.connection.state).toBe('M_CLOSED')
  })

  it('a RST that acknowledges the SYN refuses the connection', () => {
    const c = synSent({ ...plain, plain: true })
    c.receives({ flags: 'R.', seq: 0, ack: 1 })
    c.sendsNothing()
    expect(c.connection.error).toBe('ECONNREFUSED')
  })

  it('a RST that acknowledges nothing, or something else, is ignored', () => {
    const c = synSent({ ...plain, plain: true })
    c.receives({ flags: 'R', seq: 0 })
    c.receives({ flags: 'R.', seq: 0, ack: 2 })
    c.receives({ flags: 'R.', seq: 0, ack: 0 })
    c.sendsNothing()
    expect(c.connection.error).toBeNull()
    expect(c.connection.subflows[0]!.tcb.state).toBe('SYN-SENT')
  })

  it('a SYN/ACK of another SYN is answered with a RST, and the opening goes on', () => {
    const c = synSent({ ...plain, plain: true })
    c.receives({ flags: 'S.', seq: 0, ack: 77, ...synSpec({}) })
    c.sends({ flags: 'R', seq: 77 })
    expect(c.connection.subflows[0]!.tcb.state).toBe('SYN-SENT')
  })

  it('an ACK of something never sent does not open a connection: RST', () => {
    const c = synReceived(plain)
    c.receives({ flags: '.', seq: 1, ack: 2 })
    c.sends({ flags: 'R', seq: 2 })
    expect(c.connection).toBeUndefined()
  })

  it('a RST in SYN-RECEIVED ends the half-open connection in silence', () => {
    const c = synReceived(plain)
    c.receives({ flags: 'R', seq: 1 })
    c.sendsNothing()
    expect(c.stack.connectionCount).toBe(0)
  })

  it('a SYN to a port without listener is refused with a RST that acknowledges it', () => {
    const c = listening({ core })
    const peer = c.addPeer({ port: 40_000, stackPort: PORT + 1 })
    c.receives({ flags: 'S', seq: 0, ...synSpec({}) }, peer)
    c.sends({ peer, flags: 'R.', ack: 1 })
    expect(c.stack.counters.TcpNoPorts).toBe(1)
  })

  it('an ACK for no connection is answered with a RST at its ACK; a RST with nothing', () => {
    const c = listening({ core })
    const peer = knock(c, {})
    peer.iss = 5000
    c.receives({ flags: '.', seq: 1, ack: 10 }, peer)
    c.sends({ flags: 'R', seq: 10 })
    c.receives({ flags: 'R', seq: 1 }, peer)
    c.sendsNothing()
  })

  it('SYNs beyond the backlog are dropped and counted, without SYN cookies', () => {
    const c = listening({ core, stack: { synCookies: 0 } })
    for (let i = 0; i < 16; i++) {
      const peer = knock(c, {}, 50_000 + i)
      c.receives({ flags: 'S', seq: 0, ...synSpec({}) }, peer)
      c.sends({ peer, flags: 'S.' })
    }
    c.receives({ flags: 'S', seq: 0, ...synSpec({}) }, knock(c, {}, 51_000))
    c.sendsNothing()
    expect(c.stack.counters.TcpExtListenOverflows).toBe(1)
  })
})
