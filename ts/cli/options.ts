// Options that several subcommands share, and the words that they take.

import { InvalidArgumentError, Option } from 'commander'
import type { MptcpBackend } from '../core/load.js'
import { lowestRtt } from '../mptcp/scheduler/lowest-rtt.js'
import type { MptcpScheduler } from '../mptcp/scheduler/scheduler.js'
import { shortestLinger } from '../mptcp/scheduler/shortest-linger.js'
import type { MptcpCongestionFactory } from '../tcp/congestion/congestion-control.js'
import { newReno } from '../tcp/congestion/newreno.js'

const SCHEDULERS: Record<string, () => MptcpScheduler> = {
  'lowest-rtt': lowestRtt,
  'shortest-linger': shortestLinger,
}
const CONGESTION: Record<string, MptcpCongestionFactory> = { newreno: newReno }

export interface CoreOption {
  core: MptcpBackend
}

export function coreOption(): Option {
  return new Option('--core <name>', 'which core runs it')
    .choices(['auto', 'wasm', 'js'])
    .default('auto')
}

export function schedulerOption(): Option {
  return new Option(
    '--scheduler <name>',
    `which subflow takes new data: ${Object.keys(SCHEDULERS).join(', ')}`,
  )
    .argParser((name: string) => chosen(SCHEDULERS, name, 'scheduler'))
    .default(lowestRtt, 'lowest-rtt')
}

export function congestionOption(): Option {
  return new Option('--cc <name>', 'congestion control: newreno')
    .argParser((name: string) => chosen(CONGESTION, name, 'congestion control'))
    .default(newReno, 'newreno')
}

function chosen<T>(among: Record<string, T>, name: string, what: string): T {
  if (Object.hasOwn(among, name)) return among[name] as T
  const names = Object.keys(among).join(', ')
  throw new InvalidArgumentError(`The ${what} '${name}' is not built; there is: ${names}.`)
}

/** For options that may be given again: adds to the list. */
export function collect<T>(parse: (text: string) => T): (text: string, before: T[]) => T[] {
  return (text, before) => [...before, parse(text)]
}

/** A parser of whole numbers in a range. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    }
    return value
  }
}
