// The soak's short form, 200 seeds of it, and the soak itself: what a seed decides, that what goes wrong in a
// world is seen and made small, and what the command prints. The long form: npm run soak -- --seeds 0..20000

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Stack } from '../../ts/stack/stack.js'
import type { World } from '../stack/world.js'
import { play } from './play.js'
import { randomWorld, type SoakWorld } from './random-world.js'
import { kindOf, shrunk } from './shrink.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SEEDS = 200

describe('random worlds', () => {
  it.each([0, 1, 2, 3])('%s: every transfer is exact, and nothing is left', (quarter) => {
    const failed: string[] = []
    for (let seed = quarter; seed < SEEDS; seed += 4) {
      const { problem } = play(randomWorld(seed))
      if (problem !== null) failed.push(`npm run soak -- --seeds ${seed}..${seed + 1}: ${problem}`)
    }
    expect(failed).toEqual([])
  })

  it('are what their seed says, on either core', () => {
    const outcomes = (['wasm', 'js', 'js'] as const).map((core) => play(randomWorld(23, core)))
    expect(outcomes[0]!.bytes).toBeGreaterThan(0)
    expect(outcomes[1]).toEqual(outcomes[0])
    expect(outcomes[2]).toEqual(outcomes[0])
    expect(randomWorld(23)).toEqual(randomWorld(23))
    expect(randomWorld(23)).not.toEqual({ ...randomWorld(24), seed: 23 })
  })
})

/** Two transfers over two bad paths. */
const BUSY: SoakWorld = {
  seed: 1,
  family: 4,
  paths: [
    { rate: 10e6, delay: 10, loss: 0.05, replay: 0.05, inject: 0.05 },
    { rate: 2e6, delay: 1, reorder: 0.1, truncate: 0.02 },
  ],
  client: { core: 'js', memoryBytes: 1 << 20, checksum: true },
  server: { core: 'wasm', memoryBytes: 1 << 20, congestion: 'cubic' },
  transfers: [
    { at: 0, client: { bytes: 20_000 }, server: { bytes: 5000, lingersMs: 300 } },
    { at: 100, client: { bytes: 100 }, server: { bytes: 40_000 } },
  ],
  cuts: [{ at: 50, lastsMs: 400, path: 0 }],
  changes: [{ at: 90, lastsMs: 20, path: 1, host: 'client', kind: 'address' }],
}

type Plant = (stack: Stack) => void

const PLANTED: Record<string, Plant> = {
  'wrong byte': ({ calls }) => {
    const { read } = calls
    let total = 0
    calls.read = function (connection, target) {
      const count = read.call(this, connection, target)
      if (total < 7000 && total + count >= 7000) target[0]! ^= 1
      total += count
      return count
    }
  },
  'silent loss': ({ calls }) => {
    const { write } = calls
    // The last byte is taken, and goes nowhere.
    calls.write = function (connection, bytes, flags) {
      const taken = write.call(this, connection, bytes.subarray(0, -1), flags)
      return taken === bytes.length - 1 ? taken + 1 : taken
    }
  },
  'no end': ({ calls }) => {
    calls.shutSending = calls.close = () => {}
  },
  'left behind': ({ context }) => {
    context.tokens.set(1, [...context.tokens.values()][0]!)
  },
}

describe('what is planted is found', () => {
  const plantIn = (plant: Plant) => (w: World) => plant(w.server)

  it('nothing is, where nothing is planted', () => {
    expect(play(BUSY).problem).toBeNull()
  })

  it.each(Object.entries(PLANTED))('%s', (kind, plant) => {
    expect(kindOf(play(BUSY, plantIn(plant)).problem)).toBe(kind)
  })

  it('and made small', () => {
    const fails = (world: SoakWorld) => kindOf(play(world, plantIn(PLANTED['wrong byte']!)).problem)
    const smallest = shrunk(BUSY, fails)
    expect(fails(smallest)).toBe('wrong byte')
    expect(smallest.transfers).toHaveLength(1)
    expect(smallest.paths).toEqual([{ rate: expect.any(Number) }])
    expect([...smallest.cuts, ...smallest.changes]).toEqual([])
    const [{ client, server }] = smallest.transfers as [SoakWorld['transfers'][0]]
    // The byte is the 7,000th that the server reads.
    expect(client.bytes).toBeGreaterThanOrEqual(7000)
    expect(client.bytes).toBeLessThan(14_000)
    expect(server).toEqual({ bytes: 0 })
  })
})

describe('the command', () => {
  const soak = (...words: string[]) =>
    spawnSync(
      process.execPath,
      ['--import', './test/harness/typescript.mjs', 'test/soak/main.ts', ...words],
      { cwd: ROOT, encoding: 'utf8', timeout: 60_000 },
    )

  it('counts the worlds, and plays one that was printed', () => {
    const { status, stdout } = soak('--seeds', '3..5', '--core', 'both')
    expect(stdout).toMatch(/^4 worlds, 0 failed; [\d.]+ MB in [\d.]+ s, [\d.]+ worlds a second\n$/)
    expect(status).toBe(0)
    const alone = soak('--world', JSON.stringify(BUSY))
    expect(alone.stdout).toMatch(/^nothing wrong: 65100 bytes in \d+ virtual ms\n$/)
    expect(alone.status).toBe(0)
  })

  it('fails where a world fails', () => {
    // Nobody reads within the time that a world may take.
    const stuck: SoakWorld = { ...BUSY, transfers: structuredClone(BUSY.transfers) }
    stuck.transfers[0]!.server.lingersMs = 1e9
    const { status, stdout } = soak('--world', JSON.stringify(stuck))
    expect(stdout).toMatch(/^no end: port 5000/)
    expect(status).toBe(1)
  })

  it.each([
    [['--seeds', '5..5'], "--seeds takes A..B, B above A, not '5..5'"],
    [['--core', 'rust'], "--core takes wasm, js or both, not 'rust'"],
    [['--jobs', '0'], "--jobs takes a number from 1 to 99, not '0'"],
    [['--world', '{'], '--world takes what a failure printed'],
  ])('refuses %j in a line', (words, said) => {
    const { status, stderr } = soak(...words)
    expect(stderr.split('\n')[0]).toBe(said)
    expect(status).toBe(2)
  })
})
