// Addresses announced, taken back and ranked, with Linux's path manager at the other end:
// RFC 8684 §3.3.8 and §3.4 over raw links.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KernelMptcpInfo } from '../../ts/socket/kernel.js'
import type { MptcpSubflowInfo } from '../../ts/socket/mptcp-socket.js'
import { withoutBed } from '../harness/bed.js'
import type { BedProcess } from '../harness/bed-process.js'
import { among, bothWhole, Interop, MEGABYTE, NEVER, streams, until } from '../harness/interop.js'

interface OurInfo {
  subflowCount: number
  subflows: MptcpSubflowInfo[]
  received: number
}
interface ItsInfo {
  info: KernelMptcpInfo
}

describe.skipIf(withoutBed())('addresses', () => {
  let net: Interop

  beforeAll(async () => {
    net = await Interop.create()
  })
  beforeEach(() => net.begin())
  afterAll(() => net?.end())

  const told = ['--end', 'told']
  const joined = (ours: BedProcess) =>
    until<OurInfo>(ours, ({ subflowCount }) => subflowCount === 2)

  async function endBoth(
    ends: { ours: BedProcess; kernel: BedProcess },
    bytes = { ours: 0, kernel: 0 },
  ) {
    ends.ours.write('end\n')
    ends.kernel.write('end\n')
    const whole = await bothWhole(ends, bytes)
    const counts = await net.counts()
    expect(among(counts, NEVER)).toEqual({})
    expect(among(whole.end.counters, NEVER)).toEqual({})
    return { ...whole, counts }
  }

  it.each([4, 6] as const)(
    'an address that Linux announces is echoed and joined (IPv%i)',
    async (family) => {
      await net.bed.addEndpoint('kernel', { path: 2, family, id: 5, flags: ['signal'] })
      const flags = ['', ',none']
      const ends = await net.weConnect({ paths: [1, 2], family, flags }, told, told)
      const { subflows } = await joined(ends.ours)
      expect(subflows[1]?.remote).toContain(net.bed.address('kernel', 2, family))
      const { counts, end } = await endBoth(ends)
      expect(counts).toMatchObject({ AddAddrTx: 1, EchoAdd: 1, MPJoinSynRx: 1, MPJoinAckRx: 1 })
      expect(end.counters).toMatchObject({ AddAddr: 1, EchoAddTx: 1, MPJoinSynTx: 1 })
    },
  )

  it.each([4, 6] as const)(
    'an address that our server announces is echoed and joined by Linux (IPv%i)',
    async (family) => {
      const ends = await net.kernelConnects({ paths: [1, 2], family }, told, told)
      const { subflows } = await joined(ends.ours)
      expect(subflows[1]?.local).toContain(net.bed.address('user', 2, family))
      const { counts, end, its } = await endBoth(ends)
      expect(its.maxSubflows).toBeGreaterThanOrEqual(1)
      expect(counts).toMatchObject({ AddAddr: 1, EchoAddTx: 1, MPJoinSynTx: 1, MPJoinSynAckRx: 1 })
      expect(end.counters).toMatchObject({
        AddAddrTx: 1,
        EchoAdd: 1,
        MPJoinSynRx: 1,
        MPJoinAckRx: 1,
      })
    },
  )

  it('an address that our client announces is joined by the server Linux', async () => {
    const flags = ['', ',signal']
    // A client may announce once a DSS has come (RFC 8684 §3.1): data brings one about.
    const words = [...streams(1000, 1, 2), ...told]
    const ends = await net.weConnect({ paths: [1, 2], flags }, words, told)
    const { subflows } = await joined(ends.ours)
    expect(subflows[1]?.local).toContain(net.bed.address('user', 2))
    const { counts, end } = await endBoth(ends, { ours: 1000, kernel: 0 })
    expect(counts).toMatchObject({ AddAddr: 1, EchoAddTx: 1, MPJoinSynTx: 1 })
    expect(end.counters).toMatchObject({ AddAddrTx: 1, EchoAdd: 1, MPJoinSynRx: 1, MPJoinAckRx: 1 })
  })

  it('an announcement whose echo is lost is sent again, and joined once', async () => {
    await net.bed.run('kernel', 'nft', ['-f', '-'], {
      input:
        'add table netdev lose\n' +
        'add chain netdev lose in { type filter hook ingress device k1 priority 0; }\n' +
        // The first echo only: 30 is MPTCP, 3 is ADD_ADDR.
        'add rule netdev lose in tcp option mptcp subtype 3 limit rate 1/hour burst 1 packets drop\n',
    })
    await net.bed.addEndpoint('kernel', { path: 2, id: 5, flags: ['signal'] })
    const flags = ['', ',none']
    const ends = await net.weConnect({ paths: [1, 2], flags }, told, told)
    await joined(ends.ours)
    await expect.poll(async () => (await net.counts()).EchoAdd, { timeout: 8000 }).toBe(1)
    await net.bed.run('kernel', 'nft', ['delete', 'table', 'netdev', 'lose'])
    const { counts, end } = await endBoth(ends)
    expect(counts.AddAddrTx).toBeGreaterThan(1)
    expect(counts).toMatchObject({ MPJoinSynRx: 1 })
    expect(end.counters).toMatchObject({ AddAddr: counts.AddAddrTx, EchoAddTx: counts.AddAddrTx })
  })

  it('an address that Linux takes back ends its subflow and nothing else', async () => {
    await net.bed.addEndpoint('kernel', { path: 2, id: 5, flags: ['signal'] })
    const size = 8 * MEGABYTE
    const flags = ['', ',none']
    const words = ['--paused', ...told]
    const ends = await net.weConnect(
      { paths: [1, 2], flags },
      [...streams(size, 1, 2), ...words],
      [...streams(size, 2, 1), ...words],
    )
    await joined(ends.ours)
    await net.bed.run('kernel', 'ip', ['mptcp', 'endpoint', 'delete', 'id', '5'])
    const { subflows } = await until<OurInfo>(ends.ours, (now) => now.subflowCount === 1)
    expect(subflows.map(({ id, state }) => ({ id, state }))).toMatchObject([
      { id: 0, state: 'ESTABLISHED' },
      { id: 1 },
    ])
    ends.ours.write('resume\n')
    ends.kernel.write('resume\n')
    const { counts, end } = await endBoth(ends, { ours: size, kernel: size })
    expect(counts).toMatchObject({ RmAddrTx: 1 })
    // Said once, on an ACK that nothing repeats and that is not acceptable where our window has just
    // closed; the RST that Linux sends for the subflow says the same.
    const { RmAddr = 0, MPRstRx = 0 } = end.counters
    expect(RmAddr + MPRstRx).toBeGreaterThan(0)
  })

  it('a flag that Linux changes on the way arrives as MP_PRIO', async () => {
    await net.bed.addEndpoint('kernel', { path: 2, id: 5, flags: ['signal'] })
    const flags = ['', ',none']
    const ends = await net.weConnect({ paths: [1, 2], flags }, told, told)
    expect((await joined(ends.ours)).subflows[1]?.backup).toBe(false)
    const change = (flag: string) =>
      net.bed.run('kernel', 'ip', ['mptcp', 'endpoint', 'change', 'id', '5', flag])
    await change('backup')
    await until<OurInfo>(ends.ours, ({ subflows }) => subflows[1]?.backup === true)
    await change('nobackup')
    await until<OurInfo>(ends.ours, ({ subflows }) => subflows[1]?.backup === false)
    const { counts, end } = await endBoth(ends)
    expect(counts).toMatchObject({ MPPrioTx: 2 })
    expect(end.counters).toMatchObject({ MPPrioRx: 2 })
  })

  it.each(['ours', 'kernel'] as const)(
    'a backup path by the word of %s carries nothing while the other works',
    async (whose) => {
      const size = 4 * MEGABYTE
      if (whose === 'kernel') {
        await net.bed.addEndpoint('kernel', { path: 2, id: 5, flags: ['signal', 'backup'] })
      }
      const flags = whose === 'ours' ? ['', ',subflow,backup'] : ['', ',none']
      // A little, since a client may join once a DSS has come.
      const words = ['--hold', '1000', ...told]
      const ends = await net.weConnect(
        { paths: [1, 2], flags },
        [...streams(size, 1, 2), ...words],
        [...streams(size, 2, 1), ...words],
      )
      expect((await joined(ends.ours)).subflows[1]?.backup).toBe(true)
      await until<ItsInfo>(ends.kernel, ({ info }) => info.subflowsTotal === 2)
      ends.ours.write('go\n')
      ends.kernel.write('go\n')
      const { our, end, counts } = await endBoth(ends, { ours: size, kernel: size })
      // What is sent again, on a machine that is busy, goes where it can: Linux takes the backup.
      const first = { sent: !end.counters.MPTCPRetrans, received: !counts.MPTCPRetrans }
      expect(our.subflows[1]).toMatchObject({
        backup: true,
        ...(first.sent && { bytesSent: 0 }),
        ...(first.received && { bytesReceived: 0 }),
      })
    },
  )
})
