// A listening socket: which SYNs it takes, and the connections that wait to be accepted.

import type { Connection } from '../mptcp/connection.js'
import { type IpAddress, sameAddress } from '../wire/address.js'

export interface Listener {
  /** Null = every address of the stack. */
  readonly address: IpAddress | null
  readonly port: number
  /** Plain TCP only. */
  readonly plain: boolean
  /** Most connections that are half open, and most that wait to be accepted. */
  readonly backlog: number
  /** Bounded by the backlog: SYNs of strangers. */
  readonly opening: Set<Connection>
  /** Bounded by the backlog. */
  readonly ready: Connection[]
  /** A connection is ready. */
  notify: (() => void) | null
}

export function createListener(
  address: IpAddress | null,
  port: number,
  backlog: number,
  plain: boolean,
): Listener {
  return { address, port, plain, backlog, opening: new Set(), ready: [], notify: null }
}

/** Whether a SYN to `address`:`port` is for it. */
export function takes(listener: Listener, address: IpAddress, port: number): boolean {
  if (listener.port !== port) return false
  return listener.address === null || sameAddress(listener.address, address)
}

/** Whether there is room for one more connection. */
export function hasRoom(listener: Listener): boolean {
  return listener.opening.size < listener.backlog && listener.ready.length < listener.backlog
}
