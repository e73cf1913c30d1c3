// No exception of a user's code harms the stack: whatever throws, the neighbours go on, and so does the
// connection itself. (Schedulers, path managers and congestion controls have tests beside their seams.)

import { describe, expect, it, vi } from 'vitest'
import { MptcpBsd } from '../../ts/socket/bsd.js'
import { MPTCP_CONSTANTS as C } from '../../ts/socket/constants.js'
import { MptcpServer } from '../../ts/socket/mptcp-server.js'
import { MptcpSocket } from '../../ts/socket/mptcp-socket.js'
import type { MptcpCongestionControl } from '../../ts/tcp/congestion/congestion-control.js'
import { BACKENDS } from '../contract/cores.js'
import {
  connectPair,
  finish,
  freeResources,
  runToEnd,
  type StackSpec,
  type World,
  world,
} from './world.js'

/** Runs events until nothing throws any more; what was thrown meanwhile. */
function thrownBy(w: World, ms: number): string[] {
  const thrown: string[] = []
  const end = w.clock.now() + ms
  // Bounded: each throw is one event of the clock.
  for (;;) {
    try {
      w.clock.runUntil(end)
      return thrown
    } catch (error) {
      thrown.push((error as Error).message)
    }
  }
}

interface Ends {
  server: MptcpBsd
  client: MptcpBsd
}

function ends(w: World): Ends {
  return { server: new MptcpBsd(w.server), client: new MptcpBsd(w.client) }
}

/** Node begins to connect, and to listen, in a later tick. */
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function connect(client: MptcpBsd, port: number): MptcpSocket {
  return new MptcpSocket(client).connect({ host: '10.0.1.2', port })
}

