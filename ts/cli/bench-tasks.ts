// The core's microbenchmarks: what one timed iteration does. bench.ts imports this file once for each
// backend: code that has met both calls either through a slower path (measured: 10 ns, not 3).

import { createHash, createHmac } from 'node:crypto'
import { COALESCE_BYPASS, type MptcpCore } from '../core/core.js'
import { setRecordLength, setRecordOffset } from '../core/records.js'
import { SCRATCH, STAGING_RECEIVE, STAGING_SEND } from '../core/staging.js'
import { ETHERNET_MSS } from '../wire/tcp.js'

export interface BenchTask {
  readonly name: string
  /** Operations in one call of `run`: enough that the timer's own 40 ns do not count. */
  readonly operations: number
  /** Bytes of one operation, where a rate says something. */
  readonly bytes?: number
  /** Untimed, before each call of `run`. */
  readonly prepare?: () => void
  readonly run: () => void
}

/** raw-socket's native checksum, if that optional dependency is there. */
export type NativeChecksum = (bytes: Buffer) => number

const LARGE_BYTES = 65536
const SHORT_RUNS = 1000
const LARGE_RUNS = 50

const KEY = SCRATCH
const MESSAGE = SCRATCH + 256
const DIGEST = SCRATCH + 512

const CHECKSUM_SIZES = [20, ETHERNET_MSS, LARGE_BYTES]
const NAMES = {
  checksum: (bytes: number) => `checksum ${bytes} B`,
  copy: `copy and checksum ${ETHERNET_MSS} B`,
  sha256: 'SHA-256 of 8 B (token)',
  deriveKey: 'deriveKey(), with objects',
  hmac: 'HMAC, 16 B key kept, 8 B',
  freshHmac: 'HMAC, 16 B key fresh, 8 B',
}

/** What keeps the compiler from dropping a loop whose result nobody wants. */
export let sink = 0

const runsFor = (bytes: number): number => (bytes >= LARGE_BYTES ? LARGE_RUNS : SHORT_RUNS)

export function coreTasks(core: MptcpCore): BenchTask[] {
  const { kernel, u8 } = core
  for (let at = 0; at < LARGE_BYTES; at++) u8[STAGING_RECEIVE + at] = (at * 167 + (at >> 8)) & 0xff
  for (let at = 0; at < 512; at++) u8[SCRATCH + at] = at & 0xff
  const key = u8.slice(KEY, KEY + 8)
  return [
    ...CHECKSUM_SIZES.map((bytes) => ({
      name: NAMES.checksum(bytes),
      operations: runsFor(bytes),
      bytes,
      run() {
        const runs = runsFor(bytes)
        let sum = 0
        for (let i = 0; i < runs; i++) sum += kernel.mptcp_checksum(STAGING_RECEIVE, bytes, 0)
        sink = sum
      },
    })),
    {
      name: NAMES.copy,
      operations: SHORT_RUNS,
      bytes: ETHERNET_MSS,
      run() {
        let sum = 0
        for (let i = 0; i < SHORT_RUNS; i++) {
          sum += kernel.mptcp_copy_checksum(STAGING_SEND, STAGING_RECEIVE, ETHERNET_MSS, 0)
        }
        sink = sum
      },
    },
    {
      name: NAMES.sha256,
      operations: SHORT_RUNS,
      run() {
        for (let i = 0; i < SHORT_RUNS; i++) kernel.mptcp_sha256(MESSAGE, 8, DIGEST)
      },
    },
    {
      name: NAMES.deriveKey,
      operations: SHORT_RUNS,
      run() {
        let tokens = 0
        for (let i = 0; i < SHORT_RUNS; i++) tokens += core.deriveKey(key).token
        sink = tokens
      },
    },
    {
      name: NAMES.hmac,
      operations: SHORT_RUNS,
      run() {
        for (let i = 0; i < SHORT_RUNS; i++) kernel.mptcp_hmac_sha256(KEY, 16, MESSAGE, 8, DIGEST)
      },
    },
    {
      name: NAMES.freshHmac,
      operations: SHORT_RUNS,
      run() {
        for (let i = 0; i < SHORT_RUNS; i++) {
          kernel.mptcp_hmac_sha256(KEY + (i & 15), 16, MESSAGE, 8, DIGEST)
        }
      },
    },
    queueTask(core, 'queue insert, in order', inOrder()),
    queueTask(core, 'queue insert, two skewed subflows', twoSubflows()),
    queueTask(core, 'queue insert, random order', randomOrder()),
  ]
}

