// Linux's list, `link failure`, and simult_flows.sh: paths of a rate, some of which fail on the way.

import { expect } from 'vitest'
import { ROLES, type Role, type SelfTest, selfTests } from '../../harness/self-test.js'

const RATES = ['8mbit', '8mbit', '8mbit', '8mbit']
const SIZE = 1_000_000

/** The first subflow, one to an announced address, and two of the client's own. */
async function connectFour(t: SelfTest): Promise<void> {
  await t.limits({ client: { subflows: 3, accept: 1 }, server: { subflows: 3 } })
  await t.server.add({ id: 2, path: 2, flags: ['signal'] })
  for (const path of [3, 4]) await t.client.add({ id: path, path, flags: ['subflow'] })
  await t.connect()
  await t.exchange()
  await t.joined(3)
}

/** The first subflow, and two to announced addresses, of which that on path 3 is a backup. */
async function connectBackup(t: SelfTest): Promise<void> {
  await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
  await t.server.add({ id: 2, path: 2, flags: ['signal'] })
  await t.server.add({ id: 3, path: 3, flags: ['signal', 'backup'] })
  await t.connect()
  await t.exchange()
  await t.joined(2)
}

const other = (role: Role): Role => (role === 'client' ? 'server' : 'client')

selfTests(
  'paths that fail',
  (behaviour) => {
    behaviour.each([...ROLES, 'both'] as const)(
      'of four subflows one dies while data of %s is on the way',
      async (t, from) => {
        await connectFour(t)
        const size = (role: Role) => (from === role || from === 'both' ? SIZE : 10)
        await t.start(size('client'), size('server'))
        const reader = from === 'both' ? 'server' : other(from)
        await t.received(reader, SIZE / 4)
        await t.blackhole(2)
        await t.arrived()
        await t.heal()
        await t.close()
        await t.joins(3, { client: { AddAddr: 1 } })
      },
    )

    behaviour.each(ROLES)(
      'a backup carries nothing of %s while one of the others lives',
      async (t, from) => {
        await connectBackup(t)
        const before = await t.carried(3)
        const [bytes, back] = from === 'client' ? [SIZE, 10] : [10, SIZE]
        await t.start(bytes, back)
        await t.received(other(from), SIZE / 4)
        await t.blackhole(1)
        await t.arrived()
        // On a machine that is busy both others may seem dead for a moment.
        expect((await t.carried(3)) - before).toBeLessThan(SIZE / 10)
        await t.heal()
        await t.close()
        await t.joins(2)
      },
    )

    behaviour.each([...ROLES, 'both'] as const)(
      'a backup carries what is left of %s when both others die',
      async (t, from) => {
        await connectBackup(t)
        const before = await t.carried(3)
        const size = (role: Role) => (from === role || from === 'both' ? SIZE : 10)
        await t.start(size('client'), size('server'))
        await t.received(from === 'both' ? 'server' : other(from), SIZE / 4)
        await t.blackhole(1)
        await t.blackhole(2)
        await t.arrived()
        expect((await t.carried(3)) - before).toBeGreaterThan(SIZE / 4)
        await t.heal()
        await t.close()
        await t.joins(2)
      },
    )
  },
  { rates: RATES },
)

selfTests(
  'two paths at once',
  (behaviour) => {
    behaviour.each(ROLES)('data of %s takes both', async (t, from) => {
      await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
      await t.client.add({ id: 2, path: 2, flags: ['subflow'] })
      await t.server.add({ id: 2, path: 2, flags: ['signal'] })
      await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
      await t.connect()
      await t.exchange()
      await t.joined(1)
      const before = [await t.carried(1), await t.carried(2)]
      await t.exchange(from === 'client' ? 2 * SIZE : 10, from === 'server' ? 2 * SIZE : 10)
      for (const i of [0, 1]) expect((await t.carried(i + 1)) - before[i]).toBeGreaterThan(SIZE / 2)
      await t.close()
    })
  },
  { rates: RATES },
)
