// The connections in TIME-WAIT: a small record each, and one timer for all, since all wait equally long.

import type { Clock, TimerHandle } from '../clock.js'
import type { Counters } from '../counters.js'
import type { Subflow } from '../mptcp/subflow.js'
import {
  segmentArrivesInTimeWait,
  TIME_WAIT_MS,
  type TimeWait,
  timeWaitAck,
  timeWaitOf,
} from '../tcp/time-wait.js'
import type { IpAddress } from '../wire/address.js'
import type { Segment } from '../wire/segment.js'
import { Demux, type DemuxEntry, type FourTuple } from './demux.js'
import type { Replies } from './replies.js'

/** Bounded: those that a busy peer leaves behind; the oldest ends early. */
const MAX_TIME_WAIT = 4096

interface Entry extends DemuxEntry<Entry> {
  readonly link: number
  readonly wait: TimeWait
  deadline: number
}

export class TimeWaits {
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #demux = new Demux<Entry>()
  /** By deadline: the one that came, or began anew, last is the last. */
  readonly #entries = new Set<Entry>()
  #timer: TimerHandle | null = null

  constructor(clock: Clock, counters: Counters) {
    this.#clock = clock
    this.#counters = counters
  }

  get size(): number {
    return this.#entries.size
  }

  /** The ends of each, oldest first. */
  *tuples(): Iterable<FourTuple> {
    for (const { tuple } of this.#entries) yield tuple
  }

  /** Keeps what is left of a subflow in TIME-WAIT, which may be destroyed then. */
  add(subflow: Subflow, now: number): void {
    const { path, localPort, remote, remotePort, tcb } = subflow
    // Whoever binds a port may use the same four again meanwhile.
    const former = this.#demux.find(path.address, localPort, remote, remotePort)
    if (former !== undefined) this.#forget(former)
    const entry: Entry = {
      tuple: { path: { address: path.address }, localPort, remote, remotePort },
      next: null,
      link: path.link,
      wait: timeWaitOf(tcb),
      deadline: now + TIME_WAIT_MS,
    }
    this.#demux.add(entry)
    this.#entries.add(entry)
    if (this.#entries.size > MAX_TIME_WAIT) {
      const [oldest] = this.#entries
      this.#counters.TcpExtTCPTimeWaitOverflow++
      this.#forget(oldest)
    }
    this.#arm()
  }

  /** Whether the four are in use. */
  has(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): boolean {
    return this.#demux.find(local, localPort, remote, remotePort) !== undefined
  }

  /** Takes a segment, if it is for one of these: false = it is not. */
  arrives(segment: Segment, replies: Replies, now: number): boolean {
    const entry = this.#demux.findFor(segment)
    if (entry === undefined) return false
    const verdict = segmentArrivesInTimeWait(entry.wait, this.#counters, segment, now)
    if (verdict === 'over' || verdict === 'anew') this.#forget(entry)
    if (verdict === 'anew') return false
    if (verdict === 'restart') {
      entry.deadline = now + TIME_WAIT_MS
      this.#entries.delete(entry)
      this.#entries.add(entry)
    }
    if (verdict === 'answer' || verdict === 'restart')
      replies.owe(entry.link, ack(entry, now), entry.wait.settings)
    return true
  }

  close(): void {
    if (this.#timer !== null) this.#clock.cancel(this.#timer)
    this.#timer = null
    for (const entry of this.#entries) this.#forget(entry)
  }

  #forget(entry: Entry): void {
    this.#demux.remove(entry.tuple)
    this.#entries.delete(entry)
  }

  /** For the oldest; one that has begun anew meanwhile is looked at again. */
  #arm(): void {
    if (this.#timer !== null) return
    const [oldest] = this.#entries
    if (oldest === undefined) return
    this.#timer = this.#clock.at(oldest.deadline, () => {
      this.#timer = null
      const now = this.#clock.now()
      for (const entry of this.#entries) {
        if (entry.deadline > now) break
        this.#forget(entry)
      }
      this.#arm()
    })
  }
}

function ack({ tuple, wait }: Entry, now: number): Segment {
  return {
    source: tuple.path.address,
    destination: tuple.remote,
    sourcePort: tuple.localPort,
    destinationPort: tuple.remotePort,
    urgentPointer: 0,
    ecn: 0,
    payloadOffset: 0,
    payloadLength: 0,
    ...timeWaitAck(wait, now),
  }
}
