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
  isFull = false
  #subflow: Subflow
  #tcb: Tcb

  constructor(subflow: Subflow) {
    this.#subflow = subflow
    this.#tcb = subflow.tcb
  }

  /** `excluded`: what goes again comes from it. */
  show(subflow: Subflow, room: number, excluded: boolean): void {
    this.#subflow = subflow
    this.#tcb = subflow.tcb
    this.isFull = room === 0
    this.usableBytes = excluded ? 0 : room
  }

  tell(what: (tcb: Tcb) => void): void {
    what(this.#tcb)
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

/** One for each place. */
const views: View[] = []
/** Those shown, and the subflows behind them, place by place. */
const shown: View[] = []
const behind: Subflow[] = []
const shares: Share[] = []
/** Shares to be used again, one for each place of an answer. */
const pool: Share[] = []
const data = { unsentBytes: 0, windowBytes: 0, offset: 0, bytes: 0, again: false, from: -1 }

/** Bytes that a subflow takes now: at least a segment, or nothing. */
function usableBytes({ tcb }: Subflow): number {
  const room = usableWindow(tcb)
  if (room >= tcb.snd.mss) return room
  return inflightBytes(tcb) > 0 ? 0 : tcb.snd.mss
}

/** Tells those of whom the last question found that their windows are full. */
export function forEachFull(tell: (tcb: Tcb) => void): void {
  for (const view of shown) if (view.isFull) view.tell(tell)
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
  let count = 0
  let hasRoom = false
  for (const subflow of connection.subflows) {
    if (!canCarryData(subflow)) continue
    views[count] ??= new View(subflow)
    const view = views[count]
    view.show(subflow, usableBytes(subflow), subflow === from)
    hasRoom ||= view.usableBytes > 0
    shown[count] = view
    behind[count++] = subflow
  }
  empty(shown, count)
  empty(behind, count)
  empty(shares, 0)
  data.unsentBytes = snd.end - snd.nxt
  data.windowBytes = Math.max(0, Math.min(snd.end, snd.right) - snd.nxt)
  data.offset = offset
  data.bytes = bytes
  data.again = reinjection !== null
  data.from = from?.id ?? -1
  if (!hasRoom) return shares
  const wrong = decide(connection)
  if (wrong !== null) {
    replaceScheduler(context, connection, wrong)
    empty(shares, 0)
    decide(connection)
  }
  connection.declined = shares.length === 0
  return shares
}

/** Asks, and fills in the shares; what is wrong with the answer, or null. */
function decide({ scheduler }: Connection): unknown {
  try {
    return take(scheduler.schedule(shown, data as MptcpSchedulerData))
  } catch (error) {
    return error ?? new Error(`schedule() has thrown ${error}`)
  }
}

/** Fills in the shares. A user's object answers each time that it is asked: it may throw then. */
function take(answer: readonly MptcpScheduled[]): Error | null {
  if (!Array.isArray(answer)) return wrongAnswer('schedule() must return a list')
  for (const each of answer) {
    const place = shown.indexOf(each?.subflow as View)
    if (place < 0) return wrongAnswer('schedule() names a subflow that it was not shown')
    const most: unknown = each.bytes
    if (typeof most !== 'number' || !(most >= 0)) {
      return wrongAnswer(`schedule() gives ${String(most)} bytes`)
    }
    // Of a byte there are no parts.
    const whole = Math.floor(most)
    if (whole === 0) continue
    const bytes = Math.min(whole, shown[place].usableBytes)
    // In plain TCP it would say the same bytes again as the next ones.
    if (isNamed(behind[place])) return wrongAnswer('schedule() names a subflow twice')
    const share = shareAt(shares.length, behind[place], bytes)
    // The one that sends it now comes first.
    if (bytes > 0 && shares.length > 0 && shares[0].bytes === 0) shares.unshift(share)
    else shares.push(share)
  }
  if (shares.length > 0 && shares[0].bytes === 0) empty(shares, 0)
  return null
}

/** Measured: setting `length` costs 30 ns, whatever it was. */
function empty(list: unknown[], length: number): void {
  while (list.length > length) list.pop()
}

function isNamed(subflow: Subflow): boolean {
  for (const share of shares) if (share.subflow === subflow) return true
  return false
}

function shareAt(place: number, subflow: Subflow, bytes: number): Share {
  pool[place] ??= { subflow, bytes }
  const share = pool[place]
  share.subflow = subflow
  share.bytes = bytes
  return share
}

function wrongAnswer(what: string): Error {
  return new Error(`${what}; it returns [{ subflow, bytes }, …] or []`)
}

/** Its connection goes on with the default. */
export function replaceScheduler(context: Context, connection: Connection, error: unknown): void {
  context.schedulerFailed(error)
  connection.scheduler = DEFAULT_SCHEDULER.create()
  connection.declined = false
}
