// mptcp_connect.sh: whole transfers over paths that lose packets, and the segments of a handshake that
// are lost. RFC 8684 §3.1 and §3.2.

import { expect } from 'vitest'
import { selfTests } from '../../harness/self-test.js'

/** That one segment, and none of those that repeat it. */
const ONCE = 'limit rate 1/hour burst 1 packets counter drop'

selfTests('paths that lose packets', (behaviour) => {
  behaviour.each([4, 6] as const)('both directions arrive whole (IPv%i)', async (t, family) => {
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 2, path: 2, family, flags: ['subflow'] })
    for (const path of [1, 2]) {
      for (const hook of ['in', 'out'] as const) {
        await t.rule(path, hook, 'meta l4proto tcp numgen random mod 100 < 2 drop')
      }
    }
    await t.connect({ family })
    await t.exchange(500_000)
    await t.close()
  })

  behaviour('three subflows, one of them with much loss', async (t) => {
    await t.limits({ client: { subflows: 2, accept: 2 }, server: { subflows: 2 } })
    for (const path of [2, 3]) await t.server.add({ id: path, path, flags: ['signal'] })
    await t.connect()
    await t.exchange()
    await t.joined(2)
    for (const hook of ['in', 'out'] as const) {
      await t.rule(2, hook, 'meta l4proto tcp numgen random mod 100 < 20 drop')
    }
    await t.exchange(1_000_000)
    await t.clearRules()
    await t.close()
    await t.joins(2)
  })
})

selfTests('a handshake that loses a segment', (behaviour) => {
  const cases = [
    ['the third ACK', 'client', 'tcp flags & (syn|fin|rst|psh) == 0 tcp option mptcp subtype 0'],
    ['the SYN/ACK', 'server', 'tcp flags & (syn|ack) == (syn|ack) tcp option mptcp subtype 0'],
    ['the SYN of a MP_JOIN', 'client', 'tcp flags & (syn|ack) == syn tcp option mptcp subtype 1'],
    [
      'the SYN/ACK of a MP_JOIN',
      'server',
      'tcp flags & (syn|ack) == (syn|ack) tcp option mptcp subtype 1',
    ],
    ['the third ACK of a MP_JOIN', 'client', 'tcp flags & syn == 0 tcp option mptcp subtype 1'],
    ['the first ADD_ADDR', 'server', 'tcp option mptcp subtype 3'],
    ['the first echo', 'client', 'tcp option mptcp subtype 3'],
  ] as const

  behaviour.each(cases)('%s goes again', async (t, [, from, match]) => {
    await t.limits({ client: { subflows: 1, accept: 1 }, server: { subflows: 1 } })
    await t.server.add({ id: 2, path: 2, flags: ['signal'] })
    for (const path of [1, 2]) await t.ruleFrom(from, path, `${match} ${ONCE}`)
    await t.connect()
    await t.exchange()
    await t.joined(1)
    await t.counted('server', { EchoAdd: 1 })
    await t.exchange(100_000)
    await t.close()
    expect(await t.kernel.dropped()).toBeGreaterThan(0)
  })
})
