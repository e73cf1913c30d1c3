// Everything that is fuzzed, by name. A family is loaded when one of its targets is asked for: what it
// tests comes along, and each file of that is compiled anew, with its counters.

import type { Target } from './target.js'

interface Family {
  /** Each with its share of the time of a run. */
  readonly shares: Readonly<Record<string, number>>
  load(): Promise<readonly Target[]>
}

const FAMILIES: readonly Family[] = [
  {
    shares: { packet: 1, 'tcp-options': 1, 'mptcp-option': 1 },
    load: async () => (await import('./wire-targets.js')).WIRE_TARGETS,
  },
  {
    shares: { 'path-option': 0.3 },
    load: async () => (await import('./cli-targets.js')).CLI_TARGETS,
  },
  {
    shares: { script: 1.5, 'code-block': 1, command: 1, 'played-script': 1.5 },
    load: async () => (await import('./script-targets.js')).SCRIPT_TARGETS,
  },
  {
    shares: { 'stack-js': 2.5, 'stack-wasm': 2.5 },
    load: async () => (await import('./stack-targets.js')).STACK_TARGETS,
  },
]

const PLANTED: Family = {
  shares: { 'planted-throw': 1, 'planted-hang': 1, 'planted-growth': 1 },
  load: async () => (await import('./planted-targets.js')).PLANTED_TARGETS,
}

/** Those that are fuzzed unless some are named. */
export const TARGET_NAMES: readonly string[] = FAMILIES.flatMap(({ shares }) => Object.keys(shares))

const familyOf = (name: string): Family | undefined =>
  [...FAMILIES, PLANTED].find(({ shares }) => Object.hasOwn(shares, name))

/** The share of a target's time, which is known before it is loaded; undefined where there is none. */
export function shareOf(name: string): number | undefined {
  return familyOf(name)?.shares[name]
}

export async function targetNamed(name: string): Promise<Target | undefined> {
  return (await familyOf(name)?.load())?.find((target) => target.name === name)
}
