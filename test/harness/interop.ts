// Our stack over raw links against the host's MPTCP, on a bed that a test file makes once: starts both
// ends, tells what each of them counted since the test began, and checks whole transfers.

import { expect } from 'vitest'
import type { CounterName } from '../../ts/counters.js'
import type { MptcpConnectionInfo, MptcpSubflowInfo } from '../../ts/socket/mptcp-socket.js'
import { type Bed, type BedOptions, createBed, type Side } from './bed.js'
import type { BedProcess } from './bed-process.js'
import { KERNEL_PEER, needBuild, RAW_PEER } from './built.js'

const NODE = process.execPath
export const MEGABYTE = 1_000_000
/** The port of a server of ours: the guard must know it before the first SYN. */
export const OUR_PORT = '5001'

/** What both ends say of a connection that is over. */
export interface Closed {
  bytesSent: number
  sentSha256: string
  bytesReceived: number
  sha256: string
  mismatchAt: number
  /** Most subflows seen at once. */
  maxSubflows: number
  largestGapMs: number
  info: MptcpConnectionInfo
  subflows: MptcpSubflowInfo[]
}

/** What our end says at last. */
export interface Finished {
  drained: boolean
  liveSlots: number
  counters: Partial<Record<CounterName, number>>
  /** Each connection as it was when all was acknowledged. */
  sockets: { info: MptcpConnectionInfo; subflows: MptcpSubflowInfo[] }[]
}

/** Counts of the kernel since the test began, without `MPTcpExt`; those that are 0 are missing. */
export type KernelCounts = Record<string, number | undefined>

/** The counts that speak of a connection that is not multipath, or of broken data. */
export const NEVER = [
  'MPCapableFallbackACK',
  'MPCapableFallbackSYNACK',
  'MPFallbackTokenInit',
  'MPCapableDataFallback',
  'MPTCPDataFallback',
  'DssFallback',
  'DSSFallback',
  'DSSCorruptionFallback',
  'DSSCorruptionReset',
  'DSSNotMatching',
  'DSSNoMatchTCP',
  'DataCsumErr',
  'InfiniteMapTx',
  'InfiniteMapRx',
  'MPFailTx',
  'MPFailRx',
  'MPJoinSynAckHMacFailure',
  'MPJoinAckHMacFailure',
] as const

export interface PathOptions {
  /** Paths that we use, in order; default [1]. */
  paths?: readonly number[]
  family?: 4 | 6
  /** Flags of each path, `,backup` and the like. */
  flags?: readonly string[]
}

export class Interop {
  readonly bed: Bed
  readonly #started: BedProcess[] = []
  #before: Record<string, number> = {}

  private constructor(bed: Bed) {
    this.bed = bed
  }

  static async create(options: BedOptions = {}): Promise<Interop> {
    needBuild('socket/kernel.js', 'socket/mptcp-stack.js', 'link/raw.js')
    return new Interop(await createBed(options))
  }

