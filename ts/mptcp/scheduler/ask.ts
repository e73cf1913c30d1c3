// Asking a connection's scheduler: what it is shown, and what its answer comes to. An answer that is none costs
// the scheduler its place.

import { unsentBytes } from '../../tcp/chunk-queue.js'
import { usableWindow } from '../../tcp/output.js'
import { pacingRate } from '../../tcp/pacing.js'
import { inflightBytes } from '../../tcp/sent.js'
import type { Tcb } from '../../tcp/tcb.js'
import type { Connection, Reinjection } from '../connection.js'
import type { Context } from '../context.js'
import { canCarryData, isBackup, type Subflow } from '../subflow.js'
import { DEFAULT_SCHEDULER } from './names.js'
import type { MptcpScheduled, MptcpSchedulerData, MptcpSchedulerSubflow } from './scheduler.js'

/** What a subflow takes of the range at hand: of the first one a part, of the others copies of that. */
export interface Share {
  subflow: Subflow
  /** What it has room for; 0 = a copy waits in its queue. */
  bytes: number
}

/** Reused: a choice is made before the next one. Its numbers are looked up as they are asked for. */
class View implements MptcpSchedulerSubflow {
  usableBytes = 0
  #subflow: Subflow
  #tcb: Tcb

  constructor(subflow: Subflow) {
    this.#subflow = subflow
    this.#tcb = subflow.tcb
  }

  show(subflow: Subflow, usableBytes: number): void {
    this.#subflow = subflow
    this.#tcb = subflow.tcb
    this.usableBytes = usableBytes
  }

  get id(): number {
    return this.#subflow.id
  }
  get srttMs(): number {
    return this.#tcb.rtt.srttMs
  }
  get rttVarianceMs(): number {
    return this.#tcb.rtt.rttvarMs
  }
  get minRttMs(): number {
    return this.#tcb.rtt.minMs
  }
  get cwndBytes(): number {
    return this.#tcb.congestion.cwnd
  }
  get inflightBytes(): number {
    return inflightBytes(this.#tcb)
  }
  get queuedBytes(): number {
    return unsentBytes(this.#tcb)
  }
  get mssBytes(): number {
    return this.#tcb.snd.mss
  }
  get deliveryRate(): number {
    const { bytes, intervalMs } = this.#tcb.rate
    return intervalMs === 0 ? 0 : (1000 * bytes) / intervalMs
  }
  get pacingRate(): number {
    return pacingRate(this.#tcb)
  }
  get retransmits(): number {
    return this.#tcb.stats.retransmits
  }
  get backup(): boolean {
    return isBackup(this.#subflow)
  }
  get stale(): boolean {
    return this.#subflow.stale
  }
}

const views: View[] = []
/** Those shown, and the subflows behind them, place by place. */
const shown: View[] = []
const behind: Subflow[] = []
const shares: Share[] = []
const data = { unsentBytes: 0, windowBytes: 0, offset: 0, bytes: 0, again: false, from: -1 }

/** Bytes that a subflow takes now: at least a segment, or nothing. */
function usableBytes({ tcb }: Subflow): number {
  const room = usableWindow(tcb)
  if (room >= tcb.snd.mss) return room
  return inflightBytes(tcb) > 0 ? 0 : tcb.snd.mss
}

/** Whether its congestion window is what keeps data from it. */
export function isFull(subflow: Subflow): boolean {
  return canCarryData(subflow) && usableBytes(subflow) === 0
}

/**
 * Which subflows take the range at hand, [offset, offset + bytes) of the data, and how much. Empty where none of
 * those named has room. `reinjection`: the range goes again. Valid until the next call.
 */
export function ask(
  context: Context,
  connection: Connection,
  offset: number,
  bytes: number,
  reinjection: Reinjection | null,
): readonly Share[] {
  const { snd } = connection
  const from = reinjection?.from ?? null
  shown.length = 0
  behind.length = 0
  let hasRoom = false
  for (const subflow of connection.subflows) {
    if (!canCarryData(subflow)) continue
    const at = shown.length
    const usable = subflow === from ? 0 : usableBytes(subflow)
    views[at] ??= new View(subflow)
    views[at].show(subflow, usable)
    shown.push(views[at])
    behind.push(subflow)
    hasRoom ||= usable > 0
  }
  data.unsentBytes = snd.end - snd.nxt
  data.windowBytes = Math.max(0, Math.min(snd.end, snd.right) - snd.nxt)
  data.offset = offset
  data.bytes = bytes
  data.again = reinjection !== null
  data.from = from?.id ?? -1
  shares.length = 0
  if (!hasRoom) return shares
  const wrong = decide(connection)
  if (wrong !== null) {
    replaceScheduler(context, connection, wrong)
    shares.length = 0
    decide(connection)
  }
  connection.scheduling.declined = shares.length === 0
  return shares
}

/** Asks, and fills in the shares; what is wrong with the answer, or null. */
function decide({ scheduling }: Connection): unknown {
  let answer: readonly MptcpScheduled[]
  try {
    answer = scheduling.scheduler.schedule(shown, data as MptcpSchedulerData)
  } catch (error) {
    return error
  }
  if (!Array.isArray(answer)) return wrongAnswer('schedule() must return a list')
  for (const each of answer) {
    const place = shown.indexOf(each?.subflow as View)
    if (place < 0) return wrongAnswer('schedule() names a subflow that it was not shown')
    if (!(each.bytes >= 0)) return wrongAnswer(`schedule() gives ${each.bytes} bytes`)
    if (each.bytes === 0) continue
    const bytes = Math.min(each.bytes, shown[place].usableBytes)
    const share = { subflow: behind[place], bytes }
    // In plain TCP it would say the same bytes again as the next ones.
    if (shares.some((other) => other.subflow === share.subflow)) {
      return wrongAnswer('schedule() names a subflow twice')
    }
    // The one that sends it now comes first.
    if (bytes > 0 && shares.length > 0 && shares[0].bytes === 0) shares.unshift(share)
    else shares.push(share)
  }
  if (shares.length > 0 && shares[0].bytes === 0) shares.length = 0
  return null
}

function wrongAnswer(what: string): Error {
  return new Error(`${what}; it returns [{ subflow, bytes }, …] or []`)
}

/** Its connection goes on with the default. */
export function replaceScheduler(context: Context, connection: Connection, error: unknown): void {
  context.schedulerFailed(error)
  connection.scheduling.scheduler = DEFAULT_SCHEDULER.create()
  connection.scheduling.declined = false
}
