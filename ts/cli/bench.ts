// `mptcp bench`: microbenchmarks of the core, both backends side by side with node:crypto and with
// raw-socket's checksum. Everything lies in core memory, and an iteration is many operations.

import { createRequire } from 'node:module'
import { Bench } from 'tinybench'
import { loadMptcpCore } from '../core/load.js'
import type { BenchTask, NativeChecksum } from './bench-tasks.js'

export interface CoreBenchOptions {
  readonly backends: readonly ('wasm' | 'js')[]
  /** Takes a line of the report. */
  readonly out: (line: string) => void
  /** Milliseconds for each measurement, 200 if not given; half as much goes to warming up. */
  readonly milliseconds?: number
}

/** One line of the table: nanoseconds an operation, median, by who did it. */
export interface CoreBenchRow {
  readonly name: string
  readonly bytes: number | undefined
  readonly wasm?: number
  readonly js?: number
  readonly native?: number
}

/** Room for the queue benchmarks' records: a third of it would do. */
const MEMORY_BYTES = 32 * 1024 * 1024

export async function runCoreBench(options: CoreBenchOptions): Promise<CoreBenchRow[]> {
  const { backends, out, milliseconds = 200 } = options
  const rows = new Map<string, CoreBenchRow>()
  const measure = async (column: 'wasm' | 'js' | 'native', tasks: BenchTask[]): Promise<void> => {
    for (const task of tasks) {
      const nanoseconds = await medianNanoseconds(task, milliseconds)
      rows.set(task.name, {
        ...(rows.get(task.name) ?? { name: task.name, bytes: task.bytes }),
        [column]: nanoseconds,
      })
    }
  }
  for (const backend of backends) {
    const { coreTasks } = await tasksOfItsOwn(backend)
    const core = await loadMptcpCore({ backend, memoryBytes: MEMORY_BYTES })
    await measure(backend, coreTasks(core))
  }
  const { nativeTasks } = await tasksOfItsOwn('native')
  const checksum = nativeChecksum()
  await measure('native', nativeTasks(checksum))

  for (const line of table([...rows.values()])) out(line)
  out('native: createHash and createHmac of node:crypto, createChecksum of raw-socket')
  if (!checksum) out('raw-socket is not installed: no native checksum to compare with')
  return [...rows.values()]
}

/** A fresh instance of the tasks' module: see its head. */
function tasksOfItsOwn(owner: string): Promise<typeof import('./bench-tasks.js')> {
  return import(new URL(`./bench-tasks.js?${owner}`, import.meta.url).href)
}

function nativeChecksum(): NativeChecksum | null {
  try {
    const raw = createRequire(import.meta.url)('raw-socket') as { createChecksum: NativeChecksum }
    return raw.createChecksum
  } catch {
    return null
  }
}

async function medianNanoseconds(task: BenchTask, milliseconds: number): Promise<number> {
  const bench = new Bench({ time: milliseconds, warmupTime: milliseconds / 2, throws: true })
  bench.add(task.name, task.run, task.prepare ? { beforeEach: task.prepare } : {})
  await bench.run()
  const result = bench.tasks[0]?.result
  if (result?.state !== 'completed') throw new Error(`${task.name} did not complete`)
  return (result.latency.p50 * 1e6) / task.operations
}

const HEADINGS = [
  ['', 34],
  ['wasm ns', 10],
  ['js ns', 10],
  ['native ns', 11],
  ['wasm GB/s', 11],
  ['js GB/s', 9],
  ['js/wasm', 9],
  ['native/wasm', 13],
  ['native/js', 11],
] as const

function table(rows: CoreBenchRow[]): string[] {
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) =>
        at === 0 ? cell.padEnd(HEADINGS[at]![1]) : cell.padStart(HEADINGS[at]![1]),
      )
      .join('')
  return [
    line(HEADINGS.map(([heading]) => heading)),
    ...rows.map(({ name, bytes, wasm, js, native }) =>
      line([
        name,
        number(wasm),
        number(js),
        number(native),
        number(bytes && wasm && bytes / wasm),
        number(bytes && js && bytes / js),
        times(js, wasm),
        times(native, wasm),
        times(native, js),
      ]),
    ),
  ]
}

const number = (value: number | undefined): string => (value ? value.toFixed(1) : '-')

const times = (slow: number | undefined, fast: number | undefined): string =>
  slow && fast ? `${(slow / fast).toFixed(1)}x` : '-'
