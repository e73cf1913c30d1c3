// Paths that differ much: what a fast one does to a slow one must not cost a subflow, nor keep the join of a faster
// one from its work.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { finish, subflowBytes, transfer, world } from './world.js'

describe.each(BACKENDS)('paths that differ, %s core', (core) => {
  it('thousands of mappings may wait for a hole of the slow path: no subflow is reset for them', () => {
    // 64 MiB of buffers; the fast path is the second one. Queues that drop in slow start make the hole.
    const buffers = { core, memoryBytes: 64 << 20, receiveBufferBytes: 32 << 20 }
    const w = world({
      paths: [
        { rate: 100e6, delay: 50, queueMs: 100 },
        { rate: 10e6, delay: 1, queueMs: 30 },
      ],
      both: { ...buffers, sendBufferBytes: 32 << 20 },
      seed: 2,
    })
    const { client } = transfer(w, { up: 12_000_000, down: 0 })
    expect(client.connection.nextSubflowId).toBe(2)
    expect([w.server.counters.DSSNotMatching, w.client.counters.MPRstRx]).toEqual([0, 0])
    finish(w)
  })

  it('a join over a path that is faster than the first waits until the peer can know the connection', () => {
    const w = world({
      paths: [
        { rate: 10e6, delay: 50 },
        { rate: 10e6, delay: 1 },
      ],
      both: { core },
    })
    const { client } = transfer(w, { up: 2_000_000, down: 0 })
    expect(w.server.counters.MPJoinRejected).toBe(0)
    const [first, second] = subflowBytes(client)
    expect(second).toBeGreaterThan(first! / 4)
    finish(w)
  })
})
