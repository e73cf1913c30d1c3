// Random whole stacks: path shapes, sizes, options, path deaths, all from one seed that is printed when
// the run fails (fast-check prints it with the smallest case that it found).

import fc from 'fast-check'
import { it } from 'vitest'
import type { PathSpec, StackSpec } from './world.js'
import { connectPair, finish, runToEnd, world } from './world.js'

const RUNS = Number(process.env.MPTCP_RANDOM_RUNS ?? 60)

const rarely = (most: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.double({ min: 0, max: most, noNaN: true }))

const shape: fc.Arbitrary<PathSpec> = fc.record({
  rate: fc.constantFrom(1e6, 5e6, 20e6, 100e6),
  delay: fc.integer({ min: 0, max: 120 }),
  queueMs: fc.integer({ min: 20, max: 200 }),
  loss: rarely(0.05),
  reorder: rarely(0.2),
  duplicate: rarely(0.1),
  corrupt: rarely(0.03),
  coalesceMs: fc.constantFrom(0, 0, 1, 5),
  mtu: fc.constantFrom(1500, 1500, 1280, 576),
})

const path: fc.Arbitrary<PathSpec> = fc.oneof(
  { weight: 4, arbitrary: shape },
  // Super-segments (whose checksum nobody has made yet, so that nobody could tell a flipped bit), and
  // another way back than there.
  {
    weight: 1,
    arbitrary: shape.map((s) => ({ ...s, corrupt: 0, tso: true, checksum: 'flagged' as const })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(shape, shape)
      .map(([a, b]) => ({ ...a, forward: b, backward: { ...a, mtu: b.mtu } })),
  },
)

const KiB = 1024
const host: fc.Arbitrary<StackSpec> = fc.record({
  core: fc.constantFrom('wasm' as const, 'js' as const),
  checksum: fc.boolean(),
  coalesce: fc.constantFrom('dss' as const, 'bypass' as const),
  timestamps: fc.boolean(),
  sack: fc.boolean(),
  windowScaling: fc.boolean(),
  receiveBufferBytes: fc.constantFrom(16 * KiB, 64 * KiB, 1024 * KiB),
  sendBufferBytes: fc.constantFrom(8 * KiB, 64 * KiB, 1024 * KiB),
  memoryBytes: fc.constantFrom(2 * KiB * KiB, 8 * KiB * KiB),
  maxActiveConnections: fc.constantFrom(undefined, undefined, 1),
})

const run = fc.record({
  seed: fc.integer({ min: 0, max: 1_000_000 }),
  paths: fc.array(path, { minLength: 1, maxLength: 3 }),
  client: host,
  server: host,
  up: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 400_000 })),
  down: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 200_000 })),
  plain: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, fc.constant(true)),
  answer: fc.boolean(),
  cuts: fc.array(
    fc.record({
      path: fc.nat(2),
      at: fc.integer({ min: 0, max: 4000 }),
      lastsMs: fc.integer({ min: 1, max: 4000 }),
      direction: fc.constantFrom('a-to-b' as const, 'b-to-a' as const, undefined),
    }),
    { maxLength: 2 },
  ),
})

it('any transfer over any paths is byte-exact and leaves nothing behind', () => {
  fc.assert(
    fc.property(run, (r) => {
      const w = world({ seed: r.seed, paths: r.paths, client: r.client, server: r.server })
      for (const cut of r.cuts) {
        const target = w.paths[cut.path % w.paths.length]!
        w.clock.at(cut.at, () => target.cut(cut.direction))
        w.clock.at(cut.at + cut.lastsMs, () => target.heal(cut.direction))
      }
      const pair = connectPair(w, {
        up: r.up,
        down: r.down,
        plain: r.plain,
        server: { answer: r.answer },
      })
      runToEnd(w, pair, 3_600_000)
      pair.client.check()
      pair.server.check()
      finish(w)
    }),
    { numRuns: RUNS },
  )
})
