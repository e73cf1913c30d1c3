// `npm run node-net -- DIR [--provider kernel|userspace|tcp] [--only TEXT]`: Node's own tests of net, test/parallel/test-net-*.js of
// its sources in DIR, over the drop-in. Each in a process of its own, two at a time. Debian has the sources:
// `apt-get source nodejs`. Exit status 1: one failed.

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const SHIM = fileURLToPath(new URL('./shim.cjs', import.meta.url))
const DEADLINE_MS = 20_000
const AT_ONCE = 2

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    provider: { type: 'string', default: 'kernel' },
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
  },
})
const [folder] = positionals
if (folder === undefined) {
  console.error(
    'usage: npm run node-net -- DIR [--provider kernel|userspace|tcp] [--only TEXT] [--verbose]',
  )
  process.exit(2)
}

const PARALLEL = join(folder, 'test/parallel')
const files = readdirSync(PARALLEL)
  .filter((name) => name.startsWith('test-net-') && name.includes(values.only))
  .sort()

interface Outcome {
  readonly name: string
  /** Null = it passed. */
  readonly problem: string | null
  readonly skipped: boolean
}

/** What a test says in its first lines that it is to be run with. */
function flagsOf(name: string): string[] {
  const found = /^\/\/ Flags: (.*)$/m.exec(readFileSync(join(PARALLEL, name), 'utf8'))
  return found === null ? [] : found[1]!.trim().split(/\s+/)
}

function run(name: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const words = [...flagsOf(name), '--no-warnings', '--require', SHIM, join(PARALLEL, name)]
    const child = spawn(process.execPath, words, {
      cwd: folder,
      env: { ...process.env, MPTCP_PROVIDER: values.provider },
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
    })
    let said = ''
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.on('data', (text) => {
        said += text
      })
    }
    // Not 'close': what it has started may hold its pipes.
    child.once('exit', async (status, signal) => {
      await new Promise((resolve) => setImmediate(resolve))
      for (const pipe of [child.stdout, child.stderr]) pipe.destroy()
      const skipped = /^1\.\.0 # Skipped/m.test(said)
      const how = signal === null ? `status ${status}` : 'it did not end'
      resolve({ name, skipped, problem: status === 0 ? null : `${how}\n${said.trim()}` })
    })
  })
}

const waiting = files.slice()
const outcomes: Outcome[] = []
const runNext = async (): Promise<void> => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    outcomes.push(await run(name))
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, runNext))

const failed = outcomes.filter(({ problem }) => problem !== null)
for (const { name, problem } of failed.sort((a, b) => (a.name < b.name ? -1 : 1))) {
  const lines = problem!.split('\n')
  const line = lines.find((each) => /Error|assert|Mismatched/.test(each)) ?? lines[1] ?? ''
  console.log(`FAIL ${name}: ${values.verbose ? problem : `${lines[0]}: ${line.trim()}`}`)
}
const skipped = outcomes.filter((each) => each.skipped).length
console.log(
  `${values.provider}: ${outcomes.length - failed.length - skipped} passed, ${failed.length} failed, ${skipped} skipped by themselves, of ${files.length}`,
)
process.exitCode = failed.length > 0 ? 1 : 0
