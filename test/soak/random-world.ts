// What a seed decides: paths and what befalls them, hosts and their options, transfers and how their
// applications behave. A world is plain data, so that it can be printed, made smaller and run again.

import { type Random, SeededRandom } from '../../ts/random.js'
import type { PathSpec, StackSpec } from '../stack/world.js'

/** Probabilities that a packet that enters a path sees this happen. */
export interface Meddling {
  /** It is cut short: its end is missing, and its headers may or may not say so. */
  truncate?: number
  /** One that went the same way before comes again, behind it. */
  replay?: number
  /** One that a stranger made comes behind it, who knows addresses and ports and guesses the rest. */
  inject?: number
}

export type SoakPath = PathSpec & Meddling

/** Nothing passes on a path, or on every path, from `at` on. */
export interface SoakCut {
  at: number
  /** Milliseconds; null = for good. */
  lastsMs: number | null
  /** Counts from 0; null = all of them at once. */
  path: number | null
  direction?: 'a-to-b' | 'b-to-a'
}

/** A host's own end of a path changes: another address, its device down, or a smaller MTU; and back. */
export interface SoakChange {
  at: number
  /** Milliseconds until the new address is there, the device up again, or the MTU what it was. */
  lastsMs: number
  path: number
  host: 'client' | 'server'
  kind: 'address' | 'device' | 'mtu'
}

/** Reads `bytes` at most every `everyMs` milliseconds, in place of all that is there whenever it comes. */
export interface SlowReader {
  bytes: number
  everyMs: number
}

export interface SoakEnd {
  /** Bytes that it writes, after which it ends its sending side. */
  bytes: number
  reader?: SlowReader
  /** Writes only when it has read the peer's end. */
  answers?: boolean
  /** Ends its sending side so many milliseconds after its last byte. */
  lingersMs?: number
  /** Gives up so many milliseconds after it got its socket. */
  abortsAfterMs?: number
}

export interface SoakTransfer {
  at: number
  client: SoakEnd
  server: SoakEnd
  plain?: boolean
}

export interface SoakWorld {
  seed: number
  family: 4 | 6
  paths: SoakPath[]
  client: StackSpec
  server: StackSpec
  transfers: SoakTransfer[]
  cuts: SoakCut[]
  changes: SoakChange[]
}

export type CoreChoice = 'wasm' | 'js' | 'drawn'

const KiB = 1024

export function randomWorld(seed: number, core: CoreChoice = 'drawn'): SoakWorld {
  return new Draw(new SeededRandom(seed)).world(seed, core)
}

class Draw {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  #oneOf<T>(...values: T[]): T {
    return values[this.#random.below(values.length)]!
  }

