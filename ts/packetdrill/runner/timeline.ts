// A script's times in virtual time: when its events are due, how far off they may be, and what runs
// while time passes.

import type { VirtualClock } from '../../clock.js'
import type { RunSettings } from '../host/settings.js'
import type { EventTime } from '../language/ast.js'
import { printUsecs } from '../print/time.js'

/** When an event is due, in microseconds of the script; null = at any time. */
export interface Due {
  readonly startUsecs: number
  readonly endUsecs: number
}

/** Whole microseconds hide the last bits of a sum of milliseconds. */
function microseconds(ms: number): number {
  return Math.round(ms * 1000)
}

export class Timeline {
  readonly clock: VirtualClock
  readonly #start: number
  readonly #settings: RunSettings
  /** The event before, whose distance widens the tolerance. */
  lastEventUsecs = 0
  /** Looks after a call that blocks, whenever something has happened. */
  onStep: () => void = () => {}

  constructor(clock: VirtualClock, settings: RunSettings) {
    this.clock = clock
    this.#start = clock.now()
    this.#settings = settings
  }

  get nowUsecs(): number {
    return microseconds(this.clock.now() - this.#start)
  }

  usecsOf(ms: number): number {
    return microseconds(ms - this.#start)
  }

  /** Relative times count from now: the event before has just happened. */
  due(time: EventTime): Due | null {
    switch (time.kind) {
      case 'any':
        return null
      case 'absolute':
        return { startUsecs: time.usecs, endUsecs: time.usecs }
      case 'absolute-range':
        return { startUsecs: time.usecs, endUsecs: time.endUsecs }
      case 'relative':
        return { startUsecs: this.nowUsecs + time.usecs, endUsecs: this.nowUsecs + time.usecs }
      case 'relative-range':
        return { startUsecs: this.nowUsecs + time.usecs, endUsecs: this.nowUsecs + time.endUsecs }
      default:
        return time satisfies never
    }
  }

  /** Whether something at `actualUsecs` was on time; null = it was, else what to say. */
  check(due: Due | null, actualUsecs: number, what: string): string | null {
    if (due === null) return null
    const distance = due.startUsecs - this.lastEventUsecs
    const tolerance = Math.max(
      this.#settings.toleranceUsecs,
      (this.#settings.tolerancePercent / 100) * distance,
    )
    if (actualUsecs >= due.startUsecs - tolerance && actualUsecs <= due.endUsecs + tolerance) {
      return null
    }
    const expected =
      due.startUsecs === due.endUsecs
        ? `at ${printUsecs(due.startUsecs)}`
        : `between ${printUsecs(due.startUsecs)} and ${printUsecs(due.endUsecs)}`
    const margin = printUsecs(Math.round(tolerance))
    return `${what} expected ${expected}, happened at ${printUsecs(actualUsecs)}, tolerance ${margin}`
  }

  /** Lets time pass up to `usecs`, or until `stop` holds: true if it does. */
  advance(usecs: number, stop: () => boolean = () => false): boolean {
    const { clock } = this
    const limit = this.#start + usecs / 1000
    for (;;) {
      if (stop()) return true
      if (clock.nextDeadline() > limit || !clock.step()) break
      this.onStep()
    }
    if (clock.now() < limit) {
      clock.runUntil(limit)
      this.onStep()
    }
    return stop()
  }

  /** Whatever is due now runs. */
  settle(): void {
    this.advance(this.nowUsecs)
  }
}
