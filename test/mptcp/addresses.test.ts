// The path manager on the wire: ADD_ADDR, REMOVE_ADDR (RFC 8684 §3.4), MP_PRIO (§3.3.8) and what backup
// means for who carries data; and the data of a path that dies (§3.3.6).

import { describe, expect, it } from 'vitest'
import { ADD_ADDR, type AddAddrOption, MP_PRIO, REMOVE_ADDR } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import type { Conversation } from '../harness/conversation.js'
import { addAddressHmac, dss, pattern } from '../harness/peer.js'
import { capable, established, joined, synReceived } from '../harness/states.js'

const OTHER = Uint8Array.of(10, 0, 2, 2)

/** The peer's ADD_ADDR of 10.0.2.2. */
function addAddr(c: Conversation, spec: Partial<AddAddrOption> = {}): AddAddrOption {
  const { peer, stack } = c.keys
  const id = spec.addressId ?? 5
  const address = spec.address ?? OTHER
  return {
    subtype: ADD_ADDR,
    echo: false,
    addressId: id,
    address,
    port: null,
    hmac: addAddressHmac(peer.key, stack!.key, id, address, spec.port ?? 0),
    ...spec,
  }
}

const signals = {
  links: 2,
  stack: { endpoints: [{ address: '10.0.1.1' }, { address: '10.0.2.1', id: 7, signal: true }] },
}

