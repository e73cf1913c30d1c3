// Linux's list, `signal address` and `add addr timeout`: RFC 8684 §3.4.1.

import { selfTests } from '../../harness/self-test.js'

selfTests('announced addresses', (behaviour) => {
  behaviour('one that the client does not use is echoed all the same', async (t) => {
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.counted('server', { EchoAdd: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(0, { client: { EchoAddTx: 1 }, server: { AddAddrTx: 1, EchoAdd: 1 } })
  })

  behaviour('one is echoed and joined', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { EchoAdd: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { AddAddr: 1, EchoAddTx: 1 },
      server: { AddAddrTx: 1, EchoAdd: 1 },
    })
  })

  behaviour('one is joined beside a subflow of the client', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 1 }, server: { subflows: 2 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { AddAddr: 1 }, server: { AddAddrTx: 1 } })
  })

  behaviour('the same endpoint of the client is signal and subflow', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
    await t.client.add({ id: 3, path: 3, flags: ['signal', 'subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('client', { EchoAdd: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { AddAddrTx: 1, EchoAdd: 1, AddAddr: 0, MPRstTx: 0 },
      server: { EchoAddTx: 1, AddAddrTx: 0, MPRstTx: 0 },
    })
  })

  behaviour('one is joined beside two subflows of the client', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 1 }, server: { subflows: 3 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.client.add({ id: 4, path: 4, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { AddAddr: 1 }, server: { AddAddrTx: 1 } })
  })

  behaviour('three are joined', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3, accept: 3 } })
    for (const path of [2, 3, 4]) await t.server.add({ id: path, path, flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    await t.counted('server', { EchoAdd: 3 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, {
      client: { AddAddr: 3, EchoAddTx: 3 },
      server: { AddAddrTx: 3, EchoAdd: 3 },
    })
  })

  behaviour('of three, two are of no host: the third is joined', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 3 }, server: { subflows: 3, accept: 3 } })
    await t.server.add({ id: 12, address: '10.1.12.1', flags: ['signal'] })
    await t.server.add({ id: 3, path: 3, flags: ['signal'] })
    await t.server.add({ id: 14, address: '10.1.14.1', flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { EchoAdd: 3 })
    await t.counted('client', { MPJoinSynTx: 3 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { MPJoinSynTx: 3, EchoAddTx: 3 },
      server: { AddAddrTx: 3, EchoAdd: 3 },
    })
  })

  behaviour('both ends announce all their addresses at once', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 4 }, server: { subflows: 4, accept: 4 } })
    for (const path of [1, 2, 3, 4]) {
      await t.client.add({ id: path, path, flags: ['signal'] })
      await t.server.add({ id: path, path, flags: ['signal'] })
    }
    await t.connect()
    await t.exchange()
    await t.counted('server', { EchoAdd: 3 })
    await t.counted('client', { EchoAdd: 3 })
    // Both may join the same pair.
    await t.subflows(4, 5)
    await t.exchange(100_000)
    await t.close()
  })
})

selfTests('announcements that are not echoed', (behaviour) => {
  behaviour.each([4, 6] as const)('one goes four times in all (IPv%i)', async (t, family) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, family, flags: ['signal'] })
    for (const path of [1, 2]) await t.ruleFrom('client', path, 'tcp option mptcp subtype 3 drop')
    await t.connect({ family })
    await t.exchange()
    await t.joined(1)
    await t.counted('client', { EchoAddTx: 4 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(
      1,
      {
        client: { EchoAddTx: 4 },
        server: { AddAddrTx: 4, EchoAdd: 0 },
      },
      'exactly',
    )
  })

  behaviour('two go four times each', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2, accept: 2 } })
    for (const path of [2, 3]) await t.server.add({ id: path, path, flags: ['signal'] })
    for (const path of [1, 2, 3]) {
      await t.ruleFrom('client', path, 'tcp option mptcp subtype 3 drop')
    }
    await t.connect()
    await t.exchange()
    await t.joined(2)
    // Linux gives an echo up where another option is to go.
    await t.counted('client', { AddAddr: 8 })
    await t.close()
    await t.joins(2, { client: { AddAddr: 8 }, server: { AddAddrTx: 8, EchoAdd: 0 } }, 'exactly')
  })

  behaviour('one that is of no host goes four times as well', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2, accept: 2 } })
    await t.server.add({ id: 12, address: '10.1.12.1', flags: ['signal'] })
    await t.server.add({ id: 3, path: 3, flags: ['signal'] })
    for (const path of [1, 3]) await t.ruleFrom('client', path, 'tcp option mptcp subtype 3 drop')
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('client', { AddAddr: 8, MPJoinSynTx: 2 })
    await t.close()
    await t.joins(
      1,
      {
        client: { MPJoinSynTx: 2, AddAddr: 8 },
        server: { AddAddrTx: 8, EchoAdd: 0 },
      },
      'exactly',
    )
  })
})
