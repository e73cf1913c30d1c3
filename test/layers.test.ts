// The layers: a file imports from its own layer and from those below it, and no files import one another
// in a circle. docs/design.md says which layer is which; this test is what keeps it so.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../ts', import.meta.url))

/** From the bottom up; those on one line may not see one another. */
const LAYERS: readonly (readonly string[])[] = [
  ['host'],
  ['counters.ts', 'clock.ts', 'option-kinds.ts', 'random.ts', 'siphash.ts', 'thrown.ts'],
  ['core'],
  ['wire'],
  ['link'],
  ['tcp'],
  ['mptcp'],
  ['stack'],
  ['socket'],
  ['emulator', 'packetdrill', 'capture', 'net'],
  ['cli'],
  ['index.ts'],
]

/** These stand beside the stack, not on it: links and files of packets, for whoever has some. */
const NO_HIGHER_THAN: Readonly<Record<string, string>> = { emulator: 'link', capture: 'link' }

/** The wings of packetdrill, likewise: from what a script is to who plays it. */
const WINGS: readonly (readonly string[])[] = [
  ['language'],
  ['code', 'print'],
  ['packets', 'host'],
  ['calls'],
  ['runner'],
]

interface Import {
  readonly from: string
  readonly to: string
}

/** What a text imports, or exports from elsewhere; types count as values do. */
function importsIn(text: string): string[] {
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const pattern =
    /^(?:import|export)\s+(?:[^'";]*?\s+from\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm
  return [...withoutComments.matchAll(pattern)].map((match) => match[1] ?? match[2]!)
}

function allImports(): Import[] {
  const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.d.ts'),
  )
  return files.flatMap((name) =>
    importsIn(readFileSync(join(ROOT, name), 'utf8'))
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => ({
        from: name,
        to: relative(ROOT, resolve(ROOT, dirname(name), specifier)).replace(/\.js$/, '.ts'),
      })),
  )
}

const folderOf = (file: string): string => file.split('/')[0]!
const layerOf = (file: string): number =>
  LAYERS.findIndex((names) => names.includes(folderOf(file)))

function mayImport(from: string, to: string): boolean {
  const [a, b] = [folderOf(from), folderOf(to)]
  if (a === b) return true
  const ceiling = NO_HIGHER_THAN[a]
  if (ceiling !== undefined && layerOf(to) > layerOf(ceiling)) return false
  return layerOf(to) < layerOf(from)
}

/** One circle of the graph as a list of files, or null. */
function findCircle(edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const state = new Map<string, 'open' | 'done'>()
  const trail: string[] = []
  const visit = (file: string): string[] | null => {
    if (state.get(file) === 'done') return null
    if (state.get(file) === 'open') return [...trail.slice(trail.indexOf(file)), file]
    state.set(file, 'open')
    trail.push(file)
    for (const next of edges.get(file) ?? []) {
      const circle = visit(next)
      if (circle !== null) return circle
    }
    trail.pop()
    state.set(file, 'done')
    return null
  }
  for (const file of edges.keys()) {
    const circle = visit(file)
    if (circle !== null) return circle
  }
  return null
}

function edgesOf(imports: readonly Import[]): Map<string, string[]> {
  const edges = new Map<string, string[]>()
  for (const { from, to } of imports) {
    const list = edges.get(from)
    if (list === undefined) edges.set(from, [to])
    else list.push(to)
  }
  return edges
}

describe('layers', () => {
  const imports = allImports()

  it('every file belongs to a layer', () => {
    const strays = new Set(
      imports.flatMap(({ from, to }) => [from, to]).filter((f) => layerOf(f) < 0),
    )
    expect([...strays]).toEqual([])
    expect(imports.length).toBeGreaterThan(100)
  })

  it('no file imports from a layer above its own, not even a type', () => {
    const upward = imports
      .filter(({ from, to }) => !mayImport(from, to))
      .map(({ from, to }) => `${from} -> ${to}`)
    expect(upward).toEqual([])
  })

  it("the core's memory map stays inside the core", () => {
    const outside = imports
      .filter(({ from, to }) => to === 'core/layout.ts' && folderOf(from) !== 'core')
      .map(({ from }) => from)
    expect(outside).toEqual([])
  })

  it('no files import one another in a circle, not even for a type', () => {
    expect(findCircle(edgesOf(imports))).toBeNull()
  })

  it('no wing of packetdrill imports from one above its own', () => {
    const within = imports.filter(({ from, to }) =>
      `${from} ${to}`.match(/^packetdrill\/\S+ packetdrill\//),
    )
    expect(within.length).toBeGreaterThan(100)
    const wingOf = (file: string): number =>
      WINGS.findIndex((names) => names.includes(file.split('/')[1]!))
    const wrong = within.filter(
      ({ from, to }) =>
        dirname(from) !== dirname(to) && (wingOf(to) < 0 || wingOf(to) >= wingOf(from)),
    )
    expect(wrong).toEqual([])
  })

  it('of packetdrill only the runner names a module of Node', () => {
    const folder = join(ROOT, 'packetdrill')
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    const named = files.filter(
      (name) =>
        name.endsWith('.ts') &&
        importsIn(readFileSync(join(folder, name), 'utf8')).some((specifier) =>
          specifier.startsWith('node:'),
        ),
    )
    expect(named.sort()).toEqual(['runner/hashes.ts', 'runner/report.ts'])
  })

  it('the test sees what it looks for', () => {
    expect(
      importsIn(`import type { A } from './a.js'
import { type B, type C } from './b.js'
import { type D, e } from './c.js'
import {
  f,
} from './d.js'
import './e.js'
export * from './f.js'
// import './no.js'
const x = await import('./g.js')
let y: import('./h.js').Y`),
    ).toEqual(['./a.js', './b.js', './c.js', './d.js', './e.js', './f.js', './g.js', './h.js'])
    expect(mayImport('tcp/input.ts', 'mptcp/input.ts')).toBe(false)
    expect(mayImport('capture/pcapng.ts', 'stack/stack.ts')).toBe(false)
    expect(mayImport('mptcp/input.ts', 'tcp/input.ts')).toBe(true)
    expect(
      findCircle(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual(['b', 'c', 'b'])
  })
})
