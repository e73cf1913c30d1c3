// What the two ends of a self-test have in common: self-test-ours.ts and self-test-kernel.ts. Each has a
// process that lives as long as the test file (self-test-peer.mjs).

import { fileURLToPath } from 'node:url'
import type { MptcpSubflowInfo } from '../../ts/socket/mptcp-socket.js'
import type { Bed, Side } from './bed.js'
import type { BedProcess } from './bed-process.js'

const PEER = fileURLToPath(new URL('./self-test-peer.mjs', import.meta.url))
const FILE_MS = 600_000
const ANSWER_MS = 20_000

export type Flag = 'signal' | 'subflow' | 'backup' | 'fullmesh' | 'laminar'

export interface Endpoint {
  /** Default: the next free one. */
  id?: number
  flags: readonly Flag[]
  /** The end's address on this path … */
  path?: number
  family?: 4 | 6
  /** … or any address. */
  address?: string
  port?: number
}

export interface EndState {
  connected: boolean
  received: number
  mismatchAt: number
  peerEnded: boolean
  closed: boolean
  error: string | null
  local: [string, number]
  subflows?: MptcpSubflowInfo[]
  info?: Record<string, unknown> | null
  counters?: Record<string, number>
}

export type Words = Record<string, unknown>

export interface ListenWords {
  host?: string
  /** Default: a fresh one. */
  port?: number
  plain: boolean
}

export abstract class End {
  protected readonly bed: Bed
  readonly side: Side
  #process: BedProcess | null = null
  #asked = 0
  #read = 0

  constructor(bed: Bed, side: Side) {
    this.bed = bed
    this.side = side
  }

  abstract limits(subflows: number, accept: number): Promise<void>
  abstract add(endpoint: Endpoint): Promise<void>
  abstract remove(id: number): Promise<void>
  /** Takes the address of the first subflow back: id 0. */
  abstract removeInitial(): Promise<void>
  abstract flush(): Promise<void>
  abstract change(id: number, ...flags: string[]): Promise<void>
  abstract counts(): Promise<Record<string, number>>
  abstract subflowCount(): Promise<number>
  /** Whether DSS checksums are asked for. */
  abstract checksum(on: boolean): Promise<void>
  /** Whether joins to the first address are refused by flag C. */
  abstract denyJoinInitial(): Promise<void>
  /** Nobody but a program decides about addresses. */
  abstract userspace(): Promise<void>
  /** The server answers every SYN with a cookie. */
  abstract cookies(): Promise<void>
  abstract open(): Promise<void>
  abstract over(): Promise<Words>
  abstract listen(words: ListenWords): Promise<number>

  address(path: number, family: 4 | 6 = 4): string {
    return this.bed.address(this.side, path, family)
  }

  async connect(words: { host: string; port: number; plain: boolean }): Promise<void> {
    await this.ask('connect', words)
  }

  async send(bytes: number): Promise<void> {
    await this.ask('send', { bytes })
  }

  /** Whether what follows, sent and received, is zeros, which are not checked. */
  async zeros(on: boolean): Promise<void> {
    await this.ask('zeros', { on })
  }

  /** Ends the sending side behind what is still to be sent. */
  async finish(): Promise<void> {
    await this.ask('end')
  }

  /** An abort: MP_FASTCLOSE. */
  async abort(): Promise<void> {
    await this.ask('reset')
  }

  async state(): Promise<EndState> {
    return (await this.ask('state')) as unknown as EndState
  }

  protected addressOf({ path, family, address }: Endpoint): string {
    return address ?? this.address(path ?? 1, family)
  }

  protected async ask(word: string, words: Words = {}): Promise<Words> {
    const role = this.side === 'user' ? 'ours' : 'kernel'
    this.#process ??= this.bed.spawn(this.side, process.execPath, [PEER, role], {
      deadline: FILE_MS,
    })
    const peer = this.#process
    const id = ++this.#asked
    peer.write(`${JSON.stringify({ ...words, id, word })}\n`)
    try {
      const [line] = await peer.waitFor(
        new RegExp(`^{"id":${id},.*$|^{"id":${id}}$`, 'm'),
        ANSWER_MS,
      )
      // Answered questions are not searched again.
      peer.stdout = peer.stdout.slice(peer.stdout.indexOf(line) + line.length)
      this.#read = id
      const answer = JSON.parse(line) as Words
      if (word !== 'state' && answer.error) throw new Error(`${this.side} ${word}: ${answer.error}`)
      return answer
    } catch (error) {
      if (this.#read !== id) {
        // It hangs or has died: the next test gets another.
        peer.kill()
        this.#process = null
      }
      throw error
    }
  }

  protected async rest(): Promise<Words> {
    return this.#process === null ? {} : this.ask('over')
  }
}
