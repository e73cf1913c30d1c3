// `npm run fuzz -- [--target NAME]… [--seconds N] [--executions N] [--seed N] [--input HEX]`: every target,
// or those named, one after another, sharing the time; a line each. Exit status 1 if one failed, which is
// told with its seed and the smallest input that was found to fail; `--input` runs that one alone.

import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { type Failure, problemOf, type Report } from './engine.js'
import { textOf } from './target.js'
import { shareOf, TARGET_NAMES, targetNamed } from './targets.js'
import { BEGUN, BYTES, type Done, EXECUTION, type Task, type Watched } from './worker.js'

/** An input that has not ended by then never will; one that ends, but slowly, engine.ts tells of. */
const HANG_SECONDS = 15
const NEWLINE = 0x0a
const MAX_HEAP_MB = 1024
const MAX_INPUT_BYTES = 1 << 20
const DEFAULT_SECONDS = 60
/** With --executions alone, the time is not what ends it. */
const LONG_SECONDS = 3600
const COLUMNS = ['executions', 'a second', 'blocks', 'corpus', 'slowest ms', 'growth MB']

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true },
    seconds: { type: 'string' },
    executions: { type: 'string' },
    seed: { type: 'string', default: '1' },
    input: { type: 'string' },
    'hang-seconds': { type: 'string', default: `${HANG_SECONDS}` },
  },
})
const seed = number('seed', values.seed)
const hangMs = 1000 * number('hang-seconds', values['hang-seconds'])
// Loaded by the thread that runs them, not here.
const targets = (values.target ?? TARGET_NAMES).map((name) => ({
  name,
  share: shareOf(name) ?? usage(`no target '${name}'`),
}))

if (values.input !== undefined) await replay(values.input)
else await fuzzAll()

function usage(problem: string): never {
  console.error(`${problem}; the targets are: ${TARGET_NAMES.join(', ')}`)
  process.exit(2)
}

function number(name: string, text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) usage(`--${name} takes a number`)
  return Number(text)
}

async function replay(hex: string): Promise<void> {
  const input = Uint8Array.from(Buffer.from(hex, 'hex'))
  for (const { name } of targets) {
    const target = (await targetNamed(name))!
    const problem = problemOf(target, input)
    console.log(`${target.name}: ${problem ?? 'nothing wrong'}`)
    if (problem !== null) process.exitCode = 1
  }
}

async function fuzzAll(): Promise<void> {
  const executions =
    values.executions === undefined ? null : number('executions', values.executions)
  const byDefault = executions === null ? DEFAULT_SECONDS : LONG_SECONDS
  const seconds = number('seconds', values.seconds ?? `${byDefault}`)
  const shares = targets.reduce((sum, { share }) => sum + share, 0)
  const tasks = targets.map(({ name, share }): Task => {
    const milliseconds = (1000 * seconds * share) / shares
    const limits = { seed, executions: executions ?? Number.POSITIVE_INFINITY, milliseconds }
    return { name, limits }
  })
  console.log('target'.padEnd(16) + COLUMNS.map((title) => title.padStart(11)).join(''))
  // A thread that had to be ended takes its target with it; another goes on behind it.
  while (tasks.length > 0) {
    const blamed = await fuzzInThread(tasks, () => tasks.shift())
    const task = blamed === null ? undefined : tasks.shift()
    if (blamed !== null && task !== undefined) tell(task.name, blamed)
  }
}

function tell(name: string, report: Report): void {
  const { failure } = report
  const cells = [
    `${report.executions}`,
    `${Math.round(report.executions / report.seconds)}`,
    `${report.blocks}`,
    `${report.corpus}`,
    report.slowestMs.toFixed(1),
    report.growthMb.toFixed(1),
  ]
  console.log(name.padEnd(16) + cells.map((cell) => cell.padStart(11)).join(''))
  if (failure === null) return
  process.exitCode = 1
  tellFailure(name, failure)
}

function tellFailure(name: string, { execution, input, message }: Failure): void {
  const hex = Buffer.from(input).toString('hex')
  console.log(`FAILED ${name}, seed ${seed}, execution ${execution}: ${message}`)
  console.log(`  again: npm run fuzz -- --target ${name} --seed ${seed}`)
  console.log(`  alone: npm run fuzz -- --target ${name} --input ${hex}`)
  if (input.length > 0 && input.every((byte) => byte === NEWLINE || (byte >= 0x20 && byte < 0x7f)))
    console.log(`  input: ${JSON.stringify(textOf(input))}`)
}

/** Tells of each task as it is done; a thread that hangs or dies is ended: what it was at, or null. */
async function fuzzInThread(tasks: readonly Task[], done: () => void): Promise<Report | null> {
  let started = performance.now()
  const watched: Watched = {
    numbers: new Int32Array(new SharedArrayBuffer(12)),
    bytes: new Uint8Array(new SharedArrayBuffer(MAX_INPUT_BYTES)),
  }
  const { numbers } = watched
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { tasks: [...tasks], watched },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  })
  const blame = (message: string): Report => ({
    executions: numbers[EXECUTION]!,
    seconds: (performance.now() - started) / 1000,
    blocks: 0,
    corpus: 0,
    slowestMs: hangMs,
    growthMb: 0,
    failure: {
      message,
      input: watched.bytes.slice(0, numbers[BYTES]!),
      execution: numbers[EXECUTION]!,
    },
  })
  let watchdog: NodeJS.Timeout | undefined
  try {
    return await new Promise<Report | null>((resolve) => {
      worker.on('message', ({ name, report }: Done) => {
        started = performance.now()
        tell(name, report)
        done()
      })
      worker.once('error', (error) => resolve(blame(error.stack ?? error.message)))
      worker.once('exit', () => resolve(null))
      let last = 0
      let since = performance.now()
      watchdog = setInterval(() => {
        const begun = Atomics.load(numbers, BEGUN)
        if (begun !== last) since = performance.now()
        // Before the first input it loads and compiles.
        else if (begun > 0 && performance.now() - since > hangMs) resolve(blame('never ends'))
        last = begun
      }, 250)
    })
  } finally {
    clearInterval(watchdog)
    await worker.terminate()
  }
}
