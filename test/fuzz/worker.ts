// Targets one after another in a thread of its own, so that main.ts can end an input that never does.

import { parentPort, workerData } from 'node:worker_threads'
import { fuzz, type Limits, type Report } from './engine.js'
import { targetNamed } from './targets.js'

/** A target to fuzz, and for how long. */
export interface Task {
  readonly name: string
  readonly limits: Limits
}

/** What a thread tells when it is done with one. */
export interface Done {
  readonly name: string
  readonly report: Report
}

/** Which input is running, shared with main.ts: BEGUN, BYTES and EXECUTION, and the bytes themselves. */
export interface Watched {
  readonly numbers: Int32Array
  readonly bytes: Uint8Array
}

/** How many inputs were begun, those of the minimising included; the length of this one; its execution. */
export const BEGUN = 0
export const BYTES = 1
export const EXECUTION = 2

if (parentPort !== null) {
  const { tasks, watched } = workerData as { tasks: Task[]; watched: Watched }
  const { numbers, bytes } = watched
  // All of them before the first input: from then on a thread that is silent hangs.
  const targets = await Promise.all(tasks.map(({ name }) => targetNamed(name)))
  for (const [i, { name, limits }] of tasks.entries()) {
    const target = targets[i]
    if (target === undefined) throw new Error(`no target '${name}'`)
    const report = fuzz(target, limits, (input, execution) => {
      bytes.set(input.subarray(0, bytes.length))
      numbers[BYTES] = input.length
      numbers[EXECUTION] = execution
      Atomics.add(numbers, BEGUN, 1)
    })
    parentPort.postMessage({ name, report } satisfies Done)
  }
}
