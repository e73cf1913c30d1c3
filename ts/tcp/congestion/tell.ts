// What a tcb tells its congestion control, and when it belongs to its connection's group.

import type { RateSample } from '../rate.js'
import { inflightBytes } from '../sent.js'
import type { Tcb } from '../tcb.js'
import type {
  CongestionEvent,
  MptcpCongestionAlgorithm,
  MptcpCongestionControl,
} from './congestion-control.js'
import type { CongestionGroup } from './group.js'
import { createControl, GuardedControl } from './guard.js'

/** The MSS is known: the tcb gets the control that it keeps. */
export function startControl(tcb: Tcb): void {
  tcb.congestion = createControl(tcb.congestionGroup, tcb.snd.mss)
}

/** The user wants another algorithm for the subflows of `tcbs`, which are a group's. */
export function changeAlgorithm(
  group: CongestionGroup,
  algorithm: MptcpCongestionAlgorithm,
  tcbs: readonly Tcb[],
): void {
  if (group.algorithm === algorithm) return
  group.algorithm = algorithm
  for (const tcb of tcbs) replaceControl(tcb)
}

/** The group's algorithm has changed; the window goes on from where it stood. */
function replaceControl(tcb: Tcb): void {
  // It has none yet, or has no more use for one.
  if (tcb.state === 'SYN-SENT' || tcb.state === 'CLOSED' || tcb.state === 'TIME-WAIT') return
  const { cwnd, ssthresh } = tcb.congestion
  const isMember = leaveGroup(tcb)
  startControl(tcb)
  tcb.congestion.cwnd = cwnd
  tcb.congestion.ssthresh = ssthresh
  if (isMember) joinGroup(tcb)
}

/** A group shows its controls to one another as they were made. */
function asMade(control: MptcpCongestionControl): MptcpCongestionControl {
  return control instanceof GuardedControl ? control.inner : control
}

export function joinGroup({ congestion, congestionGroup: group }: Tcb): void {
  const control = asMade(congestion)
  // Measured: a first push makes room for 17, 136 bytes of an idle connection.
  if (group.members.length === 0) group.members = [control]
  else group.members.push(control)
  congestion.join?.(group.members)
}

/** Returns whether it was in the group. */
export function leaveGroup({ congestion, congestionGroup: { members } }: Tcb): boolean {
  const index = members.indexOf(asMade(congestion))
  if (index < 0) return false
  members.splice(index, 1)
  congestion.leave?.(members)
  return true
}

const event: CongestionEvent = {
  now: 0,
  bytes: 0,
  inflightBytes: 0,
  mss: 0,
  srttMs: 0,
  minRttMs: 0,
  rttMs: 0,
  mayGrow: false,
  isAppLimited: false,
  una: 0,
  nxt: 0,
}

function fill(tcb: Tcb, now: number, bytes: number, inflight: number): CongestionEvent {
  event.now = now
  event.bytes = bytes
  event.inflightBytes = inflight
  event.mss = tcb.snd.mss
  event.srttMs = tcb.rtt.srttMs
  event.minRttMs = tcb.rtt.minMs
  event.rttMs = 0
  event.mayGrow = false
  event.isAppLimited = tcb.rate.limitedUntil > 0
  event.una = tcb.snd.una
  event.nxt = tcb.snd.nxt
  return event
}

/** `advanced`: SND.UNA did. A SACK alone does not let cwnd grow, as Linux: reordering would. */
export function tellAcknowledged(
  tcb: Tcb,
  now: number,
  bytes: number,
  rttMs: number,
  advanced: boolean,
  sample: RateSample,
): void {
  const told = fill(tcb, now, bytes, inflightBytes(tcb) + bytes)
  const { cwnd, ssthresh } = tcb.congestion
  told.rttMs = rttMs
  told.mayGrow =
    advanced &&
    tcb.recovery.phase !== 'recovery' &&
    (tcb.cwndLimited || (cwnd < ssthresh && cwnd < 2 * tcb.cwndUse.most))
  tcb.congestion.acknowledged(told, sample)
}

export function tellLost(tcb: Tcb, now: number): void {
  tcb.congestion.lost(fill(tcb, now, 0, inflightBytes(tcb)))
}

export function tellTimedOut(tcb: Tcb, now: number): void {
  tcb.congestion.timedOut(fill(tcb, now, 0, inflightBytes(tcb)))
}

/** `bytes` of payload are in flight now. */
export function tellSent(tcb: Tcb, now: number, bytes: number): void {
  if (tcb.congestion.sent === undefined) return
  tcb.congestion.sent(fill(tcb, now, bytes, inflightBytes(tcb) - bytes))
}

/** The size of a full segment has changed. */
export function tellMss(tcb: Tcb): void {
  tcb.congestion.setMss?.(tcb.snd.mss)
}
