// A way to reach a peer, as the MPTCP layer sees it.

import type { IpAddress } from '../wire/address.js'

/** A way to reach a peer: one of our addresses, on one link. Written by stack/paths.ts, as its link changes. */
export interface LocalPath {
  readonly address: IpAddress
  /** Index of the link in the stack. */
  link: number
  /** Payload of a full segment by the link's MTU, before TCP options. */
  mss: number
  /** Largest payload of one segment given to the link: above `mss` with segmentation offload. */
  limit: number
  /** Its owner wants data on it only where no other path can carry it. */
  backup: boolean
  /** It costs: no subflow is opened on it while one on an unmetered path works. */
  metered: boolean
  /** The link is down: nothing leaves or arrives. */
  down: boolean
}
