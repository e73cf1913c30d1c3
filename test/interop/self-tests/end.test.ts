// Linux's list, `fastclose` and `fail`, and a DATA_FIN that is lost: RFC 8684 §3.3.3, §3.5 and §3.7.

import { expect } from 'vitest'
import { ROLES, selfTests } from '../../harness/self-test.js'

selfTests('an abort', (behaviour) => {
  behaviour.each(ROLES)('by the %s', async (t, by) => {
    const other = by === 'client' ? 'server' : 'client'
    await t.connect()
    await t.exchange(100_000)
    await t.end(by).abort()
    await t.wait(`the ${other} is closed`, async () => (await t.end(other).state()).closed)
    expect((await t.end(other).state()).error).toBe('ECONNRESET')
    await t.over()
    await t.expect({
      [by]: { MPFastcloseTx: 1, MPFastcloseRx: 0 },
      [other]: { MPFastcloseRx: 1, MPFastcloseTx: 0 },
    })
  })

  behaviour.each(ROLES)('by the %s, on two subflows', async (t, by) => {
    const other = by === 'client' ? 'server' : 'client'
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange(100_000)
    await t.joined(1)
    await t.end(by).abort()
    await t.wait(`the ${other} is closed`, async () => (await t.end(other).state()).closed)
    expect((await t.end(other).state()).error).toBe('ECONNRESET')
    await t.over()
    // Said on each of them, as far as the first has not ended it all.
    await t.counted(by, { MPFastcloseTx: 1 })
    await t.counted(other, { MPFastcloseRx: 1 })
    await t.expect({ [by]: { MPFastcloseRx: 0 }, [other]: { MPFastcloseTx: 0 } })
  })
})

/**
 * Changes the first word of one segment's payload, all zeros: its TCP checksum is made to fit, its DSS
 * checksum is not.
 */
const CORRUPT =
  'ip length > 500 @ih,0,16 0 limit rate 1/hour burst 1 packets counter @ih,0,16 set 0x1234'

selfTests('a checksum that fails', (behaviour) => {
  // Only where ours sends what is changed: docs/self-tests.md says what Linux does else.
  for (const from of ROLES) {
    const to = from === 'client' ? 'server' : 'client'
    behaviour(
      `on the only subflow, from the ${from}: an infinite mapping`,
      async (t) => {
        await t.client.checksum(true)
        await t.server.checksum(true)
        await t.connect()
        await t.exchange(10, 10, true)
        await t.ruleFrom(from, 1, CORRUPT)
        const [bytes, back] = from === 'client' ? [100_000, 10] : [10, 100_000]
        await t.exchange(bytes, back, true)
        await t.exchange(50_000, 50_000, true)
        await t.close({ fallback: true })
        await t.expect({
          [from]: { MPFailRx: 1, InfiniteMapTx: 1, DataCsumErr: 0 },
          [to]: { DataCsumErr: 1, MPFailTx: 1, InfiniteMapRx: 1 },
        })
      },
      [from],
    )
  }

  behaviour.each(ROLES)('on one of two, from the %s: that one is reset', async (t, from) => {
    const to = from === 'client' ? 'server' : 'client'
    await t.client.checksum(true)
    await t.server.checksum(true)
    await t.limits({ client: { subflows: 1 }, server: { subflows: 1 } })
    await t.client.add({ id: 3, path: 3, flags: ['subflow'] })
    await t.connect()
    await t.exchange(10, 10, true)
    await t.joined(1)
    await t.ruleFrom(from, 1, CORRUPT)
    const [bytes, back] = from === 'client' ? [2_000_000, 10] : [10, 2_000_000]
    await t.exchange(bytes, back, true)
    await t.close({ fallback: true })
    await t.joins(1, {
      [from]: { MPFailRx: 1, InfiniteMapTx: 0, DataCsumErr: 0 },
      [to]: { DataCsumErr: 1, MPFailTx: 1, InfiniteMapRx: 0 },
    })
  })
})

/** The flag F of a DSS that follows the timestamps at once, on a segment that is lost. */
const DATA_FIN =
  'tcp option mptcp subtype 2 @th,283,1 1 limit rate 1/hour burst 1 packets counter drop'

selfTests('a DATA_FIN that is lost', (behaviour) => {
  behaviour.each(ROLES)('of the %s goes again', async (t, from) => {
    await t.connect()
    await t.exchange(100_000)
    await t.ruleFrom(from, 1, DATA_FIN)
    await t.close()
    expect(await t.kernel.dropped()).toBe(1)
  })
})