describe.each(BACKENDS)("a user's code that throws, %s core", (core) => {
  it("in a 'connection' listener: once for each, the next ones are accepted, the neighbour goes on", async () => {
    const w = world({ both: { core } })
    const { server, client } = ends(w)
    const neighbour = connectPair(w, { up: 200_000, down: 200_000, port: 6000 })
    let accepted = 0
    const listener = new MptcpServer(server)
    listener.on('connection', (socket) => {
      socket.on('error', () => {})
      accepted++
      throw new Error(`no ${accepted}`)
    })
    listener.listen({ port: 80 })
    await tick()
    const sockets = [1, 2, 3].map(() => connect(client, 80))
    await tick()
    expect(thrownBy(w, 100)).toEqual(['no 1', 'no 2', 'no 3'])
    expect(sockets.every((socket) => !socket.connecting)).toBe(true)
    runToEnd(w, neighbour)
    neighbour.client.check()
    neighbour.server.check()
    w.client.close()
    w.server.close()
  })

  it("in 'connect', 'subflows' and 'data' listeners: the rest of the data still comes", async () => {
    const w = world({ both: { core } })
    const { server, client } = ends(w)
    const neighbour = connectPair(w, { up: 200_000, down: 200_000, port: 6000 })
    const listening = server.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
    server.bind(listening, { address: '', port: 80 })
    server.listen(listening, 1)
    let sent = 0
    server.watch(listening, () => {
      const fd = server.accept(listening)
      const write = (): void => {
        while (sent < 600_000) {
          const count = server.write(fd, new Uint8Array(Math.min(65_536, 600_000 - sent)))
          if (count < 0) return
          sent += count
        }
      }
      server.watch(fd, write)
      write()
    })
    const socket = connect(client, 80)
    let got = 0
    socket.once('connect', () => {
      throw new Error('connect')
    })
    socket.once('subflows', () => {
      throw new Error('subflows')
    })
    socket.on('data', (data: Uint8Array) => {
      got += data.length
      if (got < 300_000) throw new Error('data')
    })
    await tick()
    const thrown = thrownBy(w, 20_000)
    expect(thrown.slice(0, 2)).toEqual(['connect', 'subflows'])
    expect(new Set(thrown.slice(2))).toEqual(new Set(['data']))
    expect(got).toBe(600_000)
    runToEnd(w, neighbour)
    neighbour.client.check()
    w.client.close()
    w.server.close()
  })

  it('in a watcher of a descriptor: what it left undone it is told of when something happens', () => {
    const w = world({ both: { core } })
    const { server, client } = ends(w)
    const neighbour = connectPair(w, { up: 200_000, down: 200_000, port: 6000 })
    const listening = server.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
    server.bind(listening, { address: '', port: 80 })
    server.listen(listening, 1)
    server.watch(listening, () => {
      throw new Error('listener')
    })
    const fd = client.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
    client.watch(fd, () => {
      throw new Error('socket')
    })
    client.connect(fd, { address: '10.0.1.2', port: 80 })
    expect(new Set(thrownBy(w, 5000))).toEqual(new Set(['listener', 'socket']))
    const accepted = server.accept(listening)
    server.write(accepted, new Uint8Array(10))
    expect(thrownBy(w, 100)).toEqual(['socket'])
    expect(client.read(fd, new Uint8Array(20))).toBe(10)
    runToEnd(w, neighbour)
    neighbour.server.check()
    w.client.close()
    w.server.close()
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no key')
      },
    ],
    ['gives no number', () => Number.NaN],
    ['gives a fraction', () => 1.5],
  ] as [string, () => number][])(
    'as coalesceKey %s: counted, said once, no byte is lost',
    (_, key) => {
      const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      const w = world({ both: { core }, server: { coalesceKey: key } })
      const pairs = [5000, 5001].map((port) => connectPair(w, { up: 100_000, down: 100, port }))
      for (const pair of pairs) {
        runToEnd(w, pair)
        pair.client.check()
        pair.server.check()
      }
      expect(w.server.counters.CoalesceKeyFault).toBe(2)
      expect(warn).toHaveBeenCalledTimes(1)
      warn.mockRestore()
      finish(w)
    },
  )

  type Closer = (close: () => void) => StackSpec
  const control = (mss: number): MptcpCongestionControl => ({
    cwnd: 10 * mss,
    ssthresh: Number.POSITIVE_INFINITY,
    acknowledged() {},
    lost() {},
    timedOut() {},
  })
  const closers: [string, Closer][] = [
    [
      'scheduler',
      (close) => ({
        scheduler: {
          name: 'own',
          create: () => ({
            schedule: (subflows) => {
              close()
              return [{ subflow: subflows[0]!, bytes: Number.POSITIVE_INFINITY }]
            },
          }),
        },
      }),
    ],
    ['path manager', (close) => ({ pathManager: { name: 'own', onEvent: () => void close() } })],
    [
      'congestion control, with what is sent',
      (close) => ({
        congestion: { name: 'own', create: (mss) => ({ ...control(mss), sent: close }) },
      }),
    ],
    [
      'congestion control, with an ACK',
      (close) => ({
        congestion: { name: 'own', create: (mss) => ({ ...control(mss), acknowledged: close }) },
      }),
    ],
    [
      'congestion control, with a timeout',
      (close) => ({
        congestion: { name: 'own', create: (mss) => ({ ...control(mss), timedOut: close }) },
      }),
    ],
    [
      'coalesceKey',
      (close) => ({
        coalesceKey: () => {
          close()
          return 1
        },
      }),
    ],
  ]
  it.each(closers)(
    'closes the stack from within a %s: at the end of the turn, all is freed',
    (name, spec) => {
      let calls = 0
      const w = world({
        both: { core },
        client: spec(() => {
          if (++calls === 2) w.client.close()
        }),
      })
      const pairs = [5000, 5001].map((port) => connectPair(w, { up: 300_000, down: 300_000, port }))
      w.clock.runUntil(60)
      if (name.endsWith('timeout')) w.paths[0]!.set({ loss: 1 })
      w.clock.runUntil(60_000)
      expect(calls).toBeGreaterThanOrEqual(2)
      expect(pairs.map(({ client }) => client.connection.state)).toEqual(['M_CLOSED', 'M_CLOSED'])
      expect({
        connections: w.client.connectionCount,
        deadlines: w.client.deadlineCount,
        ...freeResources(w.client),
      }).toEqual({ connections: 0, deadlines: 0, ...w.free.get(w.client) })
      w.server.close()
      w.network.close()
      // The owners are told of the end.
      w.clock.runUntil(w.clock.now())
      expect(w.clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
    },
  )
})