  /** Before each test: counts from zero, no process, no endpoint. */
  async begin(): Promise<void> {
    for (const peer of this.#started) peer.kill()
    await Promise.all(this.#started.splice(0).map((peer) => peer.ended))
    await this.bed.flushEndpoints('kernel')
    this.#before = await this.bed.stat('kernel')
  }

  async end(): Promise<void> {
    await this.bed?.destroy()
  }

  /** Our end. */
  ours(role: 'server' | 'client', paths: PathOptions, words: string[] = []): BedProcess {
    const { family = 4 } = paths
    const list = (paths.paths ?? [1]).flatMap((path, i) => {
      const flags = paths.flags?.[i] ?? ''
      const { bed } = this
      return ['--path', `${bed.device('user', path)}=${bed.address('user', path, family)}${flags}`]
    })
    return this.#start('user', RAW_PEER, [role, ...list, ...words])
  }

  /** The kernel's end. */
  kernel(role: 'server' | 'client', words: string[] = []): BedProcess {
    return this.#start('kernel', KERNEL_PEER, [role, ...words])
  }

  #start(side: Side, file: string, words: string[]): BedProcess {
    const started = this.bed.spawn(side, NODE, [file, ...words], { deadline: 45_000 })
    this.#started.push(started)
    return started
  }

  /** A connection that we open to a server of the kernel. */
  async weConnect(
    paths: PathOptions,
    ourWords: string[] = [],
    kernelWords: string[] = [],
  ): Promise<{ ours: BedProcess; kernel: BedProcess }> {
    const kernel = this.kernel('server', ['--port', '0', ...kernelWords])
    const { port } = await kernel.event('listening')
    const host = this.bed.address('kernel', paths.paths?.[0] ?? 1, paths.family)
    const to = ['--host', host, '--port', String(port)]
    return { kernel, ours: this.ours('client', paths, [...to, ...ourWords]) }
  }

  /** A connection that the kernel opens to a server of ours. */
  async kernelConnects(
    paths: PathOptions,
    ourWords: string[] = [],
    kernelWords: string[] = [],
  ): Promise<{ ours: BedProcess; kernel: BedProcess }> {
    const ours = this.ours('server', paths, ['--port', OUR_PORT, ...ourWords])
    await ours.event('listening')
    const host = this.bed.address('user', paths.paths?.[0] ?? 1, paths.family)
    const to = ['--host', host, '--port', OUR_PORT]
    return { ours, kernel: this.kernel('client', [...to, ...kernelWords]) }
  }

  /** As one side opens, or the other. */
  connect(
    opener: 'ours' | 'kernel',
    paths: PathOptions,
    ourWords: string[] = [],
    kernelWords: string[] = [],
  ): Promise<{ ours: BedProcess; kernel: BedProcess }> {
    return opener === 'ours'
      ? this.weConnect(paths, ourWords, kernelWords)
      : this.kernelConnects(paths, ourWords, kernelWords)
  }

  /** What the kernel counted since `begin`: MPTcpExt counts bare, the others by their names. */
  async counts(): Promise<KernelCounts> {
    const now = await this.bed.stat('kernel')
    return Object.fromEntries(
      Object.entries(now).flatMap(([name, count]) => {
        const since = count - (this.#before[name] ?? 0)
        return since > 0 ? [[name.replace(/^MPTcpExt/, ''), since] as const] : []
      }),
    )
  }
}

/** Words for a peer that sends `bytes` of stream `seed` and expects the stream `expected`. */
export function streams(bytes: number, seed: number, expected: number): string[] {
  return ['--send', String(bytes), '--seed', String(seed), '--expect', String(expected)]
}

export async function closed(of: BedProcess, deadline = 20_000): Promise<Closed> {
  return (await of.event('closed', deadline)) as unknown as Closed
}

export async function finished(of: BedProcess, deadline = 8000): Promise<Finished> {
  return (await of.event('finished', deadline)) as unknown as Finished
}

/** Asks an end until what it tells satisfies. */
export async function until<T extends object>(
  of: BedProcess,
  holds: (info: T) => boolean,
  deadline = 8000,
): Promise<T> {
  const end = performance.now() + deadline
  await of.event('connected', deadline)
  for (;;) {
    const asked = of.events().filter(({ event }) => event === 'info').length
    of.write('info\n')
    await expect
      .poll(() => of.events().filter(({ event }) => event === 'info').length, {
        interval: 10,
        timeout: 3000,
      })
      .toBeGreaterThan(asked)
    const info = of.events().findLast(({ event }) => event === 'info') as unknown as T
    if (holds(info)) return info
    if (performance.now() > end)
      throw new Error(`not so within ${deadline} ms: ${JSON.stringify(info)}`)
  }
}

/** Both ends got every byte that the other sent, in order, and ended without an error. */
export async function bothWhole(
  { ours, kernel }: { ours: BedProcess; kernel: BedProcess },
  bytes: { ours: number; kernel: number },
  deadline?: number,
): Promise<{ our: Closed; its: Closed; end: Finished }> {
  const [atClose, its] = await Promise.all([closed(ours, deadline), closed(kernel, deadline)])
  const end = await finished(ours)
  const our = { ...atClose, ...end.sockets[0] }
  expect.soft(its).toMatchObject({
    bytesReceived: bytes.ours,
    mismatchAt: -1,
    sha256: our.sentSha256,
  })
  expect.soft(our).toMatchObject({
    bytesReceived: bytes.kernel,
    mismatchAt: -1,
    sha256: its.sentSha256,
    info: { bytesSent: bytes.ours, bytesReceived: bytes.kernel, error: null },
  })
  expect.soft(end).toMatchObject({ drained: true, liveSlots: 0 })
  const [us, it] = await Promise.all([ours.ended, kernel.ended])
  expect({ ours: us.status, kernel: it.status, said: us.stderr + it.stderr }).toMatchObject({
    ours: 0,
    kernel: 0,
  })
  return { our, its, end }
}

/** Of the counts named, those that are not 0. */
export function among(counts: Record<string, number | undefined>, names: readonly string[]) {
  return Object.fromEntries(names.flatMap((name) => (counts[name] ? [[name, counts[name]]] : [])))
}
