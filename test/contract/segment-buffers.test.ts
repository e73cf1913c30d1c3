// Slots, records, extensions and accounts of both cores, by behaviour.

import { describe, expect, it } from 'vitest'
import { COALESCE_ABUT, COALESCE_BYPASS, KEY_NONE, type MptcpCore } from '../../ts/core/core.js'
import {
  ACCOUNT_USED,
  RECORD_EXTENSION,
  RECORD_KEY,
  RECORD_LENGTH,
  RECORD_NEXT,
  RECORD_OFFSET,
  SCRATCH,
  SLOT_BYTES,
  STAGING_RECEIVE,
  STAGING_SEND,
} from '../../ts/core/layout.js'
import { loadMptcpCoreSync } from '../../ts/core/load.js'
import { SeededRandom } from '../../ts/random.js'
import { BACKENDS } from './cores.js'
import {
  headerWord,
  inUse,
  NOTHING_IN_USE,
  naiveSum,
  readChain,
  readRecord,
  recycleFreed,
} from './queue-check.js'

describe.each(BACKENDS)('segment buffers, %s', (backend) => {
  const open = () => loadMptcpCoreSync({ backend, memoryBytes: 1024 * 1024 })

  /** A record of `length` bytes at offset 1000 and key 50. */
  const filled = (core: MptcpCore, account: number, length: number): number => {
    const record = core.kernel.mptcp_record_take(account, 0)
    core.f64[(record + RECORD_OFFSET) >> 3] = 1000
    core.u32[(record + RECORD_LENGTH) >> 2] = length
    core.u32[(record + RECORD_KEY) >> 2] = 50
    core.u8.set(new SeededRandom(length).bytes(length), readRecord(core, record).pointer)
    return record
  }

  const payload = (core: MptcpCore, account: number, length: number, extension = 0): number => {
    core.u8.set(new SeededRandom(1).bytes(length), STAGING_RECEIVE)
    const args = [account, 0, STAGING_RECEIVE, length, 500, extension, 9, COALESCE_ABUT] as const
    return core.kernel.mptcp_payload_take(...args)
  }

  it('starts with everything free, and does so again after a reset', () => {
    const core = open()
    expect(inUse(core)).toEqual(NOTHING_IN_USE)
    const account = core.kernel.mptcp_account_take(10)
    payload(core, account, 5000, core.kernel.mptcp_extension_take())
    core.kernel.mptcp_queue_take(COALESCE_BYPASS, 0)
    expect(inUse(core)).not.toEqual(NOTHING_IN_USE)
    core.kernel.mptcp_reset()
    expect(inUse(core)).toEqual(NOTHING_IN_USE)
    expect(core.kernel.mptcp_account_take(10)).toBe(account)
  })

  it('takes an empty record over a fresh slot', () => {
    const core = open()
    const record = core.kernel.mptcp_record_take(core.kernel.mptcp_account_take(1), 0)
    const { length, next, extension, key, pointer } = readRecord(core, record)
    expect({ length, next, extension, key }).toEqual({
      length: 0,
      next: 0,
      extension: 0,
      key: KEY_NONE,
    })
    expect(pointer % SLOT_BYTES).toBe(0)
    expect(core.kernel.mptcp_record_slack(record)).toBe(SLOT_BYTES)
    expect(core.kernel.mptcp_record_sum(record)).toBe(0)
  })

  it('holds an account to its limit, but for a privileged taking', () => {
    const core = open()
    const { kernel } = core
    const account = kernel.mptcp_account_take(2)
    const records = [kernel.mptcp_record_take(account, 0), kernel.mptcp_record_take(account, 0)]
    expect(kernel.mptcp_record_take(account, 0)).toBe(0)
    expect(payload(core, account, 1)).toBe(0)
    records.push(kernel.mptcp_record_take(account, 1))
    expect(core.u32[(account + ACCOUNT_USED) >> 2]).toBe(3)
    expect(() => kernel.mptcp_account_release(account)).toThrow()
    for (const record of records) kernel.mptcp_record_free(record)
    kernel.mptcp_account_release(account)
    expect(() => kernel.mptcp_account_release(account)).toThrow()
    expect(inUse(core)).toEqual(NOTHING_IN_USE)
  })

  it('keeps the reserve for privileged takings', () => {
    const core = open()
    const { kernel } = core
    const account = kernel.mptcp_account_take(0xffffffff)
    const reserve = headerWord(core, 'SLOT_RESERVE')
    while (kernel.mptcp_record_take(account, 0) !== 0);
    expect(headerWord(core, 'SLOTS_FREE')).toBe(reserve)
    for (let i = 0; i < reserve; i++) expect(kernel.mptcp_record_take(account, 1)).not.toBe(0)
    expect(kernel.mptcp_record_take(account, 1)).toBe(0)
  })

  it('gives out accounts, queues and extensions until there is none left', () => {
    const core = open()
    const { kernel } = core
    const all = (take: () => number) => {
      const taken = new Set<number>()
      for (let one = take(); one !== 0; one = take()) taken.add(one)
      return taken.size
    }
    expect(all(() => kernel.mptcp_account_take(1))).toBe(headerWord(core, 'ACCOUNT_COUNT'))
    expect(all(() => kernel.mptcp_queue_take(0, 0))).toBe(headerWord(core, 'QUEUE_COUNT'))
    expect(all(() => kernel.mptcp_extension_take())).toBe(headerWord(core, 'EXTENSION_COUNT'))
  })

  it('frees a slot with its last record', () => {
    const core = open()
    const { kernel } = core
    const account = kernel.mptcp_account_take(10)
    const record = filled(core, account, 100)
    const slice = kernel.mptcp_record_slice(record, 40, 60)
    expect(readRecord(core, slice)).toMatchObject({ offset: 1040, length: 60, key: 90 })
    expect(kernel.mptcp_record_slack(record)).toBe(0)
    kernel.mptcp_record_free(record)
    expect(inUse(core)).toMatchObject({ slots: 1, records: 1 })
    expect(kernel.mptcp_record_slack(slice)).toBe(SLOT_BYTES - 100)
    kernel.mptcp_record_free(slice)
    expect(inUse(core)).toMatchObject({ slots: 0, records: 0 })
    expect(core.u32[(account + ACCOUNT_USED) >> 2]).toBe(0)
  })

  it('keeps a sum with a slice of the whole range only', () => {
    const core = open()
    const { kernel } = core
    const record = filled(core, kernel.mptcp_account_take(10), 101)
    const sum = naiveSum(readRecord(core, record).bytes)
    expect(kernel.mptcp_record_sum(record)).toBe(sum)
    const whole = readRecord(core, kernel.mptcp_record_slice(record, 0, 101))
    expect(whole.sum).toBe(0x10000 | sum)
    const part = kernel.mptcp_record_slice(record, 1, 100)
    expect(readRecord(core, part).sum).toBe(0)
    expect(kernel.mptcp_record_sum(part)).toBe(naiveSum(readRecord(core, part).bytes))
  })

  it('lists an extension as freed with its last holder', () => {
    const core = open()
    const { kernel } = core
    const account = kernel.mptcp_account_take(10)
    const extension = kernel.mptcp_extension_take()
    const chain = payload(core, account, 5000, extension)
    const slice = kernel.mptcp_record_slice(chain, 0, 1)
    kernel.mptcp_extension_release(extension)
    kernel.mptcp_chain_free(chain)
    expect(headerWord(core, 'FREED_COUNT')).toBe(0)
    kernel.mptcp_record_free(slice)
    expect(headerWord(core, 'FREED_COUNT')).toBe(1)
    expect(inUse(core).extensions).toBe(1)
    expect(recycleFreed(core)).toEqual([extension])
    expect(inUse(core).extensions).toBe(0)
    expect(kernel.mptcp_extension_take()).toBe(extension)
  })

  it('copies a payload into slots of its own, or takes nothing', () => {
    const core = open()
    const { kernel } = core
    const account = kernel.mptcp_account_take(3)
    const sent = new SeededRandom(1).bytes(5001)
    const records = readChain(core, payload(core, account, 5001))
    expect(records.map(({ length }) => length)).toEqual([2048, 2048, 905])
    expect(records.map(({ offset }) => offset)).toEqual([500, 2548, 4596])
    expect(records.map(({ key }) => key)).toEqual([9, 2057, 4105])
    expect(Buffer.concat(records.map(({ bytes }) => bytes)).equals(sent)).toBe(true)
    expect(headerWord(core, 'RESULT_SUM')).toBe(naiveSum(sent))
    for (const { sum, bytes } of records) expect(sum).toBe(0x10000 | naiveSum(bytes))

    const before = inUse(core)
    expect(payload(core, kernel.mptcp_account_take(2), 5001)).toBe(0)
    expect(inUse(core)).toEqual({ ...before, accounts: 2 })
    expect(payload(core, account, 0)).toBe(0)
  })

  it('leaves KEY_NONE, and in the other modes any key, as it is', () => {
    const core = open()
    const account = core.kernel.mptcp_account_take(100)
    const keys = (key: number, mode: number) => {
      const args = [account, 0, STAGING_RECEIVE, 4096, 0, 0, key, mode] as const
      return readChain(core, core.kernel.mptcp_payload_take(...args)).map((record) => record.key)
    }
    expect(keys(KEY_NONE, COALESCE_ABUT)).toEqual([KEY_NONE, KEY_NONE])
    expect(keys(0xfffff900, COALESCE_ABUT)).toEqual([0xfffff900, 0x100])
    expect(keys(3, COALESCE_BYPASS)).toEqual([3, 3])
  })

  it('copies out any part of a chain, summed, whatever the parity of its records', () => {
    const core = open()
    const { kernel } = core
    const account = kernel.mptcp_account_take(10)
    const chain = payload(core, account, 5001)
    const sent = new SeededRandom(1).bytes(5001)
    const random = new SeededRandom(2)
    // Cut the chain at odd places: every record in it starts at another parity.
    const pieces: number[] = []
    let at = chain
    for (const { length, next } of readChain(core, chain)) {
      pieces.push(kernel.mptcp_record_slice(at, 0, 333))
      pieces.push(kernel.mptcp_record_slice(at, 333, length - 333))
      at = next
    }
    pieces.forEach((piece, i) => {
      core.u32[(piece + RECORD_NEXT) >> 2] = pieces[i + 1] ?? 0
    })
    for (let round = 0; round < 200; round++) {
      const skip = random.below(5001)
      const length = random.below(5001 - skip + 1)
      core.u8.fill(0xaa, STAGING_SEND, STAGING_SEND + 5002)
      const from = [chain, pieces[0]!][round & 1]!
      const target = STAGING_SEND + random.below(2)
      const sum = kernel.mptcp_chain_copy(from, skip, length, target)
      const wanted = sent.subarray(skip, skip + length)
      expect(sum, `round ${round}`).toBe(naiveSum(wanted))
      expect(Buffer.from(core.memory, target, length).equals(wanted), `round ${round}`).toBe(true)
      expect(core.u8[target + length]).toBe(0xaa)
    }
    expect(() => kernel.mptcp_chain_copy(chain, 5000, 2, SCRATCH)).toThrow()
    expect(() => kernel.mptcp_chain_copy(chain, 5001, 1, SCRATCH)).toThrow()
  })

  it('throws where its own invariants are broken', () => {
    const core = open()
    const { kernel } = core
    const record = filled(core, kernel.mptcp_account_take(10), 10)
    expect(() => kernel.mptcp_record_slice(record, 10, 0)).toThrow()
    expect(() => kernel.mptcp_record_slice(record, 5, 6)).toThrow()
    expect(() => kernel.mptcp_record_slice(record, 11, 1)).toThrow()
    kernel.mptcp_record_free(record)
    expect(() => kernel.mptcp_record_free(record)).toThrow()
    expect(() => kernel.mptcp_record_free(0)).toThrow()

    const extension = kernel.mptcp_extension_take()
    expect(() => kernel.mptcp_extension_recycle(extension)).toThrow()
    kernel.mptcp_extension_release(extension)
    expect(() => kernel.mptcp_extension_release(extension)).toThrow()
    expect(() => kernel.mptcp_extension_hold(extension)).toThrow()
    recycleFreed(core)
    expect(() => kernel.mptcp_extension_recycle(extension)).toThrow()
    expect(() => kernel.mptcp_extension_hold(0)).toThrow()
    expect(() => kernel.mptcp_queue_take(3, 0)).toThrow()
  })

  it('carries extensions through a queue, and drops those of joined records', () => {
    const core = open()
    const { kernel } = core
    const account = kernel.mptcp_account_take(10)
    const queue = kernel.mptcp_queue_take(COALESCE_ABUT, 0)
    const extensions = [kernel.mptcp_extension_take(), kernel.mptcp_extension_take()]
    extensions.forEach((extension, i) => {
      const args = [account, 0, STAGING_RECEIVE, 100, i * 100, extension, i * 100] as const
      kernel.mptcp_queue_insert(queue, kernel.mptcp_payload_take(...args, COALESCE_ABUT), 0)
      kernel.mptcp_extension_release(extension)
    })
    expect(recycleFreed(core)).toEqual([extensions[1]])
    const record = kernel.mptcp_queue_pop(queue, 1000)
    expect(core.u32[(record + RECORD_EXTENSION) >> 2]).toBe(extensions[0])
    expect(readRecord(core, record).length).toBe(200)
    kernel.mptcp_record_free(record)
    expect(recycleFreed(core)).toEqual([extensions[0]])
  })
})
