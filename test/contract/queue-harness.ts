// A queue of one core with an account of its own, spoken to in stream ranges.

import { expect } from 'vitest'
import {
  COALESCE_ABUT,
  COALESCE_BYPASS,
  COALESCE_EQUAL,
  type CoalesceMode,
  KEY_NONE,
  type MptcpCore,
} from '../../ts/core/core.js'
import { STAGING_RECEIVE } from '../../ts/core/layout.js'
import { loadMptcpCoreSync } from '../../ts/core/load.js'
import {
  checkQueue,
  headerWord,
  inUse,
  KEY_BASE,
  NOTHING_IN_USE,
  readRecord,
  recycleFreed,
} from './queue-check.js'

/** A queue with an account, and segments whose bytes say where in the stream they belong. */
export class QueueHarness {
  readonly core: MptcpCore
  readonly account: number
  readonly queue: number
  readonly mode: CoalesceMode

  constructor(backend: 'wasm' | 'js', mode: CoalesceMode = COALESCE_BYPASS, head = 0) {
    this.core = loadMptcpCoreSync({ backend, memoryBytes: 1024 * 1024 })
    this.account = this.core.kernel.mptcp_account_take(1_000_000)
    this.queue = this.core.kernel.mptcp_queue_take(mode, head)
    this.mode = mode
  }

  /** A chain for [start, end). In EQUAL all keys are 7, in ABUT they follow the offset. */
  chain(start: number, end: number, bytes?: Uint8Array, key?: number): number {
    const { u8, kernel } = this.core
    for (let i = start; i < end; i++) u8[STAGING_RECEIVE + i - start] = i * 7
    if (bytes) u8.set(bytes, STAGING_RECEIVE)
    const keys = { [COALESCE_BYPASS]: KEY_NONE, [COALESCE_EQUAL]: 7, [COALESCE_ABUT]: start }
    const wanted = key ?? (this.mode === COALESCE_ABUT ? start + KEY_BASE : keys[this.mode]) >>> 0
    const args = [STAGING_RECEIVE, end - start, start, 0, wanted, this.mode] as const
    return kernel.mptcp_payload_take(this.account, 1, ...args)
  }

  insert(start: number, end: number, hint = 0): number {
    return this.core.kernel.mptcp_queue_insert(this.queue, this.chain(start, end), hint)
  }

  /** Inserts and says how. */
  verdict(start: number, end: number, hint = 0): number {
    this.insert(start, end, hint)
    return headerWord(this.core, 'RESULT_VERDICT')
  }

  ranges(): [number, number][] {
    return checkQueue(this.core, this.queue).runs.map(({ start, end }) => [start, end])
  }

  recordCounts(): number[] {
    return checkQueue(this.core, this.queue).runs.map(({ records }) => records)
  }

  pop(limit: number): number[] | null {
    const record = this.core.kernel.mptcp_queue_pop(this.queue, limit)
    if (record === 0) return null
    const { offset, length, next } = readRecord(this.core, record)
    expect(next).toBe(0)
    this.core.kernel.mptcp_record_free(record)
    return [offset, offset + length]
  }

  close(): void {
    this.core.kernel.mptcp_queue_release(this.queue)
    this.core.kernel.mptcp_account_release(this.account)
    recycleFreed(this.core)
    expect(inUse(this.core)).toEqual(NOTHING_IN_USE)
  }
}
