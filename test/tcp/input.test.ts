// SEGMENT ARRIVES in synchronised states, RFC 9293 §3.10.7.4: acceptability, RSTs and SYNs (RFC 5961),
// old timestamps (RFC 7323 §5).

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { established, synSpec } from '../harness/states.js'

describe.each(BACKENDS)('segments, %s core', (core) => {
  const plain = { core, mptcp: false }

  it('a RST with the very next sequence number resets', () => {
    const c = established(plain)
    c.receives({ flags: 'R', seq: 1 })
    c.sendsNothing()
    expect(c.connection.error).toBe('ECONNRESET')
    expect(c.stack.counters.TcpEstabResets).toBe(1)
  })

  it('a RST elsewhere in the window gets a challenge ACK and changes nothing', () => {
    const c = established(plain)
    c.receives({ flags: 'R', seq: 2 })
    c.sends({ flags: '.', seq: 1, ack: 1 })
    expect(c.stack.counters.TcpExtTCPChallengeACK).toBe(1)
    c.receives({ seq: 1, ack: 1, data: 5 })
    c.sends({ ack: 6 })
  })

  it('a RST outside the window is dropped', () => {
    const c = established(plain)
    c.receives({ flags: 'R', seq: 10_000_000 })
    c.receives({ flags: 'R', seq: 0 })
    c.sendsNothing()
    expect(c.connection.error).toBeNull()
  })

  it('a SYN on an open connection gets a challenge ACK, wherever it stands', () => {
    const c = established(plain)
    c.receives({ flags: 'S', seq: 100, ...synSpec({}) })
    c.sends({ flags: '.', seq: 1, ack: 1 })
    expect(c.stack.counters.TcpExtTCPSYNChallenge).toBe(1)
    c.after(1000)
    c.receives({ flags: 'S', seq: 0, ...synSpec({}) })
    c.sends({ flags: '.', seq: 1, ack: 1 })
    expect(c.connection.error).toBeNull()
  })

  it('challenge ACKs are limited to one in half a second', () => {
    const c = established(plain)
    c.receives({ flags: 'R', seq: 2 })
    c.sends({ flags: '.' })
    for (let i = 0; i < 10; i++) c.receives({ flags: 'R', seq: 3 + i })
    c.sendsNothing()
    expect(c.stack.counters.TcpExtTCPACKSkipped).toBe(10)
    c.after(500)
    c.receives({ flags: 'R', seq: 2 })
    c.sends({ flags: '.' })
  })

  it('an ACK of what was never sent gets a challenge ACK and is not taken', () => {
    const c = established(plain)
    c.writes(100)
    c.sends({ length: 100 })
    c.receives({ seq: 1, ack: 500 })
    c.sends({ flags: '.', seq: 101, ack: 1 })
    expect(c.subflow().tcb.snd.una).toBe(1)
  })

  it('an ACK older than the largest window gets a challenge ACK, and its text is not taken', () => {
    const c = established({ ...plain, window: 2000 })
    c.receives({ seq: 1, ack: -200_000, data: 10 })
    c.sends({ flags: '.', ack: 1 })
    expect(c.stack.counters.TcpExtTCPChallengeACK).toBe(1)
    c.reads(0)
  })

  it('a segment without ACK is dropped', () => {
    const c = established(plain)
    c.receives({ flags: 'P', seq: 1, data: 10 })
    c.sendsNothing()
    c.reads(0)
  })

  it('a segment with a wrong checksum is dropped and counted', () => {
    const c = established(plain)
    c.receives({ seq: 1, ack: 1, data: 10, corrupt: true })
    c.sendsNothing()
    expect(c.stack.counters.TcpInCsumErrors).toBe(1)
    c.peer.nextSeq = 1
    c.receives({ seq: 1, ack: 1, data: 10 })
    c.sends({ ack: 11 })
    c.reads(10)
  })

  it('text wholly beyond the window is answered with an ACK and dropped', () => {
    const c = established(plain)
    c.receives({ seq: 5_000_000, ack: 1, data: 10 })
    c.sends({ flags: '.', ack: 1 })
    expect(c.stack.counters.TcpExtOutOfWindow).toBe(1)
    c.reads(0)
  })

  it('of text that crosses the right edge, only what lies inside is taken', () => {
    const c = established({
      ...plain,
      stack: { receiveBufferBytes: 4096, windowScaling: false },
    })
    c.receives({ seq: 1, ack: 1, data: 1460 })
    c.sends({ ack: 1461 })
    c.receives({ seq: 1461, ack: 1, data: 1460 })
    const { window } = c.sends({ ack: 2921 })
    expect(window).toBe(4096 - 2920)
    c.receives({ seq: 2921, ack: 1, data: 1400 })
    c.sends({ ack: 4097, window: 0 })
    c.reads(4096)
  })

  it.each([0, 10, -1])(
    'an ACK at the right edge counts, whatever text it carries there: %i',
    (data) => {
      const c = established({
        ...plain,
        stack: { receiveBufferBytes: 4096, windowScaling: false },
      })
      for (let seq = 1; seq < 4097; seq += 1024) c.receives({ seq, ack: 1, data: 1024 })
      expect(c.sendsAll().at(-1)).toMatchObject({ ack: 4097, window: 0 })
      c.writes(1000)
      c.sends({ seq: 1, length: 1000 })
      // -1: at an edge with room before it, as of a peer whose last segments were lost.
      if (data < 0) {
        c.reads(4096)
        const { ack, window } = c.sendsAll().at(-1)!
        c.receives({ seq: ack + window, ack: 1001 })
      } else c.receives({ seq: 4097, ack: 1001, data })
      expect(c.subflow().tcb.snd.una).toBe(1001)
      if (data > 0) c.sends({ flags: '.', ack: 4097, window: 0 })
      c.sendsNothing()
      c.reads(data < 0 ? 0 : 4096)
    },
  )

  it('a pure ACK from before the window is answered once in half a second, text each time', () => {
    // Two ends that an attacker made disagree would else answer each other's ACKs for ever.
    const c = established(plain)
    c.receives({ seq: 1, ack: 1, data: 100 })
    c.sends({ ack: 101 })
    for (let i = 0; i < 10; i++) c.receives({ seq: 50, ack: 1 })
    c.sends({ flags: '.', ack: 101 })
    c.sendsNothing()
    expect(c.stack.counters.TcpExtTCPACKSkipped).toBe(9)
    c.after(500)
    c.receives({ seq: 50, ack: 1 })
    c.sends({ flags: '.', ack: 101 })
    for (let i = 0; i < 3; i++) {
      c.receives({ seq: 1, ack: 1, data: 100 })
      c.sends({ flags: '.', ack: 101 })
    }
    c.reads(100)
  })

  it('an old timestamp makes a segment unacceptable: ACK, no text (PAWS)', () => {
    const c = established(plain)
    c.after(100)
    c.receives({ seq: 1, ack: 1, data: 10 })
    c.sends({ ack: 11 })
    c.receives({ seq: 11, ack: 1, data: 10, tsval: c.peer.tsBase - 5 })
    c.sends({ flags: '.', ack: 11 })
    expect(c.stack.counters.TcpExtPAWSEstab).toBe(1)
    c.reads(10)
  })

  it('a RST is accepted whatever its timestamp', () => {
    const c = established(plain)
    c.after(100)
    c.receives({ flags: 'R', seq: 1, tsval: 0 })
    expect(c.connection.error).toBe('ECONNRESET')
  })

  it('after 24 days of silence an old timestamp says nothing', () => {
    const c = established(plain)
    c.after(25 * 86_400_000)
    c.receives({ seq: 1, ack: 1, data: 10, tsval: 0 })
    c.sends({ ack: 11 })
    c.reads(10)
  })

  it('timestamps that wrap around are still newer', () => {
    const c = established(plain)
    c.receives({ seq: 1, ack: 1, data: 10, tsval: 0x7fff0000 })
    c.sends({ ack: 11, tsecr: 0x7fff0000 })
    c.receives({ seq: 11, ack: 1, data: 10, tsval: 0xfffe0000 })
    c.sends({ ack: 21, tsecr: 0xfffe0000 })
    c.receives({ seq: 21, ack: 1, data: 10, tsval: 5 })
    c.sends({ ack: 31, tsecr: 5 })
    expect(c.stack.counters.TcpExtPAWSEstab).toBe(0)
  })

  it('the timestamp echoed is that of the segment that moved the left edge, not of one behind a hole', () => {
    const c = established(plain)
    c.after(10)
    c.receives({ seq: 1, ack: 1, data: 10, tsval: 2_000_000 })
    c.sends({ ack: 11, tsecr: 2_000_000 })
    c.receives({ seq: 31, ack: 1, data: 10, tsval: 2_000_050 })
    c.sends({ ack: 11, tsecr: 2_000_000 })
    c.receives({ seq: 11, ack: 1, data: 20, tsval: 2_000_070 })
    c.sends({ ack: 41, tsecr: 2_000_070 })
  })

  it('sequence numbers that wrap around are the next ones', () => {
    const c = established(plain)
    // The harness's ISN is 512 below 2^32.
    expect(c.peer.isn).toBe(0xfffffe00)
    c.receives({ seq: 1, ack: 1, data: 1000 })
    c.sends({ ack: 1001 })
    c.receives({ seq: 1001, ack: 1, data: 1000 })
    c.sends({ ack: 2001 })
    c.reads(2000)
  })
})
