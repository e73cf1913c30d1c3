// The runs of a queue in order of offset: a treap with parent pointers, threaded as a list, so that
// a neighbour is one step away, linking and removing rotate a constant number of times on average,
// and only a search walks the tree. Nothing here recurses. The twin is ts/core/js/treap.ts.

import { header, HINTS, Queue, Record, Run } from './layout'

/** xorshift32. */
function nextPriority(): u32 {
  let state = header.priorityState
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  header.priorityState = state
  return state
}

/** The last run that starts at or before the record. */
export function runBefore(queue: Queue, record: Record): Run | null {
  const offset = record.offset
  let found: Run | null = null
  let run = queue.root
  while (run) {
    if (run.start <= offset) {
      found = run
      run = run.right
    } else {
      run = run.left
    }
  }
  return found
}

/** The first run that ends behind `offset`. */
export function runAfter(queue: Queue, offset: f64): Run | null {
  let found: Run | null = null
  let run = queue.root
  while (run) {
    if (run.end > offset) {
      found = run
      run = run.left
    } else {
      run = run.right
    }
  }
  return found
}

/** Lifts a run that has a parent into its parent's place. */
function rotateUp(queue: Queue, run: Run): void {
  const parent = run.parent!
  const above = parent.parent
  if (parent.left === run) {
    const child = run.right
    parent.left = child
    if (child) child.parent = parent
    run.right = parent
  } else {
    const child = run.left
    parent.right = child
    if (child) child.parent = parent
    run.left = parent
  }
  parent.parent = run
  run.parent = above
  if (above === null) queue.root = run
  else if (above.left === parent) above.left = run
  else above.right = run
}

/** A new run between its neighbours, either of which may be none; null if the pool is empty. */
export function linkRun(queue: Queue, before: Run | null, after: Run | null): Run | null {
  const run = header.runHead
  if (run === null) return null
  header.runHead = run.next
  header.runsFree -= 1
  queue.runs += 1

  run.previous = before
  run.next = after
  if (before) before.next = run
  else queue.firstRun = run
  if (after) after.previous = run
  else queue.lastRun = run

  // Of two neighbours one is below the other: that one has no child on the side of the gap.
  run.left = null
  run.right = null
  run.priority = nextPriority()
  if (before !== null && before.right === null) {
    run.parent = before
    before.right = run
  } else if (after !== null) {
    run.parent = after
    after.left = run
  } else {
    run.parent = null
    queue.root = run
  }
  for (let parent = run.parent; parent; parent = run.parent) {
    if (parent.priority >= run.priority) break
    rotateUp(queue, run)
  }
  return run
}

/** Frees a run, its records apart; hints to it go to `heir`, or are cleared. */
export function removeRun(queue: Queue, run: Run, heir: Run | null): void {
  let left = run.left
  let right = run.right
  while (left !== null && right !== null) {
    rotateUp(queue, left.priority > right.priority ? left : right)
    left = run.left
    right = run.right
  }
  const child = left !== null ? left : right
  const parent = run.parent
  if (child) child.parent = parent
  if (parent === null) queue.root = child
  else if (parent.left === run) parent.left = child
  else parent.right = child

  const before = run.previous
  const after = run.next
  if (before) before.next = after
  else queue.firstRun = after
  if (after) after.previous = before
  else queue.lastRun = before

  // Measured: a stream without gaps sets no hint, and a look at all of them is 10 ns in JS.
  if (queue.hinted != 0) {
    let hinted: u32 = 0
    for (let hint: u32 = 0; hint < HINTS; hint++) {
      if (queue.hintOf(hint) === run) queue.setHint(hint, heir)
      if (queue.hintOf(hint) !== null) hinted = 1
    }
    queue.hinted = hinted
  }
  queue.runs -= 1
  run.next = header.runHead
  header.runHead = run
  header.runsFree += 1
}
