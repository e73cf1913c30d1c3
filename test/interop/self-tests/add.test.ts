// Linux's list, `add` and `endpoint`: endpoints that come in the middle of a connection, or come again.
// RFC 8684 §3.4.

import { selfTests } from '../../harness/self-test.js'

selfTests('endpoints that come', (behaviour) => {
  behaviour('one subflow of the client', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.connect()
    await t.exchange()
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1)
  })

  behaviour('one announced address', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.connect()
    await t.exchange()
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { AddAddr: 1 }, server: { AddAddrTx: 1, EchoAdd: 1 } })
  })

  behaviour.each([4, 6] as const)('two subflows of the client (IPv%i)', async (t, family) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
    await t.connect({ family })
    await t.exchange()
    await t.client.add({ id: 2, path: 2, family, flags: ['subflow'] })
    await t.client.add({ id: 3, path: 3, family, flags: ['subflow'] })
    await t.joined(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2)
  })

  behaviour('two announced addresses (IPv6)', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
    await t.connect({ family: 6 })
    await t.exchange()
    await t.server.add({ id: 2, path: 2, family: 6, flags: ['signal'] })
    await t.server.add({ id: 3, path: 3, family: 6, flags: ['signal'] })
    await t.joined(2)
    await t.counted('server', { EchoAdd: 2 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { AddAddr: 2 }, server: { AddAddrTx: 2, EchoAdd: 2 } })
  })

  behaviour('a subflow of the client goes and comes again', async (t) => {
    await t.limits({ client: { subflows: 3 }, server: { subflows: 3 } })
    await t.client.add({ id: 1, path: 1, flags: ['subflow'] })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    // Linux acts on a REMOVE_ADDR when it finds the time, and would take the next subflow of that id along.
    let removed = 0
    for (const joins of [2, 3]) {
      await t.client.remove(2)
      await t.subflows(1)
      await t.counted('server', { RmAddr: ++removed })
      await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
      await t.joined(joins)
      await t.subflows(2)
    }
    // Then the first one, whose id is 0 however its endpoint is numbered.
    for (const joins of [4, 5]) {
      await t.client.remove(1)
      await t.subflows(1)
      await t.counted('server', { RmAddr: ++removed })
      await t.client.add({ id: 1, path: 1, flags: ['subflow'] })
      await t.joined(joins)
      await t.subflows(2)
    }
    await t.exchange(100_000)
    await t.close()
    await t.joins(5, { client: { RmSubflow: 4 }, server: { RmAddr: 4 } })
  })

  behaviour('an announced address goes and comes again', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.server.add({ id: 42, path: 1, flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { EchoAdd: 1 })
    await t.server.remove(2)
    await t.subflows(1)
    await t.counted('client', { RmAddr: 1 })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.joined(2)
    await t.counted('server', { EchoAdd: 2 })
    await t.subflows(2)
    await t.server.remove(42)
    await t.subflows(1)
    await t.counted('client', { RmAddr: 2 })
    await t.server.add({ id: 99, path: 1, flags: ['signal'] })
    await t.joined(3)
    await t.subflows(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { AddAddr: 3, RmAddr: 2 }, server: { RmSubflow: 2 } })
  })

  behaviour('endpoints are flushed, and come again', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 1 }, server: { subflows: 2 } })
    await t.server.add({ id: 2, address: '10.1.12.1', flags: ['signal'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.refuse(t.client.address(3))
    await t.connect()
    await t.exchange()
    await t.counted('client', { TcpAttemptFails: 1 })
    await t.counted('server', { EchoAdd: 1 })
    await t.client.flush()
    await t.server.flush()
    await t.counted('client', { RmAddr: 1 })
    await t.clearRules()
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.joined(1)
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.joined(2)
    await t.exchange(100_000)
    await t.close()
    await t.expect({
      client: { MPJoinSynAckRx: 2, AddAddr: 2, RmAddr: 1 },
      server: { MPJoinAckRx: 2, EchoAdd: 2 },
    })
  })
})
