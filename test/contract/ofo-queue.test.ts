// The out-of-order queue of both cores, by behaviour.

import { describe, expect, it } from 'vitest'
import {
  COALESCE_ABUT,
  COALESCE_BYPASS,
  COALESCE_EQUAL,
  type CoalesceMode,
  INSERTED_HINT,
  INSERTED_IN_ORDER,
  INSERTED_MERGED,
  INSERTED_NEW_RUN,
  INSERTED_NOTHING,
  INSERTED_TAIL,
  KEY_NONE,
} from '../../ts/core/core.js'
import { QUEUE_HINTS, QUEUE_RECORDS, RUN_END, RUN_START } from '../../ts/core/layout.js'
import { BACKENDS } from './cores.js'
import { checkQueue, headerWord, setHeaderWord } from './queue-check.js'
import { QueueHarness } from './queue-harness.js'

describe.each(BACKENDS)('ofo queue, %s', (backend) => {
  it('gives bytes that come in order back in order', () => {
    const harness = new QueueHarness(backend)
    expect(harness.verdict(0, 100)).toBe(INSERTED_IN_ORDER)
    expect(harness.verdict(100, 150)).toBe(INSERTED_IN_ORDER)
    expect(harness.ranges()).toEqual([[0, 150]])
    expect(harness.pop(1000)).toEqual([0, 100])
    expect(harness.pop(1000)).toEqual([100, 150])
    expect(harness.pop(1000)).toBeNull()
    expect(harness.verdict(150, 160)).toBe(INSERTED_IN_ORDER)
    harness.close()
  })

  it('holds back what lies behind a gap until the gap is filled', () => {
    const harness = new QueueHarness(backend)
    expect(harness.verdict(100, 200)).toBe(INSERTED_NEW_RUN)
    expect(harness.pop(1000)).toBeNull()
    expect(harness.verdict(0, 100)).toBe(INSERTED_IN_ORDER)
    expect(harness.ranges()).toEqual([[0, 200]])
    expect(harness.pop(1000)).toEqual([0, 100])
    harness.close()
  })

  it('cuts a record that is longer than the limit of the pop', () => {
    const harness = new QueueHarness(backend, COALESCE_ABUT)
    harness.insert(0, 100)
    expect(harness.pop(0)).toBeNull()
    expect(harness.pop(30)).toEqual([0, 30])
    expect(harness.ranges()).toEqual([[30, 100]])
    expect(harness.pop(70)).toEqual([30, 100])
    harness.close()
  })

  it('says by which path a record came in', () => {
    const harness = new QueueHarness(backend)
    expect(harness.verdict(100, 200, 1)).toBe(INSERTED_NEW_RUN)
    expect(harness.verdict(1000, 1100, 2)).toBe(INSERTED_NEW_RUN)
    expect(harness.verdict(200, 300, 1)).toBe(INSERTED_HINT)
    expect(harness.verdict(1100, 1200, 3)).toBe(INSERTED_TAIL)
    expect(harness.verdict(300, 400, 4)).toBe(INSERTED_MERGED)
    expect(harness.verdict(900, 1010, 5)).toBe(INSERTED_MERGED)
    expect(harness.verdict(950, 1010, 5)).toBe(INSERTED_NOTHING)
    expect(harness.verdict(0, 101, 5)).toBe(INSERTED_IN_ORDER)
    expect(harness.ranges()).toEqual([
      [0, 400],
      [900, 1200],
    ])
    harness.close()
  })

  it('calls a record merged that touches a later run, or reaches over one', () => {
    const harness = new QueueHarness(backend)
    harness.insert(100, 200, 1)
    expect(harness.verdict(90, 100, 1)).toBe(INSERTED_MERGED)
    harness.insert(300, 400, 2)
    expect(harness.verdict(200, 401, 1)).toBe(INSERTED_MERGED)
    expect(harness.ranges()).toEqual([[90, 401]])
    harness.close()
  })

  it('leaves a hint with the run that its own was merged into', () => {
    const harness = new QueueHarness(backend)
    harness.insert(100, 200, 1)
    harness.insert(300, 400, 2)
    harness.insert(200, 300, 3)
    harness.insert(1000, 1100, 4)
    expect(harness.verdict(400, 500, 2)).toBe(INSERTED_HINT)
    harness.close()
  })

  it('keeps the first bytes that came, and counts the others', () => {
    const harness = new QueueHarness(backend)
    const { core, queue } = harness
    harness.insert(10, 20)
    harness.insert(30, 40)
    const other = new Uint8Array(50).fill(255)
    expect(core.kernel.mptcp_queue_insert(queue, harness.chain(0, 50, other), 0)).toBe(30)
    expect(headerWord(core, 'RESULT_DUPLICATE')).toBe(20)
    expect(headerWord(core, 'RESULT_REFUSED')).toBe(0)
    const [run] = checkQueue(core, queue).runs
    expect([run!.start, run!.end]).toEqual([0, 50])
    expect([...run!.bytes]).toEqual(
      Array.from({ length: 50 }, (_, i) =>
        (i >= 10 && i < 20) || (i >= 30 && i < 40) ? (i * 7) & 255 : 255,
      ),
    )
    harness.close()
  })

  it('refuses what was popped', () => {
    const harness = new QueueHarness(backend)
    harness.insert(0, 100)
    harness.pop(100)
    expect(harness.insert(0, 100)).toBe(0)
    expect(harness.insert(50, 120)).toBe(20)
    expect(headerWord(harness.core, 'RESULT_DUPLICATE')).toBe(50)
    expect(headerWord(harness.core, 'RESULT_VERDICT')).toBe(INSERTED_IN_ORDER)
    harness.close()
  })

  it('takes a segment of many slots as one chain', () => {
    const harness = new QueueHarness(backend)
    expect(harness.insert(2048, 2048 + 65536)).toBe(65536)
    expect(harness.recordCounts()).toEqual([32])
    expect(harness.verdict(0, 2048)).toBe(INSERTED_IN_ORDER)
    expect(harness.ranges()).toEqual([[0, 67584]])
    harness.close()
  })

  it('finds the run that holds an offset, or the next one', () => {
    const harness = new QueueHarness(backend)
    for (const start of [0, 100, 200, 300]) harness.insert(start, start + 10)
    const { kernel, f64 } = harness.core
    const found = (offset: number) => {
      const run = kernel.mptcp_queue_find_run(harness.queue, offset)
      return run && [f64[(run + RUN_START) >> 3], f64[(run + RUN_END) >> 3]]
    }
    expect(found(0)).toEqual([0, 10])
    expect(found(9)).toEqual([0, 10])
    expect(found(10)).toEqual([100, 110])
    expect(found(205)).toEqual([200, 210])
    expect(found(310)).toBe(0)
    harness.close()
  })

  it('forgets a hint with its run', () => {
    const harness = new QueueHarness(backend)
    harness.insert(10, 20, 3)
    harness.insert(0, 10, 1)
    expect(harness.pop(10)).toEqual([0, 10])
    expect(harness.pop(10)).toEqual([10, 20])
    const hints = (harness.queue + QUEUE_HINTS) >> 2
    expect([...harness.core.u32.subarray(hints, hints + 8)]).toEqual(Array(8).fill(0))
    harness.close()
  })

  it('joins records as the mode says', () => {
    const joined = (mode: CoalesceMode, ...keys: number[]) => {
      const harness = new QueueHarness(backend, mode)
      keys.forEach((key, i) => {
        const chain = harness.chain(i * 100, i * 100 + 100, undefined, key)
        harness.core.kernel.mptcp_queue_insert(harness.queue, chain, 0)
      })
      const counts = harness.core.u32[(harness.queue + QUEUE_RECORDS) >> 2]
      harness.close()
      return counts
    }
    expect(joined(COALESCE_BYPASS, 5, 5, 5)).toBe(3)
    expect(joined(COALESCE_EQUAL, 5, 5, 6)).toBe(2)
    expect(joined(COALESCE_EQUAL, KEY_NONE, KEY_NONE)).toBe(2)
    expect(joined(COALESCE_ABUT, 0xffffffc0, 0x24, 0x88)).toBe(1)
    expect(joined(COALESCE_ABUT, 5, 5, 105)).toBe(2)
    expect(joined(COALESCE_ABUT, KEY_NONE, 99)).toBe(2)
  })

  it('joins across the border when a gap is filled, and while the slot has room', () => {
    const harness = new QueueHarness(backend, COALESCE_EQUAL)
    harness.insert(1000, 2000)
    harness.insert(500, 1000)
    expect(harness.recordCounts()).toEqual([1])
    harness.insert(0, 500)
    expect(harness.recordCounts()).toEqual([1])
    harness.insert(2000, 2048)
    expect(harness.recordCounts()).toEqual([1])
    harness.insert(2048, 2049)
    expect(harness.recordCounts()).toEqual([2])
    harness.insert(3000, 3100)
    harness.insert(2049, 3000)
    expect(harness.recordCounts()).toEqual([2])
    harness.close()
  })

  it('collapses small records into full slots', () => {
    const harness = new QueueHarness(backend, COALESCE_ABUT)
    for (let i = 0; i < 16; i++) harness.insert(i * 1500, i * 1500 + 1500)
    expect(harness.recordCounts()).toEqual([16])
    expect(harness.core.kernel.mptcp_queue_collapse(harness.queue)).toBe(4)
    expect(harness.recordCounts()).toEqual([Math.ceil((16 * 1500) / 2048)])
    expect(harness.core.kernel.mptcp_queue_collapse(harness.queue)).toBe(0)
    harness.close()
  })

  it('prunes the last run, never the one at head', () => {
    const harness = new QueueHarness(backend)
    harness.insert(0, 10)
    harness.insert(20, 30)
    harness.insert(40, 55)
    const { kernel } = harness.core
    expect(kernel.mptcp_queue_prune(harness.queue)).toBe(15)
    expect(kernel.mptcp_queue_prune(harness.queue)).toBe(10)
    expect(kernel.mptcp_queue_prune(harness.queue)).toBe(0)
    expect(harness.ranges()).toEqual([[0, 10]])
    harness.close()
  })

  it('refuses bytes for lack of runs or records, and takes those at the head', () => {
    const harness = new QueueHarness(backend)
    const { core } = harness
    const runs = headerWord(core, 'RUNS_FREE')
    setHeaderWord(core, 'RUNS_FREE', headerWord(core, 'SLOT_RESERVE'))
    expect(harness.insert(100, 110)).toBe(0)
    expect(headerWord(core, 'RESULT_REFUSED')).toBe(10)
    expect(headerWord(core, 'RESULT_VERDICT')).toBe(INSERTED_NOTHING)
    expect(harness.verdict(0, 10)).toBe(INSERTED_IN_ORDER)
    setHeaderWord(core, 'RUNS_FREE', runs - 1)

    harness.insert(20, 30)
    const over = harness.chain(5, 50)
    const records = headerWord(core, 'RECORDS_FREE')
    setHeaderWord(core, 'RECORDS_FREE', 0)
    expect(core.kernel.mptcp_queue_insert(harness.queue, over, 0)).toBe(10)
    expect(headerWord(core, 'RESULT_REFUSED')).toBe(20)
    expect(headerWord(core, 'RESULT_DUPLICATE')).toBe(15)
    expect(core.kernel.mptcp_queue_pop(harness.queue, 3)).toBe(0)
    setHeaderWord(core, 'RECORDS_FREE', records)
    expect(harness.ranges()).toEqual([[0, 30]])
    harness.close()
  })

  it('throws at a queue that is not taken', () => {
    const harness = new QueueHarness(backend)
    const { kernel } = harness.core
    kernel.mptcp_queue_release(harness.queue)
    expect(() => kernel.mptcp_queue_release(harness.queue)).toThrow()
    expect(() => kernel.mptcp_queue_insert(harness.queue, 0, 0)).toThrow()
    expect(() => kernel.mptcp_queue_pop(harness.queue, 1)).toThrow()
  })
})
