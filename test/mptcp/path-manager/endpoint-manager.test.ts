// The default path manager: endpoints that change while connections live, in the manner of Linux's
// in-kernel one. RFC 8684 §3.2, §3.3.8, §3.4.

import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../ts/wire/address.js'
import { ADD_ADDR, MP_JOIN, MP_PRIO, REMOVE_ADDR } from '../../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../../contract/cores.js'
import type { Conversation } from '../../harness/conversation.js'
import { dss, type Said } from '../../harness/peer.js'
import {
  answerJoin,
  capable,
  established,
  joined,
  joinSyn,
  synReceived,
} from '../../harness/states.js'
import { addAddr, echoes } from './says.js'

const isSyn = (said: Said): boolean => said.flags === 'S'
const removes = (ids: number[]) => [{ ack: 1 }, { subtype: REMOVE_ADDR, addressIds: ids }]
const prio = (backup: boolean) => [{ ack: 1 }, { subtype: MP_PRIO, backup, addressId: null }]

/** A client of two addresses with an endpoint for the second, whose subflow stands. */
function client(core: 'wasm' | 'js', flags: object = {}): Conversation {
  const c = established({ core, role: 'client', links: 2 })
  c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true, ...flags })
  answerJoin(c)
  return c
}

describe.each(BACKENDS)('endpoints in mid-connection, %s core', (core) => {
  it('a subflow endpoint opens a subflow at once, with its id', () => {
    const c = established({ core, role: 'client', links: 2 })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true, backup: true })
    c.sends({
      flags: 'S',
      link: 1,
      mptcp: [{ subtype: MP_JOIN, phase: 'SYN', addressId: 4, backup: true }],
    })
    expect(c.stack.pathControl.endpoints).toMatchObject([{ id: 4, subflow: true, implicit: false }])
  })

  it('one that was refused has used its address: no other is opened from there', () => {
    const c = established({ core, role: 'client', links: 2 })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true })
    const { peer } = c.sends({ flags: 'S' })
    c.receives({ flags: 'R.', seq: 0, ack: 1 }, peer)
    c.sendsNothingFor(999)
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('one that is not answered is given up', () => {
    const c = established({ core, role: 'client', links: 2, stack: { openTimeoutMs: 5000 } })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true })
    c.after(5999)
    expect(c.sendsAll().every(isSyn)).toBe(true)
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('the next address is announced once the one before is echoed, or was given up', () => {
    const c = established({ core })
    const { pathControl } = c.stack
    pathControl.addEndpoint({ address: '192.0.2.7', id: 7, signal: true })
    const seven = c.sends({ mptcp: [{ subtype: ADD_ADDR, addressId: 7 }] })
    pathControl.addEndpoint({ address: '192.0.2.8', id: 8, signal: true })
    const eight = c.sends({ mptcp: [{ subtype: ADD_ADDR, addressId: 8 }] })
    c.receives({ seq: 1, ack: 1, mptcp: echoes(seven) })
    c.receives({ seq: 1, ack: 1, mptcp: echoes(eight) })
    c.sendsNothingFor(60_000)
    expect(c.stack.counters).toMatchObject({ AddAddrTx: 2, EchoAdd: 2, AddAddrTxRetrans: 0 })
  })

  it('several are announced one after the other, as they are echoed', () => {
    const endpoints = [1, 2, 3].map((id) => ({ address: `192.0.2.${id}`, id, signal: true }))
    const c = synReceived({ core, stack: { endpoints } })
    const keys = { senderKey: c.keys.peer.key, receiverKey: c.keys.stack!.key }
    c.receives({ seq: 1, ack: 1, mptcp: [capable(keys)] })
    for (const addressId of [1, 2, 3]) {
      const said = c.sends({ mptcp: [{ subtype: ADD_ADDR, addressId }] })
      c.sendsNothing()
      c.receives({ seq: 1, ack: 1, mptcp: echoes(said) })
    }
    c.sendsNothing()
  })

  it('an echo of another port is not an echo', () => {
    const c = established({ core })
    c.stack.pathControl.addEndpoint({ address: '192.0.2.7', id: 7, signal: true, port: 9090 })
    const said = c.sends({ mptcp: [{ subtype: ADD_ADDR, port: 9090 }] })
    c.receives({ seq: 1, ack: 1, mptcp: [{ ...echoes(said)[0]!, port: 9091 }] })
    expect(c.connection.pathManager.announcements[0]!.echoed).toBe(false)
    c.after(500)
    c.sends({ mptcp: [{ subtype: ADD_ADDR, port: 9090 }] })
  })

  it('a deleted one is withdrawn, its subflow ends, and its id is free again', () => {
    const c = client(core)
    const peer = c.peers[1]!
    c.stack.pathControl.deleteEndpoint(4)
    c.sends({ peer: c.peer, mptcp: removes([4]) })
    c.sends({ peer, flags: 'R.' })
    expect(c.connection.subflows).toHaveLength(1)
    expect(c.stack.counters).toMatchObject({ RmAddrTx: 1, RmSubflow: 1 })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true })
    c.sends({ flags: 'S', link: 1, mptcp: [{ addressId: 4 }] })
  })

  it('a deleted one that was announced is withdrawn, and not announced any more', () => {
    const c = established({ core })
    c.stack.pathControl.addEndpoint({ address: '192.0.2.7', id: 7, signal: true })
    c.sends({ mptcp: [{ subtype: ADD_ADDR }] })
    c.stack.pathControl.deleteEndpoint(7)
    c.sends({ mptcp: removes([7]) })
    c.sendsNothingFor(60_000)
  })

  it('a deleted one that the peer never heard of is not withdrawn', () => {
    const c = established({ core })
    c.stack.pathControl.addEndpoint({ address: '192.0.2.7', id: 7 })
    c.stack.pathControl.deleteEndpoint(7)
    c.sendsNothing()
  })

  it('a flush withdraws all that was announced with one REMOVE_ADDR', () => {
    const c = established({ core })
    for (const id of [5, 6, 7]) {
      c.stack.pathControl.addEndpoint({ address: `192.0.2.${id}`, id, signal: true })
      const said = c.sends({ mptcp: [{ subtype: ADD_ADDR }] })
      c.receives({ seq: 1, ack: 1, mptcp: echoes(said) })
    }
    c.stack.pathControl.flushEndpoints()
    c.sends({ mptcp: removes([5, 6, 7]) })
    c.sendsNothing()
    expect(c.stack.pathControl.endpoints).toEqual([])
    expect(c.stack.counters.RmAddrTx).toBe(3)
  })

  it('more ids than one REMOVE_ADDR holds go in several', () => {
    const c = established({ core })
    for (let id = 1; id <= 10; id++) {
      c.stack.pathControl.addEndpoint({ address: `192.0.2.${id}`, id, signal: true })
      c.receives({ seq: 1, ack: 1, mptcp: echoes(c.sends({ mptcp: [{ subtype: ADD_ADDR }] })) })
    }
    c.stack.pathControl.flushEndpoints()
    c.sends({ mptcp: removes([1, 2, 3, 4, 5, 6, 7, 8]) })
    c.sends({ mptcp: removes([9, 10]) })
  })

  it('a flush ends the subflows of the endpoints', () => {
    const c = client(core)
    c.stack.pathControl.flushEndpoints()
    c.sends({ peer: c.peers[1]!, flags: 'R.' })
    c.sendsNothing()
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('id 0 with its address withdraws the first address, and the connection goes on', () => {
    const c = client(core)
    c.stack.pathControl.deleteEndpoint(0, '10.0.1.1')
    c.sends({ peer: c.peers[1]!, mptcp: removes([0]) })
    c.sends({ peer: c.peer, flags: 'R.' })
    c.writes(10)
    c.sends({ peer: c.peers[1]!, length: 10 })
    expect(c.connection.error).toBeNull()
  })

  it('id 0 with the address of another connection does nothing', () => {
    const c = client(core)
    c.stack.pathControl.deleteEndpoint(0, '10.0.2.1')
    c.sendsNothing()
  })

  it('the endpoint of the first address is known to the peer as id 0', () => {
    const c = established({
      core,
      role: 'client',
      links: 2,
      stack: { endpoints: [{ address: '10.0.1.1', id: 9, subflow: true }] },
    })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true })
    answerJoin(c)
    c.stack.pathControl.deleteEndpoint(9)
    c.sends({ peer: c.peers[1]!, mptcp: removes([0]) })
    c.sends({ peer: c.peer, flags: 'R.' })
    // Back again, it is a subflow of its own, and still id 0.
    c.stack.pathControl.addEndpoint({ address: '10.0.1.1', id: 9, subflow: true })
    c.sends({ flags: 'S', link: 0, mptcp: [{ phase: 'SYN', addressId: 0 }] })
  })

  it('REMOVE_ADDR on the only subflow leaves before it ends', () => {
    const c = established({ core })
    c.stack.pathControl.deleteEndpoint(0, '10.0.1.1')
    c.sends({ mptcp: removes([0]) })
    c.sends({ flags: 'R.' })
  })
})

