// The twins against each other: the same random calls on both, in a memory small enough to run out,
// must give the same results and the same memory image, down to the free lists.

import { describe, expect, it } from 'vitest'
import { KEY_NONE, type MptcpKernel } from '../../ts/core/core.js'
import {
  ACCOUNT_USED,
  HEADER,
  RECORD_KEY,
  RECORD_LENGTH,
  RECORD_NEXT,
  RECORD_OFFSET,
  RECORD_POINTER,
  SLOT_BYTES,
  STAGING_RECEIVE,
  STAGING_SEND,
} from '../../ts/core/layout.js'
import { loadMptcpCoreSync } from '../../ts/core/load.js'
import { SeededRandom } from '../../ts/random.js'
import {
  checkQueue,
  headerWord,
  inUse,
  KEY_BASE,
  NOTHING_IN_USE,
  readRecord,
  recycleFreed,
} from './queue-check.js'

type Call = Exclude<keyof MptcpKernel, 'mptcp_sha256' | 'mptcp_hmac_sha256'>

const RESULTS = ['RESULT_SUM', 'RESULT_VERDICT', 'RESULT_DUPLICATE', 'RESULT_REFUSED'] as const

/** Both cores side by side, and the pointers that a caller would hold (the same in both). */
class Twins {
  readonly wasm = loadMptcpCoreSync({ backend: 'wasm', memoryBytes: 1024 * 1024 })
  readonly js = loadMptcpCoreSync({ backend: 'js', memoryBytes: 1024 * 1024 })
  readonly random: SeededRandom
  readonly accounts: number[] = []
  readonly queues: { pointer: number; mode: number; head: number }[] = []
  readonly extensions: number[] = []
  readonly chains: number[] = []
  refusals = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  /** Calls both; a trap in one must be an error in the other. */
  call(name: Call, ...args: number[]): number {
    const results = [this.wasm, this.js].map(({ kernel }) => {
      try {
        return (kernel[name] as (...args: number[]) => number | undefined)(...args)
      } catch {
        return 'an error'
      }
    })
    expect(results[1], `${name}(${args})`).toBe(results[0])
    for (const word of RESULTS) {
      expect(headerWord(this.js, word), `${word} of ${name}`).toBe(headerWord(this.wasm, word))
    }
    if (results[0] === 'an error') throw new Error(`${name}(${args}) failed in both`)
    return results[0] as number
  }

  write(bytes: Uint8Array, at: number): void {
    for (const { u8 } of [this.wasm, this.js]) u8.set(bytes, at)
  }

  setWord(pointer: number, value: number): void {
    for (const { u32 } of [this.wasm, this.js]) u32[pointer >> 2] = value
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from.length === 0 ? undefined : from[this.random.below(from.length)]
  }

  drop<T>(from: T[]): T | undefined {
    return from.splice(this.random.below(Math.max(from.length, 1)), 1)[0]
  }

  compareImages(): void {
    const images = [this.wasm, this.js].map(({ memory }) => Buffer.from(memory, HEADER))
    if (images[0]!.equals(images[1]!)) return
    const at = images[0]!.findIndex((byte, i) => byte !== images[1]![i])
    throw new Error(`the images differ from ${HEADER + at} on`)
  }

  payload(account: number, offset: number, mode: number): number {
    const { random } = this
    const length = 1 + random.below([20, 1500, 1500, 6000, 66_000][random.below(5)]!)
    this.write(random.bytes(length), STAGING_RECEIVE)
    const key = [(offset + KEY_BASE) >>> 0, offset >> 13, KEY_NONE][random.below(3)]!
    const extension = random.below(2) === 0 ? 0 : (this.pick(this.extensions) ?? 0)
    const privileged = random.below(8) === 0 ? 1 : 0
    const head = [account, privileged, STAGING_RECEIVE, length] as const
    const chain = this.call('mptcp_payload_take', ...head, offset, extension, key, mode)
    if (chain === 0) this.refusals++
    return chain
  }

