// What applications do to a stack: read slowly, not at all, close one side, fill the memory; and what one
// of them may not do to the others.

import { describe, expect, it } from 'vitest'
import { EVENT_ESTABLISHED, EVENT_READABLE, EVENT_WRITABLE } from '../../ts/mptcp/connection.js'
import { parseAddress } from '../../ts/wire/address.js'
import { BACKENDS, randomBytes } from '../contract/cores.js'
import { App, connectPair, finish, runToEnd, type World, world } from './world.js'

const TWO_PATHS = [
  { rate: 20e6, delay: 10 },
  { rate: 10e6, delay: 30 },
]
const KiB = 1024

/** Opens `count` connections through one listener; `make` says what each pair does. */
function openMany(
  w: World,
  count: number,
  make: (i: number) => { up: Uint8Array; paused: boolean },
) {
  const clients: App[] = []
  const servers: App[] = []
  const listener = w.server.listen(null, 5000, 2 * count, false)!
  listener.notify = () => {
    const connection = listener.ready.shift()!
    const index = connection.subflows[0]!.remotePort - 10_000
    const { up, paused } = make(index)
    const app = new App(w.server, { out: new Uint8Array(0), expected: up, paused })
    app.connection = connection
    servers[index] = app
    w.server.calls.accept(connection, app.notify)
    app.notify(EVENT_ESTABLISHED | EVENT_READABLE | EVENT_WRITABLE)
  }
  for (let i = 0; i < count; i++) {
    const app = new App(w.client, { out: make(i).up, expected: new Uint8Array(0) })
    app.connection = w.client.calls.connect(
      parseAddress('10.0.1.2')!,
      5000,
      { local: null, localPort: 10_000 + i, plain: false },
      app.notify,
    )!
    clients.push(app)
  }
  return { clients, servers }
}

describe.each(BACKENDS)('applications, %s core', (core) => {
  it('a slow reader gets every byte, and the sender never passes its window', () => {
    const w = world({
      paths: TWO_PATHS,
      both: { core },
      server: { receiveBufferBytes: 64 * KiB },
    })
    const pair = connectPair(w, { up: 400_000, down: 0, server: { paused: true } })
    let most = 0
    const tick = (): void => {
      const { server } = pair
      if (server.connection !== undefined) {
        most = Math.max(most, w.server.liveSlots)
        server.read(4000)
      }
      if (!server.ended) w.clock.at(w.clock.now() + 10, tick)
      else server.resume()
    }
    w.clock.at(100, tick)
    runToEnd(w, pair)
    pair.client.check()
    pair.server.check()
    // A slot holds at least one segment of 1,420 bytes: twice that many, for what waits below a hole.
    expect(most).toBeLessThan((2 * 64 * KiB) / 1420 + 16)
    finish(w)
  })

  it('a reader that stops for minutes closes the window, probes keep it alive, and all arrives', () => {
    const w = world({
      paths: TWO_PATHS,
      both: { core },
      server: { receiveBufferBytes: 32 * KiB },
    })
    const pair = connectPair(w, { up: 200_000, down: 0, server: { paused: true } })
    w.clock.runUntil(180_000)
    expect(pair.server.received).toBe(0)
    expect(w.client.counters.WinProbe).toBeGreaterThan(0)
    pair.server.resume()
    runToEnd(w, pair)
    pair.client.check()
    pair.server.check()
    finish(w)
  })

  it('a window update that is lost does not stop the sender for ever', () => {
    const w = world({
      paths: [{ rate: 20e6, delay: 10 }],
      both: { core },
      server: { receiveBufferBytes: 32 * KiB },
    })
    const pair = connectPair(w, { up: 200_000, down: 0, server: { paused: true } })
    w.clock.runUntil(5000)
    w.paths[0]!.cut('b-to-a')
    pair.server.resume()
    w.clock.runUntil(5100)
    w.paths[0]!.heal()
    runToEnd(w, pair, 200_000)
    pair.server.check()
    finish(w)
  })

  it('one side may close and go on reading for as long as the other writes', () => {
    const w = world({ paths: TWO_PATHS, both: { core } })
    const pair = connectPair(w, { up: 1000, down: 500_000, server: { answer: true } })
    runToEnd(w, pair)
    pair.client.check()
    pair.server.check()
    expect(pair.client.endedAt).toBeGreaterThan(pair.server.endedAt)
    finish(w)
  })

  it('a connection without any data opens and closes', () => {
    const w = world({ both: { core } })
    const pair = connectPair(w, { up: 0, down: 0 })
    runToEnd(w, pair)
    pair.client.check()
    pair.server.check()
    finish(w)
  })

  it('a plain TCP connection through the same stack is byte-exact', () => {
    const w = world({ paths: [{ rate: 20e6, delay: 10, loss: 0.01 }], both: { core }, seed: 9 })
    const pair = connectPair(w, { up: 300_000, down: 200_000, plain: true })
    runToEnd(w, pair)
    expect(pair.client.connection.mode).toBe('fallback')
    pair.client.check()
    pair.server.check()
    finish(w)
  })

  it('with memory for less than the buffers promise, transfers are slow but whole', () => {
    const w = world({
      paths: TWO_PATHS.map((path) => ({ ...path, loss: 0.005 })),
      both: { core },
      server: { memoryBytes: 1024 * KiB },
      seed: 11,
    })
    const { clients, servers } = openMany(w, 6, (i) => ({
      up: randomBytes(150_000, 100 + i),
      paused: false,
    }))
    const done = (): boolean =>
      clients.every((a) => a.done) && servers.filter((a) => a.done).length === 6
    expect(w.clock.runWhile(() => !done(), 900_000)).toBe(true)
    for (const app of [...clients, ...servers]) app.check()
    finish(w)
  })

  it('readers that stall and fill the memory do not starve one that reads', () => {
    const w = world({
      paths: TWO_PATHS,
      both: { core },
      server: { memoryBytes: 1024 * KiB },
      seed: 12,
    })
    const { clients, servers } = openMany(w, 8, (i) => ({
      up: randomBytes(300_000, 200 + i),
      paused: i !== 7,
    }))
    expect(w.clock.runWhile(() => servers[7]?.done !== true, 600_000)).toBe(true)
    servers[7]!.check()
    for (const app of servers.slice(0, 7)) app.resume()
    const done = (): boolean => clients.every((a) => a.done) && servers.every((a) => a.done)
    expect(w.clock.runWhile(() => !done(), 900_000)).toBe(true)
    for (const app of [...clients, ...servers]) app.check()
    finish(w)
  })
})

describe('many connections', () => {
  it('1,000 at once through one listener are each byte-exact', () => {
    const w = world({
      paths: [{ rate: 1e9, delay: 5 }],
      both: {
        memoryBytes: 64 * 1024 * KiB,
        sendBufferBytes: 64 * KiB,
        receiveBufferBytes: 64 * KiB,
      },
    })
    const { clients, servers } = openMany(w, 1000, (i) => ({
      up: randomBytes(2000 + (i % 7) * 1000, i + 1),
      paused: false,
    }))
    const done = (): boolean =>
      clients.every((a) => a.done) && servers.filter((a) => a.done).length === 1000
    const step = (): boolean => {
      w.clock.runUntil(w.clock.now() + 100)
      return done()
    }
    while (!step() && w.clock.now() < 120_000);
    expect(servers.length).toBe(1000)
    for (const app of [...clients, ...servers]) app.check()
    finish(w)
  })
})
