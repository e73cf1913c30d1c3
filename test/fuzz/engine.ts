// The loop: an input of the corpus, changed a little, run; kept if it reaches what none reached before. The
// same target and seed give the same inputs in the same order, so a failure comes again from its seed.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { SeededRandom } from '../../ts/random.js'
import { Coverage } from './coverage.js'
import { mutate, without, wordsIn } from './mutate.js'
import type { Target } from './target.js'

/** Bounded: the inputs that are kept. */
const MAX_CORPUS = 4000
const MAX_CORPUS_BYTES = 8 * 1024 * 1024
/** An input that takes longer, twice in a row, hangs for whoever waits. */
const SLOW_MS = 2000
/** Kept by what was run, over what is there when every seed has run a few times. */
const MAX_GROWTH_MB = 24
const WARM_UP = 3
const MINIMISING_RUNS = 3000
const MINIMISING_MS = 20_000

export interface Limits {
  readonly seed: number
  /** The end comes with whichever is first. */
  readonly executions: number
  readonly milliseconds: number
}

export interface Failure {
  readonly message: string
  readonly input: Uint8Array
  readonly execution: number
}

export interface Report {
  readonly executions: number
  readonly seconds: number
  readonly blocks: number
  readonly corpus: number
  readonly slowestMs: number
  readonly growthMb: number
  readonly failure: Failure | null
}

/** `begin` is told of each input before it runs: the one to blame if it never ends. */
export function fuzz(
  target: Target,
  limits: Limits,
  begin: (input: Uint8Array, execution: number) => void,
): Report {
  const random = new SeededRandom(limits.seed)
  const coverage = new Coverage()
  const started = performance.now()
  const corpus: Uint8Array[] = []
  let corpusBytes = 0
  let executions = 0
  let slowestMs = 0
  let failure: Failure | null = null
  let heapBefore = 0

  const run = (input: Uint8Array): boolean => {
    begin(input, ++executions)
    coverage.reset()
    const before = performance.now()
    let error = problemOf(target, input)
    let took = performance.now() - before
    if (took > SLOW_MS && error === null) {
      const again = performance.now()
      error = problemOf(target, input)
      took = Math.min(took, performance.now() - again)
      if (took > SLOW_MS) error = `takes ${Math.round(took)} ms`
    }
    slowestMs = Math.max(slowestMs, took)
    if (error !== null) failure = { message: error, input, execution: executions }
    return coverage.take()
  }
  const keep = (input: Uint8Array): void => {
    const isFull = corpus.length >= MAX_CORPUS || corpusBytes + input.length > MAX_CORPUS_BYTES
    const place = isFull ? random.below(corpus.length) : corpus.length
    corpusBytes += input.length - (corpus[place]?.length ?? 0)
    corpus[place] = input
  }
  const goesOn = (): boolean =>
    failure === null &&
    executions < limits.executions &&
    performance.now() - started < limits.milliseconds

  const seeds = thinned(target.seeds(), limits.executions / (2 * WARM_UP))
  const words = wordsIn(seeds, target.words)
  for (let round = 0; round < WARM_UP; round++) {
    for (const seed of seeds) {
      if (failure === null) run(seed)
      if (round === 0) keep(seed)
    }
  }
  heapBefore = heapMb() - corpusBytes / 2 ** 20
  while (goesOn()) {
    // Half of the time one of the newest, which lead further.
    const recent = Math.max(1, corpus.length >> 3)
    const place =
      random.below(2) === 0 ? corpus.length - 1 - random.below(recent) : random.below(corpus.length)
    const other = corpus[random.below(corpus.length)]!
    const input = mutate(corpus[place]!, other, words, target, random)
    if (run(input)) keep(input.slice())
  }
  const seconds = (performance.now() - started) / 1000
  const growthMb = heapMb() - corpusBytes / 2 ** 20 - heapBefore
  if (failure !== null) failure = minimised(target, failure, begin)
  else if (growthMb > MAX_GROWTH_MB) {
    const message = `${growthMb.toFixed(1)} MB more are held after ${executions} executions`
    failure = { message, input: new Uint8Array(), execution: executions }
  }
  return {
    executions,
    seconds,
    blocks: coverage.blocks,
    corpus: corpus.length,
    slowestMs,
    growthMb,
    failure,
  }
}

/** At most so many, from all over: few executions leave half for what mutates. */
function thinned(seeds: Uint8Array[], most: number): Uint8Array[] {
  const step = Math.max(1, seeds.length / Math.max(1, most))
  return seeds.filter((_seed, i) => Math.floor(i / step) !== Math.floor((i - 1) / step))
}

/** What an input did wrong, with where, or null. */
export function problemOf(target: Target, input: Uint8Array): string | null {
  try {
    target.run(input)
    return null
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
}

/** Pieces are left out, halves first, for as long as the same line of code fails. */
function minimised(
  target: Target,
  failure: Failure,
  begin: (input: Uint8Array, execution: number) => void,
): Failure {
  if (failure.message.startsWith('takes ')) return failure
  const where = place(failure.message)
  let { input, message } = failure
  let runs = 0
  const started = performance.now()
  const mayTry = (): boolean =>
    runs < MINIMISING_RUNS && performance.now() - started < MINIMISING_MS
  for (let piece = input.length >> 1; piece >= 1; piece >>= 1) {
    for (let at = 0; at < input.length && mayTry(); ) {
      const shorter = without(input, at, piece)
      begin(shorter, failure.execution)
      runs++
      const found = problemOf(target, shorter)
      if (found !== null && place(found) === where) {
        input = shorter
        message = found
      } else at += piece
    }
  }
  return { ...failure, input, message }
}

/** The kind of error, and the innermost line. */
function place(message: string): string {
  const [first = '', ...rest] = message.split('\n')
  const line = rest.find((each) => each.trim().startsWith('at ')) ?? first
  return first.split(':')[0] + line
}

/** What is held after everything else was collected. */
function heapMb(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 2 ** 20
}
