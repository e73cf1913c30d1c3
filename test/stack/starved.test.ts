// Writers that run out of memory rather than out of buffer: they are told when memory comes back, whoever
// gives it back.

import { expect, it } from 'vitest'
import { finish, transfer, world } from './world.js'

const KiB = 1024

it('a writer whose slots are held by a subflow that repeats goes on when that one is done', () => {
  // Found by the random test: seed -298380287, 1,068th run.
  const w = world({
    seed: 0,
    paths: [
      { rate: 100e6, delay: 24, queueMs: 20, coalesceMs: 5, mtu: 576 },
      { rate: 1e6, delay: 15, queueMs: 20, mtu: 1280, tso: true, checksum: 'flagged' },
    ],
    both: { core: 'wasm', timestamps: false, sack: false, windowScaling: false },
    client: {
      receiveBufferBytes: 16 * KiB,
      sendBufferBytes: 64 * KiB,
      memoryBytes: 2 * KiB * KiB,
    },
    server: {
      receiveBufferBytes: 64 * KiB,
      sendBufferBytes: 8 * KiB,
      memoryBytes: 2 * KiB * KiB,
      coalesce: 'bypass',
    },
  })
  const target = w.paths[1]!
  w.clock.at(309, () => target.cut('a-to-b'))
  w.clock.at(312, () => target.heal('a-to-b'))
  const { client } = transfer(w, { up: 192_513, down: 0 })
  expect(client.written).toBe(192_513)
  finish(w)
})
