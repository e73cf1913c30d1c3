// Links that change under connections that stand: addresses, MTU, up and down, links that come and go. Byte-exact,
// and nothing left behind.

import { describe, expect, it } from 'vitest'
import type { Link, LinkSource } from '../../ts/link/link.js'
import type { MptcpLinkEvent } from '../../ts/mptcp/path-manager/path-manager.js'
import { formatAddress } from '../../ts/wire/address.js'
import { BACKENDS } from '../contract/cores.js'
import {
  type App,
  connectPair,
  finish,
  runToEnd,
  subflowBytes,
  type World,
  world,
} from './world.js'

/** Slow: what takes time here is the time. */
const FAST = { rate: 5e6, delay: 10 }
const SLOW = { rate: 2.5e6, delay: 40 }

/** Where its subflows begin. */
const locals = ({ connection }: App): string[] => [
  ...new Set(connection.subflows.map(({ path }) => formatAddress(path.address))),
]

/** Runs until `app` has received more than it has now. */
function untilMore(w: World, app: App, limitMs: number): boolean {
  const { received } = app
  return w.clock.runWhile(() => app.received === received, limitMs)
}

describe.each(BACKENDS)('an address that changes, %s core', (core) => {
  it.each([
    ['the way up, which has ended its side', { up: 1_500_000, down: 0 }],
    ['the way down, whose reader has ended its side', { up: 0, down: 1_500_000 }],
    ['both ways', { up: 750_000, down: 750_000 }],
  ])('break before make, of the only path: %s goes on within 2 s', (_name, bytes) => {
    const w = world({ paths: [FAST], both: { core } })
    const pair = connectPair(w, bytes)
    w.clock.runUntil(500)
    w.paths[0]!.a.removeAddress('10.0.1.1')
    w.clock.runUntil(501)
    expect(pair.client.connection.subflows).toHaveLength(0)
    w.clock.runUntil(20_000)
    w.paths[0]!.a.addAddress('10.0.1.9')
    expect(untilMore(w, bytes.up > 0 ? pair.server : pair.client, 2000)).toBe(true)
    expect(locals(pair.client)).toEqual(['10.0.1.9'])
    runToEnd(w, pair)
    pair.client.check()
    pair.server.check()
    expect(w.server.counters.RmAddr).toBe(1)
    finish(w)
  })

  it('the same address that comes back is joined from again', () => {
    const w = world({ paths: [FAST], both: { core } })
    const pair = connectPair(w, { up: 1_000_000, down: 1_000_000 })
    w.clock.runUntil(500)
    w.paths[0]!.a.removeAddress('10.0.1.1')
    w.clock.runUntil(3000)
    w.paths[0]!.a.addAddress('10.0.1.1')
    expect(untilMore(w, pair.server, 2000)).toBe(true)
    runToEnd(w, pair)
    pair.client.check()
    pair.server.check()
    finish(w)
  })

  it('also where no more than one subflow is allowed', () => {
    const w = world({ paths: [FAST], both: { core }, client: { maxSubflows: 1 } })
    const pair = connectPair(w, { up: 500_000, down: 0 })
    w.clock.runUntil(300)
    w.paths[0]!.a.removeAddress('10.0.1.1')
    w.paths[0]!.a.addAddress('10.0.1.9')
    expect(untilMore(w, pair.server, 2000)).toBe(true)
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it('again and again, before the peer has heard of the one before', () => {
    const w = world({ paths: [FAST], both: { core } })
    const pair = connectPair(w, { up: 1_000_000, down: 0 })
    for (const [i, at] of [300, 500, 700, 900, 901, 902].entries()) {
      w.clock.runUntil(at)
      w.paths[0]!.a.removeAddress(`10.0.1.${i === 0 ? 1 : 10 + i}`)
      w.paths[0]!.a.addAddress(`10.0.1.${11 + i}`)
    }
    expect(untilMore(w, pair.server, 2000)).toBe(true)
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it('make before break: the other path carries on, the peer is told, and the new one joins', () => {
    const w = world({ paths: [FAST, SLOW], both: { core } })
    const pair = connectPair(w, { up: 1_500_000, down: 0 })
    w.clock.runUntil(800)
    w.paths[0]!.a.removeAddress('10.0.1.1')
    w.clock.runUntil(1000)
    expect(locals(pair.client)).toEqual(['10.0.2.1'])
    expect(w.server.counters.RmAddr).toBe(1)
    expect(pair.server.connection.subflows).toHaveLength(1)
    w.paths[0]!.a.addAddress('10.0.1.9')
    w.clock.runUntil(1200)
    expect(locals(pair.client)).toEqual(['10.0.2.1', '10.0.1.9'])
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it('no new address: the connection ends after closeTimeoutMs, with an error', () => {
    const w = world({ paths: [FAST], both: { core }, client: { closeTimeoutMs: 10_000 } })
    const pair = connectPair(w, { up: 1_000_000, down: 0 })
    w.clock.runUntil(500)
    w.paths[0]!.a.removeAddress('10.0.1.1')
    w.clock.runUntil(10_400)
    expect(pair.client.closed).toBe(false)
    w.clock.runUntil(10_600)
    expect(pair.client.closed).toBe(true)
    expect(pair.client.connection.error).toBe('EADDRNOTAVAIL')
    expect(w.client.connectionCount).toBe(0)
  })

  it('an endpoint may be added before its address is there', () => {
    const w = world({ paths: [FAST], both: { core } })
    const pair = connectPair(w, { up: 1_500_000, down: 0 })
    w.clock.runUntil(500)
    w.client.pathControl.addEndpoint({ address: '10.0.1.9', subflow: true })
    w.paths[0]!.a.removeAddress('10.0.1.1')
    w.clock.runUntil(1000)
    expect(w.client.counters.PathCommandRefused).toBe(0)
    w.paths[0]!.a.addAddress('10.0.1.9')
    expect(untilMore(w, pair.server, 2000)).toBe(true)
    expect(locals(pair.client)).toEqual(['10.0.1.9'])
    // Nor does it matter whether it was one already, of itself.
    w.paths[0]!.a.addAddress('10.0.1.10')
    w.clock.runUntil(w.clock.now() + 100)
    w.client.pathControl.addEndpoint({ address: '10.0.1.10', subflow: true, backup: true })
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it('a server that gets an address announces it, and withdraws one that goes', () => {
    const w = world({ paths: [FAST], both: { core } })
    const pair = connectPair(w, { up: 1_000_000, down: 0 })
    w.clock.runUntil(300)
    w.paths[0]!.b.addAddress('10.0.1.7')
    w.clock.runUntil(400)
    expect(w.client.counters.AddAddr).toBe(1)
    w.paths[0]!.b.removeAddress('10.0.1.7')
    w.clock.runUntil(500)
    expect(w.client.counters.RmAddr).toBe(1)
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it('plain TCP waits for its address, and goes on when that is back', () => {
    const w = world({ paths: [FAST], both: { core } })
    const pair = connectPair(w, { up: 500_000, down: 0, plain: true })
    w.clock.runUntil(300)
    w.paths[0]!.a.removeAddress('10.0.1.1')
    w.clock.runUntil(4000)
    w.paths[0]!.a.addAddress('10.0.1.1')
    expect(untilMore(w, pair.server, 500)).toBe(true)
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })
})

describe.each(BACKENDS)('links that change, %s core', (core) => {
  it.each([
    [false, 1500, 1280],
    [true, 1500, 1280],
    [false, 1280, 1500],
    [true, 1280, 1500],
  ])('segments follow the MTU (tso %s, from %i to %i)', (tso, before, after) => {
    const w = world({
      paths: [{ ...FAST, tso, checksum: tso ? 'flagged' : 'verify' }],
      both: { core },
    })
    const [path] = w.paths
    if (before === 1280) for (const end of [path!.a, path!.b]) end.setMtu(before)
    w.clock.runUntil(1)
    const pair = connectPair(w, { up: 1_000_000, down: 0 })
    // The peer has announced what it takes by the larger MTU.
    if (before === 1280) path!.b.setMtu(1500)
    w.clock.runUntil(500)
    const { tcb } = pair.client.connection.subflows[0]!
    expect(tcb.snd.mss).toBe(before - 52)
    path!.a.setMtu(after)
    path!.set({ mtu: after })
    w.clock.runUntil(501)
    expect(tcb.snd.mss).toBe(after - 52)
    expect(untilMore(w, pair.server, 500)).toBe(true)
    runToEnd(w, pair, 10_000)
    pair.server.check()
    finish(w)
  })

  it('a link that is down gives what it has to the other at once, and is used as soon as it is up', () => {
    const w = world({ paths: [FAST, SLOW], both: { core } })
    const pair = connectPair(w, { up: 5_000_000, down: 0 })
    w.clock.runUntil(1000)
    w.paths[0]!.a.down()
    w.clock.runUntil(1001)
    expect(pair.client.connection.subflows[0]!.stale).toBe(true)
    const { received } = pair.server
    w.clock.runUntil(1200)
    expect(pair.server.received).toBeGreaterThan(received + 12_500)
    w.clock.runUntil(6000)
    w.paths[0]!.a.up()
    w.clock.runUntil(6100)
    expect(pair.client.connection.subflows[0]!.stale).toBe(false)
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it.each(['up', 'down'] as const)(
    'the only link down for 10 s: the way %s goes on at once',
    (way) => {
      const w = world({ paths: [FAST], both: { core } })
      const bytes = { up: 0, down: 0, [way]: 1_500_000 }
      const pair = connectPair(w, bytes)
      w.clock.runUntil(500)
      w.paths[0]!.a.down()
      w.clock.runUntil(10_500)
      w.paths[0]!.a.up()
      if (way === 'up') expect(untilMore(w, pair.server, 100)).toBe(true)
      runToEnd(w, pair)
      pair[way === 'up' ? 'server' : 'client'].check()
      finish(w)
    },
  )

  it('subflows that the peer has opened follow their link as well', () => {
    const w = world({ paths: [FAST, SLOW], both: { core } })
    const pair = connectPair(w, { up: 0, down: 5_000_000 })
    w.clock.runUntil(1000)
    const { subflows } = pair.server.connection
    const second = subflows.find(({ path }) => path.link === 1)!
    w.paths[1]!.b.setMtu(1280)
    w.clock.runUntil(1001)
    expect(second.tcb.snd.mss).toBe(1280 - 52)
    expect(subflows[0]!.tcb.snd.mss).toBe(1500 - 52)
    w.paths[1]!.b.down()
    w.clock.runUntil(1002)
    expect(second.stale).toBe(true)
    w.paths[1]!.b.up()
    runToEnd(w, pair)
    pair.client.check()
    finish(w)
  })

  it('a metered path is not used while another works, and is when none does', () => {
    const w = world({ paths: [FAST, { ...SLOW, policy: { metered: true } }], both: { core } })
    const pair = connectPair(w, { up: 1_500_000, down: 0 })
    w.clock.runUntil(1000)
    expect(locals(pair.client)).toEqual(['10.0.1.1'])
    w.paths[0]!.a.down()
    w.clock.runUntil(1300)
    expect(locals(pair.client)).toEqual(['10.0.1.1', '10.0.2.1'])
    expect(untilMore(w, pair.server, 1000)).toBe(true)
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it('a backup path is told as one, and carries nothing while another works', () => {
    const w = world({ paths: [FAST, { ...SLOW, policy: { backup: true } }], both: { core } })
    const pair = connectPair(w, { up: 500_000, down: 0 })
    runToEnd(w, pair)
    expect(w.server.counters.MPJoinSynBackupRx).toBe(1)
    expect(Math.min(...subflowBytes(pair.client))).toBe(0)
    pair.server.check()
    finish(w)
  })

  it('a source of links: those that come are used, those that go take their paths along', () => {
    const told: MptcpLinkEvent['type'][] = []
    const { source, add, remove } = sourceOf()
    const w = world({ paths: [FAST, SLOW], client: { core, links: source }, server: { core } })
    w.client.pathControl.watch((event) => told.push(event.type as MptcpLinkEvent['type']))
    expect(w.client.paths).toHaveLength(0)
    add(w.paths[0]!.a)
    const pair = connectPair(w, { up: 5_000_000, down: 0 })
    w.clock.runUntil(500)
    add(w.paths[1]!.a)
    w.clock.runUntil(1000)
    expect(locals(pair.client)).toEqual(['10.0.1.1', '10.0.2.1'])
    remove(w.paths[0]!.a)
    w.clock.runUntil(2000)
    expect(locals(pair.client)).toEqual(['10.0.2.1'])
    remove(w.paths[1]!.a)
    w.clock.runUntil(3000)
    expect(locals(pair.client)).toEqual([])
    add(w.paths[0]!.a)
    expect(untilMore(w, pair.server, 2000)).toBe(true)
    expect(w.client.links).toHaveLength(2)
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
    expect(told.filter((type) => /^(link|address)-/.test(type))).toEqual([
      ...['link-added', 'address-added', 'link-added', 'address-added'],
      ...['address-removed', 'link-removed', 'address-removed', 'link-removed'],
      ...['link-added', 'address-added'],
    ])
  })

  it('what a link says that means nothing is counted, and changes nothing', () => {
    const w = world({ paths: [FAST, SLOW], both: { core } })
    const { a } = w.paths[0]!
    a.addAddress('no address')
    a.removeAddress('no address')
    a.addAddress('10.0.2.1')
    a.setMtu(128)
    w.clock.runUntil(1)
    expect(w.client.counters.LinkChangeIgnored).toBe(3)
    expect(w.client.paths).toHaveLength(2)
    a.setMtu(1500)
    const pair = connectPair(w, { up: 100_000, down: 0 })
    runToEnd(w, pair)
    pair.server.check()
    finish(w)
  })

  it('neither a list nor a source of links is one clear error', () => {
    for (const links of [[], null, { links: [] }, 'eth0']) {
      expect(() => world({ client: { core, links: links as unknown as Link[] } })).toThrow(
        expect.objectContaining({ code: 'ERR_MPTCP_OPTION' }),
      )
    }
  })
})

/** Links that a test adds and removes. */
function sourceOf(): { source: LinkSource; add(link: Link): void; remove(link: Link): void } {
  const links: Link[] = []
  let watcher: Parameters<LinkSource['watchLinks']>[0] | null = null
  return {
    source: {
      links,
      watchLinks: (given) => {
        watcher = given
      },
    },
    add: (link) => watcher?.added(link),
    remove: (link) => {
      link.close()
      watcher?.removed(link)
    },
  }
}
