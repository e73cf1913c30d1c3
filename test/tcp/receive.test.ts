// The receiver: order, SACK blocks (RFC 2018), D-SACK (RFC 2883), delayed ACKs (RFC 9293 §3.8.6.3),
// overlapping text, and the window that it tells.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import type { Conversation } from '../harness/conversation.js'
import { established } from '../harness/states.js'

/** At the start every segment is acknowledged at once; after 16 of them ACKs may be delayed. */
function pastQuickAcks(c: Conversation): number {
  let seq = 1
  for (let i = 0; i < 16; i++, seq += 10) {
    c.receives({ seq, ack: 1, data: 10 })
    c.sends({ ack: seq + 10 })
  }
  c.reads(160)
  c.sendsNothing()
  return seq
}

describe.each(BACKENDS)('receiver, %s core', (core) => {
  const plain = { core, mptcp: false }

  it('acknowledges two full segments at once, and one after 40 ms', () => {
    const c = established(plain)
    const seq = pastQuickAcks(c)
    c.receives({ seq, ack: 1, data: 1448 })
    c.sendsNothing()
    c.receives({ seq: seq + 1448, ack: 1, data: 1448 })
    c.sends({ flags: '.', ack: seq + 2896 })
    c.receives({ seq: seq + 2896, ack: 1, data: 100 })
    c.sendsNothingFor(39)
    c.after(1)
    c.sends({ flags: '.', ack: seq + 2996 })
    c.sendsNothingFor(1000)
  })

  it('lets data that leaves carry the ACK', () => {
    const c = established(plain)
    const seq = pastQuickAcks(c)
    c.receives({ seq, ack: 1, data: 100 })
    c.writes(50)
    c.sends({ length: 50, ack: seq + 100 })
    c.receives({ ack: 51 })
    c.sendsNothingFor(1000)
  })

  it('acknowledges text behind a hole at once, with the range that it has', () => {
    const c = established(plain)
    pastQuickAcks(c)
    c.receives({ seq: 261, ack: 1, data: 100 })
    c.sends({ flags: '.', ack: 161, sack: [[261, 361]] })
    c.receives({ seq: 361, ack: 1, data: 100 })
    c.sends({ flags: '.', ack: 161, sack: [[261, 461]] })
    c.receives({ seq: 561, ack: 1, data: 100 })
    c.sends({
      ack: 161,
      sack: [
        [561, 661],
        [261, 461],
      ],
    })
    c.receives({ seq: 161, ack: 1, data: 100 })
    c.sends({ ack: 461, sack: [[561, 661]] })
    c.receives({ seq: 461, ack: 1, data: 100 })
    c.sends({ ack: 661, sack: null })
    c.readOffset = 161
    c.reads(500)
  })

  it('tells at most three ranges beside timestamps, the newest first', () => {
    const c = established(plain)
    for (let i = 1; i <= 5; i++) c.receives({ seq: 1 + i * 200, ack: 1, data: 100 })
    const last = c.sendsAll().at(-1)!
    expect(last.sack).toEqual([
      [1001, 1101],
      [801, 901],
      [601, 701],
    ])
  })

  it('tells four ranges without timestamps', () => {
    const c = established({ ...plain, timestamps: false })
    for (let i = 1; i <= 5; i++) c.receives({ seq: 1 + i * 200, ack: 1, data: 100 })
    expect(c.sendsAll().at(-1)!.sack).toHaveLength(4)
  })

  it('tells no range to a peer that did not ask for SACK', () => {
    const c = established({ ...plain, sack: false })
    c.receives({ seq: 101, ack: 1, data: 100 })
    c.sends({ ack: 1, sack: null })
  })

  it('reports text that came twice once, as D-SACK', () => {
    const c = established(plain)
    c.receives({ seq: 1, ack: 1, data: 100 })
    c.sends({ ack: 101, sack: null })
    c.receives({ seq: 1, ack: 1, data: 100 })
    c.sends({ ack: 101, sack: [[1, 101]] })
    c.receives({ seq: 101, ack: 1, data: 100 })
    c.sends({ ack: 201, sack: null })
    c.reads(200)
  })

  it('reports a range out of order that came twice before the ranges that it has', () => {
    const c = established(plain)
    c.receives({ seq: 201, ack: 1, data: 100 })
    c.sends({ sack: [[201, 301]] })
    c.receives({ seq: 201, ack: 1, data: 100 })
    c.sends({
      ack: 1,
      sack: [
        [201, 301],
        [201, 301],
      ],
    })
  })

  it('takes overlapping text once: the first that came stays', () => {
    const c = established(plain)
    c.receives({ seq: 51, ack: 1, data: 100 })
    c.sends({ ack: 1 })
    c.receives({ seq: 1, ack: 1, data: 80 })
    c.sends({ ack: 151 })
    c.receives({ seq: 101, ack: 1, data: 200 })
    c.sends({ ack: 301 })
    c.reads(300)
  })

  it('takes the new part of text that is partly old', () => {
    const c = established(plain)
    c.receives({ seq: 1, ack: 1, data: 100 })
    c.sends({ ack: 101 })
    c.receives({ seq: 51, ack: 1, data: 100 })
    c.sends({ ack: 151 })
    c.reads(150)
  })

  it('text in several segments of one batch is acknowledged by two at a time', () => {
    const c = established(plain)
    const seq = pastQuickAcks(c)
    c.receivesTogether([0, 1, 2, 3].map((i) => ({ seq: seq + i * 1448, ack: 1, data: 1448 })))
    c.sends({ ack: seq + 2 * 1448 })
    c.sends({ ack: seq + 4 * 1448 })
    c.sendsNothing()
  })

  it('the window shrinks by what is not read, and its right edge never moves back', () => {
    const c = established({ ...plain, stack: { receiveBufferBytes: 65_535, windowScaling: false } })
    let edge = 0
    for (let seq = 1; seq < 60_000; seq += 1000) {
      c.receives({ seq, ack: 1, data: 1000 })
      for (const said of c.sendsAll()) {
        expect(said.ack + said.window).toBeGreaterThanOrEqual(edge)
        edge = said.ack + said.window
      }
    }
    expect(edge).toBe(65_536)
  })

  it('an application that reads opens the window, by a step worth telling', () => {
    const c = established({ ...plain, stack: { receiveBufferBytes: 4096, windowScaling: false } })
    c.receives({ seq: 1, ack: 1, data: 1448 })
    c.receives({ seq: 1449, ack: 1, data: 1448 })
    c.receives({ seq: 2897, ack: 1, data: 1200 })
    expect(c.sendsAll().at(-1)).toMatchObject({ ack: 4097, window: 0 })
    // Less than a segment: not a word (RFC 9293 §3.8.6.2.2).
    c.readsSome(500)
    c.sendsNothing()
    c.readsSome(1500)
    c.sends({ flags: '.', ack: 4097, window: 2000 })
  })

  it('probes of a closed window are answered, and their byte is not taken', () => {
    const c = established({ ...plain, stack: { receiveBufferBytes: 4096, windowScaling: false } })
    for (const [seq, data] of [
      [1, 1448],
      [1449, 1448],
      [2897, 1200],
    ] as const) {
      c.receives({ seq, ack: 1, data })
    }
    c.sendsAll()
    c.receives({ seq: 4097, ack: 1, data: 1 })
    c.sends({ flags: '.', ack: 4097, window: 0 })
    c.receives({ seq: 4096, ack: 1 })
    c.sends({ flags: '.', ack: 4097, window: 0 })
    c.reads(4096)
  })
})
