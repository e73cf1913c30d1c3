// The fuzzer itself: a little of every target, so that none rots, and bugs on purpose that it must find.
// The long form is `npm run fuzz -- --seconds 600`.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FUZZ = ['--import', './test/fuzz/register.mjs', 'test/fuzz/main.ts']
const DEADLINE_MS = 120_000

function fuzz(...options: string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...FUZZ, ...options], {
      cwd: ROOT,
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
    })
    let output = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    child.stderr.on('data', (text) => {
      output += text
    })
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, output }))
  })
}

it.concurrent('nothing falls over what a little fuzzing makes', {
  timeout: DEADLINE_MS,
}, async () => {
  const { status, output } = await fuzz('--executions', '60')
  expect(output).not.toContain('FAILED')
  expect(status, output).toBe(0)
  const lines = output.trim().split('\n')
  for (const line of lines.slice(1)) expect(line).toMatch(/^[a-z-]+ +[1-9]\d* +[1-9]\d* +[1-9]\d* /)
  expect(lines).toHaveLength(11)
})

it.concurrent('bugs are found: one that throws, told with a small input that fails again, a hang and a growth', {
  timeout: DEADLINE_MS,
}, async () => {
  const names = ['planted-throw', 'planted-hang', 'planted-growth', 'path-option']
  const targets = names.flatMap((name) => ['--target', name])
  const { status, output } = await fuzz(...targets, '--executions', '4000', '--hang-seconds', '1')
  expect(status, output).toBe(1)
  expect(output).toContain('FAILED planted-throw, seed 1, execution')
  expect(output).toMatch(/FAILED planted-hang, .*: never ends\n.*\n.*--input [0-9a-f]{14}\n/)
  expect(output).toMatch(/FAILED planted-growth, .* MB more are held after 4000 executions/)
  // What stands behind them still runs.
  expect(output).toMatch(/^path-option +4000 /m)
  const found = /--target planted-throw --input ([0-9a-f]+)$/m.exec(output)?.[1] ?? ''
  // The option that it is about, and nothing else.
  expect(found).toMatch(/^.{4}7.{19}$/)
  const again = await fuzz('--target', 'planted-throw', '--input', found)
  expect(again.output).toContain('planted-throw: Error: planted')
  expect(again.status).toBe(1)
})
