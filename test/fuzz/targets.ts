// Everything that is fuzzed, by name. A family is loaded when one of its targets is asked for: what it
// tests comes along, and each file of that is compiled anew, with its counters.

import type { Target } from './target.js'

interface Family {
  readonly names: readonly string[]
  load(): Promise<readonly Target[]>
}

const FAMILIES: readonly Family[] = [
  {
    names: ['packet', 'tcp-options', 'mptcp-option'],
    load: async () => (await import('./wire-targets.js')).WIRE_TARGETS,
  },
  {
    names: ['path-option'],
    load: async () => (await import('./cli-targets.js')).CLI_TARGETS,
  },
  {
    names: ['script', 'code-block', 'command', 'played-script'],
    load: async () => (await import('./script-targets.js')).SCRIPT_TARGETS,
  },
  {
    names: ['stack-js', 'stack-wasm'],
    load: async () => (await import('./stack-targets.js')).STACK_TARGETS,
  },
]

const PLANTED: Family = {
  names: ['planted-throw', 'planted-hang', 'planted-growth'],
  load: async () => (await import('./planted-targets.js')).PLANTED_TARGETS,
}

/** Those that are fuzzed unless some are named. */
export const TARGET_NAMES: readonly string[] = FAMILIES.flatMap(({ names }) => names)

export async function targetNamed(name: string): Promise<Target | undefined> {
  const family = [...FAMILIES, PLANTED].find(({ names }) => names.includes(name))
  return (await family?.load())?.find((target) => target.name === name)
}
