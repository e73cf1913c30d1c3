// Which subflow takes the next piece of data: the candidates that a scheduler is shown, and its choice.

import { noteCwndLimited, usableWindow } from '../../tcp/output.js'
import { inflightBytes } from '../../tcp/sent.js'
import type { Connection } from '../connection.js'
import { canCarryData, isBackup, type Subflow } from '../subflow.js'
import type { MptcpSchedulerSubflow } from './scheduler.js'

/** Reused: a choice is made before the next one. */
interface View {
  id: number
  srttMs: number
  cwndBytes: number
  inflightBytes: number
  usableBytes: number
  backup: boolean
  subflow: Subflow | null
}
const views: View[] = []
const candidates: View[] = []

function viewOf(subflow: Subflow, index: number): View {
  views[index] ??= {
    id: 0,
    srttMs: 0,
    cwndBytes: 0,
    inflightBytes: 0,
    usableBytes: 0,
    backup: false,
    subflow: null,
  }
  const view = views[index]
  view.id = subflow.id
  view.srttMs = subflow.tcb.rtt.srttMs
  view.cwndBytes = subflow.tcb.congestion.cwnd
  view.inflightBytes = inflightBytes(subflow.tcb)
  view.usableBytes = usableWindow(subflow.tcb)
  view.backup = isBackup(subflow)
  view.subflow = subflow
  return view
}

/**
 * The scheduler's choice among the subflows that work best: not stale before stale, not backup before
 * backup. Those of the best class without room make it wait, rather than the next class go.
 */
export function pickSubflow(connection: Connection, not: Subflow | null): Subflow | null {
  let best = 4
  for (const subflow of connection.subflows) {
    if (subflow !== not && canCarryData(subflow)) best = Math.min(best, classOf(subflow))
  }
  if (best === 4) return null
  candidates.length = 0
  for (const subflow of connection.subflows) {
    if (subflow === not || !canCarryData(subflow) || classOf(subflow) !== best) continue
    const room = usableWindow(subflow.tcb)
    if (room < subflow.tcb.snd.mss && inflightBytes(subflow.tcb) > 0) {
      noteCwndLimited(subflow.tcb)
      continue
    }
    candidates.push(viewOf(subflow, candidates.length))
  }
  if (candidates.length === 0) return null
  const choice: MptcpSchedulerSubflow | null = connection.scheduler.pick(candidates)
  return choice === null ? null : (choice as View).subflow
}

/** 0 best. A stale subflow that is no backup comes after a working backup. */
function classOf(subflow: Subflow): number {
  return (subflow.stale ? 2 : 0) + (isBackup(subflow) ? 1 : 0)
}
