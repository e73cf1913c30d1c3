// Two stacks over emulated paths in virtual time, and the applications that use them. Every transfer is
// compared byte for byte, and `finish` holds each stack to giving everything back: connections, timers,
// slots, records, queues, accounts, extension handles and tokens.

import { expect } from 'vitest'
import { VirtualClock } from '../../ts/clock.js'
import { HEADER, HEADER_WORDS } from '../../ts/core/layout.js'
import { EmulatedNetwork } from '../../ts/emulator/network.js'
import type { EmulatedPath, PathChange, PathOptions } from '../../ts/emulator/path.js'
import type { LinkPolicy } from '../../ts/link/link.js'
import {
  type Connection,
  EVENT_CLOSED,
  EVENT_END,
  EVENT_ESTABLISHED,
  EVENT_READABLE,
  EVENT_WRITABLE,
} from '../../ts/mptcp/connection.js'
import { SeededRandom } from '../../ts/random.js'
import type { MptcpStackOptions } from '../../ts/stack/config.js'
import { Stack } from '../../ts/stack/stack.js'
import { parseAddress } from '../../ts/wire/address.js'
import { randomBytes } from '../contract/cores.js'

/** `policy`: the client's. */
export type PathSpec = PathChange & Pick<PathOptions, 'tso' | 'checksum'> & { policy?: LinkPolicy }
export type StackSpec = Partial<Omit<MptcpStackOptions, 'clock'>>

export interface World {
  readonly clock: VirtualClock
  readonly network: EmulatedNetwork
  readonly paths: EmulatedPath[]
  readonly client: Stack
  readonly server: Stack
  readonly seed: number
  /** Free resources of each stack before anything happened. */
  readonly free: ReadonlyMap<Stack, Record<string, number>>
}

const POOLS = [
  'SLOTS_FREE',
  'RECORDS_FREE',
  'RUNS_FREE',
  'QUEUES_FREE',
  'ACCOUNTS_FREE',
  'EXTENSIONS_FREE',
] as const

export function freeResources(stack: Stack): Record<string, number> {
  const { u32 } = stack.core
  return Object.fromEntries(POOLS.map((name) => [name, u32[(HEADER >> 2) + HEADER_WORDS[name]]!]))
}

export interface WorldOptions {
  paths?: PathSpec[]
  seed?: number
  /** Of the addresses; 4 unless told. */
  family?: 4 | 6
  both?: StackSpec
  client?: StackSpec
  server?: StackSpec
}

/** What a host owns on a path; paths count from 1, and the client is host 1. */
export function addressOn(path: number, host: number, family: 4 | 6 = 4): string {
  return family === 4 ? `10.0.${path}.${host}` : `fd00:${path}::${host}`
}

const MEMORY_BYTES = 16 * 1024 * 1024

export function world(options: WorldOptions = {}): World {
  const { seed = 1, paths: specs = [{ rate: 20e6, delay: 10 }], family, both = {} } = options
  const clock = new VirtualClock({ eventsPerInstant: 100_000 })
  const network = new EmulatedNetwork({ clock, seed })
  const paths = specs.map(({ policy, ...spec }, i) =>
    network.path({
      name: `p${i + 1}`,
      a: {
        host: 'client',
        addresses: [addressOn(i + 1, 1, family)],
        ...(policy && { policy }),
      },
      b: { host: 'server', addresses: [addressOn(i + 1, 2, family)] },
      ...spec,
    }),
  )
  const make = (host: string, salt: number, own: StackSpec = {}): Stack =>
    new Stack({
      links: network.links(host),
      clock,
      random: new SeededRandom(seed * 2 + salt),
      memoryBytes: MEMORY_BYTES,
      ...both,
      ...own,
    })
  const client = make('client', 0, options.client)
  const server = make('server', 1, options.server)
  const free = new Map([client, server].map((stack) => [stack, freeResources(stack)]))
  return { clock, network, paths, client, server, seed, free }
}

export interface AppOptions {
  /** What it writes, after which it closes its sending side (unless `hold`). */
  out: Uint8Array
  /** What it must receive. */
  expected: Uint8Array
  /** Keep the sending side open when all is written. */
  hold?: boolean
  /** Do not read until `resume`. */
  paused?: boolean
  /** Write only after the peer's end was read. */
  answer?: boolean
}

/** What is read lies here until it is compared, at once. */
const READ = new Uint8Array(65536)

/** An application on one end of a connection: writes `out`, reads and compares, then lets go. */
export class App {
  readonly stack: Stack
  connection!: Connection
  written = 0
  received = 0
  ended = false
  closed = false
  establishedAt = -1
  endedAt = -1
  /** The first offset at which what came was wrong; -1 while nothing is. */
  wrongAt = -1
  paused: boolean
  hold: boolean
  readonly #options: AppOptions

  constructor(stack: Stack, options: AppOptions) {
    this.stack = stack
    this.#options = options
    this.paused = options.paused ?? false
    this.hold = options.hold ?? false
  }

  readonly notify = (events: number): void => {
    this.stack.calls.awaitRoom(this.connection)
    if (events & EVENT_ESTABLISHED) this.establishedAt = this.stack.clock.now()
    if (events & EVENT_CLOSED) this.closed = true
    if (events & EVENT_END) this.endedAt = this.stack.clock.now()
    if (events & (EVENT_READABLE | EVENT_END | EVENT_CLOSED)) this.read()
    if (events & (EVENT_ESTABLISHED | EVENT_WRITABLE | EVENT_END)) this.write()
    if (this.closed && !this.paused) this.letGo()
  }

