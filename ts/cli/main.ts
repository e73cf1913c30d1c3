#!/usr/bin/env node
// The `mptcp` command. A subcommand is a file of its own, adds itself to the
// program and loads what it needs when it runs. Errors end here:
// one line on stderr and an exit status, 2 for wrong use, 1 for what failed underway.

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addBench } from './bench-command.js'
import { addDemo } from './demo.js'
import {
  Failure,
  Interrupted,
  oneLine,
  STATUS_FAILED,
  STATUS_USAGE,
  usageError,
} from './failure.js'
import { addNc } from './nc.js'
import { addPacketdrill } from './packetdrill.js'

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function createProgram(): Command {
  const program = new Command('mptcp')
  program
    .description('Multipath TCP in userspace')
    .version(version())
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .exitOverride()
    // The error itself is reported below.
    .configureOutput({ outputError: () => {} })
    .allowExcessArguments(true)
  addDemo(program)
  addNc(program)
  addBench(program)
  addPacketdrill(program)
  const names = program.commands.map((command) => command.name()).join(', ')
  program.action((_options, command: Command) => {
    const [word] = command.args
    throw usageError(
      word === undefined
        ? `which subcommand: ${names}? (see: mptcp --help)`
        : `there is no subcommand '${word}', only ${names} (see: mptcp --help)`,
    )
  })
  return program
}

/** Reports an error and says which exit status it means. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version were printed.
    if (error.exitCode === 0) return 0
    process.stderr.write(`mptcp: ${oneLine(error).replace(/^error: /, '')}\n`)
    return STATUS_USAGE
  }
  if (!(error instanceof Interrupted)) process.stderr.write(`mptcp: ${oneLine(error)}\n`)
  return error instanceof Failure ? error.status : STATUS_FAILED
}

function fail(error: unknown): void {
  process.exit(report(error))
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
// `mptcp demo | head`: whoever read our output is gone.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(STATUS_FAILED)
  fail(error)
})
process.stderr.on('error', () => process.exit(STATUS_FAILED))

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}
// Not left to the event loop: stdin may be open, and whoever has it may never close it.
if (process.stdout.writableLength > 0)
  await new Promise((resolve) => process.stdout.write('', resolve))
process.exit()