  readonly steps: (() => void)[] = [
    () => {
      if (this.accounts.length > 8) return
      const account = this.call('mptcp_account_take', this.random.below(120))
      if (account !== 0) this.accounts.push(account)
    },
    () => {
      const account = this.pick(this.accounts)
      if (account === undefined || this.js.u32[(account + ACCOUNT_USED) >> 2] !== 0) return
      this.call('mptcp_account_release', account)
      this.accounts.splice(this.accounts.indexOf(account), 1)
    },
    () => {
      const extension = this.call('mptcp_extension_take')
      if (extension !== 0) this.extensions.push(extension)
    },
    () => {
      const extension = this.drop(this.extensions)
      if (extension !== undefined) this.call('mptcp_extension_release', extension)
    },
    () => {
      const extension = this.pick(this.extensions)
      if (extension === undefined) return
      this.call('mptcp_extension_hold', extension)
      this.call('mptcp_extension_release', extension)
    },
    () => expect(recycleFreed(this.js)).toEqual(recycleFreed(this.wasm)),
    () => {
      if (this.queues.length > 6) return
      const mode = this.random.below(3)
      const head = this.random.below(2) * 2 ** 40
      const pointer = this.call('mptcp_queue_take', mode, head)
      if (pointer !== 0) this.queues.push({ pointer, mode, head })
    },
    () => {
      if (this.random.below(20) !== 0) return
      const queue = this.drop(this.queues)
      if (queue) this.call('mptcp_queue_release', queue.pointer)
    },
    () => {
      const account = this.pick(this.accounts)
      if (account === undefined) return
      const record = this.call('mptcp_record_take', account, this.random.below(2))
      if (record === 0) return
      const length = 1 + this.random.below(SLOT_BYTES)
      this.write(this.random.bytes(length), this.js.u32[(record + RECORD_POINTER) >> 2]!)
      this.setWord(record + RECORD_LENGTH, length)
      this.setWord(record + RECORD_KEY, this.random.below(50))
      const offset = this.random.below(100_000)
      for (const { f64 } of [this.wasm, this.js]) f64[(record + RECORD_OFFSET) >> 3] = offset
      this.chains.push(record)
    },
    () => {
      const account = this.pick(this.accounts)
      if (account === undefined) return
      const chain = this.payload(account, this.random.below(100_000), this.random.below(3))
      if (chain !== 0) this.chains.push(chain)
    },
    () => {
      const chain = this.pick(this.chains)
      if (chain === undefined) return
      const { length } = readRecord(this.js, chain)
      const skip = this.random.below(length)
      const part = 1 + this.random.below(length - skip)
      const slice = this.call('mptcp_record_slice', chain, skip, part)
      if (slice !== 0) this.chains.push(slice)
      else this.refusals++
    },
    () => {
      const chain = this.drop(this.chains)
      if (chain === undefined) return
      const next = this.js.u32[(chain + RECORD_NEXT) >> 2]!
      if (next === 0 || this.random.below(2) === 0) {
        this.call('mptcp_chain_free', chain)
      } else {
        this.call('mptcp_record_free', chain)
        this.chains.push(next)
      }
    },
    () => {
      const chain = this.pick(this.chains)
      if (chain === undefined) return
      this.call('mptcp_record_slack', chain)
      this.call('mptcp_record_sum', chain)
    },
    () => {
      const chain = this.pick(this.chains)
      if (chain === undefined) return
      let total = 0
      for (let record = chain; record !== 0; ) {
        const { length, next } = readRecord(this.js, record)
        total += length
        record = next
      }
      const skip = this.random.below(total + 1)
      const length = this.random.below(total - skip + 1)
      this.call('mptcp_chain_copy', chain, skip, length, STAGING_SEND + this.random.below(2))
    },
    () => {
      const queue = this.pick(this.queues)
      const account = this.pick(this.accounts)
      if (!queue || account === undefined) return
      // Most of it is near the head: elsewhere the gaps would never be filled.
      const reach = this.random.below(4) === 0 ? 200_000 : 6000
      const offset = Math.max(0, queue.head - 1000 + this.random.below(reach))
      const chain = this.payload(account, offset, queue.mode)
      if (chain === 0) return
      this.call('mptcp_queue_insert', queue.pointer, chain, this.random.below(8))
    },
    () => {
      // A chain held elsewhere, at an offset of its own: its slots may be shared.
      const queue = this.pick(this.queues)
      if (!queue || this.random.below(4) !== 0) return
      const chain = this.drop(this.chains)
      if (chain === undefined) return
      this.call('mptcp_queue_insert', queue.pointer, chain, this.random.below(8))
    },
    () => {
      const queue = this.pick(this.queues)
      if (!queue) return
      const record = this.call('mptcp_queue_pop', queue.pointer, this.random.below(4000))
      if (record === 0) return
      queue.head += readRecord(this.js, record).length
      if (this.random.below(3) === 0) this.chains.push(record)
      else this.call('mptcp_record_free', record)
    },
    () => {
      const queue = this.pick(this.queues)
      if (!queue) return
      this.call('mptcp_queue_find_run', queue.pointer, queue.head + this.random.below(6000))
    },
    () => {
      const queue = this.pick(this.queues)
      if (queue && this.random.below(4) === 0) this.call('mptcp_queue_collapse', queue.pointer)
    },
    () => {
      const queue = this.pick(this.queues)
      if (queue && this.random.below(4) === 0) this.call('mptcp_queue_prune', queue.pointer)
    },
  ]

  /** Gives everything back. */
  close(): void {
    for (const { pointer } of this.queues) this.call('mptcp_queue_release', pointer)
    for (const chain of this.chains) this.call('mptcp_chain_free', chain)
    for (const extension of this.extensions) this.call('mptcp_extension_release', extension)
    for (const account of this.accounts) this.call('mptcp_account_release', account)
    for (const core of [this.wasm, this.js]) {
      recycleFreed(core)
      expect(inUse(core)).toEqual(NOTHING_IN_USE)
    }
    this.compareImages()
  }
}

describe('the twins', () => {
  it('start from the same image', () => {
    new Twins(0).compareImages()
  })

  it.each([1, 2, 3, 4, 5, 6])('agree after any calls, seed %i', (seed) => {
    const twins = new Twins(seed)
    let least = headerWord(twins.js, 'SLOTS_FREE')
    // Inserting, popping and searching come more often than their number would give.
    const { steps, random } = twins
    for (let step = 0; step < 6000; step++) {
      const which = random.below(3) === 0 ? random.below(steps.length) : 14 + random.below(4)
      try {
        steps[which]!()
        if (step % 50 === 0) {
          twins.compareImages()
          for (const { pointer } of twins.queues) {
            checkQueue(twins.wasm, pointer, { keysFollow: false })
          }
        }
      } catch (cause) {
        throw new Error(`seed ${seed}, step ${step}, call ${which}`, { cause })
      }
      least = Math.min(least, headerWord(twins.js, 'SLOTS_FREE'))
    }
    expect(least).toBeLessThan(headerWord(twins.js, 'SLOT_RESERVE'))
    expect(twins.refusals).toBeGreaterThan(100)
    twins.close()
  })
})
