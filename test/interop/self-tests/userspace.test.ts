// Linux's list, `userspace pm`, as far as it needs no daemon: at an end with that path manager nobody
// acts on addresses. RFC 8684 §3.4 leaves all of it to the host.

import { expect } from 'vitest'
import { type Role, selfTests } from '../../harness/self-test.js'

selfTests('a userspace path manager without a program', (behaviour) => {
  behaviour('of the server announces nothing', async (t) => {
    await t.server.userspace()
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    await t.connect()
    await t.exchange(100_000)
    await t.close()
    await t.joins(0, { client: { AddAddr: 0 }, server: { AddAddrTx: 0 } })
  })

  behaviour(
    'of the client does not echo an announced address',
    async (t) => {
      await t.limits({ client: { subflows: 2 }, server: { subflows: 2 } })
      await t.client.userspace()
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.connect()
      await t.exchange()
      await t.counted('client', { AddAddr: 1 })
      await t.exchange(100_000)
      await t.close()
      await t.joins(0, { client: { EchoAddTx: 0 }, server: { EchoAdd: 0 } })
    },
    // Ours echoes whatever its HMAC proves.
    ['server'],
  )

  behaviour(
    'of the server refuses a join',
    async (t) => {
      await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
      await t.server.userspace()
      await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
      await t.connect()
      await t.exchange()
      await t.counted('server', { MPJoinRejected: 1 })
      await t.exchange(100_000)
      await t.close()
      await t.expect({
        client: { MPJoinSynTx: 1 },
        server: { MPJoinSynRx: 1, MPJoinRejected: 1, MPJoinAckRx: 0, MPPrioTx: 0 },
      })
    },
    // Ours takes joins up to its limit.
    ['client'],
  )

  behaviour('of the client opens no subflow, and takes no address back', async (t) => {
    await t.client.userspace()
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange(100_000)
    await t.close()
    await t.joins(0, { client: { RmAddrTx: 0 }, server: { RmAddr: 0 } })
  })
})

selfTests('a program', (behaviour) => {
  // Linux is commanded by generic netlink, which these tests do not speak: ours alone is.
  const ours = (role: Role) => [role] as const

  behaviour(
    'of the server announces two addresses, ends a subflow, takes an address back',
    async (t) => {
      await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
      await t.ours.userspace()
      await t.connect()
      await t.exchange()
      await t.ours.announce(10, 2)
      await t.joined(1)
      await t.ours.announce(20, 3)
      await t.joined(2)
      await t.subflows(3)
      await t.ours.destroySubflow(t.server.address(2), t.client.address(2))
      await t.subflows(2)
      await t.ours.withdraw(20)
      await t.counted('client', { RmAddr: 1 })
      await t.subflows(1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(2, { client: { AddAddr: 2, RmAddr: 1 }, server: { EchoAdd: 2 } })
    },
    ours('server'),
  )

  behaviour(
    'of the client opens a subflow, and ends it',
    async (t) => {
      await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
      await t.ours.userspace()
      await t.connect()
      await t.exchange()
      await t.ours.createSubflow(20, 3, t.server.address(1))
      await t.joined(1)
      await t.subflows(2)
      await t.ours.destroySubflow(t.client.address(3), t.server.address(1))
      await t.subflows(1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { RmSubflow: 1 } })
    },
    ours('client'),
  )

  behaviour(
    'of the client ends the first subflow',
    async (t) => {
      await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
      await t.ours.userspace()
      await t.connect()
      await t.exchange()
      await t.ours.createSubflow(20, 3, t.server.address(1))
      await t.joined(1)
      await t.ours.destroySubflow(t.client.address(1), t.server.address(1))
      await t.subflows(1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { MPRstTx: 0 }, server: { MPRstTx: 0 } })
    },
    ours('client'),
  )

  behaviour(
    'of the server takes the first address back (id 0)',
    async (t) => {
      await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
      await t.ours.userspace()
      await t.connect()
      await t.exchange()
      await t.ours.announce(10, 2)
      await t.joined(1)
      await t.ours.withdraw(0)
      await t.counted('client', { RmAddr: 1 })
      await t.subflows(1)
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { AddAddr: 1, RmAddr: 1 } })
    },
    ours('server'),
  )

  behaviour(
    'of the client makes a subflow a backup, and a working one again',
    async (t) => {
      await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
      await t.ours.userspace()
      await t.connect()
      await t.exchange()
      await t.ours.createSubflow(20, 3, t.server.address(1))
      await t.joined(1)
      for (const [i, backup] of [true, false].entries()) {
        await t.ours.setBackup(t.client.address(3), t.server.address(1), backup)
        await t.counted('server', { MPPrioRx: i + 1 })
      }
      await t.exchange(100_000)
      await t.close()
      await t.joins(1, { client: { MPPrioTx: 2 }, server: { MPPrioRx: 2 } })
    },
    ours('client'),
  )

  behaviour(
    'of the client sees subflows and addresses come and go',
    async (t) => {
      await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      await t.server.change(2, 'backup')
      await t.counted('client', { MPPrioRx: 1 })
      await t.server.remove(2)
      await t.subflows(1)
      await t.close()
      expect(t.ours.events().slice(0, 7)).toEqual([
        'created',
        'established',
        'announced',
        'sub-established',
        'sub-priority',
        'removed',
        'sub-closed',
      ])
      expect(t.ours.events().at(-1)).toBe('closed')
    },
    ours('client'),
  )

  behaviour(
    'of the server sees listeners and subflows come and go',
    async (t) => {
      await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
      await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      await t.client.remove(3)
      await t.subflows(1)
      await t.close()
      expect(t.ours.events().slice(0, 6)).toEqual([
        'listener-created',
        'created',
        'established',
        'sub-established',
        'removed',
        'sub-closed',
      ])
      expect(t.ours.events()).toEqual(expect.arrayContaining(['closed', 'listener-closed']))
    },
    ours('server'),
  )
})

selfTests('an implicit endpoint', (behaviour) => {
  behaviour(
    'stands for the address that joined an announced one: it keeps its id',
    async (t) => {
      await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
      await t.server.add({ id: 9, path: 2, flags: ['signal'] })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      const address = t.client.address(2)
      expect(await t.ours.endpoints()).toMatchObject([{ id: 1, address, implicit: true }])
      await expect(t.client.add({ id: 33, address, flags: ['signal'] })).rejects.toThrow()
      await t.client.add({ address, flags: ['signal'] })
      expect(await t.ours.endpoints()).toMatchObject([{ id: 1, signal: true, implicit: false }])
      await t.exchange(100_000)
      await t.close()
      await t.joins(1)
    },
    ['client'],
  )
})
