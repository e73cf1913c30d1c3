// Which subflows are used at all while others work: the part that schedulers have in common.

import type { MptcpSchedulerData, MptcpSchedulerSubflow } from './scheduler.js'

/**
 * Whether a subflow is of the best kind that there is for the data: one that works before one that is stale, one
 * that is no backup before a backup; data that goes again does not go where it comes from. Those of the best
 * kind whose windows are full are waited for, rather than the next kind used.
 */
export function isPreferred(
  subflow: MptcpSchedulerSubflow,
  subflows: readonly MptcpSchedulerSubflow[],
  data: MptcpSchedulerData,
): boolean {
  if (subflow.id === data.from) return false
  const rank = rankOf(subflow)
  return subflows.every((other) => other.id === data.from || rankOf(other) >= rank)
}

/** 0 best. A stale subflow that is no backup comes after a working backup. */
export function rankOf({ stale, backup }: MptcpSchedulerSubflow): number {
  return (stale ? 2 : 0) + (backup ? 1 : 0)
}
