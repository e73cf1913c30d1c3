// The schedulers that come with the stack, by name: one table for the stack's option, `--scheduler` and
// packetdrill.

import { lowestRtt } from './lowest-rtt.js'
import type { MptcpSchedulerAlgorithm } from './scheduler.js'
import { shortestLinger } from './shortest-linger.js'

/** Unless told, and in place of one that failed. */
export const DEFAULT_SCHEDULER = lowestRtt

export const SCHEDULERS: ReadonlyMap<string, MptcpSchedulerAlgorithm> = new Map(
  [lowestRtt, shortestLinger].map((each) => [each.name, each]),
)
