// An endpoint: one of this host's addresses and what the path manager may do with it. The flags are
// those of `ip mptcp endpoint`.

import type { IpAddress } from '../../wire/address.js'

export interface Endpoint {
  /** Address id on the wire, 1 to 255; the address of the initial subflow is 0 whatever this says. */
  readonly id: number
  readonly address: IpAddress
  /** 0 = the port of the connection. */
  readonly port: number
  /** Open a subflow from here. */
  readonly subflow: boolean
  /** Announce it with ADD_ADDR. */
  readonly signal: boolean
  /** Subflows from here carry data only when no other can. */
  readonly backup: boolean
  /** Nobody configured it: it is `subflow` when connecting and `signal` when listening. */
  readonly automatic: boolean
}