describe.each(BACKENDS)('flags of endpoints, %s core', (core) => {
  it('backup is told with MP_PRIO, on and off', () => {
    const c = client(core)
    const peer = c.peers[1]!
    for (const backup of [true, false]) {
      c.stack.pathControl.changeEndpoint(4, { backup })
      c.sends({ peer, mptcp: prio(backup) })
      expect(c.subflow(peer).localBackup).toBe(backup)
    }
    c.stack.pathControl.changeEndpoint('10.0.2.1', { backup: false })
    c.sendsNothing()
    expect(c.stack.counters.MPPrioTx).toBe(2)
  })

  it('backup of the first address is told on the first subflow', () => {
    const c = client(core)
    c.stack.pathControl.addEndpoint({ address: '10.0.1.1', id: 9 })
    c.stack.pathControl.changeEndpoint(9, { backup: true })
    c.sends({ peer: c.peer, mptcp: prio(true) })
    c.writes(10)
    c.sends({ peer: c.peers[1]!, length: 10 })
  })

  it('a first address that is a backup from the start is told once the connection stands', () => {
    const endpoints = [{ address: '10.0.1.1', id: 9, backup: true }]
    const c = synReceived({ core, stack: { endpoints } })
    const keys = { senderKey: c.keys.peer.key, receiverKey: c.keys.stack!.key }
    c.receives({ seq: 1, ack: 1, mptcp: [capable(keys)] })
    c.sends({ mptcp: [{}, { subtype: MP_PRIO, backup: true }] })
    c.sendsNothing()
  })

  it('the SYN/ACK of a join to an endpoint that is a backup says so', () => {
    const c = established({ core, links: 2 })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 9, backup: true })
    const peer = joinSyn(c, { link: 1 })
    c.sends({ peer, mptcp: [{ phase: 'SYN/ACK', addressId: 9, backup: true }] })
  })

  it('fullmesh joins each address of the peer', () => {
    const c = established({ core, role: 'client', links: 2 })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true, fullmesh: true })
    answerJoin(c)
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.2.9', 5)] })
    const said = c.sendsAll()
    expect(said.filter(isSyn)).toMatchObject([{ link: 1, mptcp: [{ phase: 'SYN', addressId: 4 }] }])
    expect(c.connection.subflows.map((each) => each.remoteAddressId)).toEqual([0, 2, 5])
  })

  it('made fullmesh, an endpoint is opened from anew, to all the addresses', () => {
    const c = client(core)
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.1.9', 5)] })
    expect(c.sendsAll().filter(isSyn)).toMatchObject([{ link: 0 }])
    c.stack.pathControl.changeEndpoint(4, { fullmesh: true })
    const said = c.sendsAll()
    expect(said.filter(({ flags }) => flags === 'R.')).toHaveLength(1)
    expect(said.filter(isSyn).map(({ link }) => link)).toEqual([1, 1])
  })

  it('laminar endpoints join what is announced, each once, and nothing else', () => {
    const c = established({
      core,
      role: 'client',
      links: 3,
      stack: {
        endpoints: [
          { address: '10.0.2.1', id: 4, laminar: true },
          { address: '10.0.3.1', id: 5, laminar: true },
        ],
      },
    })
    c.sendsNothing()
    const links = [7, 8, 9].map((id) => {
      c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, `10.0.1.${id}`, id)] })
      return c
        .sendsAll()
        .filter(isSyn)
        .map(({ link }) => link)
    })
    expect(links).toEqual([[1], [2], []])
  })

  it('an address of ours that is no endpoint gets an id when it is joined, and keeps it', () => {
    const c = established({ core, links: 2 })
    joined(c, { link: 1 })
    expect(c.connection.subflows[1]!.localAddressId).toBe(1)
    expect(c.stack.pathControl.endpoints).toMatchObject([{ address: '10.0.2.1', implicit: true }])
    const { id } = c.stack.pathControl.addEndpoint({ address: '10.0.2.1', signal: true })
    expect(id).toBe(1)
    expect(c.stack.pathControl.endpoints).toMatchObject([{ id: 1, implicit: false }])
  })
})