  get done(): boolean {
    return this.closed
  }

  resume(): void {
    this.paused = false
    this.read()
    if (this.closed) this.letGo()
  }

  /** Closes a sending side that was held open. */
  end(): void {
    this.hold = false
    this.write()
  }

  letGo(): void {
    this.stack.calls.close(this.connection)
  }

  read(limit = Number.POSITIVE_INFINITY): number {
    const { connection, stack } = this
    if (this.paused && limit === Number.POSITIVE_INFINITY) return 0
    let total = 0
    while (total < limit) {
      const room = READ.subarray(0, Math.min(READ.length, limit - total))
      const count = stack.calls.read(connection, room)
      if (count === 0) break
      this.#compare(count)
      total += count
    }
    if (connection.rcv.finReached && !connection.rcv.released) this.ended = true
    if (connection.rcv.finReached && this.received === this.#options.expected.length) {
      this.ended = true
    }
    return total
  }

  write(): void {
    const { connection, stack } = this
    const { out, answer } = this.#options
    if (answer && !this.ended) return
    if (connection.snd.released) return
    while (this.written < out.length) {
      const count = stack.calls.write(connection, out.subarray(this.written))
      if (count === 0) break
      this.written += count
    }
    if (this.written === out.length && !this.hold) stack.calls.shutSending(connection)
  }

  #compare(count: number): void {
    const { expected } = this.#options
    const got = Buffer.from(READ.buffer, READ.byteOffset, count)
    const want = expected.subarray(this.received, this.received + count)
    if (this.wrongAt < 0 && Buffer.compare(got, want) !== 0) {
      let i = 0
      while (got[i] === want[i]) i++
      this.wrongAt = this.received + i
    }
    this.received += count
  }

  /** Everything arrived, and nothing but it. */
  check(): void {
    expect(
      { wrongAt: this.wrongAt, received: this.received, error: this.connection.error },
      this.describe(),
    ).toEqual({ wrongAt: -1, received: this.#options.expected.length, error: null })
  }

  describe(): string {
    const { connection } = this
    const states = connection.subflows.map((s) => `${s.id}:${s.tcb.state}`).join(' ')
    return `${connection.role} ${connection.mode} ${connection.state} [${states}] ${
      connection.fallbackReason ?? ''
    } ${connection.error ?? ''}`
  }
}

export interface Pair {
  client: App
  server: App
}

export interface PairOptions {
  up: number
  down: number
  port?: number
  plain?: boolean
  client?: Partial<AppOptions>
  server?: Partial<AppOptions>
}

/** Listens, connects, and gives the two applications; nothing has run yet. */
export function connectPair(w: World, options: PairOptions): Pair {
  const port = options.port ?? 5000
  const up = randomBytes(options.up, w.seed * 2 + 1)
  const down = randomBytes(options.down, w.seed * 2 + 2)
  const server = new App(w.server, { out: down, expected: up, ...options.server })
  const client = new App(w.client, { out: up, expected: down, ...options.client })
  const listener = w.server.listen(null, port, 128, false)!
  listener.notify = () => {
    const connection = listener.ready.shift()!
    server.connection = connection
    w.server.calls.accept(connection, server.notify)
    server.notify(EVENT_ESTABLISHED | EVENT_READABLE | EVENT_WRITABLE)
  }
  client.connection = w.client.calls.connect(
    parseAddress('10.0.1.2')!,
    port,
    { local: null, localPort: 0, plain: options.plain ?? false },
    client.notify,
  )!
  return { client, server }
}

/** Runs until both ends are closed; fails with what they look like if they are not in time. */
export function runToEnd(w: World, pair: Pair, limitMs = 600_000): void {
  const finished = w.clock.runWhile(() => !(pair.client.done && pair.server.done), limitMs)
  if (!finished) {
    const server = pair.server.connection === undefined ? 'no server' : pair.server.describe()
    throw new Error(
      `seed ${w.seed}: not finished at ${w.clock.now()} ms: ${pair.client.describe()} ` +
        `(${pair.client.received} received) / ${server} (${pair.server.received} received)`,
    )
  }
}

/** Transfers both ways at once and checks every byte and all that must be given back. */
export function transfer(w: World, options: PairOptions, limitMs?: number): Pair {
  const pair = connectPair(w, options)
  runToEnd(w, pair, limitMs)
  pair.client.check()
  pair.server.check()
  return pair
}

/** TIME-WAIT passes, and nothing is left of anything. */
export function finish(w: World): void {
  w.clock.runUntil(w.clock.now() + 4 * 3_600_000)
  expect(w.clock.nextDeadline(), `seed ${w.seed}: a timer is left`).toBe(Number.POSITIVE_INFINITY)
  for (const stack of [w.client, w.server]) {
    const name = stack === w.client ? 'client' : 'server'
    expect(
      {
        name,
        connections: stack.connectionCount,
        liveSlots: stack.liveSlots,
        tokens: stack.context.tokens.size,
        extensions: stack.context.extensions.filter((each) => each !== null).length,
        ...freeResources(stack),
      },
      `seed ${w.seed}`,
    ).toEqual({
      name,
      connections: 0,
      liveSlots: 0,
      tokens: 0,
      extensions: 0,
      ...w.free.get(stack),
    })
  }
  w.client.close()
  w.server.close()
  w.network.close()
}

/** Bytes that each subflow sent, those that are gone included. */
export function subflowBytes(app: App): number[] {
  const { ended, subflows } = app.connection
  return [
    ...ended.map((record) => record.bytesSent),
    ...subflows.map((subflow) => subflow.tcb.stats.bytesSent),
  ]
}
