// Two whole stacks in virtual time with an attacker on both of their paths. Because nothing in them is left
// to chance, an input is a list of what the attacker and the applications do; all else is the conversation
// that two honest stacks would have. What the attacker changes has right checksums.

import { HEADER, HEADER_WORDS } from '../../ts/core/layout.js'
import type { Stack } from '../../ts/stack/stack.js'
import { Attack, UNIT } from './attack.js'
import { AttackedWorld } from './attacked-world.js'
import { check, type Target } from './target.js'

/** Bounded: packets of the end, when nobody attacks any more. Storms have no end; retransmission has. */
const MAX_PACKETS_AT_END = 20_000
const FOUR_HOURS_MS = 4 * 3_600_000
const POOLS = [
  'SLOTS_FREE',
  'RECORDS_FREE',
  'RUNS_FREE',
  'QUEUES_FREE',
  'ACCOUNTS_FREE',
  'EXTENSIONS_FREE',
] as const

function holdings(stack: Stack): string {
  const { u32 } = stack.core
  const free = POOLS.map((name) => `${name} ${u32[(HEADER >> 2) + HEADER_WORDS[name]]}`)
  const extensions = stack.context.extensions.filter((each) => each !== null).length
  return [
    `connections ${stack.connectionCount}`,
    `tokens ${stack.context.tokens.size}`,
    `starved ${stack.context.starved.size}`,
    `live slots ${stack.liveSlots}`,
    `extensions ${extensions}`,
    ...free,
  ].join(', ')
}

function runAttack(core: 'wasm' | 'js', input: Uint8Array): AttackedWorld {
  const world = new AttackedWorld(core, input[0] ?? 0)
  const stacks = [world.client.stack, world.server.stack]
  const before = stacks.map(holdings)
  world.begin()
  new Attack(world, input.subarray(1)).run()
  // Both let go. Whatever the attacker made them believe, all must end.
  world.end(FOUR_HOURS_MS, MAX_PACKETS_AT_END)
  stacks.forEach((stack, i) => {
    const now = holdings(stack)
    check(now === before[i], `the ${i === 0 ? 'client' : 'server'} holds ${now}`)
    stack.close()
  })
  check(world.clock.nextDeadline() === Number.POSITIVE_INFINITY, 'a timer is left')
  return world
}

/** Modes of the world (attacked-world.ts) alone, and each act in a quiet conversation. */
function seeds(): Uint8Array[] {
  const found: Uint8Array[] = []
  for (const mode of [0, 1, 2, 3, 4, 8, 16, 32, 34]) {
    // Connect, write, read, close.
    const talk = [0, 9, 0, 0, 13, 0, 40, 0, 13, 1, 60, 0, 0, 40, 0, 0, 15, 0, 0, 0, 0, 20, 0, 0]
    found.push(Uint8Array.of(mode, ...talk))
    for (let act = 0; act < Attack.acts; act++) {
      if (mode === 0 || act % 3 === mode % 3) {
        found.push(Uint8Array.of(mode, ...talk.slice(0, 12), act, mode, 1, act, ...talk.slice(12)))
      }
    }
  }
  return found
}

/** The packets of an honest conversation of two paths, in IPv4 and in IPv6, for the targets of the wire. */
export function recordedPackets(): Uint8Array[] {
  return [0, 1, 2].flatMap((mode) => {
    const input = seeds().find((seed) => seed[0] === mode)!
    return runAttack('js', input).history.map((packet) => packet.bytes)
  })
}

const target = (core: 'wasm' | 'js'): Target => ({
  name: `stack-${core}`,
  maxBytes: 1 + 400 * UNIT,
  unitBytes: UNIT,
  seeds,
  run: (input) => void runAttack(core, input),
})

export const STACK_TARGETS: readonly Target[] = [target('js'), target('wasm')]
