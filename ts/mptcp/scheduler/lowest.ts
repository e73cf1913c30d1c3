// Schedulers that give all to one subflow, the one that costs least.

import { rankOf } from './preferred.js'
import type { MptcpScheduled, MptcpScheduler, MptcpSchedulerSubflow } from './scheduler.js'

const NOBODY: readonly MptcpScheduled[] = []

/** Of the preferred subflows that have room, the first with the lowest `cost`. One serves all connections. */
export function takeLowest(cost: (subflow: MptcpSchedulerSubflow) => number): MptcpScheduler {
  // One answer, used again.
  const choice = { subflow: null as MptcpSchedulerSubflow | null, bytes: Number.POSITIVE_INFINITY }
  const answer = [choice as MptcpScheduled]
  return {
    schedule(subflows, data) {
      let best: MptcpSchedulerSubflow | null = null
      let least = 0
      let bestRank = Number.POSITIVE_INFINITY
      for (const subflow of subflows) {
        if (subflow.id === data.from) continue
        const rank = rankOf(subflow)
        if (rank > bestRank) continue
        if (rank < bestRank) {
          best = null
          bestRank = rank
        }
        if (subflow.usableBytes === 0) continue
        const own = cost(subflow)
        if (best !== null && own >= least) continue
        best = subflow
        least = own
      }
      if (best === null) return NOBODY
      choice.subflow = best
      return answer
    },
  }
}
