// The little of a shell that scripts use between backticks: commands one after another, pipelines,
// variables, redirections, $(…), `test`. What a command does is looked up in a table and acts on the
// emulated host; one that is not in the table is an error that names it. shell-words.ts reads the text.

import { arithmetic } from './shell-arithmetic.js'
import {
  CommandError,
  type Redirect,
  readShell,
  type ShellCommand,
  type ShellStep,
  type Word,
  type WordPart,
} from './shell-words.js'

export { CommandError } from './shell-words.js'

/** What a command wrote, and its exit status. */
export interface CommandResult {
  readonly output: string
  readonly status: number
}

export type CommandTable = Readonly<
  Record<string, (words: readonly string[], input: string) => CommandResult>
>

/** What the commands of one pair of backticks share. */
export interface ShellWorld {
  readonly table: CommandTable
  /** Set by `NAME=value`; those of packetdrill are there from the start. */
  readonly variables: Map<string, string>
  /** The text of a file of the emulated host. */
  read(path: string): string
  write(path: string, text: string, append: boolean): void
}

/** Bounded: `$(…)` in `$(…)`. */
const MAX_DEPTH = 8
/** Bounded: `x=$x$x` over and over, and what commands write. */
const MAX_TEXT = 64 * 1024

const FINE: CommandResult = { output: '', status: 0 }
const ASSIGNMENT = /^([A-Za-z_]\w*)=/

/** Runs `text`; the status is that of its last command. */
export function runShell(text: string, world: ShellWorld, depth = 0): CommandResult {
  if (depth > MAX_DEPTH) throw new CommandError('commands are nested too deeply')
  return new ShellRun(world, depth).steps(readShell(text))
}

class ShellRun {
  readonly #world: ShellWorld
  readonly #depth: number
  #status = 0
  /** That of the last $(…) of a command. */
  #substituted = 0
  /** `set -e`. */
  #endsAtFailure = false
  #isOver = false

  constructor(world: ShellWorld, depth: number) {
    this.#world = world
    this.#depth = depth
  }

