// Time for the whole stack. Logic never asks for the time: `now` arrives as an argument, and only
// the stack, the links and the emulator hold a Clock. All times are milliseconds, with fractions.

import { type Immediate, startImmediate, stopImmediate } from './host/immediate.js'
import { startTimeout, stopTimeout, type Timeout } from './host/timeout.js'

/** A scheduled callback, to be handed back to `Clock.cancel`. */
export interface TimerHandle {
  readonly deadline: number
}

export interface Clock {
  /** Milliseconds since an arbitrary start; never runs backwards. */
  now(): number
  /** Calls `callback` once, at `deadline` or, if that is past, as soon as possible. */
  at(deadline: number, callback: () => void): TimerHandle
  cancel(handle: TimerHandle): void
  /** Calls `callback` once, before time moves on: setImmediate in real time. */
  soon(callback: () => void): void
}

/** The longest delay that setTimeout takes, in milliseconds: 2^31 - 1, about 24.8 days. */
const LONGEST_TIMEOUT = 0x7fffffff

interface RealTimer {
  readonly deadline: number
  readonly callback: () => void
  timeout: Timeout | null
  immediate: Immediate | null
}

export interface RealClockOptions {
  /** Whether a waiting timer keeps the process alive; true unless told. */
  ref?: boolean
}

/** The machine's monotonic clock. No timer fires before its deadline. */
export class RealClock implements Clock {
  readonly #ref: boolean

  constructor(options: RealClockOptions = {}) {
    this.#ref = options.ref ?? true
  }

  now(): number {
    return performance.now()
  }

  at(deadline: number, callback: () => void): TimerHandle {
    checkDeadline(deadline)
    const timer: RealTimer = { deadline, callback, timeout: null, immediate: null }
    this.#arm(timer)
    return timer
  }

  cancel(handle: TimerHandle): void {
    const timer = handle as RealTimer
    if (timer.timeout !== null) stopTimeout(timer.timeout)
    if (timer.immediate !== null) stopImmediate(timer.immediate)
    timer.timeout = null
    timer.immediate = null
  }

  /** Always keeps the process alive until it has run: what was asked for now is not lost at exit. */
  soon(callback: () => void): void {
    startImmediate(callback, true)
  }

  #arm(timer: RealTimer): void {
    const wait = timer.deadline - performance.now()
    if (wait === Number.POSITIVE_INFINITY) return
    if (wait <= 0) {
      // Always kept: the loop would sleep over one that is not, for as long as nothing else happens.
      timer.immediate = startImmediate(() => this.#expire(timer), true)
      return
    }
    const delay = Math.min(Math.ceil(wait), LONGEST_TIMEOUT)
    timer.timeout = startTimeout(() => this.#expire(timer), delay, this.#ref)
  }

  #expire(timer: RealTimer): void {
    timer.timeout = null
    timer.immediate = null
    // setTimeout counts in whole milliseconds of the event loop's time, so it can be a little early;
    // and a deadline beyond LONGEST_TIMEOUT is reached in several steps.
    if (performance.now() < timer.deadline) this.#arm(timer)
    else timer.callback()
  }
}

interface VirtualTimer {
  readonly deadline: number
  /** Order of creation, which decides between equal deadlines. */
  readonly order: number
  /** null once it has run or was cancelled. */
  callback: (() => void) | null
}

export interface VirtualClockOptions {
  /** The time that the clock starts at, in milliseconds; 0 unless told. */
  now?: number
  /** How many events may run without time moving on before that counts as an endless loop. */
  eventsPerInstant?: number
}

/** More than any honest burst at one instant, and a few seconds of a loop that never ends. */
const EVENTS_PER_INSTANT = 10_000_000

/**
 * Time that moves only when it is told to, from one event to the next. Synchronous throughout: a
 * callback runs inside `step`, `runUntil` or `runWhile`, and an error that it throws comes out there.
 */
export class VirtualClock implements Clock {
  #now: number
  readonly #eventsPerInstant: number
  #eventsAtNow = 0
  #order = 0
  #running = false
  /** A binary heap by deadline, then by order; cancelled timers stay until they surface. */
  #heap: VirtualTimer[] = []
  #cancelled = 0
  /** Callbacks of `soon`, of which those before #soonHead have run. */
  #soon: (() => void)[] = []
  #soonHead = 0

