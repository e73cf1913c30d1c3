// A path fails in the middle of a transfer with Linux: a link that goes down, or packets that vanish
// without a word. Paths are shaped, so that there is a middle.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { MptcpSubflowInfo } from '../../ts/socket/mptcp-socket.js'
import { withoutBed } from '../harness/bed.js'
import type { BedProcess } from '../harness/bed-process.js'
import {
  among,
  bothWhole,
  type Finished,
  finished,
  Interop,
  MEGABYTE,
  NEVER,
  streams,
  until,
} from '../harness/interop.js'

/** Longest silence at the reader that we take: a few retransmission timeouts, each the double. */
const LARGEST_GAP_MS = 8000

/**
 * Once all data is acknowledged, a subflow whose path is dead has only its FIN to lose: this long we
 * try. In real life a minute.
 */
const GIVES_UP_SOON = ['--stack', JSON.stringify({ closeTimeoutMs: 200 })]

interface OurInfo {
  subflowCount: number
  subflows: MptcpSubflowInfo[]
  counters: Finished['counters']
}

// An end that only reads ends last: Linux refuses a MP_JOIN once it has sent a DATA_FIN.
describe.skipIf(withoutBed())('a path that fails', () => {
  let net: Interop
  let healed: (() => Promise<void>) | null = null

  beforeAll(async () => {
    net = await Interop.create({ rates: ['20mbit', '20mbit'] })
  })
  beforeEach(async () => {
    await healed?.()
    healed = null
    await net.begin()
  })
  afterAll(() => net?.end())

  async function fail(path: number, how: 'cut' | 'blackhole'): Promise<void> {
    healed = async () => {
      await (how === 'cut' ? net.bed.heal(path) : net.bed.blackhole(path, false))
      // Neighbours that could not be resolved meanwhile would refuse the next packets as well.
      for (const side of ['user', 'kernel'] as const) {
        await net.bed.run(side, 'ip', ['neigh', 'flush', 'dev', net.bed.device(side, path)])
      }
    }
    await (how === 'cut' ? net.bed.cut(path) : net.bed.blackhole(path, true))
  }

  async function twoSubflows(ends: { ours: BedProcess }): Promise<void> {
    await until<OurInfo>(ends.ours, ({ subflowCount }) => subflowCount === 2)
  }

  const cases = (['we send', 'Linux sends'] as const).flatMap((direction) =>
    (['cut', 'blackhole'] as const).flatMap((how) =>
      ([1, 2] as const).map((path) => ({ direction, how, path })),
    ),
  )

  it.each(cases)(
    '$direction, path $path fails by $how: the rest takes the other path',
    async (of) => {
      const { direction, how, path } = of
      const size = 3 * MEGABYTE
      const [ourSize, itsSize] = direction === 'we send' ? [size, 0] : [0, size]
      const mark = ['--mark', String(size / 4)]
      const listens = [...mark, '--end', 'received']
      const ends = await net.weConnect(
        { paths: [1, 2] },
        [
          ...streams(ourSize, 1, 2),
          ...(direction === 'we send' ? mark : listens),
          ...GIVES_UP_SOON,
        ],
        [...streams(itsSize, 2, 1), ...(direction === 'we send' ? listens : mark)],
      )
      await (direction === 'we send' ? ends.kernel : ends.ours).event('mark', 10_000)
      await fail(path, how)
      const { our, its, end } = await bothWhole(ends, { ours: ourSize, kernel: itsSize }, 30_000)
      const counts = await net.counts()
      expect((direction === 'we send' ? its : our).largestGapMs).toBeLessThan(LARGEST_GAP_MS)
      const sender = direction === 'we send' ? end.counters : counts
      expect(sender.MPTCPRetrans).toBeGreaterThan(0)
      if (direction === 'we send') expect(end.counters.SubflowStale).toBeGreaterThan(0)
      expect(among(counts, NEVER)).toEqual({})
      expect(among(end.counters, NEVER)).toEqual({})
    },
  )

  it('both directions at once outlive the loss of a path', async () => {
    const size = 3 * MEGABYTE
    const ends = await net.kernelConnects(
      { paths: [1, 2] },
      [...streams(size, 1, 2), '--mark', String(size / 4), ...GIVES_UP_SOON],
      streams(size, 2, 1),
    )
    await ends.ours.event('mark', 10_000)
    await fail(1, 'blackhole')
    await bothWhole(ends, { ours: size, kernel: size }, 30_000)
  })

  it('a path that heals is used again', async () => {
    const size = 12 * MEGABYTE
    const ends = await net.weConnect(
      { paths: [1, 2] },
      [...streams(size, 1, 2), ...GIVES_UP_SOON],
      [...streams(0, 2, 1), ...['--end', 'received']],
    )
    await twoSubflows(ends)
    const sent = (info: OurInfo) => info.subflows[1]?.bytesSent ?? 0
    await until<OurInfo>(ends.ours, (info) => sent(info) > 100_000)
    await fail(2, 'blackhole')
    const { counters } = await until<OurInfo>(ends.ours, (info) => !!info.counters.SubflowStale)
    expect(counters.SubflowRecover ?? 0).toBe(0)
    await healed?.()
    healed = null
    const back = await until<OurInfo>(ends.ours, (info) => !!info.counters.SubflowRecover)
    const { our } = await bothWhole(ends, { ours: size, kernel: 0 }, 30_000)
    expect(sent(our as unknown as OurInfo)).toBeGreaterThan(sent(back))
  })

  it.each(['ours', 'kernel'] as const)(
    'a backup by the word of %s takes over when the other path dies',
    async (whose) => {
      if (whose === 'kernel') {
        await net.bed.addEndpoint('kernel', { path: 2, id: 5, flags: ['signal', 'backup'] })
      }
      const size = 2 * MEGABYTE
      const flags = whose === 'ours' ? ['', ',subflow,backup'] : ['', ',none']
      const ends = await net.weConnect(
        { paths: [1, 2], flags },
        [...streams(size, 1, 2), '--mark', String(size / 4), ...GIVES_UP_SOON],
        streams(size, 2, 1),
      )
      await ends.ours.event('mark', 10_000)
      const before = await until<OurInfo>(ends.ours, ({ subflowCount }) => subflowCount === 2)
      expect(before.subflows[1]).toMatchObject({ bytesSent: 0, bytesReceived: 0, backup: true })
      await fail(1, 'blackhole')
      const { our } = await bothWhole(ends, { ours: size, kernel: size }, 30_000)
      expect(our.subflows[1]?.bytesSent).toBeGreaterThan(0)
      expect(our.subflows[1]?.bytesReceived).toBeGreaterThan(0)
    },
  )

  it('every path gone: a reset frees everything at once', async () => {
    const ends = await net.weConnect(
      { paths: [1, 2] },
      [...streams(MEGABYTE, 1, 2), '--mark', '100000'],
      streams(10 * MEGABYTE, 2, 1),
    )
    await ends.ours.event('mark', 10_000)
    await fail(1, 'blackhole')
    await net.bed.blackhole(2, true)
    ends.ours.write('reset\n')
    const end = await finished(ends.ours)
    await net.bed.blackhole(2, false)
    expect(end).toMatchObject({ drained: true, liveSlots: 0 })
    expect(end.counters.MPFastcloseTx).toBeGreaterThan(0)
  })
})