describe.each(BACKENDS)('addresses, %s core', (core) => {
  it('an ADD_ADDR with the right HMAC is echoed without HMAC', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c)] })
    c.sends({
      mptcp: [{ subtype: ADD_ADDR, echo: true, addressId: 5, address: OTHER, hmac: null }],
    })
    expect(c.stack.counters.AddAddr).toBe(1)
  })

  it('an ADD_ADDR with a wrong HMAC is dropped and counted', () => {
    const c = established({ core, role: 'client' })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, { hmac: new Uint8Array(8) })] })
    c.sendsNothing()
    expect(c.stack.counters.AddAddrHMacFailure).toBe(1)
  })

  it('the port is part of the HMAC', () => {
    const c = established({ core })
    const right = addAddr(c, { port: 8080 })
    c.receives({ seq: 1, ack: 1, mptcp: [{ ...right, port: 8081 }] })
    c.sendsNothing()
    c.receives({ seq: 1, ack: 1, mptcp: [right] })
    c.sends({ mptcp: [{ echo: true, port: 8080 }] })
    expect(c.stack.counters.PortAdd).toBe(1)
  })

  it('an IPv6 address is taken as well', () => {
    const c = established({ core })
    const address = new Uint8Array(16).fill(0x20)
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, { address })] })
    c.sends({ mptcp: [{ echo: true, address }] })
  })

  it('an ADD_ADDR that comes again is echoed again', () => {
    const c = established({ core })
    for (let i = 0; i < 2; i++) {
      c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c)] })
      c.sends({ mptcp: [{ echo: true }] })
    }
    expect(c.stack.counters.AddAddr).toBe(2)
  })

  it('no more addresses are joined than allowed, and all are echoed', () => {
    const c = established({ core, role: 'client', stack: { maxAddAddrAccepted: 2 } })
    for (let id = 1; id <= 4; id++) {
      const address = Uint8Array.of(10, 0, 1, 10 + id)
      c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, { addressId: id, address })] })
    }
    const said = c.sendsAll()
    expect(said.filter((each) => each.flags === 'S')).toHaveLength(2)
    expect(c.stack.counters).toMatchObject({ AddAddr: 4, EchoAddTx: 4, MPJoinSynTx: 2 })
  })

  it('the opener joins an address that was announced', () => {
    const c = established({ core, role: 'client', links: 2 })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c)] })
    const said = c.sendsAll()
    const syn = said.find((each) => each.flags === 'S')!
    expect(syn.link).toBe(1)
    expect(syn.mptcp).toMatchObject([{ phase: 'SYN', token: c.keys.peer.token }])
  })

  it('the other side does not join: it waits to be joined', () => {
    const c = established({ core, links: 2 })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c)] })
    expect(c.sendsAll().some((each) => each.flags.includes('S'))).toBe(false)
  })

  it('an endpoint to be announced is announced, with the right HMAC', () => {
    const c = announced(core)
    const { option } = c
    const { peer, stack } = c.conversation.keys
    const expected = addAddressHmac(stack!.key, peer.key, 7, option.address, 0)
    expect(option).toMatchObject({ addressId: 7, address: Uint8Array.of(10, 0, 2, 1), port: null })
    expect(Buffer.from(option.hmac!)).toEqual(Buffer.from(expected))
  })

  it('an ADD_ADDR that is not echoed goes again, and not for ever', () => {
    const { conversation: c } = announced(core)
    c.after(60_000)
    const again = c.sendsAll()
    expect(again).toHaveLength(3)
    expect(c.stack.counters.AddAddrTxRetrans).toBe(3)
    c.sendsNothingFor(600_000)
  })

  it('an echo ends that', () => {
    const { conversation: c, option } = announced(core)
    c.receives({ seq: 1, ack: 1, mptcp: [{ ...option, echo: true, hmac: null }] })
    c.sendsNothingFor(60_000)
    expect(c.stack.counters.EchoAdd).toBe(1)
  })

  it('so does a fallback, and no deadline of it stays behind', () => {
    const { conversation: c } = announced(core)
    c.receives({ seq: 1, ack: 1, data: 50 })
    expect(c.connection.mode).toBe('fallback')
    c.sends({ ack: 51, mptcp: [] })
    c.sendsNothingFor(60_000)
    expect(c.connection.agenda.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('REMOVE_ADDR ends the subflows to that address, and only those', () => {
    const c = established({ core })
    joined(c, { port: 41_001, addressId: 2 })
    const other = joined(c, { port: 41_002, addressId: 3 })
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: REMOVE_ADDR, addressIds: [3, 9] }] })
    const resets = c.sendsAll().filter((each) => each.flags.includes('R'))
    expect(resets.map((each) => each.peer)).toEqual([other])
    expect(c.connection.subflows).toHaveLength(2)
    expect(c.stack.counters).toMatchObject({ RmAddr: 2, RmSubflow: 0 })
  })

  it('MP_PRIO makes the subflow that carries it a backup, and a working one again', () => {
    const c = established({ core })
    const peer = joined(c)
    const prio = (backup: boolean) => ({ subtype: MP_PRIO, backup, addressId: null }) as const
    c.receives({ seq: 1, ack: 1, mptcp: [prio(true)] })
    expect(c.subflow().remoteBackup).toBe(true)
    expect(c.subflow(peer).remoteBackup).toBe(false)
    c.writes(10)
    c.sends({ peer, length: 10 })
    c.receives({ seq: 1, ack: 11, mptcp: [dss({ ack: 11 })] }, peer)
    c.receives({ seq: 1, ack: 1, mptcp: [prio(false)] })
    c.receives({ seq: 1, ack: 11, mptcp: [prio(true)] }, peer)
    c.writes(10)
    c.sends({ peer: c.peer, length: 10 })
  })

  it('a backup carries nothing while another works, and everything once none does', () => {
    const c = established({ core })
    const peer = joined(c, { backup: true })
    c.writes(60_000)
    const first = c.sendsAll()
    expect(first.every((each) => each.peer === c.peer)).toBe(true)
    c.receives({ flags: 'R', seq: 1 })
    const then = c.sendsAll()
    expect(then.length).toBeGreaterThan(0)
    expect(then.every((each) => each.peer === peer)).toBe(true)
    expect(then[0]).toMatchObject({ mptcp: [{ dsn: 1, ssn: 1 }] })
  })
})

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

  it('an infinite mapping on the only subflow makes it plain TCP where the data stands', () => {
    const c = established({ core })
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 100 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map] })
    c.sends({ ack: 101 })
    const infinite = dss({ ack: 1, dsn: 101, ssn: 101, length: 0 })
    c.receives({ seq: 101, ack: 1, data: 50, mptcp: [infinite] })
    c.receives({ seq: 151, ack: 1, data: 50 })
    c.sendsAll()
    expect(c.connection.mode).toBe('fallback')
    c.reads(200)
  })

  it('and where it is the last of two, the data goes on where it stands in both directions', () => {
    const c = established({ core })
    const last = joined(c)
    const map = dss({ ack: 1, dsn: 1, ssn: 1, length: 60 })
    c.receives({ seq: 1, ack: 1, data: 60, mptcp: [map] })
    c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] }, last)
    c.writes(100)
    c.sendsAll()
    const used = c.peers.find((each) => each !== last)!
    c.receives({ seq: 61, ack: 101, mptcp: [dss({ ack: 101 })] }, used)
    c.receives({ flags: 'R', seq: 61 }, used)
    expect(c.connection.subflows).toHaveLength(1)
    const infinite = dss({ ack: 101, dsn: 61, ssn: 1, length: 0 })
    c.receives({ seq: 1, ack: 1, data: pattern(61, 50), mptcp: [infinite] }, last)
    c.sendsAll()
    expect(c.connection.mode).toBe('fallback')
    c.reads(110)
    c.writes(40)
    c.sends({ peer: last, seq: 1, length: 40, mptcp: [{ dsn: 101, ssn: 1, length: 0 }] })
    c.receives({ seq: 51, ack: 41 }, last)
    expect(c.connection.snd).toMatchObject({
      una: 141,
      right: 141 + c.connection.subflows[0]!.tcb.snd.right - 41,
    })
    c.writes(30)
    c.sends({ peer: last, seq: 41, length: 30, mptcp: [] })
    c.receives({ flags: 'F.', seq: 51, ack: 71 }, last)
    expect(c.connection).toMatchObject({ rcv: { fin: 111, finReached: true }, snd: { una: 171 } })
  })

  it('an infinite mapping where two subflows work resets the one that carries it', () => {
    const c = established({ core })
    const peer = joined(c)
    const infinite = dss({ ack: 1, dsn: 1, ssn: 1, length: 0 })
    c.receives({ seq: 1, ack: 1, data: pattern(1, 50), mptcp: [infinite] }, peer)
    expect(c.sendsAll().at(-1)!.flags).toContain('R')
    expect(c.connection.mode).toBe('mptcp')
    expect(c.connection.subflows).toHaveLength(1)
  })
})

/** A server of two addresses that has announced the second. */
function announced(core: 'wasm' | 'js'): { conversation: Conversation; option: AddAddrOption } {
  const c = synReceived({ core, ...signals })
  const keys = { senderKey: c.keys.peer.key, receiverKey: c.keys.stack!.key }
  c.receives({ seq: 1, ack: 1, mptcp: [capable(keys)] })
  const said = c.sends({ mptcp: [{ subtype: ADD_ADDR, echo: false }] })
  return { conversation: c, option: said.mptcp[0] as AddAddrOption }
}
