// Where one end is plain TCP, or a box on the way takes MPTCP options out: RFC 8684 §3.7 with Linux at
// the other end. The box is an nft rule at the kernel's end of the path.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { withoutBed } from '../harness/bed.js'
import { among, bothWhole, Interop, MEGABYTE, NEVER, streams } from '../harness/interop.js'

const SIZE = MEGABYTE
const OPENERS = ['ours', 'kernel'] as const

/** Which segments lose their MPTCP options, as nft says it. */
const SYN = 'tcp flags & (syn|ack) == syn'
const SYN_ACK = 'tcp flags & (syn|ack) == (syn|ack)'
const OTHERS = 'tcp flags & syn == 0'

describe.skipIf(withoutBed())('fallback to plain TCP', () => {
  let net: Interop

  beforeAll(async () => {
    net = await Interop.create()
  })
  beforeEach(async () => {
    await net.bed.run('kernel', 'nft', ['flush', 'ruleset'])
    await net.begin()
  })
  afterAll(() => net?.end())

  async function strip(hook: 'ingress' | 'egress', match: string, path = 1): Promise<void> {
    await net.bed.run('kernel', 'nft', ['-f', '-'], {
      input:
        `add table netdev ${hook}\n` +
        `add chain netdev ${hook} strip { type filter hook ${hook} device k${path} priority 0; }\n` +
        `add rule netdev ${hook} strip ${match} reset tcp option mptcp\n`,
    })
  }

  async function whole(
    opener: 'ours' | 'kernel',
    ourWords: string[] = [],
    kernelWords: string[] = [],
    paths = [1, 2],
  ) {
    const ends = await net.connect(
      opener,
      { paths },
      [...streams(SIZE, 1, 2), ...ourWords],
      [...streams(SIZE, 2, 1), ...kernelWords],
    )
    const { our, its, end } = await bothWhole(ends, { ours: SIZE, kernel: SIZE })
    expect(our.info.multipath).toBe(false)
    return { our, its, end, counts: await net.counts() }
  }

  it('we open to a plain TCP server', async () => {
    const { our, end } = await whole('ours', [], ['--tcp'])
    expect(our.info.fallbackReason).toBe('MPCapableFallbackSYNACK')
    expect(end.counters.MPCapableFallbackSYNACK).toBe(1)
  })

  it('a plain TCP client opens to us', async () => {
    const { our, end } = await whole('kernel', [], ['--tcp'])
    expect(our.info.fallbackReason).toBeNull()
    expect(among(end.counters, NEVER)).toEqual({})
  })

  it('we open plainly to a MPTCP server', async () => {
    const { its, counts } = await whole('ours', ['--plain'])
    expect(its.info).toBeNull()
    expect(counts.MPCapableSYNRX ?? 0).toBe(0)
  })

  it('Linux opens with MPTCP to a plain server of ours', async () => {
    const { its, counts } = await whole('kernel', ['--plain'])
    expect(its.info).toBeNull()
    expect(counts).toMatchObject({ MPCapableSYNTX: 1, MPCapableFallbackSYNACK: 1 })
  })

  it.each(OPENERS)('a box strips the SYN (opened by %s)', async (opener) => {
    await strip(opener === 'ours' ? 'ingress' : 'egress', SYN)
    const { its, end, counts } = await whole(opener)
    expect(its.info).toBeNull()
    const client = opener === 'ours' ? end.counters : counts
    expect(client.MPCapableFallbackSYNACK).toBe(1)
  })

  it.each(OPENERS)('a box strips the SYN/ACK (opened by %s)', async (opener) => {
    await strip(opener === 'ours' ? 'egress' : 'ingress', SYN_ACK)
    const { end, counts } = await whole(opener)
    const client = opener === 'ours' ? end.counters : counts
    const server = opener === 'ours' ? counts : end.counters
    expect(client.MPCapableFallbackSYNACK).toBe(1)
    expect(server.MPCapableFallbackACK).toBe(1)
  })

  it.each(OPENERS)(
    'a box strips everything behind the SYNs, both ways (opened by %s)',
    async (opener) => {
      await strip('ingress', OTHERS)
      await strip('egress', OTHERS)
      const { end, counts } = await whole(opener)
      const server = opener === 'ours' ? counts : end.counters
      expect(server.MPCapableFallbackACK).toBe(1)
    },
  )

  it.each(OPENERS)('a box strips what we send behind the SYNs (opened by %s)', async (opener) => {
    await strip('ingress', OTHERS)
    await whole(opener)
  })

  it.each(OPENERS)(
    'a box strips what Linux sends behind the SYNs (opened by %s)',
    async (opener) => {
      await strip('egress', OTHERS)
      await whole(opener)
    },
  )

  it.each(OPENERS)(
    'a box strips only the second path: that subflow is lost, nothing else (opened by %s)',
    async (opener) => {
      await strip('ingress', SYN, 2)
      await strip('egress', SYN, 2)
      const size = 4 * MEGABYTE
      const ends = await net.connect(
        opener,
        { paths: [1, 2] },
        streams(size, 1, 2),
        streams(size, 2, 1),
      )
      const { our, end } = await bothWhole(ends, { ours: size, kernel: size })
      expect(our.info.multipath).toBe(true)
      for (const { bytesSent } of our.subflows.slice(1)) expect(bytesSent).toBe(0)
      expect(among(await net.counts(), NEVER)).toEqual({})
      expect(among(end.counters, NEVER)).toEqual({})
    },
  )
})
