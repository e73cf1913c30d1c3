// `mptcp demo`: two stacks in this process, joined by two emulated paths in real time. One transfer over
// both; a path is cut half-way and healed; what arrived is compared with what was sent.

import { type Command, InvalidArgumentError } from 'commander'
import type { MptcpBackend } from '../core/load.js'
import type { DemoPath } from './demo-run.js'
import { STATUS_FAILED, usageError } from './failure.js'
import { collect, coreOption, wholeNumber } from './options.js'

interface DemoOptions {
  path: DemoPath[]
  size: number
  seed: number
  cut: boolean
  core: MptcpBackend
  checksum?: true
  pcap?: string
  json?: true
}

const DEFAULT_PATHS: readonly DemoPath[] = [
  { rate: 20e6, delay: 20 },
  { rate: 10e6, delay: 60 },
]
const DEFAULT_BYTES = 34_000_000

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('transfer data between two stacks over two emulated paths; needs no privilege')
    .argument('[file]', 'what to send; generated if not given')
    .option(
      '--path <rate,delay>',
      'Mbit/s and milliseconds one way of a path; give it twice (default: 20,20 and 10,60)',
      collect(parsePath),
      [],
    )
    .option('--size <bytes>', 'how much to generate', wholeNumber(1, 1e12), DEFAULT_BYTES)
    .option('--seed <number>', 'of the generated data', wholeNumber(0, 0xffffffff), 1)
    .option('--no-cut', 'leave both paths whole')
    .addOption(coreOption())
    .option('--checksum', 'use DSS checksums')
    .option('--pcap <file>', "write the client's packets, for Wireshark")
    .option('--json', 'print one JSON object at the end, and nothing else')
    .allowExcessArguments(false)
    .action(async (file: string | undefined, options: DemoOptions) => {
      const paths = options.path.length === 0 ? DEFAULT_PATHS : options.path
      if (paths.length !== 2) throw usageError('the demo has two paths: give --path twice')
      const { runDemo } = await import('./demo-run.js')
      const { DemoProgress } = await import('./demo-progress.js')
      const { printReport } = await import('./demo-report.js')
      const report = await runDemo({
        ...options,
        file,
        paths,
        pcap: options.pcap,
        checksum: options.checksum ?? false,
        observe: options.json ? null : new DemoProgress(process.stdout),
      })
      if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
      else printReport(report, (line) => process.stdout.write(`${line}\n`))
      if (!report.whole) process.exitCode = STATUS_FAILED
    })
}

function parsePath(text: string): DemoPath {
  const [rate, delay, ...rest] = text.split(',').map((part) => part.trim())
  const path = { rate: Number(rate) * 1e6, delay: Number(delay) }
  const isRight = rate !== '' && path.rate > 0 && path.rate <= 1e10
  if (!isRight || !delay || !(path.delay >= 0 && path.delay <= 10_000) || rest.length > 0) {
    throw new InvalidArgumentError('Write Mbit/s and milliseconds, like 20,60.')
  }
  return path
}
