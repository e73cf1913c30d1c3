// What the path manager remembers of one connection: what was announced by us and by the peer, and which
// endpoints were used. path-manager.ts acts on it.

import type { IpAddress } from '../../wire/address.js'
import type { Endpoint } from './endpoint.js'

/** An ADD_ADDR of ours that waits for its echo. */
export interface Announcement {
  readonly endpoint: Endpoint
  deadline: number
  tries: number
  echoed: boolean
}

/** An address that the peer announced. */
export interface RemoteAddress {
  readonly id: number
  readonly address: IpAddress
  readonly port: number
}

export interface PathManagerState {
  /** The endpoints were acted on: once, when the connection is fully established. */
  started: boolean
  /** Bounded by the number of endpoints. */
  readonly announcements: Announcement[]
  /** Bounded by `maxAddAddrAccepted`. */
  readonly remoteAddresses: RemoteAddress[]
  /** Endpoints from which a subflow was opened: an address is not used again. Bounded likewise. */
  readonly used: Set<number>
}

export function createPathManager(): PathManagerState {
  return { started: false, announcements: [], remoteAddresses: [], used: new Set() }
}