  constructor(options: VirtualClockOptions = {}) {
    this.#now = options.now ?? 0
    this.#eventsPerInstant = options.eventsPerInstant ?? EVENTS_PER_INSTANT
    if (!Number.isFinite(this.#now)) throw new RangeError(`the start time is ${this.#now}`)
  }

  now(): number {
    return this.#now
  }

  at(deadline: number, callback: () => void): TimerHandle {
    checkDeadline(deadline)
    const timer: VirtualTimer = { deadline, order: this.#order++, callback }
    if (deadline !== Number.POSITIVE_INFINITY) this.#push(timer)
    return timer
  }

  cancel(handle: TimerHandle): void {
    const timer = handle as VirtualTimer
    if (timer.callback === null) return
    timer.callback = null
    if (timer.deadline === Number.POSITIVE_INFINITY) return
    this.#cancelled++
    // A timer that is armed anew at every turn would otherwise pile up until its old deadlines pass.
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) this.#sweep()
  }

  soon(callback: () => void): void {
    this.#soon.push(callback)
  }

  /** When the next event is due, never before `now()`; Infinity when there is none. */
  nextDeadline(): number {
    if (this.#soonHead < this.#soon.length) return this.#now
    const timer = this.#peek()
    return timer === undefined ? Number.POSITIVE_INFINITY : Math.max(timer.deadline, this.#now)
  }

  /** Runs the next event, moving time on to it; false when there is none. */
  step(): boolean {
    this.#refuseNesting()
    const callback = this.#next()
    if (callback === null) return false
    if (++this.#eventsAtNow > this.#eventsPerInstant) {
      throw new Error(
        `${this.#eventsPerInstant} events ran at ${this.#now} ms and time never moved on: an endless loop`,
      )
    }
    this.#running = true
    try {
      callback()
    } finally {
      this.#running = false
    }
    return true
  }

  /** Runs every event due up to and including `deadline`, which is then the time. */
  runUntil(deadline: number): void {
    this.#refuseNesting()
    checkDeadline(deadline)
    while (this.nextDeadline() <= deadline && this.step());
    if (deadline !== Number.POSITIVE_INFINITY) this.#moveTo(deadline)
  }

  /**
   * Runs events for as long as `condition` holds: true as soon as it does not. False when it still
   * held after `limitMs` more milliseconds, which then have passed, or when no event is left.
   */
  runWhile(condition: () => boolean, limitMs: number): boolean {
    this.#refuseNesting()
    const limit = this.#now + limitMs
    checkDeadline(limit)
    while (condition()) {
      if (this.nextDeadline() > limit || !this.step()) {
        if (limit !== Number.POSITIVE_INFINITY) this.#moveTo(limit)
        return false
      }
    }
    return true
  }

  /** A callback that moved time on would leave its caller with a stale `now`. */
  #refuseNesting(): void {
    if (this.#running) throw new Error('VirtualClock was told to run by one of its own callbacks')
  }

  #moveTo(time: number): void {
    if (time <= this.#now) return
    this.#now = time
    this.#eventsAtNow = 0
  }

  #next(): (() => void) | null {
    if (this.#soonHead < this.#soon.length) return this.#shiftSoon()
    const timer = this.#peek()
    if (timer === undefined) return null
    const callback = timer.callback
    timer.callback = null
    this.#pop()
    this.#moveTo(timer.deadline)
    return callback
  }

  #shiftSoon(): () => void {
    const callback = this.#soon[this.#soonHead++]!
    if (this.#soonHead === this.#soon.length) {
      this.#soon.length = 0
      this.#soonHead = 0
    } else if (this.#soonHead > 1024 && this.#soonHead * 2 > this.#soon.length) {
      this.#soon = this.#soon.slice(this.#soonHead)
      this.#soonHead = 0
    }
    return callback
  }

  /** The earliest timer that was not cancelled. */
  #peek(): VirtualTimer | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.callback === null) {
      this.#cancelled--
      this.#pop()
    }
    return this.#heap[0]
  }

  #push(timer: VirtualTimer): void {
    this.#heap.push(timer)
    this.#siftUp(this.#heap.length - 1)
  }

  #pop(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length === 0) return
    this.#heap[0] = last
    this.#siftDown(0)
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((timer) => timer.callback !== null)
    this.#cancelled = 0
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#siftDown(i)
  }

  #siftUp(index: number): void {
    const heap = this.#heap
    const timer = heap[index]!
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = timer
  }

  #siftDown(index: number): void {
    const heap = this.#heap
    const timer = heap[index]!
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, timer)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = timer
  }
}

function isBefore(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order)
}

function checkDeadline(deadline: number): void {
  if (Number.isNaN(deadline)) throw new RangeError('a deadline is not a number')
}
