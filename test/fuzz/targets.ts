// Everything that is fuzzed.

import { CLI_TARGETS } from './cli-targets.js'
import { PLANTED_TARGETS } from './planted-targets.js'
import { SCRIPT_TARGETS } from './script-targets.js'
import { STACK_TARGETS } from './stack-targets.js'
import type { Target } from './target.js'
import { WIRE_TARGETS } from './wire-targets.js'

export const TARGETS: readonly Target[] = [
  ...WIRE_TARGETS,
  ...CLI_TARGETS,
  ...SCRIPT_TARGETS,
  ...STACK_TARGETS,
]

export function targetNamed(name: string): Target | undefined {
  return [...TARGETS, ...PLANTED_TARGETS].find((target) => target.name === name)
}
