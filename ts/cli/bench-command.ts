// `mptcp bench`: bench.ts behind its options, loaded when it runs.

import type { Command } from 'commander'
import type { MptcpBackend } from '../core/load.js'
import { coreOption, wholeNumber } from './options.js'

interface BenchOptions {
  core: MptcpBackend
  time: number
  json?: true
}

export function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure the core: WASM, its JavaScript twin and native code side by side')
    .addOption(coreOption().default('auto', 'both'))
    .option('--time <ms>', 'milliseconds for each measurement', wholeNumber(1, 60_000), 200)
    .option('--json', 'print one JSON object instead of a table')
    .allowExcessArguments(false)
    .action(async (options: BenchOptions) => {
      const { runCoreBench } = await import('./bench.js')
      const backends = options.core === 'auto' ? (['wasm', 'js'] as const) : [options.core]
      const out = (line: string): void => {
        if (!options.json) process.stdout.write(`${line}\n`)
      }
      const rows = await runCoreBench({ backends, out, milliseconds: options.time })
      if (options.json) process.stdout.write(`${JSON.stringify({ rows })}\n`)
    })
}
