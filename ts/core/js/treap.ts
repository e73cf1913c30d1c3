// The runs of a queue in order of offset: a treap with parent pointers, threaded as a list, so that
// a neighbour is one step away, linking and removing rotate a constant number of times on average,
// and only a search walks the tree. Nothing here recurses. assembly/treap.ts is the twin.

import {
  AFTER,
  BEFORE,
  END,
  FIRST_RUN,
  HINTED,
  HINTS,
  LAST_RUN,
  LEFT,
  PARENT,
  PRIORITY,
  PRIORITY_STATE,
  RIGHT,
  ROOT,
  RUN_HEAD,
  RUNS,
  RUNS_FREE,
  START,
} from './words.js'

export interface Treap {
  /** The last run that starts at or before the record (an offset as argument would be boxed). */
  runBefore(queue: number, record: number): number
  /** The first run that ends behind `offset`. */
  runAfter(queue: number, offset: number): number
  /** A new run between its neighbours, either of which may be none; 0 if the pool is empty. */
  linkRun(queue: number, before: number, after: number): number
  /** Frees a run, its records apart; hints to it go to `heir`, or are cleared. */
  removeRun(queue: number, run: number, heir: number): void
}

export function createTreap(memory: ArrayBuffer): Treap {
  const u32 = new Uint32Array(memory)
  const f64 = new Float64Array(memory)

  /** xorshift32. */
  function nextPriority(): number {
    let state = u32[PRIORITY_STATE]!
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    u32[PRIORITY_STATE] = state
    return state >>> 0
  }

  function runBefore(queue: number, record: number): number {
    const offset = f64[record >>> 3]!
    let found = 0
    let run = u32[(queue >>> 2) + ROOT]!
    while (run !== 0) {
      if (f64[(run >>> 3) + START]! <= offset) {
        found = run
        run = u32[(run >>> 2) + RIGHT]!
      } else {
        run = u32[(run >>> 2) + LEFT]!
      }
    }
    return found
  }

  function runAfter(queue: number, offset: number): number {
    let found = 0
    let run = u32[(queue >>> 2) + ROOT]!
    while (run !== 0) {
      if (f64[(run >>> 3) + END]! > offset) {
        found = run
        run = u32[(run >>> 2) + LEFT]!
      } else {
        run = u32[(run >>> 2) + RIGHT]!
      }
    }
    return found
  }

  /** Puts `run` where `old` hangs under `parent`, or at the root if that is 0. */
  function hang(queue: number, parent: number, old: number, run: number): void {
    if (parent === 0) u32[(queue >>> 2) + ROOT] = run
    else if (u32[(parent >>> 2) + LEFT] === old) u32[(parent >>> 2) + LEFT] = run
    else u32[(parent >>> 2) + RIGHT] = run
  }

  /** Lifts a run that has a parent into its parent's place. */
  function rotateUp(queue: number, run: number): void {
    const entry = run >>> 2
    const parent = u32[entry + PARENT]!
    const parentEntry = parent >>> 2
    const above = u32[parentEntry + PARENT]!
    if (u32[parentEntry + LEFT] === run) {
      const child = u32[entry + RIGHT]!
      u32[parentEntry + LEFT] = child
      if (child !== 0) u32[(child >>> 2) + PARENT] = parent
      u32[entry + RIGHT] = parent
    } else {
      const child = u32[entry + LEFT]!
      u32[parentEntry + RIGHT] = child
      if (child !== 0) u32[(child >>> 2) + PARENT] = parent
      u32[entry + LEFT] = parent
    }
    u32[parentEntry + PARENT] = run
    u32[entry + PARENT] = above
    hang(queue, above, parent, run)
  }

  function linkRun(queue: number, before: number, after: number): number {
    const run = u32[RUN_HEAD]!
    if (run === 0) return 0
    const entry = run >>> 2
    const owner = queue >>> 2
    u32[RUN_HEAD] = u32[entry + AFTER]!
    u32[RUNS_FREE]! -= 1
    u32[owner + RUNS]! += 1

    u32[entry + BEFORE] = before
    u32[entry + AFTER] = after
    if (before !== 0) u32[(before >>> 2) + AFTER] = run
    else u32[owner + FIRST_RUN] = run
    if (after !== 0) u32[(after >>> 2) + BEFORE] = run
    else u32[owner + LAST_RUN] = run

    // Of two neighbours one is below the other: that one has no child on the side of the gap.
    const priority = nextPriority()
    u32[entry + LEFT] = 0
    u32[entry + RIGHT] = 0
    u32[entry + PRIORITY] = priority
    let parent = 0
    if (before !== 0 && u32[(before >>> 2) + RIGHT] === 0) {
      parent = before
      u32[(before >>> 2) + RIGHT] = run
    } else if (after !== 0) {
      parent = after
      u32[(after >>> 2) + LEFT] = run
    } else {
      u32[owner + ROOT] = run
    }
    u32[entry + PARENT] = parent
    while (parent !== 0 && u32[(parent >>> 2) + PRIORITY]! < priority) {
      rotateUp(queue, run)
      parent = u32[entry + PARENT]!
    }
    return run
  }

  function removeRun(queue: number, run: number, heir: number): void {
    const entry = run >>> 2
    const owner = queue >>> 2
    let left = u32[entry + LEFT]!
    let right = u32[entry + RIGHT]!
    while (left !== 0 && right !== 0) {
      const leftFirst = u32[(left >>> 2) + PRIORITY]! > u32[(right >>> 2) + PRIORITY]!
      rotateUp(queue, leftFirst ? left : right)
      left = u32[entry + LEFT]!
      right = u32[entry + RIGHT]!
    }
    const child = left !== 0 ? left : right
    const parent = u32[entry + PARENT]!
    if (child !== 0) u32[(child >>> 2) + PARENT] = parent
    hang(queue, parent, run, child)

    const before = u32[entry + BEFORE]!
    const after = u32[entry + AFTER]!
    if (before !== 0) u32[(before >>> 2) + AFTER] = after
    else u32[owner + FIRST_RUN] = after
    if (after !== 0) u32[(after >>> 2) + BEFORE] = before
    else u32[owner + LAST_RUN] = before

    // Measured: a stream without gaps sets no hint, and a look at all of them is 10 ns here.
    if (u32[owner + HINTED] !== 0) {
      let hinted = 0
      for (let hint = owner + HINTS; hint < owner + HINTS + 8; hint++) {
        if (u32[hint] === run) u32[hint] = heir
        if (u32[hint] !== 0) hinted = 1
      }
      u32[owner + HINTED] = hinted
    }
    u32[owner + RUNS]! -= 1
    u32[entry + AFTER] = u32[RUN_HEAD]!
    u32[RUN_HEAD] = run
    u32[RUNS_FREE]! += 1
  }

  return { runBefore, runAfter, linkRun, removeRun }
}
