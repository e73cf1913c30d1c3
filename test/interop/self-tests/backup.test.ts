// Linux's list, `backup` and `fullmesh`: flags of endpoints, and their change. RFC 8684 §3.3.8.

import { selfTests } from '../../harness/self-test.js'

selfTests('backup', (behaviour) => {
  behaviour('a subflow of the client, and then no more', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.backup(1, true)
    await t.client.change(3, 'nobackup')
    await t.counted('server', { MPPrioRx: 1 })
    await t.backup(1, false)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { MPPrioTx: 1, MPPrioRx: 0 },
      server: { MPPrioTx: 0, MPPrioRx: 1 },
    })
  })

  behaviour('an announced address, and then no more', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.backup(1, true)
    await t.server.change(2, 'nobackup')
    await t.counted('client', { MPPrioRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { MPPrioRx: 1 }, server: { MPPrioTx: 1 } })
  })

  behaviour('an announced address, later on', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.server.change(2, 'backup')
    await t.counted('client', { MPPrioRx: 1 })
    await t.backup(1, true)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { MPPrioRx: 1 }, server: { MPPrioTx: 1 } })
  })

  behaviour('an announced address with a port, and then no more', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal', 'backup'], port: t.port() })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.server.change(2, 'nobackup')
    await t.counted('client', { MPPrioRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { PortAdd: 1, MPPrioRx: 1 }, server: { MPPrioTx: 1 } })
  })

  behaviour('the first subflow, by the client', async (t) => {
    await t.client.add({ id: 1, path: 1, flags: ['subflow', 'backup'] })
    await t.connect()
    await t.exchange()
    await t.counted('server', { MPPrioRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(0, { client: { MPPrioTx: 1 }, server: { MPPrioRx: 1, MPPrioTx: 0 } })
  })

  behaviour('the first subflow by both, beside one that is none', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 1 }, server: { subflows: 2 } })
    await t.server.add({ id: 1, path: 1, flags: ['signal', 'backup'] })
    await t.client.add({ id: 1, path: 1, flags: ['subflow', 'backup'] })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { MPPrioRx: 1 })
    await t.counted('client', { MPPrioRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { MPPrioRx: 1 }, server: { MPPrioRx: 1 } })
  })

  behaviour('the first subflow, later on, by the client', async (t) => {
    await t.client.add({ id: 1, path: 1, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.client.change(1, 'backup')
    await t.counted('server', { MPPrioRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(0, { client: { MPPrioTx: 1 }, server: { MPPrioRx: 1, MPPrioTx: 0 } })
  })

  behaviour('the first subflow, later on, by both', async (t) => {
    await t.client.add({ id: 1, path: 1, flags: ['subflow'] })
    await t.server.add({ id: 1, path: 1, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.client.change(1, 'backup')
    await t.server.change(1, 'backup')
    await t.counted('client', { MPPrioRx: 1 })
    await t.counted('server', { MPPrioRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(0, {
      client: { MPPrioTx: 1, MPPrioRx: 1 },
      server: { MPPrioTx: 1, MPPrioRx: 1 },
    })
  })
})

selfTests('full mesh', (behaviour) => {
  behaviour('two endpoints of the client, and an address announced later', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 1 }, server: { subflows: 4 } })
    await t.client.add({ id: 2, path: 2, flags: ['subflow', 'fullmesh'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'fullmesh'] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    await t.server.add({ id: 4, path: 4, flags: ['signal'] })
    await t.joined(4)
    await t.exchange(100_000)
    await t.close()
    await t.joins(4, { client: { AddAddr: 1 } })
  })

  behaviour('an announced address, and an endpoint that comes later', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 1 }, server: { subflows: 3, accept: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.client.add({ id: 1, path: 1, flags: ['subflow', 'fullmesh'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'fullmesh'] })
    await t.joined(3)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { AddAddr: 1 } })
  })

  behaviour.each([
    [5, 5],
    [4, 4],
  ] as const)(
    'an announced address, and two endpoints that come later, limit %i',
    async (t, [limit]) => {
      await t.limits({
        client: { subflows: limit, accept: 1 },
        server: { subflows: limit, accept: 2 },
      })
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      await t.client.add({ id: 3, path: 3, flags: ['subflow', 'fullmesh'] })
      await t.joined(3)
      await t.client.add({ id: 4, path: 4, flags: ['subflow', 'fullmesh'] })
      await t.joined(limit)
      await t.exchange(100_000)
      await t.close()
      await t.joins(limit, { client: { AddAddr: 1 } })
    },
  )

  behaviour('the flag is set later on: the subflow is opened anew', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 4 }, server: { subflows: 4, accept: 4 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.client.change(3, 'fullmesh')
    await t.joined(2)
    await t.subflows(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { RmSubflow: 1 } })
  })

  behaviour('the flag is taken away later on', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 4 }, server: { subflows: 4, accept: 4 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'fullmesh'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.client.change(3, 'nofullmesh')
    await t.joined(2)
    await t.subflows(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { RmSubflow: 1 } })
  })

  behaviour('the flags fullmesh and backup are set later on', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 4 }, server: { subflows: 4, accept: 4 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.client.change(3, 'backup', 'fullmesh')
    await t.joined(2)
    await t.subflows(2)
    await t.backup(-1, true)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { RmSubflow: 1 } })
  })

  behaviour('the flags fullmesh and backup are taken away later on', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 4 }, server: { subflows: 4, accept: 4 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow', 'backup', 'fullmesh'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.client.change(3, 'nobackup', 'nofullmesh')
    await t.joined(2)
    await t.subflows(2)
    await t.backup(-1, false)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { RmSubflow: 1 } })
  })
})
