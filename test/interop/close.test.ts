// How connections with Linux end: halves one after the other, resets by either side, and openings that
// come to nothing. RFC 8684 §3.3.3 and §3.5, RFC 9293 §3.10.4.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { MptcpConnectionInfo } from '../../ts/socket/mptcp-socket.js'
import { withoutBed } from '../harness/bed.js'
import {
  among,
  bothWhole,
  closed,
  finished,
  Interop,
  MEGABYTE,
  NEVER,
  OUR_PORT,
  streams,
  until,
} from '../harness/interop.js'

describe.skipIf(withoutBed())('the end of a connection', () => {
  let net: Interop

  beforeAll(async () => {
    net = await Interop.create()
  })
  beforeEach(() => net.begin())
  afterAll(() => net?.end())

  const openers = ['ours', 'kernel'] as const
  const paths = { paths: [1, 2] }
  const later = ['--end', 'received']

  describe.each(openers)('opened by %s', (opener) => {
    const size = 2 * MEGABYTE

    it('we end first, Linux goes on', async () => {
      const ends = await net.connect(opener, paths, streams(1000, 1, 2), [
        ...streams(size, 2, 1),
        ...later,
      ])
      const { end } = await bothWhole(ends, { ours: 1000, kernel: size })
      expect(among(await net.counts(), [...NEVER, 'MPFastcloseRx', 'MPFastcloseTx'])).toEqual({})
      expect(end.counters.TcpOutRsts ?? 0).toBe(0)
    })

    it('Linux ends first, we go on', async () => {
      const ends = await net.connect(
        opener,
        paths,
        [...streams(size, 1, 2), ...later],
        streams(1000, 2, 1),
      )
      await bothWhole(ends, { ours: size, kernel: 1000 })
      expect(among(await net.counts(), [...NEVER, 'MPFastcloseRx', 'MPFastcloseTx'])).toEqual({})
    })

    it('nothing was sent at all', async () => {
      const ends = await net.connect(opener, paths)
      await bothWhole(ends, { ours: 0, kernel: 0 })
      expect(among(await net.counts(), NEVER)).toEqual({})
    })

    it('a reset by Linux', async () => {
      const words = ['--end', 'told', '--mark', '10000']
      const ends = await net.connect(
        opener,
        paths,
        [...streams(10 * MEGABYTE, 1, 2), ...words],
        [...streams(20_000, 2, 1), ...words],
      )
      await ends.ours.event('mark')
      ends.kernel.write('reset\n')
      expect(await ends.ours.event('error')).toMatchObject({ code: 'ECONNRESET' })
      const end = await finished(ends.ours)
      expect(end).toMatchObject({ drained: true, liveSlots: 0 })
      expect(end.counters.MPFastcloseRx).toBeGreaterThan(0)
      expect((await net.counts()).MPFastcloseTx).toBeGreaterThan(0)
    })

    it('a reset by us', async () => {
      const words = ['--end', 'told', '--mark', '10000']
      const ends = await net.connect(
        opener,
        paths,
        [...streams(20_000, 1, 2), ...words],
        [...streams(10 * MEGABYTE, 2, 1), ...words],
      )
      await ends.kernel.event('mark')
      ends.ours.write('reset\n')
      expect(await ends.kernel.event('error')).toMatchObject({ code: 'ECONNRESET' })
      const end = await finished(ends.ours)
      expect(end).toMatchObject({ drained: true, liveSlots: 0 })
      expect(end.counters.MPFastcloseTx).toBeGreaterThan(0)
      expect((await net.counts()).MPFastcloseRx).toBeGreaterThan(0)
    })

    it('Linux is killed with data unread: we see a reset', async () => {
      const words = ['--end', 'told', '--paused']
      const ends = await net.connect(opener, paths, [...streams(MEGABYTE, 1, 2), ...words], words)
      await ends.kernel.event('connected')
      await expect
        .poll(async () => (await net.counts()).IpExtInOctets ?? 0, { timeout: 8000 })
        .toBeGreaterThan(20_000)
      ends.kernel.kill()
      expect(await ends.ours.event('error')).toMatchObject({ code: 'ECONNRESET' })
      expect(await finished(ends.ours)).toMatchObject({ drained: true, liveSlots: 0 })
    })
  })

  it('we close a socket at once behind a write: Linux gets what was written, then the end', async () => {
    const size = 50_000
    const told = ['--end', 'told']
    const ends = await net.weConnect(
      paths,
      [...streams(size, 1, 2), ...told],
      ['--expect', '1', ...told],
    )
    await until<{ info: MptcpConnectionInfo }>(
      ends.ours,
      ({ info }) => info.bytesSent + info.bytesUnacknowledged === size,
    )
    ends.ours.write('destroy\n')
    expect(await ends.kernel.event('peerEnded')).toMatchObject({ bytesReceived: size })
    ends.kernel.write('end\n')
    expect(await closed(ends.kernel)).toMatchObject({ mismatchAt: -1 })
    expect(await finished(ends.ours)).toMatchObject({ drained: true, liveSlots: 0 })
  })

  it.each([4, 6] as const)('a port that nobody listens on refuses us (IPv%i)', async (family) => {
    const to = ['--host', net.bed.address('kernel', 1, family), '--port', '9']
    const ours = net.ours('client', { family }, to)
    expect(await ours.event('error')).toMatchObject({ code: 'ECONNREFUSED' })
    expect(await finished(ours)).toMatchObject({ liveSlots: 0 })
  })

  it('a port of ours that nobody listens on refuses Linux', async () => {
    const far = ['--host', net.bed.address('kernel', 1), '--port', '9']
    // A client of ours that waits for nothing holds the port: its stack answers, not the host.
    await net.bed.run('kernel', 'nft', ['-f', '-'], {
      input:
        'add table inet hold\n' +
        'add chain inet hold in { type filter hook input priority 0; }\n' +
        'add rule inet hold in tcp dport 9 drop\n',
    })
    const ours = net.ours('client', {}, [...far, '--ports', `${OUR_PORT}-${OUR_PORT}`])
    await expect
      .poll(async () => (await net.counts()).IpInReceives ?? 0, { timeout: 8000 })
      .toBeGreaterThan(0)
    const kernel = net.kernel('client', ['--host', net.bed.address('user', 1), '--port', OUR_PORT])
    expect(await kernel.event('error')).toMatchObject({ code: 'ECONNREFUSED' })
    await net.bed.run('kernel', 'nft', ['delete', 'table', 'inet', 'hold'])
    ours.kill()
  })

  it.each([
    ['an address that nobody has', '10.1.1.99'],
    ['a network that no route leads to', '192.0.2.1'],
  ])('%s fails in bounded time', async (_, host) => {
    const soon = ['--stack', JSON.stringify({ openTimeoutMs: 1500 })]
    const ours = net.ours('client', {}, ['--host', host, '--port', '9', ...soon])
    const { code } = await ours.event('error')
    expect(['EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']).toContain(code)
    expect(await finished(ours)).toMatchObject({ drained: true, liveSlots: 0 })
  })

  it('a host that drops our SYNs: ETIMEDOUT', async () => {
    await net.bed.blackhole(1, true)
    const soon = ['--stack', JSON.stringify({ openTimeoutMs: 1500 })]
    const host = net.bed.address('kernel', 1)
    const ours = net.ours('client', {}, ['--host', host, '--port', '9', ...soon])
    const error = await ours.event('error').finally(() => net.bed.blackhole(1, false))
    expect(error).toMatchObject({ code: 'ETIMEDOUT' })
    expect(await finished(ours)).toMatchObject({ drained: true, liveSlots: 0 })
  })

  it('20 clients of Linux at once, each of them whole', async () => {
    const size = 200_000
    const count = '20'
    const ends = await net.kernelConnects(
      paths,
      [...streams(size, 1, 2), '--connections', count],
      [...streams(size, 2, 1), '--clients', count],
    )
    const end = await finished(ends.ours, 20_000)
    expect(end).toMatchObject({ drained: true, liveSlots: 0 })
    expect((await ends.kernel.ended).status).toBe(0)
    for (const peer of [ends.ours, ends.kernel]) {
      const all = peer.events().filter(({ event }) => event === 'closed')
      expect(all).toHaveLength(20)
      for (const one of all) expect(one).toMatchObject({ bytesReceived: size, mismatchAt: -1 })
    }
    expect(end.counters).toMatchObject({ MPCapableSYNRX: 20, MPCapableACKRX: 20 })
    expect(among(await net.counts(), NEVER)).toEqual({})
    expect(among(end.counters, NEVER)).toEqual({})
  })
})
