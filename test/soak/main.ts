// `npm run soak -- --seeds A..B [--core wasm|js|both] [--jobs N] [--verbose]`: plays the worlds of the seeds
// from A up to, not including, B. `--world JSON [--trace]` plays one that a failure printed. Exit status 1: one failed,
// which is told with its seed, the smallest world that fails likewise, and the commands that play both again.

import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { World } from '../stack/world.js'
import type { CoreChoice, SoakWorld } from './random-world.js'
import { NOW, type Report, type Share } from './report.js'

/** A world takes milliseconds; one that has not ended by then never will. */
const HANG_MS = 60_000
const CORES: Record<string, CoreChoice[]> = {
  drawn: ['drawn'],
  wasm: ['wasm'],
  js: ['js'],
  both: ['wasm', 'js'],
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0..200' },
    core: { type: 'string', default: 'drawn' },
    jobs: { type: 'string', default: '1' },
    world: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
})

const [first, last] = rangeOf(values.seeds)
const cores = CORES[values.core] ?? usage(`--core takes wasm, js or both, not '${values.core}'`)
const jobs = /^[1-9]\d?$/.test(values.jobs)
  ? Number(values.jobs)
  : usage(`--jobs takes a number from 1 to 99, not '${values.jobs}'`)

if (values.world === undefined) await soak()
else await playAlone(values.world)

function usage(problem: string): never {
  console.error(`${problem}
usage: npm run soak -- --seeds A..B [--core wasm|js|both] [--jobs N] [--verbose]
       npm run soak -- --world JSON [--trace]`)
  process.exit(2)
}

function rangeOf(text: string): [number, number] {
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(text) ?? []
  if (from === undefined || Number(to) <= Number(from)) {
    usage(`--seeds takes A..B, B above A, not '${text}'`)
  }
  return [Number(from), Number(to)]
}

async function playAlone(text: string): Promise<void> {
  let world: SoakWorld
  try {
    world = JSON.parse(text) as SoakWorld
  } catch {
    usage('--world takes what a failure printed')
  }
  const { play } = await import('./play.js')
  const { trace } = await import('./trace.js')
  const plant = values.trace ? (w: World): void => trace(w, console.log) : undefined
  const { problem, virtualMs, bytes } = play(world, plant)
  console.log(problem ?? `nothing wrong: ${bytes} bytes in ${Math.round(virtualMs)} virtual ms`)
  if (problem !== null) process.exitCode = 1
}

async function soak(): Promise<void> {
  const started = performance.now()
  const shares: Share[] = []
  const each = Math.ceil((last - first) / jobs)
  for (const core of cores) {
    for (let at = first; at < last; at += each) {
      shares.push({ first: at, last: Math.min(at + each, last), core })
    }
  }
  const seen = { played: 0, failed: 0, bytes: 0 }
  const hear = (report: Report): void => {
    seen.played++
    seen.bytes += report.bytes
    if (report.problem !== null) {
      seen.failed++
      tell(report)
    } else if (values.verbose) {
      const { seed, core, virtualMs, ms, bytes } = report
      console.log(
        `seed ${seed} (${core}): ${bytes} bytes, ${Math.round(virtualMs)} virtual ms, ${Math.round(ms)} ms`,
      )
    }
  }
  await Promise.all(Array.from({ length: jobs }, () => playShares(shares, hear)))
  const seconds = (performance.now() - started) / 1000
  const rate = (seen.played / seconds).toFixed(1)
  console.log(
    `${seen.played} worlds, ${seen.failed} failed; ${(seen.bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s, ${rate} worlds a second`,
  )
  if (seen.failed > 0) process.exitCode = 1
}

function tell({ seed, core, problem, smallest, smallestProblem }: Report): void {
  const own = core === 'drawn' ? '' : ` --core ${core}`
  console.log(`FAILED seed ${seed}${own}: ${problem}`)
  console.log(`  again: npm run soak -- --seeds ${seed}..${seed + 1}${own}`)
  if (smallest === null) return
  console.log(`  smallest: ${smallestProblem}`)
  console.log(`  alone: npm run soak -- --world '${JSON.stringify(smallest)}'`)
}

/** A thread after another, until nothing is left: one that hangs is ended, and its seed is told. */
async function playShares(shares: Share[], hear: (report: Report) => void): Promise<void> {
  for (;;) {
    const share = shares.shift()
    if (share === undefined) return
    const hung = await playInThread(share, hear)
    if (hung === null) continue
    hear({
      seed: hung.seed,
      core: share.core,
      problem: hung.problem,
      smallest: null,
      smallestProblem: null,
      bytes: 0,
      virtualMs: 0,
      ms: HANG_MS,
    })
    if (hung.seed + 1 < share.last) shares.unshift({ ...share, first: hung.seed + 1 })
  }
}

interface Hung {
  readonly seed: number
  readonly problem: string
}

async function playInThread(share: Share, hear: (report: Report) => void): Promise<Hung | null> {
  const now = new Int32Array(new SharedArrayBuffer(8))
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { share, now },
  })
  let watchdog: NodeJS.Timeout | undefined
  try {
    return await new Promise<Hung | null>((resolve, reject) => {
      const blame = (problem: string): void => resolve({ seed: now[NOW.SEED]!, problem })
      let last = -1
      let since = performance.now()
      worker.on('message', hear)
      worker.once('error', (error) => {
        const words = error.stack ?? error.message
        // It could not even begin: no seed is to blame, and the next would fare no better.
        if (now[NOW.COUNT] === 0) reject(error)
        else blame(`the thread died: ${words}`)
      })
      worker.once('exit', () => resolve(null))
      watchdog = setInterval(() => {
        const count = Atomics.load(now, NOW.COUNT)
        if (count !== last) since = performance.now()
        else if (performance.now() - since > HANG_MS) blame(`never ends: ${HANG_MS / 1000} s`)
        last = count
      }, 500)
    })
  } finally {
    clearInterval(watchdog)
    await worker.terminate()
  }
}
