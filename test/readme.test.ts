// The README's JavaScript examples and the files of examples/ run as they stand, each in a process of
// its own, on the built package; what docs/socket-api.md shows of the latter stands in them.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

function run(args: string[], input?: string) {
  return spawnSync(process.execPath, args, { cwd: root, input, encoding: 'utf8', timeout: 30_000 })
}

/** The JavaScript that a page shows. */
function jsBlocks(page: string): string[] {
  const text = readFileSync(`${root}/${page}`, 'utf8')
  return [...text.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]!)
}

const examples = jsBlocks('README.md')

describe('the README', () => {
  test('is tested on a built package', () => {
    expect(existsSync(`${root}/build/index.js`), 'run `npm run build` first').toBe(true)
    expect(examples).toHaveLength(2)
  })

  test('echoes over two paths', () => {
    const result = run(['--input-type=module', '-'], examples[0])
    expect(result.stderr).toBe('')
    expect(result.stdout).toMatch(/^hello over two paths\ntrue \d+\n$/)
    expect(result.status).toBe(0)
  })

  test('uses the core alone', () => {
    const result = run(['--input-type=module', '-'], examples[1])
    expect(result.stderr).toBe('')
    expect(result.stdout).toMatch(/^(wasm|js) [0-9a-f]{1,4} 32\naf5570f5\n$/)
    expect(result.status).toBe(0)
  })
})

describe('examples/', () => {
  test('hold what docs/socket-api.md shows', () => {
    const files = readdirSync(`${root}/examples`)
    const texts = files.map((file) => readFileSync(`${root}/examples/${file}`, 'utf8'))
    const shown = jsBlocks('docs/socket-api.md')
    expect(shown).toHaveLength(2)
    for (const block of shown) {
      expect(texts.some((text) => text.includes(block))).toBe(true)
      expect(block.split('\n').length).toBeLessThan(25)
    }
  })

  test.each(readdirSync(`${root}/examples`))('%s runs', (file) => {
    const result = run([`${root}/examples/${file}`])
    expect(result.stderr).toBe('')
    expect(result.stdout.length).toBeGreaterThan(0)
    expect(result.status).toBe(0)
  })
})
