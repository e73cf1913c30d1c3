// What an entry of the tables of socket options is, and the common kinds of entries.

import type { Stack } from '../stack/stack.js'
import { MPTCP_ERRNO as E } from './constants.js'
import type { BsdSocket } from './descriptors.js'

export type OptionValue = number | string
/** A negated errno is a refusal. */
export type OptionAnswer = number | string | object

export interface OptionTarget {
  readonly stack: Stack
  readonly socket: BsdSocket
  /** Level and name in one, for those that are only remembered. */
  readonly key: number
}

export interface SocketOption {
  readonly get?: (target: OptionTarget) => OptionAnswer
  /** 0, or a negated errno. */
  readonly set?: (target: OptionTarget, value: number) => number
  /** As `set`, for an option whose value is a text. */
  readonly setText?: (target: OptionTarget, value: string) => number
  /** How Linux's MPTCP socket refuses what its TCP socket takes, until it has fallen back. */
  readonly multipath?: { readonly get?: number; readonly set?: number }
}

export type OptionTable = ReadonlyMap<number, SocketOption>

/** Linux's MPTCP socket knows the option but not how to act on it. */
export const TCP_ONLY = { get: E.EOPNOTSUPP, set: E.ENOPROTOOPT } as const
export const IP_OF_TCP_ONLY = { get: E.EOPNOTSUPP, set: E.EOPNOTSUPP } as const

/** Remembered and given back; nothing here acts on it. Bounded: one number an entry of the tables. */
export function remembered(initial: number, least: number, most: number): SocketOption {
  return {
    get: ({ socket, key }) => socket.settings.remembered?.get(key) ?? initial,
    set: ({ socket, key }, value) => {
      if (!(value >= least && value <= most)) return -E.EINVAL
      remember(socket, key, value)
      return 0
    },
  }
}

export function remember({ settings }: BsdSocket, key: number, value: number): void {
  settings.remembered ??= new Map()
  settings.remembered.set(key, value)
}

/** A flag that nothing here acts on. */
export function rememberedFlag(): SocketOption {
  return {
    get: ({ socket, key }) => socket.settings.remembered?.get(key) ?? 0,
    set: ({ socket, key }, value) => {
      remember(socket, key, value === 0 ? 0 : 1)
      return 0
    },
  }
}

/** Taken and forgotten, as Linux's MPTCP does with what means nothing to a stream. */
export const IGNORED: SocketOption = { get: () => 0, set: () => 0 }

/** Told, and not to be set. */
export function told(get: (target: OptionTarget) => OptionAnswer): SocketOption {
  return { get }
}
