// What the sender does about loss: fast retransmit by SACK (RFC 6675, RFC 8985) and by three duplicate
// ACKs (RFC 6582), the timeout with its backoff (RFC 6298), and a peer that drops what it SACKed.

import { describe, expect, it } from 'vitest'
import { repeatsForMs } from '../../ts/tcp/timers.js'
import { BACKENDS } from '../contract/cores.js'
import type { Conversation } from '../harness/conversation.js'
import { established } from '../harness/states.js'

const MSS = 1448

/** An open connection whose round trip of 100 ms is known. */
function withRoundTrip(options: Parameters<typeof established>[0]): Conversation {
  const c = established({ ...options, mptcp: false, rttMs: 100 })
  c.writes(100)
  c.sends({ seq: 1, length: 100 })
  c.after(100)
  c.receives({ seq: 1, ack: 101 })
  c.sendsNothing()
  return c
}

/** Writes `count` full segments and takes them off the wire. */
function sendsMany(c: Conversation, count: number, from: number, mss = MSS): void {
  c.writes(count * mss)
  for (let i = 0; i < count; i++) c.sends({ seq: from + i * mss, length: mss })
  c.sendsNothing()
}

describe.each(BACKENDS)('loss, %s core', (core) => {
  it('a segment that SACK shows lost is sent again before the timeout, once', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 5, 101)
    const at = (i: number): number => 101 + i * MSS
    c.after(100)
    c.receives({ seq: 1, ack: 101, sack: [[at(1), at(2)]] })
    c.receives({ seq: 1, ack: 101, sack: [[at(1), at(3)]] })
    c.sendsNothing()
    c.receives({ seq: 1, ack: 101, sack: [[at(1), at(4)]] })
    c.sends({ seq: 101, length: MSS })
    c.sendsNothing()
    c.receives({ seq: 1, ack: 101, sack: [[at(1), at(5)]] })
    c.sendsNothing()
    c.after(100)
    c.receives({ seq: 1, ack: at(5) })
    c.sendsNothingFor(10_000)
    expect(c.stack.counters.TcpExtTCPSackRecovery).toBe(1)
    expect(c.stack.counters.TcpExtTCPTimeouts).toBe(0)
  })

  it('two holes that SACK shows are both filled', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 8, 101)
    const at = (i: number): number => 101 + i * MSS
    c.after(100)
    c.receives({
      seq: 1,
      ack: 101,
      sack: [
        [at(3), at(8)],
        [at(1), at(2)],
      ],
    })
    c.sends({ seq: at(0), length: MSS })
    c.sends({ seq: at(2), length: MSS })
    c.sendsNothing()
  })

  it('a segment that is only late is not sent again within a quarter of the round trip', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 3, 101)
    const at = (i: number): number => 101 + i * MSS
    c.after(100)
    c.receives({ seq: 1, ack: 101, sack: [[at(1), at(2)]] })
    c.sendsNothingFor(20)
    c.receives({ seq: 1, ack: at(2) })
    c.sendsNothing()
    expect(c.stack.counters.TcpRetransSegs).toBe(0)
  })

  it('a hole that stays for a quarter of the round trip is filled (RACK)', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 3, 101)
    const at = (i: number): number => 101 + i * MSS
    c.after(100)
    c.receives({ seq: 1, ack: 101, sack: [[at(1), at(2)]] })
    c.sendsNothingFor(24)
    c.after(2)
    c.sends({ seq: 101, length: MSS })
  })

  it('loss halves the congestion window', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 10, 101)
    const at = (i: number): number => 101 + i * MSS
    c.after(100)
    c.receives({ seq: 1, ack: 101, sack: [[at(1), at(10)]] })
    const { congestion } = c.subflow().tcb
    expect(congestion.cwnd).toBeLessThanOrEqual(5 * MSS)
    expect(congestion.cwnd).toBeGreaterThanOrEqual(2 * MSS)
  })

  it('without SACK three duplicate ACKs do it, and two do not', () => {
    const c = withRoundTrip({ core, sack: false })
    sendsMany(c, 5, 101)
    c.after(100)
    c.receives({ seq: 1, ack: 101 })
    c.receives({ seq: 1, ack: 101 })
    c.sendsNothing()
    c.receives({ seq: 1, ack: 101 })
    c.sends({ seq: 101, length: MSS })
    c.receives({ seq: 1, ack: 101 })
    c.sendsNothing()
    expect(c.stack.counters.TcpExtTCPRenoRecovery).toBe(1)
  })

  it('without SACK a partial ACK sends the next hole at once (NewReno)', () => {
    const c = withRoundTrip({ core, sack: false })
    sendsMany(c, 6, 101)
    c.after(100)
    for (let i = 0; i < 3; i++) c.receives({ seq: 1, ack: 101 })
    c.sends({ seq: 101, length: MSS })
    c.after(100)
    c.receives({ seq: 1, ack: 101 + 3 * MSS })
    c.sends({ seq: 101 + 3 * MSS, length: MSS })
    c.after(100)
    c.receives({ seq: 1, ack: 101 + 6 * MSS })
    c.sendsNothingFor(5000)
  })

  it('an ACK with another window is no duplicate', () => {
    const c = withRoundTrip({ core, sack: false })
    sendsMany(c, 4, 101)
    for (let i = 0; i < 4; i++) c.receives({ seq: 1, ack: 101, window: 60_000 - i * 1024 })
    c.sendsNothing()
  })

  it('an ACK with data is no duplicate', () => {
    const c = withRoundTrip({ core, sack: false })
    sendsMany(c, 4, 101)
    for (let i = 0; i < 4; i++) c.receives({ seq: 1 + i * 10, ack: 101, data: 10 })
    expect(c.sendsAll().filter((said) => said.length > 0)).toEqual([])
  })

  it('without a word from the peer the timeout repeats the first segment, doubling each time', () => {
    const c = withRoundTrip({ core })
    // RFC 6298 with samples of 100 ms, and Linux's least variance: RTO 100 + 200.
    sendsMany(c, 3, 101)
    let rto = 300
    for (let i = 0; i < 5; i++) {
      c.sendsNothingFor(rto - 1)
      c.after(1)
      c.sends({ seq: 101, length: MSS })
      c.sendsNothing()
      rto *= 2
    }
    expect(c.stack.counters.TcpExtTCPTimeouts).toBe(5)
  })

  it('after a timeout slow start doubles what is repeated with each round trip', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 8, 101)
    const at = (i: number): number => 101 + i * MSS
    c.after(300)
    c.sends({ seq: at(0), length: MSS })
    c.sendsNothing()
    c.after(100)
    c.receives({ seq: 1, ack: at(1) })
    c.sends({ seq: at(1), length: MSS })
    c.sends({ seq: at(2), length: MSS })
    c.sendsNothing()
    c.after(100)
    c.receives({ seq: 1, ack: at(3) })
    for (let i = 3; i < 7; i++) c.sends({ seq: at(i), length: MSS })
    c.sendsNothing()
  })

  it('a retransmission gives no round-trip sample (Karn)', () => {
    const c = withRoundTrip({ core })
    const before = c.subflow().tcb.rtt.srttMs
    sendsMany(c, 1, 101)
    c.after(300)
    c.sends({ seq: 101 })
    c.after(500)
    c.receives({ seq: 1, ack: 101 + MSS })
    expect(c.subflow().tcb.rtt.srttMs).toBe(before)
  })

  it('an ACK that covers a retransmission gives no sample, nor for what arrived behind the hole', () => {
    const c = withRoundTrip({ core, sack: false })
    const before = c.subflow().tcb.rtt.srttMs
    sendsMany(c, 3, 101)
    c.after(300)
    c.sends({ seq: 101 })
    c.after(100)
    c.receives({ seq: 1, ack: 101 + 3 * MSS })
    expect(c.subflow().tcb.rtt.srttMs).toBe(before)
    expect(c.subflow().tcb.rtt.backoff).toBe(0)
  })

  it('data that nobody acknowledges is given up after as long as Linux would', () => {
    const c = withRoundTrip({ core })
    const from = c.clock.now()
    sendsMany(c, 1, 101)
    c.clock.runWhile(() => c.connection.error === null, 3_600_000)
    expect(c.connection.error).toBe('ETIMEDOUT')
    // At the first timeout behind tcp_retries2's 924.6 s.
    expect(c.clock.now() - from).toBeGreaterThanOrEqual(924_600)
    expect(c.clock.now() - from).toBeLessThan(924_600 + 120_000)
    c.sendsAll()
    expect([5000, 60_000, 120_000].map(repeatsForMs)).toEqual([61_200, 522_200, 924_600])
  })

  it('a peer that SACKed everything and dropped it gets it all again after the timeout', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 3, 101)
    const end = 101 + 3 * MSS
    c.after(100)
    c.receives({ seq: 1, ack: 101, sack: [[101, end]] })
    c.sendsNothing()
    c.after(400)
    c.sends({ seq: 101, length: MSS })
    c.receives({ seq: 1, ack: 101 + MSS })
    c.sends({ seq: 101 + MSS, length: MSS })
    c.sends({ seq: 101 + 2 * MSS, length: MSS })
    c.receives({ seq: 1, ack: end })
    c.sendsNothingFor(5000)
  })

  it('SACK blocks outside what is in flight, or upside down, change nothing', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 4, 101)
    for (const block of [
      [-500, 1],
      [101 + MSS, 101],
      [10_000_000, 10_001_000],
      [50, 101],
    ]) {
      for (let i = 0; i < 4; i++)
        c.receives({ seq: 1, ack: 101, sack: [block as [number, number]] })
    }
    c.sendsNothing()
    expect(c.subflow().tcb.recovery.sackedBytes).toBe(0)
  })

  it('an ACK in the middle of a segment frees half of it and repeats the other half', () => {
    const c = withRoundTrip({ core })
    sendsMany(c, 1, 101)
    c.after(100)
    c.receives({ seq: 1, ack: 601 })
    c.after(400)
    c.sends({ seq: 601, length: MSS - 500 })
  })
})
