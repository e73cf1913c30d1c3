// A way to reach a peer, as the MPTCP layer sees it.

import type { IpAddress } from '../wire/address.js'

/** A way to reach a peer: one of our addresses, on one link. */
export interface LocalPath {
  readonly address: IpAddress
  /** Index of the link in the stack. */
  readonly link: number
  /** Payload of a full segment by the link's MTU, before TCP options. */
  readonly mss: number
  /** Largest payload of one segment given to the link: above `mss` with segmentation offload. */
  readonly limit: number
}
