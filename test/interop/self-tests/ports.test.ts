// Linux's list, `add_addr ports` and `laminar`: RFC 8684 §3.4.1.

import { selfTests } from '../../harness/self-test.js'

selfTests('announced addresses with ports', (behaviour) => {
  behaviour('one is joined at its port', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'], port: t.port() })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, {
      client: { AddAddr: 1, PortAdd: 1 },
      server: { MPJoinPortSynRx: 1, MPJoinPortAckRx: 1 },
    })
  })

  behaviour('one is joined at its port beside a subflow of the client', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 1 }, server: { subflows: 2 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'], port: t.port() })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { PortAdd: 1 }, server: { MPJoinPortSynRx: 1 } })
  })

  behaviour.each([
    ['the same port', true],
    ['different ports', false],
  ] as const)('two are joined at %s', async (t, [, same]) => {
    const first = t.port()
    const ports = [first, same ? first : t.port()]
    await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2, accept: 2 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'], port: ports[0] })
    await t.server.add({ id: 3, path: 3, flags: ['signal'], port: ports[1] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { PortAdd: 2 }, server: { MPJoinPortSynRx: 2 } })
  })

  behaviour('one is taken back: its subflow ends', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'], port: t.port() })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.server.remove(2)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { PortAdd: 1, RmAddr: 1 }, server: { RmSubflow: 1 } })
  })

  behaviour('one is taken back, and a subflow of the client', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 1 }, server: { subflows: 2 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'], port: t.port() })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
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
      client: { PortAdd: 1, RmAddr: 1, RmSubflow: 1 },
      server: { RmAddr: 1, RmSubflow: 1 },
    })
  })

  behaviour('all endpoints are flushed, that with a port as well', async (t) => {
    await t.limits({ client: { subflows: 3, accept: 1 }, server: { subflows: 3 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'], port: t.port() })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.client.add({ id: 4, path: 4, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(3)
    await t.server.flush()
    await t.subflows(3)
    await t.client.flush()
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(3, { client: { PortAdd: 1, RmAddr: 1 }, server: { RmSubflow: 1 } })
  })

  behaviour('one takes no connections of its own', async (t) => {
    const port = t.port()
    await t.server.add({ id: 2, path: 2, flags: ['signal'], port })
    await t.server.open()
    await t.client.open()
    await t.server.listen({ plain: false })
    await t.refused({ host: t.server.address(2), port })
    await t.expect({ server: { MPCapableEndpAttempt: 1, MPCapableACKRX: 0 } })
    await t.over()
  })
})

selfTests('laminar endpoints', (behaviour) => {
  behaviour(
    'an announced address is joined from one',
    async (t) => {
      await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.client.add({ id: 3, path: 3, flags: ['laminar'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      await t.joinedFrom(t.client.address(3))
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { AddAddr: 1 } })
    },
    ['client'],
  )

  behaviour(
    'two announced addresses are joined from two, of the family that fits',
    async (t) => {
      await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.server.add({ id: 3, path: 3, flags: ['signal'] })
      await t.client.add({ id: 5, path: 3, family: 6, flags: ['laminar'] })
      await t.client.add({ id: 3, path: 3, flags: ['laminar'] })
      await t.client.add({ id: 4, path: 4, flags: ['laminar'] })
      await t.connect()
      await t.exchange()
      await t.joined(2)
      await t.joinedFrom(t.client.address(3), t.client.address(4))
      await t.exchange(100_000)
      await t.close()
      await t.joins(2, { client: { AddAddr: 2 } })
    },
    ['client'],
  )

  behaviour(
    'one serves one announced address, and no second',
    async (t) => {
      await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.server.add({ id: 3, path: 3, flags: ['signal'] })
      await t.client.add({ id: 3, path: 3, flags: ['laminar'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      await t.counted('server', { EchoAdd: 2 })
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { AddAddr: 2 } })
    },
    ['client'],
  )

  behaviour(
    'one that is a subflow as well is used once, and not that of the first subflow',
    async (t) => {
      await t.limits({ client: { subflows: 4, accept: 2 }, server: { subflows: 4 } })
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.client.add({ id: 1, path: 1, flags: ['subflow', 'laminar'] })
      await t.client.add({ id: 3, path: 3, flags: ['subflow', 'laminar'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      await t.counted('server', { EchoAdd: 1 })
      await t.joinedFrom(t.client.address(3))
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { AddAddr: 1 } })
    },
    ['client'],
  )
})
