// Linux's list, `remove`: endpoints that go in the middle of a connection. RFC 8684 §3.4.2.

import { selfTests } from '../../harness/self-test.js'

selfTests('endpoints that go', (behaviour) => {
  behaviour('one subflow of the client', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.client.remove(3)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { RmAddrTx: 1, RmSubflow: 1, MPRstTx: 0 },
      server: { RmAddr: 1, MPRstTx: 0 },
    })
  })

  behaviour('two subflows of the client, one after the other', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
    await t.client.add({ id: 2, path: 2, flags: ['subflow', 'backup'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    await t.client.remove(2)
    await t.subflows(2)
    await t.client.remove(3)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, {
      client: { RmAddrTx: 2, RmSubflow: 2, MPRstTx: 0 },
      server: { RmAddr: 2, MPRstTx: 0 },
    })
  })

  behaviour('one announced address', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.server.remove(2)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { RmAddr: 1, MPRstTx: 0 },
      server: { RmAddrTx: 1, RmSubflow: 1, MPRstTx: 0 },
    })
  })

  behaviour('a subflow of the client, and an announced address', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 1 }, server: { subflows: 2 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal', 'backup'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    await t.server.remove(2)
    await t.subflows(2)
    await t.client.remove(3)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, {
      client: { RmAddr: 1, RmAddrTx: 1, MPRstTx: 0 },
      server: { RmAddr: 1, RmAddrTx: 1, MPRstTx: 0 },
    })
  })

  behaviour('two subflows of the client, and an announced address', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 1 }, server: { subflows: 3 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal', 'backup'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup'] })
    await t.client.add({ id: 4, path: 4, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    await t.server.remove(2)
    await t.subflows(3)
    // One by one: of two that come at once Linux heeds the last alone.
    await t.client.remove(3)
    await t.subflows(2)
    await t.client.remove(4)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { RmAddr: 1, RmSubflow: 2 }, server: { RmAddr: 2, RmSubflow: 1 } })
  })

  behaviour('three announced addresses, one after the other', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3, accept: 3 } })
    await t.server.add({ id: 250, path: 2, flags: ['signal', 'backup'] })
    await t.server.add({ id: 3, path: 3, flags: ['signal', 'backup'] })
    await t.server.add({ id: 4, path: 4, flags: ['signal', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    for (const [i, id] of [250, 3, 4].entries()) {
      await t.server.remove(id)
      await t.subflows(3 - i)
    }
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { RmAddr: 3, MPRstTx: 0 }, server: { RmSubflow: 3, MPRstTx: 0 } })
  })

  behaviour('announced addresses, of which two are of no host', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3, accept: 3 } })
    await t.server.add({ id: 12, address: '10.1.12.1', flags: ['signal', 'backup'] })
    await t.server.add({ id: 3, path: 3, flags: ['signal', 'backup'] })
    await t.server.add({ id: 14, address: '10.1.14.1', flags: ['signal', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { EchoAdd: 3 })
    for (const [i, id] of [12, 3, 14].entries()) {
      await t.server.remove(id)
      await t.counted('client', { RmAddr: i + 1 })
    }
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.expect({
      client: { MPJoinSynAckRx: 1, RmAddr: 3, MPRstTx: 0 },
      server: { MPJoinAckRx: 1, RmSubflow: 1, MPRstTx: 0 },
    })
  })

  behaviour('all of both ends, flushed', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 1 }, server: { subflows: 3 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal', 'backup'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup'] })
    await t.client.add({ id: 4, path: 4, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    await t.server.flush()
    await t.subflows(3)
    await t.client.flush()
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { RmAddr: 1, MPRstTx: 0 }, server: { MPRstTx: 0 } })
  })

  behaviour('three subflows of the client, flushed', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3, accept: 3 } })
    await t.client.add({ id: 150, path: 2, flags: ['subflow', 'backup'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup'] })
    await t.client.add({ id: 4, path: 4, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    await t.client.flush()
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, {
      client: { RmAddrTx: 0, RmSubflow: 3, MPRstTx: 0 },
      server: { RmAddr: 0, MPRstTx: 0 },
    })
  })

  behaviour('three announced addresses, flushed', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3, accept: 3 } })
    await t.server.add({ id: 250, path: 2, flags: ['signal', 'backup'] })
    await t.server.add({ id: 3, path: 3, flags: ['signal', 'backup'] })
    await t.server.add({ id: 4, path: 4, flags: ['signal', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    await t.server.flush()
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { RmAddr: 3, MPRstTx: 0 }, server: { RmSubflow: 3, MPRstTx: 0 } })
  })

  behaviour('announced addresses, of which two are of no host, flushed', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3, accept: 3 } })
    await t.server.add({ id: 12, address: '10.1.12.1', flags: ['signal', 'backup'] })
    await t.server.add({ id: 3, path: 3, flags: ['signal', 'backup'] })
    await t.server.add({ id: 14, address: '10.1.14.1', flags: ['signal', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { EchoAdd: 3 })
    await t.server.flush()
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.expect({ client: { RmAddr: 3, MPRstTx: 0 }, server: { RmSubflow: 1, MPRstTx: 0 } })
  })

  behaviour('the first subflow, by the client (id 0)', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.client.removeInitial()
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { RmSubflow: 1, MPRstTx: 0 },
      server: { RmAddr: 1, MPRstTx: 0 },
    })
  })

  behaviour('the first subflow, by the server (id 0)', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.server.removeInitial()
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { RmAddr: 1, MPRstTx: 0 },
      server: { RmSubflow: 1, MPRstTx: 0 },
    })
  })
})
