// Runs the scripts of files and folders, and tells how it went: a failure with its place, what the
// script expects and what the stack did, both in packetdrill's notation.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suiteDefines, versionFor } from '../host/settings.js'
import { type Script, ScriptError } from '../language/ast.js'
import { parseScript } from '../language/parse-script.js'
import { printAction, printEvent } from '../print/event.js'
import { printUsecs } from '../print/time.js'
import { type Failure, type RunOptions, runScript } from './runner.js'

export interface SuiteOptions extends RunOptions {
  defines?: Readonly<Record<string, string>>
  verbose?: boolean
  write: (line: string) => void
  /** Scripts that do not parse; `write` if there is none. */
  writeError?: (line: string) => void
}

export interface SuiteResult {
  passed: number
  failed: number
  /** Scripts that do not parse, among the failed. */
  unreadable: number
}

/** `.pkt` files of folders, and whatever files are named, in order; an Error for what is not there. */
export function findScripts(paths: readonly string[]): string[] {
  const found: string[] = []
  for (const path of paths) {
    const entry = statSync(path, { throwIfNoEntry: false })
    if (entry === undefined) throw new Error(`${path}: no such file or folder`)
    if (!entry.isDirectory()) {
      found.push(path)
      continue
    }
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
    found.push(...names.filter((name) => name.endsWith('.pkt')).map((name) => join(path, name)))
  }
  return [...new Set(found)].sort()
}

export function runSuite(files: readonly string[], options: SuiteOptions): SuiteResult {
  const result: SuiteResult = { passed: 0, failed: 0, unreadable: 0 }
  for (const file of files) {
    const outcome = runFile(file, options)
    if (outcome === 'passed') result.passed++
    else result.failed++
    if (outcome === 'unreadable') result.unreadable++
  }
  options.write(`${result.passed} passed, ${result.failed} failed`)
  return result
}

function runFile(file: string, options: SuiteOptions): 'passed' | 'failed' | 'unreadable' {
  const { write, verbose } = options
  const trace: RunOptions['trace'] = (usecs, event) => {
    write(`  ${printUsecs(usecs)} line ${event.position.line}: ${indented(printEvent(event))}`)
  }
  try {
    if (verbose) write(`${file}:`)
    const script = readScript(file, options)
    const { init } = script
    if (verbose && init !== null) {
      write(`  0 line ${init.position.line}: ${indented(printAction(init))}`)
    }
    const warn: RunOptions['warn'] = (warning) => {
      for (const line of describeFailure(warning, 'warning: ')) write(line)
    }
    const failure = runScript(script, { ...options, warn, ...(verbose ? { trace } : {}) })
    if (failure === null) return 'passed'
    for (const line of describeFailure(failure)) write(line)
    return 'failed'
  } catch (error) {
    if (error instanceof ScriptError) {
      const { writeError = write } = options
      writeError(error.message)
      return 'unreadable'
    }
    // Ours: a broken invariant of the stack or of the runner. The other scripts still run.
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    write(`${file}: ${text}`)
    return 'failed'
  }
}

/** The lines of a command or of code stand under its first. */
function indented(text: string): string {
  return text.replaceAll('\n', '\n      ')
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const problem = `cannot be read: ${(error as Error).message}`
    throw new ScriptError({ file, line: 1, column: 1 }, file, null, problem)
  }
}

function readScript(file: string, options: SuiteOptions): Script {
  const text = readText(file)
  const symbols = Object.entries(suiteDefines(versionFor(file, options.ipVersion)))
  // What the script itself defines wins over the suites' usual.
  const missing = symbols.filter(([name]) => !text.includes(`define=${name}=`))
  return parseScript(text, file, { ...Object.fromEntries(missing), ...options.defines })
}

export function describeFailure(failure: Failure, kind = ''): string[] {
  const { position, message, usecs, expected, actual } = failure
  const lines = [`${position.file}:${position.line}: at ${printUsecs(usecs)}: ${kind}${message}`]
  if (expected !== null) lines.push(`  expected: ${expected}`)
  if (actual !== null) lines.push(`  actual:   ${actual}`)
  return lines
}
