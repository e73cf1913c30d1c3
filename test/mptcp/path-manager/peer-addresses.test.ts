// What the peer announces, takes back and prefers, and which of it the default path manager uses: limits on both sides, ids, ports,
// addresses that are nobody's, joins that are denied. RFC 8684 §3.1, §3.2, §3.4.

import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../ts/wire/address.js'
import {
  ADD_ADDR,
  type AddAddrOption,
  MP_CAPABLE,
  MP_PRIO,
  MP_TCPRST,
  REMOVE_ADDR,
} from '../../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../../contract/cores.js'
import type { Conversation } from '../../harness/conversation.js'
import { addAddressHmac, dss } from '../../harness/peer.js'
import {
  answerJoin,
  capable,
  established,
  JOIN_NONCE,
  joinAck,
  joined,
  joinSyn,
  joinSynAck,
  PEER_PORT,
  PORT,
  synReceived,
  synSent,
  synSpec,
} from '../../harness/states.js'
import { addAddr, echoes } from './says.js'

const joins = (c: Conversation) => c.sendsAll().filter(({ flags }) => flags === 'S')
const says = (c: Conversation, text: string, id: number, port = 0): void =>
  c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, text, id, port)] })

const OTHER = Uint8Array.of(10, 0, 2, 2)

/** The peer's ADD_ADDR of 10.0.2.2, or what `spec` says of it. */
function addAddrWith(c: Conversation, spec: Partial<AddAddrOption> = {}): AddAddrOption {
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

describe.each(BACKENDS)('addresses on the wire, %s core', (core) => {
  it('an ADD_ADDR with the right HMAC is echoed without HMAC', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddrWith(c)] })
    c.sends({
      mptcp: [{ subtype: ADD_ADDR, echo: true, addressId: 5, address: OTHER, hmac: null }],
    })
    expect(c.stack.counters.AddAddr).toBe(1)
  })

  it('an ADD_ADDR with a wrong HMAC is dropped and counted', () => {
    const c = established({ core, role: 'client' })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddrWith(c, { hmac: new Uint8Array(8) })] })
    c.sendsNothing()
    expect(c.stack.counters.AddAddrHMacFailure).toBe(1)
  })

  it('the port is part of the HMAC', () => {
    const c = established({ core })
    const right = addAddrWith(c, { port: 8080 })
    c.receives({ seq: 1, ack: 1, mptcp: [{ ...right, port: 8081 }] })
    c.sendsNothing()
    c.receives({ seq: 1, ack: 1, mptcp: [right] })
    c.sends({ mptcp: [{ echo: true, port: 8080 }] })
    expect(c.stack.counters.PortAdd).toBe(1)
  })

  it('an IPv6 address is taken as well', () => {
    const c = established({ core })
    const address = new Uint8Array(16).fill(0x20)
    c.receives({ seq: 1, ack: 1, mptcp: [addAddrWith(c, { address })] })
    c.sends({ mptcp: [{ echo: true, address }] })
  })

  it('an ADD_ADDR that comes again is echoed again', () => {
    const c = established({ core })
    for (let i = 0; i < 2; i++) {
      c.receives({ seq: 1, ack: 1, mptcp: [addAddrWith(c)] })
      c.sends({ mptcp: [{ echo: true }] })
    }
    expect(c.stack.counters.AddAddr).toBe(2)
  })

  it('no more addresses are joined than allowed, and all are echoed', () => {
    const c = established({ core, role: 'client', stack: { maxAddAddrAccepted: 2 } })
    for (let id = 1; id <= 4; id++) {
      const address = Uint8Array.of(10, 0, 1, 10 + id)
      c.receives({ seq: 1, ack: 1, mptcp: [addAddrWith(c, { addressId: id, address })] })
    }
    const said = c.sendsAll()
    expect(said.filter((each) => each.flags === 'S')).toHaveLength(2)
    expect(c.stack.counters).toMatchObject({ AddAddr: 4, EchoAddTx: 4, MPJoinSynTx: 2 })
  })

  it('the opener joins an address that was announced', () => {
    const c = established({ core, role: 'client', links: 2 })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddrWith(c)] })
    const said = c.sendsAll()
    const syn = said.find((each) => each.flags === 'S')!
    expect(syn.link).toBe(1)
    expect(syn.mptcp).toMatchObject([{ phase: 'SYN', token: c.keys.peer.token }])
  })

  it('the other side does not join: it waits to be joined', () => {
    const c = established({ core, links: 2 })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddrWith(c)] })
    expect(c.sendsAll().some((each) => each.flags.includes('S'))).toBe(false)
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
})

