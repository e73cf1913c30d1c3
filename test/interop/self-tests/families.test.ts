// Linux's list, `ipv6`, `v4mapped` and `mixed`.

import { selfTests } from '../../harness/self-test.js'

selfTests('IPv6', (behaviour) => {
  const family = 6

  behaviour('one subflow', async (t) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, family, flags: ['subflow'] })
    await t.connect({ family })
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1)
  })

  behaviour('an announced address that the client does not use', async (t) => {
    await t.server.add({ id: 2, path: 2, family, flags: ['signal'] })
    await t.connect({ family })
    await t.exchange()
    await t.counted('server', { EchoAdd: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(0, { client: { EchoAddTx: 1 }, server: { AddAddrTx: 1, EchoAdd: 1 } })
  })

  behaviour('an announced address is joined', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, family, flags: ['signal'] })
    await t.connect({ family })
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { AddAddr: 1 }, server: { AddAddrTx: 1 } })
  })

  behaviour('an announced address is taken back', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, family, flags: ['signal'] })
    await t.connect({ family })
    await t.exchange()
    await t.joined(1)
    await t.server.remove(2)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { RmAddr: 1 }, server: { RmSubflow: 1 } })
  })

  behaviour('a subflow of the client and an announced address are taken back', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 1 }, server: { subflows: 2 } })
    await t.server.add({ id: 2, path: 2, family, flags: ['signal'] })
    await t.client.add({ id: 3, path: 3, family, flags: ['subflow'] })
    await t.connect({ family })
    await t.exchange()
    await t.joined(2)
    await t.server.remove(2)
    await t.subflows(2)
    await t.client.remove(3)
    await t.subflows(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(2, { client: { RmAddr: 1, RmSubflow: 1 }, server: { RmAddr: 1, RmSubflow: 1 } })
  })
})

selfTests('IPv4-mapped addresses', (behaviour) => {
  const sockets = [
    ['to a mapped address', true],
    ['to an IPv4 address', false],
  ] as const
  const endpoints = [
    ['a mapped endpoint', '::ffff:'],
    ['an IPv4 endpoint', ''],
  ] as const
  const cases = sockets.flatMap(([to, mapped]) =>
    endpoints
      .filter(([, prefix]) => mapped || prefix !== '')
      .map(([endpoint, prefix]) => [endpoint, to, mapped, prefix] as const),
  )

  behaviour.each(cases)(
    '%s opens a subflow of a connection %s',
    async (t, [, , mapped, prefix]) => {
      await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
      await t.client.add({ id: 3, address: prefix + t.client.address(3), flags: ['subflow'] })
      await t.connect({ mapped })
      await t.exchange()
      await t.joined(1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(1)
    },
  )

  behaviour.each(cases)('%s is announced in a connection %s', async (t, [, , mapped, prefix]) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, address: prefix + t.server.address(2), flags: ['signal'] })
    await t.connect({ mapped })
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1, { client: { AddAddr: 1 }, server: { AddAddrTx: 1 } })
  })
})

selfTests('both families', (behaviour) => {
  behaviour.each([
    ['IPv6', 'IPv4', 6, 4],
    ['IPv4', 'IPv6', 4, 6],
  ] as const)('no subflow from an %s endpoint to an %s address', async (t, [, , from, to]) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 2, path: 2, family: from, flags: ['subflow'] })
    await t.connect({ family: to })
    await t.exchange(100_000)
    await t.close()
    await t.joins(0)
  })

  behaviour(
    'an IPv4 socket does not join an IPv6 address',
    async (t) => {
      await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
      await t.server.add({ id: 2, path: 2, family: 6, flags: ['signal'] })
      await t.connect()
      await t.exchange(100_000)
      await t.close()
      await t.joins(0)
    },
    // Our sockets of MptcpStack are of both families.
    ['server'],
  )

  behaviour('an IPv6 connection joins an IPv4 address', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 1, path: 1, family: 4, flags: ['signal'] })
    await t.connect({ family: 6 })
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1)
  })

  behaviour('the other family is joined once, whatever the full mesh', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 1 }, server: { subflows: 4 } })
    await t.client.add({ id: 2, path: 2, family: 6, flags: ['subflow', 'fullmesh'] })
    await t.server.add({ id: 1, path: 1, family: 4, flags: ['signal'] })
    await t.connect({ path: 2, family: 6 })
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { EchoAdd: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.joins(1)
  })

  behaviour('a full mesh of each family', async (t) => {
    await t.limits({ client: { subflows: 4, accept: 2 }, server: { subflows: 4 } })
    await t.server.add({ id: 2, path: 2, family: 4, flags: ['signal'] })
    await t.server.add({ id: 6, path: 2, family: 6, flags: ['signal'] })
    await t.connect({ family: 6 })
    await t.exchange()
    await t.joined(2)
    await t.client.add({ id: 3, path: 3, family: 6, flags: ['subflow', 'fullmesh'] })
    await t.joined(4)
    await t.exchange(100_000)
    await t.close()
    await t.joins(4)
  })
})
