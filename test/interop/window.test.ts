// Readers that are slow or stop, at either end: the sender is held by the shared receive window, asks
// from time to time, and goes on when it opens. RFC 8684 §3.3.5.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { withoutBed } from '../harness/bed.js'
import {
  among,
  bothWhole,
  type Finished,
  Interop,
  type KernelCounts,
  MEGABYTE,
  NEVER,
  streams,
  until,
} from '../harness/interop.js'

interface OurInfo {
  received: number
  counters: Finished['counters']
}

const SIZE = 16 * MEGABYTE

describe.skipIf(withoutBed())('a receive window', () => {
  let net: Interop

  beforeAll(async () => {
    net = await Interop.create()
  })
  beforeEach(() => net.begin())
  afterAll(() => net?.end())

  const clean = async (end: Finished) => {
    expect(among(await net.counts(), NEVER)).toEqual({})
    expect(among(end.counters, NEVER)).toEqual({})
  }

  it.each([[[1]], [[1, 2]]])(
    'Linux is held while we do not read, and goes on (paths %j)',
    async (paths) => {
      const ends = await net.weConnect(
        { paths },
        [...streams(0, 1, 2), '--paused', '--end', 'received'],
        streams(SIZE, 2, 1),
      )
      const probes = ({ WinProbe = 0, TcpExtTCPWinProbe = 0 }: KernelCounts) =>
        WinProbe + TcpExtTCPWinProbe
      await expect
        .poll(async () => probes(await net.counts()), { timeout: 8000 })
        .toBeGreaterThan(0)
      expect((await until<OurInfo>(ends.ours, () => true)).received).toBe(0)
      ends.ours.write('resume\n')
      const { end } = await bothWhole(ends, { ours: 0, kernel: SIZE })
      await clean(end)
    },
  )

  it.each([[[1]], [[1, 2]]])(
    'we are held while Linux does not read, and go on (paths %j)',
    async (paths) => {
      const ends = await net.weConnect({ paths }, streams(SIZE, 1, 2), [
        ...streams(0, 2, 1),
        '--paused',
        '--end',
        'received',
      ])
      // What Linux has no room for it acknowledges and drops, so that it is sent again: that asks, too.
      const asked = ({ counters }: OurInfo) =>
        (counters.WinProbe ?? 0) +
        (counters.TcpExtTCPZeroWindowProbe ?? 0) +
        (counters.MPTCPRetrans ?? 0)
      await until<OurInfo>(ends.ours, (info) => asked(info) > 2)
      ends.kernel.write('resume\n')
      const { end } = await bothWhole(ends, { ours: SIZE, kernel: 0 })
      await clean(end)
    },
  )

  it('a reader of ours that stops and goes on, again and again', async () => {
    const ends = await net.kernelConnects(
      { paths: [1, 2] },
      [...streams(0, 1, 2), '--read-rate', '8000000', '--end', 'received'],
      streams(SIZE / 2, 2, 1),
    )
    const { end } = await bothWhole(ends, { ours: 0, kernel: SIZE / 2 })
    await clean(end)
  })

  it('a reader of Linux that stops and goes on, again and again', async () => {
    const ends = await net.kernelConnects({ paths: [1, 2] }, streams(SIZE / 2, 1, 2), [
      ...streams(0, 2, 1),
      '--read-rate',
      '8000000',
      '--end',
      'received',
    ])
    const { end } = await bothWhole(ends, { ours: SIZE / 2, kernel: 0 })
    await clean(end)
  })

  it('small buffers on both sides: whole all the same', async () => {
    const small = JSON.stringify({ receiveBufferBytes: 64 * 1024, sendBufferBytes: 64 * 1024 })
    const size = 2 * MEGABYTE
    const ends = await net.weConnect(
      { paths: [1, 2] },
      [...streams(size, 1, 2), '--stack', small],
      streams(size, 2, 1),
    )
    const { end } = await bothWhole(ends, { ours: size, kernel: size })
    await clean(end)
  })
})
