// The congestion controls of one connection's subflows.

import type { MptcpCongestionAlgorithm, MptcpCongestionControl } from './congestion-control.js'

export interface CongestionGroup {
  /** Of those that are made from now on. */
  algorithm: MptcpCongestionAlgorithm
  /** Controls of the subflows that are established, in the order in which they became so. */
  members: MptcpCongestionControl[]
  /** One of the user's has failed, and all of them were given up. */
  readonly failed: (error: Error) => void
}

export function createCongestionGroup(
  algorithm: MptcpCongestionAlgorithm,
  failed: (error: Error) => void,
): CongestionGroup {
  return { algorithm, members: [], failed }
}
