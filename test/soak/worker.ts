// Plays a share of the seeds in a thread of its own, so that main.ts can end a world that never does, and so
// that as many are played at once as there are cores.

import { parentPort, workerData } from 'node:worker_threads'
import { play } from './play.js'
import { type CoreChoice, randomWorld, type SoakWorld } from './random-world.js'
import { NOW, type Report, type Share } from './report.js'
import { kindOf, shrunk } from './shrink.js'

if (parentPort !== null) {
  const { share, now } = workerData as { share: Share; now: Int32Array }
  for (let seed = share.first; seed < share.last; seed++) {
    now[NOW.SEED] = seed
    parentPort.postMessage(reportOf(seed, share.core, () => Atomics.add(now, NOW.COUNT, 1)))
  }
}

/** `begin` is called before each world that is played. */
export function reportOf(seed: number, core: CoreChoice, begin: () => void = () => {}): Report {
  const world = randomWorld(seed, core)
  const played = (each: SoakWorld) => {
    begin()
    return play(each)
  }
  const started = performance.now()
  const { problem, bytes, virtualMs } = played(world)
  const ms = performance.now() - started
  const result = { seed, core, problem, bytes, virtualMs, ms }
  if (problem === null) return { ...result, smallest: null, smallestProblem: null }
  const smallest = shrunk(world, (each) => kindOf(played(each).problem))
  return { ...result, smallest, smallestProblem: played(smallest).problem }
}
