// Boxes that meddle, in every combination of what they do, to which segments and which way: RFC 8684 §3.7. Whatever
// they do, no wrong byte is given to an application, and nothing waits for ever: all arrives, or the connection ends
// with an error. What became of each is the table in docs/conformance.md, which must say the same.

import { appendFileSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../contract/cores.js'
import { KINDS, type Kind, meddlingBox, PHASES, type Phase, type Way } from './meddling-box.js'
import { connectPair, finish, type Pair, world } from './world.js'

const WAYS: Record<string, readonly Way[]> = {
  client: ['a-to-b'],
  server: ['b-to-a'],
  both: ['a-to-b', 'b-to-a'],
}
const BYTES = 20_000
/** TCP repeats for about a quarter of an hour. */
const LONG_MS = 3_600_000

type Outcome = 'exact' | 'exact, plain TCP' | "the box's bytes" | 'error'

/**
 * What nobody can tell: payload of a box's without checksums, or where it is all that there is; and a mapping that
 * lies, of the data of several subflows, without checksums.
 */
function isUntold({ kind, paths, checksum }: Cell): boolean {
  return kind === 'payload changed' || (kind === 'DSS changed' && paths > 1 && !checksum)
}

/** What became of a transfer both ways; throws on a stall, or where bytes are wrong that must not be. */
function outcomeOf(pair: Pair, untold: boolean): Outcome {
  const apps = [pair.client, pair.server]
  const isWrong = apps.some((app) => app.wrongAt >= 0 || app.received > BYTES)
  if (!untold) expect(isWrong, apps.map((app) => app.describe()).join('; ')).toBe(false)
  const whole = apps.every((app) => app.received >= BYTES && app.ended)
  if (whole && isWrong) return "the box's bytes"
  if (whole && apps.every((app) => app.connection.error === null)) {
    return apps.every((app) => app.connection.mode === 'fallback') ? 'exact, plain TCP' : 'exact'
  }
  // Whoever did not get, or did not deliver, all is told.
  const told = apps.some((app) => app.connection.error !== null)
  expect(told, apps.map((app) => app.describe()).join('; ')).toBe(true)
  return isWrong ? "the box's bytes" : 'error'
}

interface Cell {
  kind: Kind
  phase: Phase
  who: string
  onward: boolean
  paths: number
  checksum: boolean
}

function run(core: 'wasm' | 'js', cell: Cell): Outcome | '–' {
  const { kind, phase, who, onward, paths, checksum } = cell
  const shapes = [
    { rate: 10e6, delay: 10 },
    { rate: 10e6, delay: 15 },
  ]
  const both = { core, checksum, memoryBytes: 2 << 20 }
  const w = world({ seed: 3, paths: shapes.slice(0, paths), both })
  const { box, count } = meddlingBox(kind, phase, WAYS[who]!, onward)
  w.paths[0]!.middlebox(box)
  const pair = connectPair(w, { up: BYTES, down: BYTES })
  const done = (): boolean => pair.client.done && (pair.server.done || !pair.server.connection)
  expect(
    w.clock.runWhile(() => !done(), LONG_MS),
    'a stall',
  ).toBe(true)
  if (pair.server.connection === undefined) return 'error'
  const outcome = outcomeOf(pair, isUntold(cell))
  finish(w)
  return count() === 0 ? '–' : outcome
}

/** One letter each; the worst of a cell counts. */
const LETTERS: Record<Outcome | '–', string> = {
  '–': '–',
  exact: 'M',
  'exact, plain TCP': 'T',
  "the box's bytes": 'B',
  error: 'E',
}

function tableRow(
  core: 'wasm' | 'js',
  kind: Kind,
  who: string,
  paths: number,
  checksum: boolean,
): string {
  const cells = PHASES.map((phase) => {
    const letters = [false, true].map((onward) => {
      return LETTERS[run(core, { kind, phase, who, onward, paths, checksum })]
    })
    return letters[0] === letters[1] ? letters[0] : letters.join('/')
  })
  const name =
    kind === 'options removed' || kind === 'split'
      ? kind
      : `${kind}${checksum ? ', DSS checksums' : ''}`
  return `| ${name} | ${who} | ${paths} | ${cells.join(' | ')} |`
}

/** Where the table is written anew, to be put into the document. */
const TABLE_FILE = process.env.MPTCP_MEDDLING_TABLE
const DOCUMENT = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8')

describe.each(BACKENDS)('a box that meddles, %s core', (core) => {
  // The boxes meddle with what both cores see alike: of one, the rows with both ways are enough.
  const ways = core === 'js' ? ['both'] : Object.keys(WAYS)
  for (const kind of KINDS) {
    const modes = kind === 'options removed' || kind === 'split' ? [false] : [false, true]
    for (const checksum of modes) {
      for (const paths of [1, 2]) {
        it.each(ways)(`${kind}, ${paths} paths, checksums ${checksum}, from the %s`, (who) => {
          const row = tableRow(core, kind, who, paths, checksum)
          if (TABLE_FILE !== undefined) appendFileSync(TABLE_FILE, `${row}\n`)
          else expect(DOCUMENT).toContain(row)
        })
      }
    }
  }
})