describe.each(BACKENDS)('announced addresses, %s core', (core) => {
  it('a listener joins none unless it was told how many', () => {
    const c = established({ core })
    says(c, '10.0.1.9', 5)
    c.sends({ mptcp: [{ subtype: ADD_ADDR, echo: true }] })
    c.sendsNothing()
    c.stack.pathControl.setLimits({ addAddrAccepted: 1 })
    says(c, '10.0.1.9', 5)
    expect(joins(c)).toMatchObject([{ link: 0, mptcp: [{ phase: 'SYN' }] }])
  })

  it('at limit 0 they are echoed, and not joined', () => {
    const c = established({ core, role: 'client', stack: { maxAddAddrAccepted: 0 } })
    says(c, '10.0.1.9', 5)
    c.sends({ mptcp: [{ subtype: ADD_ADDR, echo: true, addressId: 5 }] })
    c.sendsNothing()
  })

  it('are joined at the port announced with them, else at that of the connection', () => {
    const c = established({ core, role: 'client' })
    says(c, '10.0.1.9', 5)
    says(c, '10.0.1.8', 6, 9090)
    expect(joins(c).map(({ peer }) => peer.port)).toEqual([PORT, 9090])
  })

  it('one that has a subflow is not joined again; the same one at another port is', () => {
    const c = established({ core, role: 'client' })
    says(c, '10.0.1.9', 5)
    says(c, '10.0.1.9', 5)
    says(c, '10.0.1.2', 6)
    expect(joins(c)).toHaveLength(1)
    says(c, '10.0.1.9', 7, 9090)
    expect(joins(c)).toHaveLength(1)
  })

  it('a known id with another address is one more address, as in Linux', () => {
    const c = established({ core, role: 'client' })
    says(c, '10.0.1.9', 5)
    says(c, '10.0.1.10', 5)
    expect(joins(c)).toHaveLength(2)
  })

  it('id 0 is the first address, and no other', () => {
    const c = established({ core, role: 'client' })
    says(c, '10.0.1.9', 0)
    says(c, '10.0.1.2', 0)
    expect(joins(c)).toHaveLength(0)
    expect(c.stack.counters).toMatchObject({ AddAddr: 2, EchoAddTx: 2 })
  })

  it.each([
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '127.0.0.1',
    '10.0.1.1',
    '::',
    'ff02::1',
    '2001:db8::1',
  ])('%s is echoed, and nobody is called there', (text) => {
    const c = established({ core, role: 'client' })
    says(c, text, 5)
    c.sends({ mptcp: [{ subtype: ADD_ADDR, echo: true }] })
    c.sendsNothing()
  })

  it.each([
    ['ipv4', 0],
    ['both', 1],
  ] as const)(
    'an IPv6 address on an IPv4 connection whose socket has %s: %i joins',
    (families, n) => {
      const c = established({ core, role: 'client', families })
      c.stack.addAddress(parseAddress('2001:db8::7')!, 0)
      says(c, '2001:db8::1', 5)
      expect(c.stack.counters).toMatchObject({ AddAddr: 1, EchoAddTx: 1, MPJoinSynTx: n })
    },
  )

  it('one that was withdrawn makes room for another', () => {
    const c = established({ core, role: 'client', stack: { maxAddAddrAccepted: 1 } })
    says(c, '10.0.1.9', 2)
    c.sends({ mptcp: [{ echo: true }] })
    answerJoin(c)
    says(c, '10.0.1.10', 6)
    expect(joins(c)).toHaveLength(0)
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: REMOVE_ADDR, addressIds: [2] }] })
    c.sends({ peer: c.peers[1]!, flags: 'R.' })
    says(c, '10.0.1.10', 6)
    expect(joins(c)).toHaveLength(1)
  })

  it('several withdrawn at once end several subflows', () => {
    const c = established({ core })
    for (const id of [2, 3, 4]) joined(c, { port: 41_000 + id, addressId: id })
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: REMOVE_ADDR, addressIds: [2, 4] }] })
    expect(c.sendsAll().filter(({ flags }) => flags === 'R.')).toHaveLength(2)
    expect(c.connection.subflows.map((each) => each.remoteAddressId)).toEqual([0, 3])
  })

  it('the withdrawal of id 0 ends the first subflow', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: REMOVE_ADDR, addressIds: [0] }] }, peer)
    c.sends({ peer: c.peer, flags: 'R.' })
    c.writes(10)
    c.sends({ peer, length: 10 })
  })

  it('subflows beside the first are bounded, whoever opens them', () => {
    const c = established({ core, role: 'client', stack: { maxSubflows: 3 } })
    for (let id = 1; id <= 4; id++) says(c, `10.0.1.${10 + id}`, id)
    expect(joins(c)).toHaveLength(2)
    c.stack.pathControl.setLimits({ subflows: 3 })
    says(c, '10.0.1.13', 3)
    expect(joins(c)).toHaveLength(1)
  })

  it('limits that are lowered leave what is open', () => {
    const c = established({ core })
    joined(c)
    c.stack.pathControl.setLimits({ subflows: 0 })
    expect(c.connection.subflows).toHaveLength(2)
    joinSyn(c, { port: 41_005 })
    c.sends({ flags: 'R.', mptcp: [{ subtype: MP_TCPRST, reason: 3 }] })
    expect(c.stack.pathControl.limits.subflows).toBe(0)
  })

  it('a flood of them is bounded', () => {
    const c = established({ core })
    const specs = Array.from({ length: 200 }, (_, i) => ({
      seq: 1,
      ack: 1,
      mptcp: [addAddr(c, `10.1.0.${i}`, i)],
    }))
    c.receivesTogether(specs)
    const { AddAddr, AddAddrDrop, EchoAddTx, EchoAddTxDrop } = c.stack.counters
    expect(AddAddr).toBe(200)
    expect(AddAddrDrop).toBeGreaterThanOrEqual(136)
    expect(EchoAddTx + EchoAddTxDrop).toBe(200)
    c.sendsAll()
  })
})

