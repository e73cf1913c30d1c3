// A listening socket: which SYNs it takes, and the connections that wait to be accepted.

import type { AddressFamilies, Connection } from '../mptcp/connection.js'
import { createFastOpenSettings, type FastOpenSettings } from '../tcp/fast-open.js'
import { createTcpSettings, type TcpSettings } from '../tcp/settings.js'
import { type IpAddress, sameAddress } from '../wire/address.js'

export interface Listener {
  /** Null = every address of the stack. */
  readonly address: IpAddress | null
  readonly port: number
  /** SO_REUSEPORT: others of the same address and port may listen that have it too. */
  readonly reusePort: boolean
  /** Plain TCP only. */
  readonly plain: boolean
  /** Most connections that are half open, and most that wait to be accepted. */
  readonly backlog: number
  /** Bounded by the backlog: SYNs of strangers. */
  readonly opening: Set<Connection>
  /** Bounded by the backlog. */
  readonly ready: Connection[]
  /** What its connections begin with. */
  settings: TcpSettings
  families: AddressFamilies
  readonly fastOpen: {
    settings: FastOpenSettings
    /** Bounded by `settings.queue`: accepted with their SYN, and without a third ACK yet. */
    readonly pending: Set<Connection>
  }
  /** When it last answered with a SYN cookie. */
  cookieSentAt: number
  /** A connection is ready: an application's, told after the turn. */
  notify: (() => void) | null
  /** It is about to be told. */
  telling: boolean
}

export function createListener(
  address: IpAddress | null,
  port: number,
  backlog: number,
  plain: boolean,
  reusePort: boolean,
): Listener {
  return {
    address,
    port,
    reusePort,
    plain,
    backlog,
    opening: new Set(),
    ready: [],
    settings: createTcpSettings(),
    families: 'both',
    fastOpen: { settings: createFastOpenSettings(), pending: new Set() },
    cookieSentAt: Number.NEGATIVE_INFINITY,
    notify: null,
    telling: false,
  }
}

/** Whether a SYN to `address`:`port` is for it. */
export function takes(listener: Listener, address: IpAddress, port: number): boolean {
  if (listener.port !== port) return false
  return listener.address === null || sameAddress(listener.address, address)
}

/** Whether one more may be half open. */
export function hasOpeningRoom(listener: Listener): boolean {
  return listener.opening.size < listener.backlog
}

/** Whether one more may wait to be accepted. */
export function hasReadyRoom(listener: Listener): boolean {
  return listener.ready.length < listener.backlog
}
