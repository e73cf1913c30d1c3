// The scheduler of Linux's kernel: the subflow on which new data lingers for the shortest time behind what
// is queued there, by its pacing rate; where several are idle, the first.

import { takeLowest } from './lowest.js'
import type { MptcpSchedulerAlgorithm, MptcpSchedulerSubflow } from './scheduler.js'

const scheduler = takeLowest(lingerMs)

export const shortestLinger: MptcpSchedulerAlgorithm = {
  name: 'shortest-linger',
  create: () => scheduler,
}

/** How long what is queued takes to leave, at a congestion window each round trip. */
function lingerMs({ inflightBytes, cwndBytes, srttMs }: MptcpSchedulerSubflow): number {
  return (inflightBytes * srttMs) / cwndBytes
}
