// Options that several subcommands share, and the words that they take.

import { InvalidArgumentError, Option } from 'commander'
import type { MptcpBackend } from '../core/load.js'
import { DEFAULT_SCHEDULER, SCHEDULERS } from '../mptcp/scheduler/names.js'
import { CONGESTION_CONTROLS, DEFAULT_CONGESTION } from '../tcp/congestion/names.js'

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
    `which subflow takes new data: ${[...SCHEDULERS.keys()].join(', ')}`,
  )
    .argParser((name: string) => chosen(SCHEDULERS, name, 'scheduler'))
    .default(DEFAULT_SCHEDULER, DEFAULT_SCHEDULER.name)
}

export function congestionOption(): Option {
  const names = [...CONGESTION_CONTROLS.keys()].join(', ')
  return new Option('--cc <name>', `congestion control: ${names}`)
    .argParser((name: string) => chosen(CONGESTION_CONTROLS, name, 'congestion control'))
    .default(DEFAULT_CONGESTION, DEFAULT_CONGESTION.name)
}

function chosen<T>(among: ReadonlyMap<string, T>, name: string, what: string): T {
  const choice = among.get(name)
  if (choice !== undefined) return choice
  const names = [...among.keys()].join(', ')
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
