// Does breaking the stack show? Applies the patches of this folder one at a time to a copy of the tree,
// each a bug that one could make, and runs test/scripts: every patch must make a script fail.
// `node test/mutations/run.mjs [NAME…]`, after `npm run build`; the copy is removed whatever happens.

import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const SCRIPTS = 'test/scripts'
/** Every script together takes a few seconds; a bug that makes one run for ever is not a failed script. */
const RUN_TIMEOUT_MS = 60_000
const NAMES_SHOWN = 2

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

const started = performance.now()
const patches = choosePatches(process.argv.slice(2))
if (!existsSync(join(root, 'build/core.wasm'))) fail('no build/core.wasm: npm run build first')
const copy = mkdtempSync(join(tmpdir(), 'mptcp-mutations-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
copyTree()

const build = createBuilder()
/** Files that the last patch had changed: the next build takes them again. */
let restored = []
const unbuilt = build([])
if (unbuilt !== null) fail(`the unpatched tree does not build: ${unbuilt}`)
const unpatched = await runScripts()
if (unpatched.failed.length > 0 || unpatched.fault !== null) {
  console.log(unpatched.output.trimEnd())
  fail('the unpatched tree does not pass')
}

const width = Math.max(...patches.map((patch) => patch.length), 'patch'.length)
console.log(`${'patch'.padEnd(width)} | scripts that failed, of ${unpatched.passed}`)
let caught = 0
for (const patch of patches) {
  const result = await mutate(patch)
  if (result.fault === null && result.failed.length > 0) caught++
  console.log(`${patch.padEnd(width)} | ${describe(result)}`)
}
console.log(`in ${((performance.now() - started) / 1000).toFixed(1)} s`)
console.log(`${caught} caught, ${patches.length - caught} not caught`)
process.exit(caught === patches.length ? 0 : 1)

function fail(message) {
  console.error(message)
  process.exit(1)
}

/** Names of the patches to apply, without their ending: those asked for, or all. */
function choosePatches(asked) {
  const ending = /\.patch$/
  const all = readdirSync(here).filter((name) => ending.test(name))
  const names = all.map((name) => name.replace(ending, '')).sort()
  for (const name of asked) if (!names.includes(name)) fail(`no such patch: ${name}`)
  if (names.length === 0) fail(`no patch in ${here}`)
  return asked.length > 0 ? asked : names
}

/** What a commit of the present tree would hold, with the core as it is built. */
function copyTree() {
  const tracked = gitFiles('--cached')
  const fresh = gitFiles('--others', '--exclude-standard', '--', 'ts', 'assembly', SCRIPTS)
  for (const file of new Set([...tracked, ...fresh, 'build/core.wasm'])) {
    // A tracked file may be gone from the tree.
    if (existsSync(join(root, file))) cpSync(join(root, file), join(copy, file))
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
}

function gitFiles(...options) {
  const text = execFileSync('git', ['ls-files', '-z', ...options], { cwd: root, encoding: 'utf8' })
  return text.split('\0').filter((name) => name !== '')
}

/**
 * A tsc that keeps what it has parsed and checked: it takes the files that changed since the last call,
 * checks what they touch and emits that. Returns the first error, or null.
 * Measured: 0.1 to 0.9 s a patch, where `tsc --incremental` takes 2.1 s (a shared machine, 2 cores).
 */
function createBuilder() {
  const parsed = ts.getParsedCommandLineOfConfigFile(
    join(copy, 'tsconfig.json'),
    { declaration: false, sourceMap: false, incremental: true },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (error) => fail(textOf(error)) },
  )
  const { fileNames, options } = parsed
  const host = ts.createIncrementalCompilerHost(options)
  const read = host.getSourceFile
  const sources = new Map()
  host.getSourceFile = (name, ...rest) => {
    if (!sources.has(name)) sources.set(name, read(name, ...rest))
    return sources.get(name)
  }
  let program
  return (changed) => {
    for (const file of changed) sources.delete(join(copy, file))
    program = ts.createEmitAndSemanticDiagnosticsBuilderProgram(fileNames, options, host, program)
    const errors = [...program.getSyntacticDiagnostics(), ...program.getSemanticDiagnostics()]
    program.emit()
    return errors.length === 0 ? null : textOf(errors[0])
  }
}

function textOf({ file, messageText }) {
  const text = ts.flattenDiagnosticMessageText(messageText, ' ')
  return file === undefined ? text : `${file.fileName.slice(copy.length + 1)}: ${text}`
}

/** Applies one patch, builds, runs the scripts, and takes the patch back. */
async function mutate(patch) {
  const file = join(here, `${patch}.patch`)
  const git = (...options) =>
    execFileSync('git', ['apply', ...options, file], { cwd: copy, encoding: 'utf8', stdio: 'pipe' })
  let changed
  try {
    changed = git('--numstat', '-z').split('\0').filter(Boolean).map(pathOf)
    git()
  } catch (error) {
    return { failed: [], fault: `does not apply: ${firstLine(error.stderr || error.message)}` }
  }
  const error = build([...restored, ...changed])
  const result = error === null ? await runScripts() : { failed: [], fault: `no build: ${error}` }
  git('--reverse')
  restored = changed
  return result
}

function firstLine(text) {
  return text.trim().split('\n')[0]
}

/** Of `added TAB removed TAB path`. */
function pathOf(line) {
  return line.split('\t')[2]
}

/** What failed in the copy as it is built now; `fault`: why there is no verdict, or null. */
function runScripts() {
  const command = ['build/cli/main.js', 'packetdrill', SCRIPTS]
  const options = { cwd: copy, timeout: RUN_TIMEOUT_MS, maxBuffer: 1e9 }
  return new Promise((resolve) => {
    execFile(process.execPath, command, options, (error, stdout, stderr) => {
      const output = stdout + stderr
      const end = /^(\d+) passed, (\d+) failed$/m.exec(stdout)
      if (end === null) {
        const fault = error?.killed ? 'the scripts took too long' : 'the runner gave no result'
        resolve({ passed: 0, failed: [], fault, output })
        return
      }
      const failures = stdout.matchAll(/^test\/scripts\/(\S+)\.pkt:/gm)
      const failed = [...new Set(Array.from(failures, (match) => match[1]))]
      const agrees = failed.length === Number(end[2]) && (failed.length === 0) === (error === null)
      const fault = agrees ? null : `it ends '${end[0]}', exit status ${error?.code ?? 0}`
      resolve({ passed: Number(end[1]), failed, fault, output })
    })
  })
}

function describe({ failed, fault }) {
  if (fault !== null) return `NOT CAUGHT: ${fault}`
  if (failed.length === 0) return 'NOT CAUGHT'
  const shown = failed.slice(0, NAMES_SHOWN).join(', ')
  return `${failed.length}: ${shown}${failed.length > NAMES_SHOWN ? ', …' : ''}`
}
