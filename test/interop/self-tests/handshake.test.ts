// Linux's list, `checksum`, `deny join id0`, `syncookies`, `bind`, and a path that swallows MP_CAPABLE:
// what the handshake settles. RFC 8684 §3.1 and §3.7.

import { expect } from 'vitest'
import { selfTests } from '../../harness/self-test.js'

selfTests('checksums', (behaviour) => {
  behaviour.each([
    ['neither end', false, false],
    ['both ends', true, true],
    ['the client', false, true],
    ['the server', true, false],
  ] as const)('asked for by %s', async (t, [, server, client]) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.server.checksum(server)
    await t.client.checksum(client)
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.exchange(1_000_000)
    for (const end of [t.client, t.server]) {
      expect((await end.state()).info).toMatchObject({ checksum: server || client })
    }
    await t.close()
    await t.joins(1, { client: { DataCsumErr: 0 }, server: { DataCsumErr: 0 } })
  })
})

selfTests('no join to the first address (flag C)', (behaviour) => {
  behaviour('refused by the client: its own subflow is opened', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1, accept: 1 } })
    await t.client.denyJoinInitial()
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.exchange(100_000)
    await t.close()
    await t.joins(1)
  })

  behaviour('refused by the server: no subflow is opened', async (t) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1, accept: 1 } })
    await t.server.denyJoinInitial()
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange(100_000)
    await t.close()
    await t.joins(0)
  })

  behaviour.each(['client', 'server'] as const)(
    'refused by the %s: an announced address is joined',
    async (t, by) => {
      await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1, accept: 1 } })
      await t.end(by).denyJoinInitial()
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { AddAddr: 1 } })
    },
  )

  behaviour.each([
    ['client', 2],
    ['server', 1],
  ] as const)('refused by the %s: a subflow and an announced address', async (t, [by, joins]) => {
    await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2, accept: 2 } })
    await t.end(by).denyJoinInitial()
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.joined(joins)
    await t.exchange(100_000)
    await t.close()
    await t.joins(joins)
  })

  behaviour(
    'refused by the server: endpoints of the client join an announced address',
    async (t) => {
      await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
      await t.server.denyJoinInitial()
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
      await t.client.add({ id: 4, path: 4, flags: ['subflow'] })
      await t.connect()
      await t.exchange()
      await t.joined(2)
      await t.exchange(100_000)
      await t.close()
      await t.joins(2)
    },
  )
})

selfTests('SYN cookies', (behaviour) => {
  behaviour.each([1, 2] as const)('%i subflows of the client', async (t, count) => {
    await t.limits({ client: { subflows: count }, server: { subflows: count } })
    await t.server.cookies()
    for (const path of [3, 2].slice(0, count)) {
      await t.client.add({ id: path, path, flags: ['subflow'] })
    }
    await t.connect()
    await t.exchange()
    await t.joined(count)
    await t.exchange(100_000)
    await t.close()
    await t.joins(count)
    await t.cookiesSent(count + 1)
  })

  behaviour('two subflows of the client, one too many for the server', async (t) => {
    await t.limits({ client: { subflows: 2 }, server: { subflows: 1 } })
    await t.server.cookies()
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
    await t.connect()
    await t.exchange()
    await t.counted('server', { MPJoinSynRx: 2, MPJoinAckRx: 1, MPJoinRejected: 1 })
    await t.exchange(100_000)
    await t.close()
    await t.expect({ server: { MPJoinSynRx: 2, MPJoinAckRx: 1, MPJoinRejected: 1 } })
  })

  behaviour.each([0, 1, 2] as const)(
    'an announced address, and %i subflows of the client',
    async (t, count) => {
      await t.limits({ client: { subflows: 3, accept: 1 }, server: { subflows: 3 } })
      await t.server.cookies()
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      for (const path of [3, 4].slice(0, count)) {
        await t.client.add({ id: path, path, flags: ['subflow'] })
      }
      await t.connect()
      await t.exchange()
      await t.joined(count + 1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(count + 1, { client: { AddAddr: 1 } })
      await t.cookiesSent(count + 2)
    },
  )
})

selfTests('a server bound to one address', (behaviour) => {
  behaviour.each([4, 6] as const)(
    'refuses joins to another (IPv%i)',
    async (t, family) => {
      await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
      await t.server.add({ id: 2, path: 2, family, flags: ['signal'] })
      await t.connect({ family, bound: true })
      await t.exchange()
      await t.counted('server', { EchoAdd: 1 })
      await t.counted('client', { MPJoinSynTx: 1 })
      await t.exchange(100_000)
      await t.close()
      await t.expect({
        client: { MPJoinSynTx: 1, MPJoinSynAckRx: 0, AddAddr: 1 },
        server: { MPJoinAckRx: 0, AddAddrTx: 1 },
      })
    },
    // Ours takes joins at every address of the stack.
    ['client'],
  )

  behaviour.each([4, 6] as const)(
    'takes them where another listens there (IPv%i)',
    async (t, family) => {
      await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
      await t.server.add({ id: 2, path: 2, family, flags: ['signal'] })
      await t.connect({ family, bound: true, alsoListens: t.server.address(2, family) })
      await t.exchange()
      await t.joined(1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { AddAddr: 1 } })
    },
  )
})

selfTests('a path that swallows MP_CAPABLE', (behaviour) => {
  behaviour('SYNs without answer: one goes without', async (t) => {
    await t.ruleFrom('client', 1, 'tcp flags & (syn|ack) == syn tcp option mptcp exists drop')
    await t.connect()
    await t.exchange(100_000)
    await t.close({ fallback: true })
    await t.expect({
      client: { MPCapableSYNTX: 1, MPCapableSYNTXDrop: 1 },
      server: { MPCapableSYNRX: 0 },
    })
  })
})