/** The same work by node:crypto and raw-socket. */
export function nativeTasks(checksum: NativeChecksum | null): BenchTask[] {
  const bytes = Buffer.alloc(LARGE_BYTES, 'native')
  const keys = Array.from({ length: 16 }, (_, at) => bytes.subarray(at, at + 16))
  const message = bytes.subarray(100, 108)
  const checksums = CHECKSUM_SIZES.map((length) => {
    const slice = bytes.subarray(0, length)
    return {
      name: NAMES.checksum(length),
      operations: runsFor(length),
      bytes: length,
      run() {
        const runs = runsFor(length)
        let sum = 0
        for (let i = 0; i < runs; i++) sum += checksum!(slice)
        sink = sum
      },
    }
  })
  const sha256 = () => {
    let bytes = 0
    for (let i = 0; i < SHORT_RUNS; i++) bytes += createHash('sha256').update(message).digest()[0]!
    sink = bytes
  }
  const hmac = () => {
    for (let i = 0; i < SHORT_RUNS; i++) {
      sink ^= createHmac('sha256', keys[i & 15]!)
        .update(message)
        .digest()[0]!
    }
  }
  return [
    ...(checksum ? checksums : []),
    { name: NAMES.sha256, operations: SHORT_RUNS, run: sha256 },
    { name: NAMES.deriveKey, operations: SHORT_RUNS, run: sha256 },
    { name: NAMES.hmac, operations: SHORT_RUNS, run: hmac },
    { name: NAMES.freshHmac, operations: SHORT_RUNS, run: hmac },
  ]
}

/** One segment's arrival: its place in the stream, in segments, and the subflow that brought it. */
interface Arrival {
  readonly index: number
  readonly subflow: number
}

const ARRIVALS = 10_000
/** Segments that a scheduler gives one subflow before it turns to the other. */
const BURST = 8
/** Segments by which the second subflow is behind the first. */
const SKEW = 200

function inOrder(): Arrival[] {
  return Array.from({ length: ARRIVALS }, (_, index) => ({ index, subflow: 0 }))
}

function twoSubflows(): Arrival[] {
  return inOrder()
    .map(({ index }) => ({ index, subflow: Math.floor(index / BURST) & 1 }))
    .sort((a, b) => a.index + a.subflow * SKEW - (b.index + b.subflow * SKEW))
}

/** Fisher and Yates' shuffle by a linear congruential generator: the same order every time. */
function randomOrder(): Arrival[] {
  const arrivals = inOrder()
  let state = 1
  for (let at = ARRIVALS - 1; at > 0; at--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const other = Math.floor((state / 2 ** 32) * (at + 1))
    ;[arrivals[at], arrivals[other]] = [arrivals[other]!, arrivals[at]!]
  }
  return arrivals
}

/** Inserts every arrival into an empty queue; making the records and freeing them is not timed. */
function queueTask(core: MptcpCore, name: string, arrivals: Arrival[]): BenchTask {
  const { kernel } = core
  const records = new Uint32Array(arrivals.length)
  const hints = Uint8Array.from(arrivals, ({ subflow }) => subflow)
  let queue = 0
  return {
    name,
    operations: arrivals.length,
    prepare() {
      if (queue !== 0) kernel.mptcp_queue_release(queue)
      kernel.mptcp_reset()
      const account = kernel.mptcp_account_take(arrivals.length)
      queue = kernel.mptcp_queue_take(COALESCE_BYPASS, 0)
      // All the records are slices of one slot: inserting does not look at the bytes.
      const slot = kernel.mptcp_record_take(account, 0)
      setRecordLength(core, slot, ETHERNET_MSS)
      for (const [turn, { index }] of arrivals.entries()) {
        const record = kernel.mptcp_record_slice(slot, 0, ETHERNET_MSS)
        if (record === 0) throw new Error('the bench memory has too few records')
        setRecordOffset(core, record, index * ETHERNET_MSS)
        records[turn] = record
      }
      kernel.mptcp_record_free(slot)
    },
    run() {
      let bytes = 0
      for (let i = 0; i < records.length; i++) {
        bytes += kernel.mptcp_queue_insert(queue, records[i]!, hints[i]!)
      }
      if (bytes !== records.length * ETHERNET_MSS) throw new Error('the queue lost segments')
    },
  }
}