describe.each(BACKENDS)('joins denied to the first address, %s core', (core) => {
  /** A client whose server has said flag C. */
  function denied(stack: object = {}): Conversation {
    const c = synSent({ core, links: 2, stack })
    const option = capable({ senderKey: c.keys.peer.key, denyJoin: true })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}), mptcp: [option] })
    c.sends({ mptcp: [{ subtype: MP_CAPABLE }] })
    return c
  }

  it('endpoints do not open there; an announced address is joined', () => {
    const c = denied({ endpoints: [{ address: '10.0.2.1', id: 4, subflow: true }] })
    says(c, '10.0.2.9', 5)
    expect(joins(c)).toMatchObject([{ link: 1, mptcp: [{ addressId: 4 }] }])
  })

  it('also where no announced address would be: the first one takes the endpoints', () => {
    const c = denied({
      maxAddAddrAccepted: 0,
      endpoints: [{ address: '10.0.2.1', id: 4, subflow: true }],
    })
    says(c, '10.0.1.9', 5)
    says(c, '10.0.1.10', 6)
    expect(joins(c)).toMatchObject([{ link: 1, mptcp: [{ addressId: 4 }] }])
  })

  it('our own flag C stands in MP_CAPABLE, and such a join is refused', () => {
    const endpoints = [{ address: '10.0.2.1', id: 4, signal: true }]
    const c = synReceived({
      core,
      links: 2,
      stack: { allowJoinInitialAddress: false, endpoints },
    })
    const keys = { senderKey: c.keys.peer.key, receiverKey: c.keys.stack!.key }
    c.receives({ seq: 1, ack: 1, mptcp: [capable(keys)] })
    c.sends({ mptcp: [{ subtype: ADD_ADDR, addressId: 4 }] })
    joinSyn(c)
    c.sends({ flags: 'R.', mptcp: [{ subtype: MP_TCPRST, reason: 3 }] })
    expect(c.stack.counters.MPJoinRejected).toBe(1)
    joined(c, { link: 1, port: 41_009 })
  })

  it('flag C is said in each of our MP_CAPABLEs', () => {
    const c = synSent({ core, stack: { allowJoinInitialAddress: false } })
    const option = capable({ senderKey: c.keys.peer.key })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec({}), mptcp: [option] })
    c.sends({ mptcp: [{ subtype: MP_CAPABLE, denyJoin: true }] })
  })
})

