// Makes a world that fails smaller for as long as it fails in the same way: fewer transfers, paths and cuts,
// fewer bytes, one property less. What is left says what the failure needs.

import type { SoakEnd, SoakWorld } from './random-world.js'

/** Bounded: a world that is slow to fail must not keep its finder for ever. */
const MAX_RUNS = 400
const MAX_MS = 30_000

/** `fails` tells the kind of a failure, or null; the smallest world found that fails as `world` does. */
export function shrunk(world: SoakWorld, fails: (world: SoakWorld) => string | null): SoakWorld {
  const kind = fails(world)
  if (kind === null) return world
  const started = performance.now()
  let runs = 0
  let smallest = world
  for (let goesOn = true; goesOn; ) {
    goesOn = false
    for (const smaller of smallerThan(smallest)) {
      if (++runs > MAX_RUNS || performance.now() - started > MAX_MS) return smallest
      if (fails(smaller) !== kind) continue
      smallest = smaller
      goesOn = true
      break
    }
  }
  return smallest
}

/** The greatest steps first. */
function* smallerThan(world: SoakWorld): Generator<SoakWorld> {
  const { transfers, paths, cuts } = world
  if (transfers.length > 1) {
    for (const i of transfers.keys()) yield { ...world, transfers: without(transfers, i) }
  }
  if (paths.length > 1) for (const i of paths.keys()) yield withoutPath(world, i)
  for (const i of cuts.keys()) yield { ...world, cuts: without(cuts, i) }
  for (const i of world.changes.keys()) yield { ...world, changes: without(world.changes, i) }
  for (const [i, transfer] of transfers.entries()) {
    const put = (change: object): SoakWorld => ({
      ...world,
      transfers: transfers.with(i, { ...transfer, ...change }),
    })
    for (const name of ['client', 'server'] as const) {
      for (const end of smallerEnds(transfer[name])) yield put({ [name]: end })
    }
    if (transfer.plain) yield put({ plain: undefined })
    if (transfer.at > 0) yield put({ at: 0 })
  }
  for (const [i, path] of paths.entries()) {
    for (const key of Object.keys(path) as (keyof typeof path)[]) {
      const { [key]: _gone, ...rest } = path
      // Without a rate nothing waits, and the world is another.
      if (key !== 'rate') yield { ...world, paths: paths.with(i, rest) }
    }
  }
  for (const name of ['client', 'server'] as const) {
    for (const key of Object.keys(world[name]) as (keyof SoakWorld['client'])[]) {
      if (key === 'core' || key === 'memoryBytes' || key === 'openTimeoutMs') continue
      const { [key]: _gone, ...rest } = world[name]
      yield { ...world, [name]: rest }
    }
  }
  if (world.family === 6) yield { ...world, family: 4 }
}

function* smallerEnds(end: SoakEnd): Generator<SoakEnd> {
  if (end.bytes > 0) yield { ...end, bytes: 0 }
  if (end.bytes > 1) yield { ...end, bytes: end.bytes >> 1 }
  for (const key of ['reader', 'answers', 'lingersMs', 'abortsAfterMs'] as const) {
    const { [key]: gone, ...rest } = end
    if (gone !== undefined) yield rest
  }
}

function without<T>(list: readonly T[], index: number): T[] {
  return list.filter((_each, i) => i !== index)
}

/** What befalls the paths behind it moves up; what befalls it is gone. */
function withoutPath(world: SoakWorld, index: number): SoakWorld {
  const cuts = world.cuts.flatMap((cut) => {
    if (cut.path === null || cut.path < index) return [cut]
    return cut.path === index ? [] : [{ ...cut, path: cut.path - 1 }]
  })
  const changes = world.changes.flatMap((change) => {
    if (change.path < index) return [change]
    return change.path === index ? [] : [{ ...change, path: change.path - 1 }]
  })
  return { ...world, paths: without(world.paths, index), cuts, changes }
}

/** What a problem begins with: `wrong byte`, `error ECONNRESET` … */
export function kindOf(problem: string | null): string | null {
  return problem === null ? null : (problem.split(':')[0] ?? problem)
}