  #happens(probability: number): boolean {
    return this.#random.float() < probability
  }

  /** A whole number, both bounds included. */
  #between(least: number, most: number): number {
    return least + this.#random.below(most - least + 1)
  }

  /** `{ [name]: a number up to `most` }`, or nothing. */
  #sometimes<Name extends string>(probability: number, name: Name, most: number) {
    const value = Math.ceil(this.#random.float() * most * 1000) / 1000
    return (this.#happens(probability) ? { [name]: value } : {}) as { [K in Name]?: number }
  }

  world(seed: number, core: CoreChoice): SoakWorld {
    const paths = Array.from({ length: this.#oneOf(1, 1, 2, 2, 2, 3, 4) }, () => this.#path())
    const transfers = Array.from({ length: this.#oneOf(1, 1, 1, 2, 3) }, () => this.#transfer())
    const client = this.#host()
    const server = this.#host()
    const cuts = Array.from({ length: this.#oneOf(0, 0, 1, 1, 2, 3) }, () =>
      this.#cut(paths.length),
    )
    const changes = Array.from({ length: this.#oneOf(0, 0, 0, 1, 2) }, () =>
      this.#change(paths.length),
    )
    // Whatever the cores, the rest of the world is what the seed says.
    if (core !== 'drawn') client.core = server.core = core
    return { seed, family: this.#oneOf(4, 4, 6), paths, client, server, transfers, cuts, changes }
  }

  #path(): SoakPath {
    const shape: SoakPath = {
      rate: this.#oneOf(0.5e6, 2e6, 10e6, 50e6),
      delay: this.#oneOf(0, 1, 10, 30, 100),
      mtu: this.#oneOf(1500, 1500, 1500, 1280, 9000),
      queueMs: this.#between(20, 300),
      ...this.#sometimes(0.5, 'loss', this.#oneOf(0.02, 0.05, 0.2)),
      ...this.#sometimes(0.3, 'reorder', 0.2),
      ...this.#sometimes(0.2, 'duplicate', 0.1),
      ...(this.#happens(0.2) ? { coalesceMs: this.#between(1, 5) } : {}),
    }
    // Super-segments, whose checksum nobody has made yet: whoever changed them could not be told.
    if (this.#happens(0.1)) return { ...shape, tso: true, checksum: 'flagged' }
    return {
      ...shape,
      ...this.#sometimes(0.2, 'corrupt', 0.05),
      ...this.#sometimes(0.15, 'truncate', 0.05),
      ...this.#sometimes(0.2, 'replay', 0.1),
      ...this.#sometimes(0.2, 'inject', 0.2),
      // Another way back than there.
      ...(this.#happens(0.15) ? { backward: { rate: 1e6, delay: this.#between(0, 60) } } : {}),
    }
  }

  #cut(paths: number): SoakCut {
    const path = this.#happens(0.25) ? null : this.#random.below(paths)
    const isForGood = this.#happens(path === null ? 0.15 : 0.3)
    const lastsMs = this.#happens(0.1) ? this.#between(10_000, 30_000) : this.#between(1, 5000)
    return {
      at: this.#between(0, 4000),
      lastsMs: isForGood ? null : lastsMs,
      path,
      ...(this.#happens(0.3) ? { direction: this.#oneOf('a-to-b', 'b-to-a') } : {}),
    }
  }

  #change(paths: number): SoakChange {
    const path = this.#random.below(paths)
    return {
      at: this.#between(0, 6000),
      lastsMs: this.#oneOf(0, this.#between(1, 1000), this.#between(1, 10_000)),
      path,
      // The first address of the server is the one that is connected to.
      host: path > 0 && this.#happens(0.4) ? 'server' : 'client',
      kind: this.#oneOf('address', 'address', 'device', 'mtu'),
    }
  }

  #transfer(): SoakTransfer {
    const client = this.#end()
    const server = this.#end()
    if (this.#happens(0.3)) server.answers = true
    return {
      at: this.#happens(0.5) ? 0 : this.#between(0, 3000),
      client,
      server,
      ...(this.#happens(0.1) ? { plain: true } : {}),
    }
  }

  #end(): SoakEnd {
    const bytes = this.#oneOf(
      0,
      this.#between(1, 3000),
      this.#between(1, 30_000),
      this.#between(1, 150_000),
    )
    return {
      bytes,
      ...(this.#happens(0.2)
        ? { reader: { bytes: this.#between(500, 20_000), everyMs: this.#between(5, 100) } }
        : {}),
      ...(this.#happens(0.1) ? { lingersMs: this.#between(1, 5000) } : {}),
      ...(this.#happens(0.03) ? { abortsAfterMs: this.#between(0, 3000) } : {}),
    }
  }

  #host(): StackSpec {
    return {
      core: this.#oneOf('wasm', 'js'),
      memoryBytes: this.#oneOf(1, 1, 4) * KiB * KiB,
      ...(this.#happens(0.25) ? { checksum: true } : {}),
      ...(this.#happens(0.2) ? { coalesce: 'bypass' } : {}),
      ...(this.#happens(0.2) ? { timestamps: false } : {}),
      ...(this.#happens(0.2) ? { sack: false } : {}),
      ...(this.#happens(0.1) ? { windowScaling: false } : {}),
      ...(this.#happens(0.4) ? { receiveBufferBytes: this.#oneOf(4, 16, 64) * KiB } : {}),
      ...(this.#happens(0.4) ? { sendBufferBytes: this.#oneOf(4, 16, 64) * KiB } : {}),
      ...(this.#happens(0.1) ? { maxActiveConnections: 1 } : {}),
      ...(this.#happens(0.3) ? { congestion: 'cubic' } : {}),
      ...(this.#happens(0.3) ? { scheduler: 'shortest-linger' } : {}),
      ...(this.#happens(0.1) ? { maxSubflows: this.#between(1, 3) } : {}),
      ...(this.#happens(0.1) ? { finWithDataFin: true } : {}),
      ...(this.#happens(0.1) ? { synCookies: 2 } : {}),
      ...(this.#happens(0.1) ? { allowJoinInitialAddress: false } : {}),
      // A path that loses every fifth packet may lose as many SYNs in a row.
      openTimeoutMs: 900_000,
    }
  }
}
