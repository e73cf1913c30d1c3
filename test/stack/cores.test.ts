// Whichever core and whichever way of coalescing: the same bytes arrive; and with the same seed the two
// cores put the same packets on the wire.

import { describe, expect, it } from 'vitest'
import { connectPair, finish, runToEnd, type StackSpec, transfer, world } from './world.js'

const PATHS = [
  { rate: 20e6, delay: 10, loss: 0.01 },
  { rate: 10e6, delay: 30, reorder: 0.05 },
]

const SUPER = PATHS.map((path) => ({ ...path, tso: true, checksum: 'flagged' as const }))

describe('cores and coalescing', () => {
  it.each([
    ['js', 'wasm'],
    ['wasm', 'js'],
  ] as const)('a %s client and a %s server understand each other', (client, server) => {
    const w = world({ paths: PATHS, client: { core: client }, server: { core: server }, seed: 21 })
    transfer(w, { up: 400_000, down: 400_000 })
    finish(w)
  })

  it.each<[string, StackSpec]>([
    ['bypassed', { coalesce: 'bypass' }],
    ['by DSS mappings', { coalesce: 'dss' }],
    ['by a key of 1,000 bytes', { coalesceKey: (offset) => Math.floor((offset - 1) / 1000) }],
    ['never, by key', { coalesceKey: () => 0xffffffff }],
    ['always, by key', { coalesceKey: () => 7 }],
  ])('coalescing %s changes no byte', (_name, spec) => {
    for (const core of ['wasm', 'js'] as const) {
      const w = world({ paths: PATHS, both: { core, ...spec }, seed: 22 })
      transfer(w, { up: 400_000, down: 100_000 })
      finish(w)
    }
  })

  it('the same seed gives the same packets on both cores', () => {
    const traces = (['wasm', 'js'] as const).map((core) => {
      const w = world({ paths: PATHS, both: { core }, seed: 23 })
      const trace: string[] = []
      for (const path of w.paths) {
        path.middlebox((direction, packet) => {
          trace.push(
            `${w.clock.now()} ${path.name} ${direction} ${Buffer.from(packet).toString('hex')}`,
          )
          return packet
        })
      }
      const pair = connectPair(w, { up: 60_000, down: 60_000 })
      runToEnd(w, pair)
      finish(w)
      return trace
    })
    expect(traces[0]!.length).toBeGreaterThan(100)
    expect(traces[0]).toEqual(traces[1])
  })

  it('super-segments through links that cut them are byte-exact', () => {
    const w = world({ paths: SUPER, seed: 24 })
    transfer(w, { up: 500_000, down: 500_000 })
    finish(w)
  })

  it('super-segments with DSS checksums are byte-exact', () => {
    const w = world({
      paths: SUPER,
      both: { checksum: true },
      seed: 25,
    })
    transfer(w, { up: 500_000, down: 500_000 })
    expect(w.server.counters.DataCsumErr + w.client.counters.DataCsumErr).toBe(0)
    finish(w)
  })
})
