// The out-of-order queue of both cores against a model that keeps a byte array: first come wins.

import { describe, expect, it } from 'vitest'
import { COALESCE_ABUT, COALESCE_BYPASS, COALESCE_EQUAL, KEY_NONE } from '../../ts/core/core.js'
import { RECORD_NEXT, STAGING_RECEIVE } from '../../ts/core/layout.js'
import { SeededRandom } from '../../ts/random.js'
import { BACKENDS } from './cores.js'
import { checkQueue, headerWord, KEY_BASE, readRecord } from './queue-check.js'
import { QueueHarness } from './queue-harness.js'

const MODES = { BYPASS: COALESCE_BYPASS, EQUAL: COALESCE_EQUAL, ABUT: COALESCE_ABUT } as const

describe.each(BACKENDS)('ofo queue against a byte array, %s', (backend) => {
  describe.each(Object.entries(MODES))('%s', (_, mode) => {
    it.each([1, 2])('seed %i', (seed) => {
      compareWithModel(new QueueHarness(backend, mode), new SeededRandom(seed))
    })
  })
})

/** Random overlapping inserts, pops, prunes, collapses; `bytes[i]` is -1 while i has not come. */
function compareWithModel(harness: QueueHarness, random: SeededRandom): void {
  const { core, queue, account, mode } = harness
  const { kernel } = core
  const span = 40_000
  const bytes = new Int16Array(span).fill(-1)
  const extension = kernel.mptcp_extension_take()
  const sizes = [4, 60, 700, 2048, 9000]
  let head = 0

  const expectedRuns = () => {
    const runs: { start: number; end: number }[] = []
    for (let i = head; i < span; i++) {
      if (bytes[i] === -1) continue
      if (runs.at(-1)?.end === i) runs.at(-1)!.end++
      else runs.push({ start: i, end: i + 1 })
    }
    return runs
  }

  const insert = () => {
    let chain = 0
    let last = 0
    let fresh = 0
    let total = 0
    const segments = random.below(8) === 0 ? 1 + random.below(4) : 1
    let start = Math.max(0, head - 500 + random.below(random.below(4) === 0 ? span : 6000))
    for (let i = 0; i < segments; i++) {
      const end = Math.min(start + 1 + random.below(sizes[random.below(sizes.length)]!), span)
      if (end <= start) break
      core.u8.set(random.bytes(end - start), STAGING_RECEIVE)
      let key = mode === COALESCE_ABUT ? (start + KEY_BASE) >>> 0 : start >> 12
      if (random.below(10) === 0) key = KEY_NONE
      const tail = [extension, key, mode] as const
      const args = [STAGING_RECEIVE, end - start, start, ...tail] as const
      const records = kernel.mptcp_payload_take(account, 0, ...args)
      if (records === 0) break
      for (let at = start; at < end; at++) {
        if (at < head || bytes[at] !== -1) continue
        bytes[at] = core.u8[STAGING_RECEIVE + at - start]!
        fresh++
      }
      total += end - start
      if (last !== 0) core.u32[(last + RECORD_NEXT) >> 2] = records
      else chain = records
      last = records
      while (readRecord(core, last).next !== 0) last = readRecord(core, last).next
      start = end + (random.below(2) === 0 ? 0 : random.below(200))
    }
    if (chain === 0) return
    expect(kernel.mptcp_queue_insert(queue, chain, random.below(3))).toBe(fresh)
    expect(headerWord(core, 'RESULT_DUPLICATE')).toBe(total - fresh)
    expect(headerWord(core, 'RESULT_REFUSED')).toBe(0)
  }

  const pop = () => {
    const limit = 1 + random.below(random.below(2) === 0 ? 100 : 5000)
    const record = kernel.mptcp_queue_pop(queue, limit)
    if (record === 0) {
      expect(head === span || bytes[head] === -1).toBe(true)
      return
    }
    const { offset, length, bytes: popped } = readRecord(core, record)
    expect(offset).toBe(head)
    expect(length).toBeGreaterThan(0)
    expect(length).toBeLessThanOrEqual(limit)
    expect([...popped]).toEqual([...bytes.subarray(head, head + length)])
    head += length
    kernel.mptcp_record_free(record)
  }

  const prune = () => {
    const last = expectedRuns().at(-1)
    const pruned = last === undefined || last.start === head ? 0 : last.end - last.start
    expect(kernel.mptcp_queue_prune(queue)).toBe(pruned)
    if (pruned !== 0) bytes.fill(-1, last!.start, last!.end)
  }

  const check = () => {
    const seen = checkQueue(core, queue)
    expect(seen.head).toBe(head)
    const runs = expectedRuns()
    expect(seen.runs.map(({ start, end }) => ({ start, end }))).toEqual(runs)
    for (const run of seen.runs) {
      const held = bytes.subarray(run.start, run.end)
      expect(run.bytes.every((byte, i) => byte === held[i])).toBe(true)
    }
  }

  for (let step = 0; step < 400; step++) {
    try {
      const dice = random.below(20)
      if (dice < 11) insert()
      else if (dice < 17) pop()
      else if (dice < 18) {
        const free = headerWord(core, 'SLOTS_FREE')
        expect(kernel.mptcp_queue_collapse(queue)).toBe(headerWord(core, 'SLOTS_FREE') - free)
      } else if (dice < 19) prune()
      check()
    } catch (cause) {
      throw new Error(`seed ${random.seed}, step ${step}`, { cause })
    }
  }
  kernel.mptcp_extension_release(extension)
  harness.close()
}