describe.each(BACKENDS)('what is refused of endpoints, %s core', (core) => {
  it.each([
    ['an address that is none', { address: '10.0.2' }, 'ERR_MPTCP_OPTION'],
    ['an id above 255', { address: '10.0.2.1', id: 256 }, 'ERR_MPTCP_OPTION'],
    ['an id that is taken', { address: '10.0.2.1', id: 3 }, 'ERR_MPTCP_ID_TAKEN'],
    ['an address that is there', { address: '192.0.2.3' }, 'ERR_MPTCP_ADDRESS_TAKEN'],
    ['a port without signal', { address: '10.0.2.1', port: 80 }, 'ERR_MPTCP_OPTION'],
    [
      'signal with fullmesh',
      { address: '10.0.2.1', signal: true, fullmesh: true },
      'ERR_MPTCP_OPTION',
    ],
  ])('%s', (_name, options, code) => {
    const c = established({ core, stack: { endpoints: [{ address: '192.0.2.3', id: 3 }] } })
    const { pathControl } = c.stack
    expect(() => pathControl.addEndpoint(options)).toThrow(expect.objectContaining({ code }))
    expect(pathControl.endpoints).toHaveLength(1)
  })

  it('an endpoint that is not there', () => {
    const { pathControl } = established({ core }).stack
    const code = 'ERR_MPTCP_NO_ENDPOINT'
    expect(() => pathControl.deleteEndpoint(9)).toThrow(expect.objectContaining({ code }))
    expect(() => pathControl.changeEndpoint(9, {})).toThrow(expect.objectContaining({ code }))
  })

  it('commands by token, which are for another path manager', () => {
    const c = established({ core })
    const code = 'ERR_MPTCP_PATH_MANAGER'
    expect(() => c.stack.pathControl.remove(c.connection.localToken, 1)).toThrow(
      expect.objectContaining({ code }),
    )
  })

  it('an address that is not ours opens nothing until it is', () => {
    const c = established({ core, role: 'client' })
    c.stack.pathControl.addEndpoint({ address: '192.0.2.3', subflow: true })
    c.sendsNothing()
    expect(c.stack.counters).toMatchObject({ MPJoinSynTxBindErr: 0, PathCommandRefused: 0 })
    c.stack.addAddress(parseAddress('192.0.2.3')!, 0)
    expect(c.connection.subflows).toMatchObject([{ id: 0 }, { id: 1, localAddressId: 1 }])
  })

  it('nothing that an endpoint does holds a DATA_ACK back', () => {
    const c = established({ core })
    c.stack.pathControl.addEndpoint({ address: '192.0.2.7', id: 7, signal: true })
    c.sends({ mptcp: [{ subtype: ADD_ADDR }] })
    const mapping = dss({ ack: 1, dsn: 1, ssn: 1, length: 100 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [mapping] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
  })
})
