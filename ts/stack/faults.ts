// What a user's code did wrong where no call could tell it: counted each time, and said once a kind, as a
// warning of the process.

import type { Counters } from '../counters.js'
import { warn } from '../host/warning.js'
import { thrownWords } from '../thrown.js'

export type FaultCounter =
  | 'PathManagerFault'
  | 'SchedulerFault'
  | 'CongestionFault'
  | 'CoalesceKeyFault'

export class Faults {
  readonly #counters: Counters
  readonly #told = new Set<FaultCounter>()

  constructor(counters: Counters) {
    this.#counters = counters
  }

  tell(counter: FaultCounter, error: unknown): void {
    this.#counters[counter]++
    if (this.#told.has(counter)) return
    this.#told.add(counter)
    warn(error instanceof Error ? error : new Error(thrownWords(error)))
  }
}
