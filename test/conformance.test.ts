// docs/conformance.md names the proof of each rule: every script and every test that it names exists.

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const pathOf = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))
const text = readFileSync(pathOf('docs/conformance.md'), 'utf8')

/** `dss/sizes`, but not `ts/tcp/ack.ts`. */
const scripts = [...text.matchAll(/`([a-z_]+\/[a-z0-9-]+)`/g)].map(([, name]) => name)
/** close.test.ts 'what it says'; several of one file are separated by commas. */
const tests = [...text.matchAll(/([\w/-]+\.test\.ts) '((?:[^'|]|'s )+)'/g)].map(
  ([, file, title]) => [file.includes('/') ? file : `test/mptcp/${file}`, title] as const,
)

describe('docs/conformance.md', () => {
  it('names scripts that exist', () => {
    expect(scripts.length).toBeGreaterThan(100)
    const missing = scripts.filter((name) => !existsSync(pathOf(`test/scripts/${name}.pkt`)))
    expect(missing).toEqual([])
  })

  it('names tests that exist', () => {
    expect(tests.length).toBeGreaterThan(10)
    const missing = tests.filter(
      ([file, title]) => !readFileSync(pathOf(file), 'utf8').includes(title),
    )
    expect(missing).toEqual([])
  })
})
