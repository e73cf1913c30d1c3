// Ending at the data level first, RFC 8684 §3.3.3: DATA_FINs alone, with data, out of order, again; then
// the subflows. And ending at once, §3.5.

import { describe, expect, it } from 'vitest'
import { EVENT_CLOSED } from '../../ts/mptcp/connection.js'
import { MP_FASTCLOSE } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import { dss, pattern } from '../harness/peer.js'
import { established, joinAck, joined, joinSyn, joinSynAck } from '../harness/states.js'

describe.each(BACKENDS)('closing, %s core', (core) => {
  const options = { core }
  const fin = (dsn: number, ack = 1) => dss({ ack, fin: true, dsn, ssn: 0, length: 1 })

  it('a DATA_FIN alone ends the data and is DATA_ACKed', () => {
    const c = established(options)
    c.receives({ seq: 1, ack: 1, mptcp: [fin(1)] })
    c.sends({ flags: '.', ack: 1, mptcp: [{ ack: 2 }] })
    expect(c.connection.state).toBe('M_CLOSE_WAIT')
    expect(c.subflow().tcb.state).toBe('ESTABLISHED')
  })

  it('a DATA_FIN with data counts behind the data', () => {
    const c = established(options)
    const option = dss({ ack: 1, fin: true, dsn: 1, ssn: 1, length: 101 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [option] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.sends({ ack: 101, mptcp: [{ ack: 102 }] })
    c.reads(100)
    expect(c.connection.rcv.finReached).toBe(true)
  })

  it('a DATA_FIN that comes before the data waits for it', () => {
    const c = established(options)
    c.receives({ seq: 1, ack: 1, mptcp: [fin(101)] })
    expect(c.connection.rcv.finReached).toBe(false)
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 100 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.sends({ ack: 101, mptcp: [{ ack: 102 }] })
    expect(c.connection.rcv.finReached).toBe(true)
    c.reads(100)
  })

  it('a DATA_FIN that comes again is DATA_ACKed again', () => {
    const c = established(options)
    for (let i = 0; i < 3; i++) {
      c.receives({ seq: 1, ack: 1, mptcp: [fin(1)] })
      c.sends({ mptcp: [{ ack: 2 }] })
    }
  })

  it('a DATA_FIN on one subflow ends the data of all', () => {
    const c = established(options)
    const peer = joined(c)
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 100 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map] })
    c.sendsAll()
    c.receives({ seq: 1, ack: 1, mptcp: [fin(101)] }, peer)
    expect(c.sendsAll().at(-1)).toMatchObject({ mptcp: [{ ack: 102 }] })
    c.reads(100)
    expect(c.connection.rcv.finReached).toBe(true)
  })

  it('data behind the DATA_FIN is dropped', () => {
    const c = established(options)
    c.receives({ seq: 1, ack: 1, mptcp: [fin(1)] })
    c.sendsAll()
    const map = dss({ ack: 1, dsn: 2, ssn: 1, length: 10 })
    c.receives({ seq: 1, ack: 1, data: 10, mptcp: [map] })
    c.sends({ ack: 11, mptcp: [{ ack: 2 }] })
    c.reads(0)
  })

  it('our DATA_FIN leaves before any FIN, and the FIN once both DATA_FINs are acknowledged', () => {
    const c = established(options)
    c.closes()
    c.sends({ flags: '.', mptcp: [{ fin: true, dsn: 1, ssn: 0, length: 1 }] })
    c.sendsNothing()
    expect(c.connection.state).toBe('M_FIN_WAIT_1')
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 2 })] })
    expect(c.connection.state).toBe('M_FIN_WAIT_2')
    c.sendsNothing()
    c.receives({ seq: 1, ack: 1, mptcp: [fin(1, 2)] })
    const said = c.sendsAll()
    expect(said.some((each) => each.flags.includes('F'))).toBe(true)
    expect(said.at(-1)!.mptcp).toMatchObject([{ ack: 2 }])
    expect(c.connection.state).toBe('M_TIME_WAIT')
  })

  it('the peer first, then this side: the FIN follows the DATA_ACK of our DATA_FIN', () => {
    const c = established(options)
    c.receives({ seq: 1, ack: 1, mptcp: [fin(1)] })
    c.sends({ mptcp: [{ ack: 2 }] })
    c.closes()
    c.sends({ flags: '.', mptcp: [{ fin: true, dsn: 1 }] })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 2 })] })
    c.sends({ flags: 'F.', seq: 1, mptcp: [{ ack: 2, fin: false }] })
    c.receives({ flags: 'F.', seq: 1, ack: 2, mptcp: [dss({ ack: 2 })] })
    c.sendsAll()
    expect(c.connection.state).toBe('M_CLOSED')
    expect(c.connection.error).toBeNull()
  })

  it('with finWithDataFin the FIN goes with our DATA_FIN, where only that is outstanding (§3.3.3)', () => {
    const c = established({ ...options, stack: { finWithDataFin: true } })
    c.receives({ seq: 1, ack: 1, mptcp: [fin(1)] })
    c.sends({ mptcp: [{ ack: 2 }] })
    c.closes()
    c.sends({ flags: 'F.', seq: 1, mptcp: [{ fin: true, dsn: 1 }] })
    c.receives({ seq: 1, ack: 2, mptcp: [dss({ ack: 2 })] })
    c.receives({ flags: 'F.', seq: 1, ack: 2, mptcp: [dss({ ack: 2 })] })
    c.sendsAll()
    expect(c.connection.state).toBe('M_CLOSED')
    expect(c.connection.error).toBeNull()
  })

  it('both at once', () => {
    const c = established(options)
    c.closes()
    c.sends({ mptcp: [{ fin: true, dsn: 1 }] })
    c.receives({ seq: 1, ack: 1, mptcp: [fin(1, 1)] })
    c.sendsAll()
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 2 })] })
    expect(c.connection.state).toBe('M_TIME_WAIT')
  })

  it('data that is not DATA_ACKed keeps the DATA_FIN behind it and the subflow open', () => {
    const c = established(options)
    c.writes(100)
    c.closes()
    const said = c.sendsAll()
    expect(said[0]).toMatchObject({ length: 100 })
    expect(said.some((each) => each.flags.includes('F'))).toBe(false)
    c.receives({ seq: 1, ack: 101, mptcp: [fin(1, 1)] })
    expect(c.sendsAll().some((each) => each.flags.includes('F'))).toBe(false)
  })

  it('a DATA_FIN that is lost goes again, with backoff', () => {
    const c = established(options)
    c.closes()
    c.sends({ mptcp: [{ fin: true }] })
    c.after(5000)
    const again = c.sendsAll()
    expect(again.length).toBeGreaterThan(2)
    expect(again.length).toBeLessThan(6)
    for (const said of again)
      expect(said).toMatchObject({ flags: '.', mptcp: [{ fin: true, dsn: 1 }] })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 2 })] })
    c.sendsNothingFor(60_000)
  })

  it('a DATA_FIN that is never answered on the only path goes with a FIN, which no box takes', () => {
    const c = established(options)
    c.closes()
    c.after(20_000)
    const fin = c.sendsAll().find((said) => said.flags.includes('F'))
    expect(fin).toMatchObject({ mptcp: [{ fin: true, dsn: 1 }] })
    c.receives({ flags: 'F.', seq: 1, ack: 2 })
    expect(c.connection).toMatchObject({ mode: 'fallback', error: null, rcv: { finReached: true } })
  })

  it('what is never DATA_ACKed, though TCP acknowledges it, is an error after as long as TCP would repeat it', () => {
    const c = established(options)
    c.writes(100)
    for (let waited = 0; waited < 1000_000 && c.connection.error === null; waited += 5000) {
      for (const said of c.sendsAll()) {
        if (said.length === 0) continue
        c.receives({ seq: 1, ack: said.seq + said.length, mptcp: [dss({ ack: 1 })] })
      }
      c.after(5000)
    }
    expect(c.connection.error).toBe('ETIMEDOUT')
    expect(c.clock.now()).toBeGreaterThan(900_000)
  })

  it('a FIN without DATA_FIN ends its subflow, not the connection, while another works', () => {
    const c = established(options)
    const peer = joined(c)
    c.receives({ flags: 'F.', seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] }, peer)
    c.sendsAll()
    expect(c.connection.error).toBeNull()
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 10 })
    c.receives({ seq: 1, ack: 1, data: 10, mptcp: [map] })
    c.sends({ peer: c.peer, mptcp: [{ ack: 11 }] })
    c.reads(10)
  })

  it('a DATA_FIN of a checksummed mapping: the length counts it, the sum is over the real bytes', () => {
    const c = established({ core, checksum: true })
    c.writes(100)
    c.closes()
    const said = c.sendsAll()
    for (const each of said) {
      for (const option of each.mptcp) {
        if ('checksum' in option) expect(option.checksum).not.toBeNull()
      }
    }
  })

  it('MP_FASTCLOSE with our key on an ACK ends it at once, answered with a RST', () => {
    const c = established(options)
    const peer = joined(c)
    const option = { subtype: MP_FASTCLOSE, receiverKey: c.keys.stack!.key } as const
    c.receives({ seq: 1, ack: 1, mptcp: [option] })
    const said = c.sendsAll()
    expect(said.filter((each) => each.flags.includes('R')).map((each) => each.peer)).toEqual([
      c.peer,
      peer,
    ])
    expect(c.connection.error).toBe('ECONNRESET')
    expect(c.stack.counters.MPFastcloseRx).toBe(1)
  })

  it('MP_FASTCLOSE with our key on a RST ends all the subflows', () => {
    const c = established(options)
    joined(c)
    const option = { subtype: MP_FASTCLOSE, receiverKey: c.keys.stack!.key } as const
    c.receives({ flags: 'R.', seq: 1, ack: 1, mptcp: [option] })
    c.sendsAll()
    expect(c.connection.error).toBe('ECONNRESET')
    expect(c.connection.subflows).toHaveLength(0)
  })

  it('MP_FASTCLOSE with another key is ignored and counted', () => {
    const c = established(options)
    const option = { subtype: MP_FASTCLOSE, receiverKey: new Uint8Array(8).fill(3) } as const
    c.receives({ seq: 1, ack: 1, mptcp: [option] })
    c.sendsNothing()
    expect(c.connection.error).toBeNull()
    expect(c.stack.counters.MPFastcloseBadKey).toBe(1)
  })

  it('MP_FASTCLOSE on a segment outside the window is ignored', () => {
    const c = established(options)
    const option = { subtype: MP_FASTCLOSE, receiverKey: c.keys.stack!.key } as const
    c.receives({ seq: 50_000_000, ack: 1, mptcp: [option] })
    c.receives({ flags: 'R.', seq: 50_000_000, ack: 1, mptcp: [option] })
    expect(c.connection.error).toBeNull()
  })

  it('an abort sends RSTs with MP_FASTCLOSE and the key of the peer on every subflow', () => {
    const c = established(options)
    joined(c)
    c.stack.calls.abort(c.connection)
    const said = c.sendsAll()
    expect(said).toHaveLength(2)
    for (const each of said) {
      expect(each.flags).toContain('R')
      expect(each.mptcp).toMatchObject([{ subtype: MP_FASTCLOSE, receiverKey: c.keys.peer.key }])
    }
  })

  it('a closed connection whose data is acknowledged, but never DATA_ACKed, is given up', () => {
    const c = established({ ...options, stack: { closeTimeoutMs: 5000 } })
    c.writes(100)
    c.closes()
    c.stack.calls.close(c.connection)
    c.sendsAll()
    // As long as TCP would: tcp_retries2, not closeTimeoutMs.
    for (let at = 0; at < 920_000; at += 10_000) {
      for (const said of c.sendsAll()) {
        c.receives({ seq: 1, ack: said.seq + said.length, mptcp: [dss({ ack: 1 })] })
      }
      c.after(10_000)
    }
    expect(c.connection.state).toBe('M_FIN_WAIT_1')
    c.sendsAll()
    c.after(10_000)
    expect(c.sendsAll().some((each) => each.flags.includes('R'))).toBe(true)
    expect(c.stack.counters.TcpExtTCPAbortOnTimeout).toBe(1)
    expect(c.connection.error).toBe('ETIMEDOUT')
    expect(c.stack.connectionCount).toBe(0)
  })

  it('an established connection outlives its last subflow, until closeTimeoutMs have passed', () => {
    const c = established({ ...options, stack: { closeTimeoutMs: 5000 } })
    c.receives({ flags: 'R.', seq: 1, ack: 1 })
    expect(c.connection.subflows).toHaveLength(0)
    c.after(4999)
    expect(c.connection.state).toBe('M_ESTAB')
    c.after(1)
    expect(c.connection.state).toBe('M_CLOSED')
    expect(c.connection.error).toBeNull()
    expect(c.events & EVENT_CLOSED).toBe(EVENT_CLOSED)
  })

  it('and goes on where another subflow comes in time', () => {
    const c = established({ ...options, stack: { closeTimeoutMs: 5000 } })
    c.writes(100)
    c.sendsAll()
    c.receives({ flags: 'R.', seq: 1, ack: 1 })
    c.after(4000)
    const peer = joinSyn(c)
    joinAck(c, peer, joinSynAck(c, peer))
    c.sends({ peer, flags: '.', length: 0 })
    c.sends({ peer, seq: 1, length: 100, mptcp: [{ dsn: 1 }] })
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 101 })] }, peer)
    c.sendsAll()
    c.sendsNothingFor(60_000)
    expect(c.connection.state).toBe('M_ESTAB')
  })

  it('one that nobody has accepted ends with its last subflow', () => {
    const c = established(options)
    c.connection.accepted = false
    c.receives({ flags: 'R.', seq: 1, ack: 1 })
    expect(c.connection.state).toBe('M_CLOSED')
  })

  it('unread data survives the close', () => {
    const c = established(options)
    const option = dss({ ack: 1, fin: true, dsn: 1, ssn: 1, length: 101 })
    c.receives({ seq: 1, ack: 1, data: pattern(1, 100), mptcp: [option] })
    c.closes()
    c.sendsAll()
    c.receives({ flags: 'F.', seq: 101, ack: 2, mptcp: [dss({ ack: 2 })] })
    c.sendsAll()
    c.after(120_000)
    c.sendsAll()
    c.reads(100)
  })
})
