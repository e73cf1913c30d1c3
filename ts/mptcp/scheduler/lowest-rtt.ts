// The default scheduler: of the paths that have room, the one with the lowest round-trip time.

import { takeLowest } from './lowest.js'
import type { MptcpSchedulerAlgorithm } from './scheduler.js'

const scheduler = takeLowest(({ srttMs }) => srttMs)

export const lowestRtt: MptcpSchedulerAlgorithm = {
  name: 'lowest-rtt',
  create: () => scheduler,
}