  steps(steps: readonly ShellStep[]): CommandResult {
    let output = ''
    let before: ShellStep['end'] = ';'
    for (const step of steps) {
      const skipped =
        (before === '&&' && this.#status !== 0) || (before === '||' && this.#status === 0)
      before = step.end
      if (skipped) continue
      output = bounded(output + this.#pipeline(step))
      if (this.#isOver) break
      // `a && b; c`: a failure before the `;` is forgotten, unless `set -e` was said.
      if (this.#endsAtFailure && this.#status !== 0 && step.end === ';' && !step.negated) break
    }
    return { output, status: this.#status }
  }

  #pipeline({ commands, negated }: ShellStep): string {
    let result = FINE
    for (const command of commands) result = this.#command(command, result.output)
    this.#status = negated ? Number(result.status === 0) : result.status
    return result.output
  }

  #command({ words, redirects }: ShellCommand, input: string): CommandResult {
    let at = 0
    this.#substituted = 0
    const assigned: [string, string][] = []
    for (; at < words.length; at++) {
      const assignment = this.#assignment(words[at]!)
      if (assignment === null) break
      assigned.push(assignment)
    }
    const given = words.slice(at).flatMap((word) => this.#fields(word))
    // `LC_ALL=C nstat`: for that command alone, and none here looks.
    if (given.length === 0) for (const [name, value] of assigned) this.#set(name, value)
    // A `x=$(false)` ends as its $(…) did.
    const nothing = { output: '', status: this.#substituted }
    const source = redirects.find(({ stream }) => stream === 'input')
    const text = source === undefined ? input : this.#world.read(this.#path(source))
    const result = given.length === 0 ? nothing : this.#call(given, text)
    return this.#redirected(result, redirects)
  }

  #call([name = '', ...words]: readonly string[], input: string): CommandResult {
    if (name === 'set') return this.#options(words)
    if (name === 'exit') {
      this.#isOver = true
      return { output: '', status: words[0] === undefined ? this.#status : Number(words[0]) & 0xff }
    }
    if (name === 'export') {
      for (const word of words) {
        const found = ASSIGNMENT.exec(word)
        if (found !== null) this.#set(found[1]!, word.slice(found[0].length))
      }
      return FINE
    }
    if (/^(?:bash|sh|source|\.)$/.test(name)) {
      const [first = '', second = ''] = words
      if (first === '-c') return runShell(second, this.#world, this.#depth + 1)
      if (first !== name && !first.startsWith('-')) return this.#call(words, input)
    }
    const { table } = this.#world
    const base = name.replace(/^.*\//, '')
    if (!Object.hasOwn(table, base)) {
      throw new CommandError(`the emulated host has no command '${name.slice(0, 80)}'`)
    }
    return table[base]!(words, input)
  }

  /** -e counts; -x, -u and pipefail change nothing that can be seen here. */
  #options(words: readonly string[]): CommandResult {
    for (const word of words) {
      if (word === 'pipefail' || /^[-+]o$/.test(word)) continue
      const found = /^([-+])([exu]+)o?$/.exec(word)
      if (found === null) throw new CommandError(`the emulated host's shell has no 'set ${word}'`)
      if (found[2]!.includes('e')) this.#endsAtFailure = found[1] === '-'
    }
    return FINE
  }

  #redirected(result: CommandResult, redirects: readonly Redirect[]): CommandResult {
    let { output } = result
    for (const redirect of redirects) {
      const { stream, word, append } = redirect
      if (stream === 'input') continue
      // No command here writes errors: they end the script instead.
      const isOutput = stream === 'output' || stream === 'both'
      if (word !== null) this.#world.write(this.#path(redirect), isOutput ? output : '', append)
      if (isOutput) output = ''
    }
    return { ...result, output }
  }

  #path({ word }: Redirect): string {
    const [path = '', ...more] = word === null ? [] : this.#fields(word)
    if (path === '' || more.length > 0) throw new CommandError('a redirection wants one file')
    return path
  }

  // ---------------------------------------------------------------- words

  /** `NAME=value`; null if the word is none. */
  #assignment(word: Word): [string, string] | null {
    const start = word.findIndex(({ kind, quoted }) => kind !== 'text' || quoted)
    const plain = word.slice(0, start < 0 ? undefined : start)
    const found = ASSIGNMENT.exec(plain.map(({ text }) => text).join(''))
    if (found === null) return null
    const value = word.map((part) => this.#value(part)).join('')
    return [found[1]!, bounded(value.slice(found[0].length))]
  }

  #set(name: string, value: string): void {
    this.#world.variables.set(name, value)
  }

  /** One word, or several where blanks come from an unquoted variable or $(…); none if it is empty. */
  #fields(word: Word): string[] {
    const fields: string[] = []
    let field: string | null = null
    for (const part of word) {
      const value = this.#value(part)
      if (part.quoted || part.kind === 'text') {
        field = (field ?? '') + value
        continue
      }
      value.split(/\s+/).forEach((piece, i) => {
        if (i > 0 && field !== null) {
          fields.push(field)
          field = null
        }
        if (piece !== '') field = (field ?? '') + piece
      })
    }
    if (field !== null) fields.push(field)
    return fields.map(bounded)
  }

  #value({ kind, text }: WordPart): string {
    switch (kind) {
      case 'text':
        return text
      case 'variable':
        return this.#variable(text)
      case 'arithmetic':
        return String(arithmetic(text, (name) => this.#variable(name)))
      case 'command': {
        const { output, status } = runShell(text, this.#world, this.#depth + 1)
        this.#substituted = status
        return output.replace(/\n+$/, '')
      }
      default:
        return kind satisfies never
    }
  }

  #variable(name: string): string {
    if (name === '?') return String(this.#status)
    const value = this.#world.variables.get(name)
    if (value === undefined) throw new CommandError(`the variable $${name} is not set`)
    return value
  }
}

function bounded(text: string): string {
  if (text.length > MAX_TEXT) throw new CommandError(`more than ${MAX_TEXT} characters of text`)
  return text
}
