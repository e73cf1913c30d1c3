// Our own scripts, on both cores and in all three ways to speak IP: each must pass.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { suiteDefines } from '../../../ts/packetdrill/host/settings.js'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'
import { describeFailure, findScripts, runSuite } from '../../../ts/packetdrill/runner/report.js'
import { runScript } from '../../../ts/packetdrill/runner/runner.js'

const FOLDER = fileURLToPath(new URL('../../scripts', import.meta.url))
const files = findScripts([FOLDER])

describe.each(['wasm', 'js'] as const)('on the %s core', (core) => {
  it.each(['ipv4', 'ipv6', 'ipv4-mapped-ipv6'] as const)(
    'every script passes over %s',
    (ipVersion) => {
      const lines: string[] = []
      const result = runSuite(files, { core, ipVersion, write: (line) => lines.push(line) })
      expect(lines.join('\n')).toBe(`${files.length} passed, 0 failed`)
      expect(result.failed).toBe(0)
    },
  )
})

describe('a script of ours', () => {
  it.each(files)('%s begins by saying what it proves', (file) => {
    expect(readFileSync(file, 'utf8')).toMatch(/^\/\/ \S/)
  })

  it('runs alike whatever the seed', () => {
    // Half of them with each.
    for (const [i, file] of files.entries()) {
      const seed = 2 + (i % 2)
      const script = parseScript(readFileSync(file, 'utf8'), file, suiteDefines('ipv4'))
      const failure = runScript(script, { core: 'js', seed })
      expect(failure === null ? '' : describeFailure(failure).join('\n'), `seed ${seed}`).toBe('')
    }
  })
})
