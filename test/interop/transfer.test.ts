// Whole transfers between our stack and Linux's over raw links: both roles, one and two paths, both
// families, with and without DSS checksums. Bytes and counters, never speed.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { withoutBed } from '../harness/bed.js'
import { among, bothWhole, Interop, MEGABYTE, NEVER, streams } from '../harness/interop.js'

describe.skipIf(withoutBed())('transfers with Linux', () => {
  let net: Interop

  beforeAll(async () => {
    net = await Interop.create()
  })
  beforeEach(() => net.begin())
  afterAll(() => net?.end())

  const openers = ['ours', 'kernel'] as const
  const cases = openers.flatMap((opener) =>
    [1, 2].flatMap((count) =>
      ([4, 6] as const).flatMap((family) =>
        // Either side's wish turns checksums on for both.
        (['none', family === 4 ? 'ours' : 'kernel'] as const).map((checksum) => ({
          opener,
          count,
          family,
          checksum,
        })),
      ),
    ),
  )

  it.each(cases)(
    'opened by $opener, $count path(s), IPv$family, checksums wanted by $checksum: whole both ways',
    async (of) => {
      const { opener, count, family, checksum } = of
      const size = 2 * MEGABYTE
      const paths = count === 2 ? [1, 2] : [1]
      await net.bed.sysctl('kernel', {
        'net.mptcp.checksum_enabled': checksum === 'kernel' ? 1 : 0,
      })
      const ourWords = [...streams(size, 1, 2), ...(checksum === 'ours' ? ['--checksum'] : [])]
      const ends = await net.connect(opener, { paths, family }, ourWords, streams(size, 2, 1))
      const { our, its, end } = await bothWhole(ends, { ours: size, kernel: size })
      expect(our.info).toMatchObject({ multipath: true, checksum: checksum !== 'none' })
      expect(its.info).toMatchObject({ flags: { fallback: false }, checksum: checksum !== 'none' })
      expect(our.maxSubflows).toBe(count)
      const counts = await net.counts()
      expect(among(counts, NEVER)).toEqual({})
      expect(among(end.counters, NEVER)).toEqual({})
      const joins = count - 1
      if (opener === 'ours') {
        expect(counts).toMatchObject({ MPCapableSYNRX: 1, MPCapableACKRX: 1 })
        expect(counts.MPJoinSynRx ?? 0).toBe(joins)
        expect(counts.MPJoinAckRx ?? 0).toBe(joins)
      } else {
        expect(counts).toMatchObject({ MPCapableSYNTX: 1, MPCapableSYNACKRX: 1 })
        expect(counts.MPJoinSynTx ?? 0).toBe(joins)
        expect(counts.MPJoinSynAckRx ?? 0).toBe(joins)
        // On a machine that is busy an announcement goes again before its echo is there.
        expect(Math.min(counts.EchoAddTx ?? 0, joins)).toBe(joins)
        expect(end.counters.MPJoinAckRx ?? 0).toBe(joins)
      }
    },
  )

  it.each(openers)('32 MB each way at once over two paths (opened by %s)', async (opener) => {
    await net.bed.sysctl('kernel', { 'net.mptcp.checksum_enabled': 0 })
    const size = 32 * MEGABYTE
    const ends = await net.connect(
      opener,
      { paths: [1, 2] },
      streams(size, 3, 4),
      streams(size, 4, 3),
    )
    const { our, end } = await bothWhole(ends, { ours: size, kernel: size }, 40_000)
    for (const { bytesSent, bytesReceived } of our.subflows) {
      expect(bytesSent).toBeGreaterThan(0)
      expect(bytesReceived).toBeGreaterThan(0)
    }
    expect(among(await net.counts(), NEVER)).toEqual({})
    expect(among(end.counters, NEVER)).toEqual({})
  })

  it.each(['wasm', 'js'])('runs on the %s core', async (core) => {
    const size = 4 * MEGABYTE
    const words = [...streams(size, 5, 6), '--core', core, '--checksum']
    const ends = await net.weConnect({ paths: [1, 2] }, words, streams(size, 6, 5))
    await bothWhole(ends, { ours: size, kernel: size })
    expect(among(await net.counts(), NEVER)).toEqual({})
  })
})
