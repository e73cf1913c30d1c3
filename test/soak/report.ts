// What the command and its threads tell each other.

import type { CoreChoice, SoakWorld } from './random-world.js'

/** Seeds from `first` up to, not including, `last`, in the order in which they are played. */
export interface Share {
  readonly first: number
  readonly last: number
  readonly core: CoreChoice
}

/** What became of a seed; of one that failed, the smallest world that fails likewise too. */
export interface Report {
  readonly seed: number
  readonly core: CoreChoice
  readonly problem: string | null
  readonly smallest: SoakWorld | null
  readonly smallestProblem: string | null
  readonly bytes: number
  readonly virtualMs: number
  readonly ms: number
}

/** Where the command sees which seed a thread plays, and how many worlds it began, those of the shrinking too. */
export const NOW = { SEED: 0, COUNT: 1 } as const
