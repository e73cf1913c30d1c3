// Schedulers that give all to one subflow, the one that costs least.

import { isPreferred } from './preferred.js'
import type { MptcpScheduled, MptcpScheduler, MptcpSchedulerSubflow } from './scheduler.js'

const NOBODY: readonly MptcpScheduled[] = []

/** Of the preferred subflows that have room, the first with the lowest `cost`. */
export function takeLowest(cost: (subflow: MptcpSchedulerSubflow) => number): MptcpScheduler {
  // One answer, used again.
  const choice = { subflow: null as MptcpSchedulerSubflow | null, bytes: Number.POSITIVE_INFINITY }
  const answer = [choice as MptcpScheduled]
  return {
    schedule(subflows, data) {
      let best: MptcpSchedulerSubflow | null = null
      for (const subflow of subflows) {
        if (subflow.usableBytes === 0 || !isPreferred(subflow, subflows, data)) continue
        if (best === null || cost(subflow) < cost(best)) best = subflow
      }
      if (best === null) return NOBODY
      choice.subflow = best
      return answer
    },
  }
}
