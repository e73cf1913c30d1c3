// The scheduler of Linux's kernel: the subflow on which new data lingers for the shortest time behind what
// is queued there, by its pacing rate; where several are idle, the first.

import type { MptcpScheduler, MptcpSchedulerSubflow } from './scheduler.js'

export function shortestLinger(): MptcpScheduler {
  return {
    name: 'shortest-linger',
    pick(candidates): MptcpSchedulerSubflow | null {
      let best = candidates[0]
      for (const candidate of candidates) {
        if (lingerMs(candidate) < lingerMs(best)) best = candidate
      }
      return best
    },
  }
}

/** How long what is queued takes to leave, at a congestion window each round trip. */
function lingerMs({ inflightBytes, cwndBytes, srttMs }: MptcpSchedulerSubflow): number {
  return (inflightBytes * srttMs) / cwndBytes
}
