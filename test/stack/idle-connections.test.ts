// What an idle connection costs the core: nothing. Accounts and queues are for those that have data under
// way, and nothing is lost where there are more of them than the core has accounts for.

import { describe, expect, it } from 'vitest'
import { EVENT_ESTABLISHED, EVENT_READABLE, EVENT_WRITABLE } from '../../ts/mptcp/connection.js'
import { validate } from '../../ts/stack/config.js'
import { parseAddress } from '../../ts/wire/address.js'
import { BACKENDS, randomBytes } from '../contract/cores.js'
import { App, finish, freeResources, type World, world } from './world.js'

const TWO_PATHS = [
  { rate: 20e6, delay: 10 },
  { rate: 10e6, delay: 30 },
]
/** Connections that keep what they had for a while (mptcp/idle.ts). */
const MAX_RESTING = 32

interface Traffic {
  up: Uint8Array
  down: Uint8Array
}

/** Opens `count` connections, each of which sends what `make` says both ways and is then held open. */
function openMany(w: World, count: number, make: (i: number) => Traffic, paused = false) {
  const traffic = Array.from({ length: count }, (_, i) => make(i))
  const clients: App[] = []
  const servers: App[] = []
  const listener = w.server.listen(null, 5000, 2 * count, false)!
  listener.notify = () => {
    const connection = listener.ready.shift()!
    const index = connection.subflows[0]!.remotePort - 10_000
    const { up, down } = traffic[index]!
    const app = new App(w.server, { out: down, expected: up, hold: true, paused })
    app.connection = connection
    servers[index] = app
    w.server.calls.accept(connection, app.notify)
    app.notify(EVENT_ESTABLISHED | EVENT_READABLE | EVENT_WRITABLE)
  }
  for (let i = 0; i < count; i++) {
    const { up, down } = traffic[i]!
    const app = new App(w.client, { out: up, expected: down, hold: true })
    const local = { local: null, localPort: 10_000 + i, plain: i % 5 === 4 }
    app.connection = w.client.calls.connect(parseAddress('10.0.1.2')!, 5000, local, app.notify)!
    clients.push(app)
  }
  return { clients, servers, traffic }
}

function allReceived({ clients, servers, traffic }: ReturnType<typeof openMany>): boolean {
  return traffic.every(
    ({ up, down }, i) => clients[i]!.received === down.length && servers[i]?.received === up.length,
  )
}

/** Both ends close, and nothing is left. */
function closeAll(w: World, { clients, servers }: ReturnType<typeof openMany>): void {
  for (const app of [...clients, ...servers]) app.end()
  const done = (): boolean => [...clients, ...servers].every((app) => app.done)
  expect(w.clock.runWhile(() => !done(), 900_000)).toBe(true)
  for (const app of [...clients, ...servers]) app.check()
  finish(w)
}

const NOTHING = { up: new Uint8Array(0), down: new Uint8Array(0) }

describe.each(BACKENDS)('idle connections, %s core', (core) => {
  it('500 that are open and have no data take nothing of the core', () => {
    const w = world({ paths: TWO_PATHS, both: { core, memoryBytes: 1024 * 1024, synCookies: 0 } })
    const pairs = openMany(w, 500, () => NOTHING)
    w.clock.runUntil(5000)
    expect(w.server.connectionCount).toBe(500)
    expect(pairs.clients.every((app) => app.establishedAt >= 0)).toBe(true)
    expect(freeResources(w.client)).toEqual(w.free.get(w.client))
    expect(freeResources(w.server)).toEqual(w.free.get(w.server))
    closeAll(w, pairs)
  })

  it('those that had data give back all but what a few of them keep for a while', () => {
    const w = world({ paths: TWO_PATHS, both: { core, memoryBytes: 4 * 1024 * 1024 } })
    const make = (i: number) => ({ up: randomBytes(3000, i + 1), down: randomBytes(2000, i + 500) })
    const pairs = openMany(w, 100, make)
    w.clock.runUntil(20_000)
    expect(allReceived(pairs)).toBe(true)
    for (const stack of [w.client, w.server]) {
      const { ACCOUNTS_FREE, QUEUES_FREE, ...others } = freeResources(stack)
      const before = w.free.get(stack)!
      expect(others).toEqual({
        SLOTS_FREE: before.SLOTS_FREE,
        RECORDS_FREE: before.RECORDS_FREE,
        RUNS_FREE: before.RUNS_FREE,
        EXTENSIONS_FREE: before.EXTENSIONS_FREE,
      })
      expect(before.ACCOUNTS_FREE! - ACCOUNTS_FREE!).toBeLessThanOrEqual(2 * MAX_RESTING)
      expect(before.QUEUES_FREE! - QUEUES_FREE!).toBeLessThanOrEqual(3 * MAX_RESTING)
    }
    closeAll(w, pairs)
  })

  it('what goes on after a rest is byte-exact: in order, out of order, on both subflows', () => {
    const paths = TWO_PATHS.map((path) => ({ ...path, loss: 0.02 }))
    const w = world({ paths, both: { core, maxActiveConnections: 1 }, seed: 5 })
    const make = (i: number) => ({
      up: randomBytes(20_000, i + 1),
      down: randomBytes(20_000, i + 500),
    })
    const pairs = openMany(w, 3, make)
    w.clock.runUntil(60_000)
    expect(allReceived(pairs)).toBe(true)
    for (const app of pairs.clients) {
      // Every one but the last has had to give its memory to the others.
      expect(app.connection.rcv.queue === 0 || w.client.context.resting.has(app.connection)).toBe(
        true,
      )
      expect(app.connection.rcv.released).toBe(false)
    }
    closeAll(w, pairs)
  })
})