describe.each(BACKENDS)('endpoints with a port, %s core', (core) => {
  /** A server that has announced its second address with a port. */
  function announced(): Conversation {
    const c = established({ core, links: 2 })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 6, port: 9191, signal: true })
    const said = c.sends({ mptcp: [{ subtype: ADD_ADDR, addressId: 6, port: 9191 }] })
    c.receives({ seq: 1, ack: 1, mptcp: echoes(said) })
    return c
  }

  function joinAt(c: Conversation, port: number, link = 1) {
    const peer = c.addPeer({ link, port: PEER_PORT + 7, stackPort: port })
    const option = {
      subtype: 1,
      phase: 'SYN',
      backup: false,
      addressId: 2,
      token: c.keys.stack!.token,
      nonce: JOIN_NONCE,
    } as const
    c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [option] }, peer)
    return peer
  }

  it('are joined there', () => {
    const c = announced()
    const peer = joinAt(c, 9191)
    joinAck(c, peer, joinSynAck(c, peer))
    c.sends({ peer, flags: '.' })
    expect(c.subflow(peer).localAddressId).toBe(6)
    expect(c.stack.counters).toMatchObject({ MPJoinPortSynRx: 1, MPJoinPortAckRx: 1 })
  })

  it('at another port, or at the first address, a join is refused', () => {
    const c = announced()
    for (const [port, link] of [
      [9192, 1],
      [9191, 0],
    ] as const) {
      joinAt(c, port, link)
      c.sends({ flags: 'R.', mptcp: [{ subtype: MP_TCPRST, reason: 3 }] })
    }
    expect(c.stack.counters.MismatchPortSynRx).toBe(2)
  })

  it('a SYN there that is no join is refused, and the port is given to nobody', () => {
    const c = announced()
    const peer = c.addPeer({ link: 1, port: PEER_PORT + 8, stackPort: 9191 })
    c.receives({ flags: 'S', seq: 0, ...synSpec({}), mptcp: [capable()] }, peer)
    c.sends({ flags: 'R.', mptcp: [{ subtype: MP_TCPRST, reason: 3 }] })
    expect(c.stack.counters.MPCapableEndpAttempt).toBe(1)
  })

  it('deleted, they listen no more', () => {
    const c = announced()
    c.stack.pathControl.deleteEndpoint(6)
    c.sends({ mptcp: [{ ack: 1 }, { subtype: REMOVE_ADDR, addressIds: [6] }] })
    joinAt(c, 9191)
    c.sends({ flags: 'R.', mptcp: [{ subtype: MP_TCPRST, reason: 3 }] })
  })
})
