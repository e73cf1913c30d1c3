// `npm run roam -- [--seconds N] [--way up|down] [--peer kernel|ours] [--family v4|v6]`: one transfer for each
// of what is not told, while the host's network changes; a table of the pauses for each. Needs root. Exit
// status 1: a byte was wrong, a pause too long, or something left behind.

import { parseArgs } from 'node:util'
import { bedAvailable } from '../harness/bed.js'
import { namespacesLeft } from './net.js'
import { type RoamOptions, type RoamResult, roam } from './roam.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    way: { type: 'string' },
    peer: { type: 'string' },
    family: { type: 'string' },
  },
})

const seconds = Number(values.seconds)
if (!(seconds >= 5 && seconds <= 3600)) usage(`--seconds takes 5 to 3600, not '${values.seconds}'`)
const ways = oneOf('way', values.way, { up: 'up', down: 'down' } as const)
const peers = oneOf('peer', values.peer, { kernel: 'kernel', ours: 'ours' } as const)
const families = oneOf('family', values.family, { v4: 4, v6: 6 } as const)

const obstacle = bedAvailable()
if (obstacle !== null) {
  console.error(`cannot roam: ${obstacle}`)
  process.exit(1)
}
for (const way of ways) {
  for (const peer of peers) {
    for (const family of families) await one({ seconds, way, peer, family })
  }
}
const left = namespacesLeft()
if (left.length > 0) {
  console.log(`left behind: ${left.join(', ')}`)
  process.exitCode = 1
}

function usage(problem: string): never {
  console.error(`${problem}
usage: npm run roam -- [--seconds N] [--way up|down] [--peer kernel|ours] [--family v4|v6]`)
  process.exit(2)
}

/** What was asked for, or all there is. */
function oneOf<T>(name: string, given: string | undefined, choices: Record<string, T>): T[] {
  if (given === undefined) return Object.values(choices)
  const names = Object.keys(choices)
  if (!names.includes(given)) usage(`--${name} takes ${names.join(' or ')}, not '${given}'`)
  return [choices[given]!]
}

async function one(options: RoamOptions): Promise<void> {
  const { way, peer, family } = options
  console.log(`${way}, ${peer === 'ours' ? 'ours' : 'the kernel'} at the other end, IPv${family}`)
  let result: RoamResult
  try {
    result = await roam(options)
  } catch (error) {
    console.log(`  FAILED ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
    return
  }
  for (const { name, pauseMs, mostMs } of result.steps) {
    const verdict = pauseMs <= mostMs ? 'ok' : `above ${Math.round(mostMs)}`
    console.log(`  ${name.padEnd(30)}${Math.round(pauseMs).toString().padStart(7)} ms  ${verdict}`)
  }
  console.log(`  ${result.bytes} bytes${result.problems.length === 0 ? ', exact' : ''}`)
  for (const problem of result.problems) console.log(`  FAILED ${problem}`)
  if (result.problems.length > 0) process.exitCode = 1
}
