// The default scheduler: the path with the lowest round-trip time that has room, then the next.

import type { MptcpScheduler, MptcpSchedulerSubflow } from './scheduler.js'

export function lowestRtt(): MptcpScheduler {
  return {
    name: 'lowest-rtt',
    pick(candidates): MptcpSchedulerSubflow | null {
      let best = candidates[0]
      for (const candidate of candidates) {
        if (candidate.srttMs < best.srttMs) best = candidate
      }
      return best
    },
  }
}
