// Linux's list, `subflows` and `subflows error`: RFC 8684 §3.2 and the limits of either side.

import { selfTests } from '../../harness/self-test.js'

selfTests('subflows', (behaviour) => {
  behaviour('no endpoint, no join', async (t) => {
    await t.connect()
    await t.exchange(100_000)
    await t.close()
    await t.joins(0)
  })

  behaviour('one subflow, refused by the limit of the client', async (t) => {
    await t.limits({ client: { subflows: 0 }, server: { subflows: 0 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange(100_000)
    await t.close()
    await t.joins(0)
  })

  behaviour('one subflow, refused by the limit of the server', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 0 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.counted('server', { MPJoinSynRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.expect({
      client: { MPJoinSynTx: 1 },
      server: { MPJoinSynRx: 1, MPJoinRejected: 1, MPJoinAckRx: 0 },
    })
  })

  behaviour('one subflow', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1)
  })

  behaviour('two subflows', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2)
  })

  behaviour('two subflows, one refused by the limit of the server', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.counted('server', { MPJoinSynRx: 2, MPJoinAckRx: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.expect({
      client: { MPJoinSynTx: 2 },
      server: { MPJoinSynRx: 2, MPJoinRejected: 1, MPJoinAckRx: 1 },
    })
  })
})

selfTests('subflows that fail', (behaviour) => {
  behaviour('the address of the first subflow, or of no device, opens none', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
    await t.client.add({ id: 1, path: 1, flags: ['subflow'] })
    await t.client.add({ id: 12, address: '10.1.12.2', flags: ['subflow'] })
    await t.connect()
    await t.exchange(100_000)
    await t.close()
    await t.joins(0)
  })

  behaviour('one of two subflows is refused with a RST', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.refuse(t.client.address(3))
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { MPJoinSynTx: 2 } })
  })

  behaviour('one of two subflows has no answer', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.silence(t.client.address(3))
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { MPJoinSynTx: 2 } })
  })

  behaviour('an endpoint that failed is not tried again, a new one is', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.refuse(t.client.address(3))
    await t.connect()
    await t.exchange()
    await t.counted('client', { TcpAttemptFails: 1 })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { MPJoinSynTx: 2 } })
  })
})