describe.each(BACKENDS)('more connections with data than accounts, %s core', (core) => {
  it('a segment that finds none is dropped and counted, and its data comes again', () => {
    const w = world({ paths: TWO_PATHS, both: { core }, server: { maxActiveConnections: 1 } })
    const make = (i: number) => ({ up: randomBytes(5000, i + 1), down: new Uint8Array(0) })
    const pairs = openMany(w, 2, make, true)
    w.clock.runUntil(3000)
    expect(w.server.counters.TcpExtTCPRcvQDrop).toBeGreaterThan(0)
    const holders = [...w.server.connections].filter((each) => each.rcv.queue !== 0)
    expect(holders.length).toBe(1)
    for (const app of pairs.servers) app.resume()
    expect(w.clock.runWhile(() => !allReceived(pairs), 60_000)).toBe(true)
    closeAll(w, pairs)
  })

  it('a write that finds none takes nothing, and is told when there is one', () => {
    const w = world({ paths: TWO_PATHS, both: { core }, client: { maxActiveConnections: 1 } })
    const make = (i: number) => ({ up: randomBytes(50_000, i + 1), down: new Uint8Array(0) })
    const pairs = openMany(w, 5, make)
    // All are established by now, and one is sending.
    w.clock.runUntil(45)
    expect(pairs.clients.map((app) => app.written).filter((count) => count > 0)).toEqual([50_000])
    expect(w.client.context.unserved.size).toBe(4)
    expect(w.clock.runWhile(() => !allReceived(pairs), 60_000)).toBe(true)
    closeAll(w, pairs)
  })

  it('writers that have no use for it any more do not keep it from those behind them', () => {
    const w = world({ paths: TWO_PATHS, both: { core }, client: { maxActiveConnections: 1 } })
    const make = (i: number) => ({ up: randomBytes(5000, i + 1), down: new Uint8Array(0) })
    const pairs = openMany(w, 60, make)
    expect(w.clock.runWhile(() => w.client.context.unserved.size < 59, 1000)).toBe(true)
    // All but the last lose interest: they are told, and write nothing.
    const [last] = pairs.clients.slice(-1)
    for (const app of pairs.clients.slice(0, -1)) {
      if (app.written === 0) w.client.calls.own(app.connection, () => undefined)
    }
    expect(w.clock.runWhile(() => pairs.servers[59]?.received !== 5000, 60_000)).toBe(true)
    expect(last!.written).toBe(5000)
    for (const app of pairs.clients) w.client.calls.own(app.connection, app.notify)
    closeAll(w, pairs)
  })

  it('one with more subflows than there are queues for uses them all', () => {
    const paths = Array.from({ length: 6 }, () => ({ rate: 20e6, delay: 10 }))
    const w = world({ paths, both: { core, maxActiveConnections: 1 } })
    const pairs = openMany(w, 1, () => ({ up: randomBytes(400_000, 1), down: NOTHING.down }))
    expect(w.clock.runWhile(() => !allReceived(pairs), 60_000)).toBe(true)
    const { subflows } = pairs.clients[0]!.connection
    expect(subflows.length).toBe(6)
    expect(subflows.every(({ tcb }) => tcb.stats.bytesSent > 10_000)).toBe(true)
    closeAll(w, pairs)
  })

  it('60 at once, both ways over lossy paths, are each byte-exact with room for two', () => {
    const paths = TWO_PATHS.map((path) => ({ ...path, loss: 0.005 }))
    const w = world({ paths, both: { core, maxActiveConnections: 2 }, seed: 7 })
    const make = (i: number) => ({
      up: randomBytes(1000 + 300 * (i % 7), i + 1),
      down: randomBytes(2000 + 500 * (i % 5), i + 500),
    })
    const pairs = openMany(w, 60, make)
    expect(w.clock.runWhile(() => !allReceived(pairs), 900_000)).toBe(true)
    closeAll(w, pairs)
  })
})

it('maxActiveConnections must be a number that makes sense', () => {
  const links = [{}] as never
  for (const maxActiveConnections of [0, -1, Number.NaN, 1e9]) {
    expect(() => validate({ links, maxActiveConnections })).toThrow(/maxActiveConnections/)
  }
  expect(validate({ links, maxActiveConnections: 7 }).maxActiveConnections).toBe(7)
  expect(validate({ links }).maxActiveConnections).toBeUndefined()
})
