// What a script's calls work on: its descriptors, and what the run around them must hear of. A call is
// made once and then attempted until it no longer blocks.

import { MPTCP_ERRNO } from '../../socket/constants.js'
import type { Host } from '../host/host.js'
import type { Expression } from '../language/ast.js'
import { CONSTANTS } from '../language/constants.js'
import { errnoName } from '../language/errno.js'
import { numberOf } from './expression.js'

export interface Descriptor {
  readonly kind: 'socket' | 'epoll' | 'pipe' | 'file'
  /** The stack's own number; what is no socket has none. */
  readonly live: number
  nonBlocking: boolean
  /** Events asked for, by the script's descriptor. */
  readonly watched: Map<number, Watched>
  /** Bytes in a pipe, the same for both ends; or of a file. */
  readonly held: { bytes: number }
}

export interface Watched {
  events: number
  readonly data: bigint
  /** EPOLLONESHOT: told once. */
  spent: boolean
  /** EPOLLET: what was told last. */
  told: number
  /** How many messages the error queue had been given then. */
  errors: number
}

/** What a call came to. */
export interface Returned {
  readonly value: number
  readonly errno: string | null
  /** A new descriptor, to stand under the number that the script gives it. */
  readonly made?: Descriptor
  /** Right by its result, wrong by what it filled in: what differs. */
  readonly problem?: string
}

export type Attempt = () => Returned | 'blocks'

/** What a call is given. */
export interface CallWorld {
  readonly host: Host
  /** By the script's numbers. */
  readonly descriptors: Map<number, Descriptor>
  /** Bytes of each file that the script made, all zeros. */
  readonly files: ReadonlyMap<string, number>
  /** The script's side of the next packets: packetdrill tests one socket at a time. */
  listens(): void
  connects(address: string, port: number): void
}

export type CallHandler = (world: CallWorld, given: readonly Expression[]) => Attempt

/** A call that cannot be made as it is written. */
export class CallError extends Error {
  override readonly name = 'CallError'
}

export function createDescriptor(kind: Descriptor['kind'], live: number): Descriptor {
  return { kind, live, nonBlocking: false, watched: new Map(), held: { bytes: 0 } }
}

/** The descriptor that the first argument names; null = there is none of that number. */
export function descriptorOf(world: CallWorld, given: readonly Expression[]): Descriptor | null {
  if (given[0] === undefined) throw new CallError('the call has too few arguments')
  return world.descriptors.get(numberOf(given[0])) ?? null
}

/** The same, where nothing but a socket will do. */
export function socketOf(world: CallWorld, given: readonly Expression[]): Descriptor | null {
  const descriptor = descriptorOf(world, given)
  return descriptor?.kind === 'socket' ? descriptor : null
}

/** From the stack's answer: a count, or a negated errno. */
export function returned(value: number): Returned {
  if (value >= 0) return { value, errno: null }
  return { value: -1, errno: errnoName(-value) ?? `errno ${-value}` }
}

export function failed(errno: string): Returned {
  return { value: -1, errno }
}

/** Done at the first attempt. */
export function atOnce(made: () => Returned): Attempt {
  return made
}

/** As the socket calls answer. */
export const EAGAIN = -MPTCP_ERRNO.EAGAIN
export const EINPROGRESS = -MPTCP_ERRNO.EINPROGRESS
export const EALREADY = -MPTCP_ERRNO.EALREADY

/** Whether a call that blocks has done so for as long as SO_RCVTIMEO or SO_SNDTIMEO says; 0 = for ever. */
export function patience(world: CallWorld, descriptor: Descriptor, option: number): () => boolean {
  const { bsd, clock } = world.host
  let deadline: number | null = null
  return () => {
    const timeoutMs = Number(bsd.getsockopt(descriptor.live, CONSTANTS.SOL_SOCKET, option))
    if (!(timeoutMs > 0)) return false
    if (deadline === null) {
      deadline = clock.now() + timeoutMs
      // Something has to happen at the deadline, or no one would look.
      clock.at(deadline, () => {})
    }
    return clock.now() >= deadline
  }
}
