// Commands that only look at text: `test`, and what picks a value from nstat's output.

import { CommandError, type CommandResult, type CommandTable } from './shell.js'

const status = (isTrue: boolean): CommandResult => ({ output: '', status: isTrue ? 0 : 1 })

/** Reads a file of the emulated host, or throws a CommandError. */
export type ReadFile = (path: string) => string

export function textCommands(read: ReadFile): CommandTable {
  /** The files that are named, one behind the other; what comes through the pipe if none is. */
  const textOf = (paths: readonly string[], input: string): string =>
    paths.length === 0 ? input : paths.map((path) => (path === '-' ? input : read(path))).join('')
  return {
    true: () => status(true),
    ':': () => status(true),
    false: () => status(false),
    echo: (words) => echo(words),
    printf: (words) => printf(words),
    cat: (words, input) => ({ output: textOf(words, input), status: 0 }),
    test: (words) => status(evaluateTest(words)),
    '[': (words) => status(evaluateTest(bracketed(words, ']'))),
    '[[': (words) => status(evaluateTest(bracketed(words, ']]'))),
    jq: (words, input) => {
      const [filter = '', ...paths] = words.filter((word) => !word.startsWith('-'))
      return jq(words.includes('-e'), filter, textOf(paths, input))
    },
    grep: (words, input) => grep(words, input, read),
    awk: (words, input) => {
      const [program = '', ...paths] = words.filter((word) => !word.startsWith('-'))
      return awk(program, textOf(paths, input))
    },
    wc: (words, input) => {
      if (!words.includes('-l'))
        throw new CommandError("the emulated host's wc only counts lines: -l")
      const paths = words.filter((word) => !word.startsWith('-'))
      return { output: `${linesOf(textOf(paths, input)).length}\n`, status: 0 }
    },
    head: (words, input) =>
      some(
        words,
        (paths) => textOf(paths, input),
        (lines, count) => lines.slice(0, count),
      ),
    tail: (words, input) =>
      some(
        words,
        (paths) => textOf(paths, input),
        (lines, count) => (count === 0 ? [] : lines.slice(-count)),
      ),
  }
}

function echo(words: readonly string[]): CommandResult {
  const end = words[0] === '-n' ? '' : '\n'
  return { output: words.slice(end === '' ? 1 : 0).join(' ') + end, status: 0 }
}

/** `%s`, `%d`, `%x` and `\n`, each word once. */
function printf([format = '', ...words]: readonly string[]): CommandResult {
  let next = 0
  const output = format.replace(/%([sdx%])|\\n/g, (_, kind?: string) => {
    if (kind === undefined) return '\n'
    if (kind === '%') return '%'
    const word = words[next++] ?? ''
    if (kind === 's') return word
    const value = Number(word)
    if (!Number.isSafeInteger(value)) throw new CommandError(`printf: '${word}' is no whole number`)
    return value.toString(kind === 'x' ? 16 : 10)
  })
  if (/%/.test(format.replace(/%[sdx%]/g, '')) || next < words.length) {
    throw new CommandError(`cannot do 'printf ${format.slice(0, 40)}' on the emulated host`)
  }
  return { output, status: 0 }
}

function bracketed(words: readonly string[], close: string): readonly string[] {
  if (words.at(-1) !== close) throw new CommandError(`a test has no closing ${close}`)
  return words.slice(0, -1)
}

/** Bounded: `! ! ! …`, and -o and -a; the reading recurses. */
const MAX_TEST_WORDS = 200

function evaluateTest(words: readonly string[]): boolean {
  if (words.length > MAX_TEST_WORDS) throw new CommandError("'test' of too many words")
  const either = words.indexOf('-o')
  if (either > 0) {
    return evaluateTest(words.slice(0, either)) || evaluateTest(words.slice(either + 1))
  }
  const both = words.indexOf('-a')
  if (both > 0) return evaluateTest(words.slice(0, both)) && evaluateTest(words.slice(both + 1))
  if (words[0] === '!') return !evaluateTest(words.slice(1))
  if (words.length === 1) return words[0] !== ''
  if (words.length === 2 && words[0] === '-n') return words[1] !== ''
  if (words.length === 2 && words[0] === '-z') return words[1] === ''
  const [left = '', operator = '', right = ''] = words
  if (words.length !== 3) throw new CommandError(`cannot read 'test ${words.join(' ')}'`)
  if (operator === '=' || operator === '==') return left === right
  if (operator === '!=') return left !== right
  const [a, b] = [Number(left), Number(right)]
  if (left === '' || right === '' || Number.isNaN(a) || Number.isNaN(b)) {
    throw new CommandError(`'test ${words.join(' ')}' compares what is not a number`)
  }
  switch (operator) {
    case '-eq':
      return a === b
    case '-ne':
      return a !== b
    case '-gt':
      return a > b
    case '-ge':
      return a >= b
    case '-lt':
      return a < b
    case '-le':
      return a <= b
    default:
      throw new CommandError(`'test' has no operator '${operator}'`)
  }
}

/** A path of names, perhaps with `// default` behind: `.kernel.MPTcpExtMPJoinSynRx`. */
function jq(asStatus: boolean, filter: string, input: string): CommandResult {
  const [path = '', fallback] = filter.split('//').map((part) => part.trim())
  if (!/^\.[\w.[\]"]*$/.test(path)) throw new CommandError(`cannot read the jq filter '${filter}'`)
  let value: unknown
  try {
    value = JSON.parse(input)
  } catch {
    throw new CommandError('jq: its input is not JSON')
  }
  for (const name of path.match(/\w+/g) ?? []) {
    value =
      value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[name] : null
  }
  if (value === undefined || value === null || value === false) {
    const text = fallback ?? `${value ?? null}`
    const isNothing = text === 'null' || text === 'false'
    return { output: `${text}\n`, status: asStatus && isNothing ? 1 : 0 }
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return { output: `${text}\n`, status: 0 }
}

/** Bounded: what a pattern that matches in many ways can cost, the cube of a line at most. */
const MAX_GREP_LINE = 300
const MAX_GREP_REPEATS = 3

/** Refuses what could take for ever: a group that repeats, many repeats, a back-reference. */
function checkCost(pattern: string): void {
  const plain = pattern.replace(/\\[^1-9]/g, 'x')
  const repeats = plain.match(/[*+{]/g)?.length ?? 0
  if (/\)[*+?{]/.test(plain) || /\\[1-9]/.test(plain) || repeats > MAX_GREP_REPEATS) {
    throw new CommandError(`the pattern '${pattern.slice(0, 40)}' is more than this grep can do`)
  }
}

const CLASSES: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  digit: '0-9',
  lower: 'a-z',
  space: '\\s',
  upper: 'A-Z',
  xdigit: '0-9A-Fa-f',
}

/** grep's pattern as JavaScript writes it: without -E and -P, \\+ repeats and + is itself, and so on. */
function patternOf(pattern: string, letters: string): string {
  if (letters.includes('F')) return pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  if (letters.includes('P')) {
    if (/\\[KQEGRX]/.test(pattern)) throw new CommandError('this grep -P has no \\K and its like')
    return pattern
  }
  const plain = pattern.replace(/\[:(\w+):\]/g, (_, name: string) => {
    if (!Object.hasOwn(CLASSES, name)) throw new CommandError(`this grep has no [:${name}:]`)
    return CLASSES[name]!
  })
  // `[]a]`: a bracket that stands first is itself.
  const named = plain.replace(/\[(\^?)\]/g, '[$1\\]')
  if (letters.includes('E')) return named
  return named.replace(/\[(?:\\\]|[^\]])*\]|\\?[+?|(){}]/g, (found) => {
    if (found.startsWith('[')) return found
    return found.startsWith('\\') ? found.slice(1) : `\\${found}`
  })
}

function grep(words: readonly string[], input: string, read: ReadFile): CommandResult {
  const letters = words.filter((word) => /^-\w/.test(word)).join('')
  const [pattern = '', ...paths] = words.filter((word) => !/^-\w/.test(word))
  const long = words.find((word) => word.startsWith('--'))
  const wrong = /[^-EFGPchinoqsvw]/.exec(letters)
  if (long !== undefined || wrong !== null) {
    throw new CommandError(`the emulated host's grep has no ${long ?? `-${wrong![0]}`}`)
  }
  let expression: RegExp
  try {
    const source = patternOf(pattern, letters)
    const whole = letters.includes('w') ? `\\b(?:${source})\\b` : source
    checkCost(whole)
    expression = new RegExp(whole, letters.includes('i') ? 'i' : '')
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`cannot read the pattern '${pattern.slice(0, 40)}' of grep`)
  }
  const sources = paths.length === 0 ? [input] : paths.map(read)
  const isNamed = paths.length > 1 && !letters.includes('h')
  const found: string[] = []
  for (const [i, source] of sources.entries()) {
    for (const full of linesOf(source)) {
      const line = full.slice(0, MAX_GREP_LINE)
      if (expression.test(line) === letters.includes('v')) continue
      const shown = letters.includes('o') ? (expression.exec(line)?.[0] ?? '') : line
      found.push(isNamed ? `${paths[i]}:${shown}` : shown)
    }
  }
  const code = found.length > 0 ? 0 : 1
  if (letters.includes('q')) return { output: '', status: code }
  if (letters.includes('c')) return { output: `${found.length}\n`, status: code }
  return { output: found.map((line) => `${line}\n`).join(''), status: code }
}

/** `{print $2}`, perhaps with /text/ or `$1 == "text"` before it. */
function awk(program: string, input: string): CommandResult {
  const found =
    /^\s*(?:\/([\w .-]*)\/|\$(\d+)\s*==\s*"([^"]*)")?\s*\{\s*print\s+\$(\d+)\s*;?\s*\}\s*$/.exec(
      program,
    )
  if (found === null)
    throw new CommandError(`cannot read the awk program '${program.slice(0, 80)}'`)
  const [, text, field, value, column] = found
  const lines = linesOf(input).filter((line) =>
    field === undefined
      ? text === undefined || line.includes(text)
      : fieldOf(line, field) === value,
  )
  const fields = lines.map((line) => fieldOf(line, column!))
  return { output: fields.map((field) => `${field}\n`).join(''), status: 0 }
}

/** `$0` is all of the line. */
function fieldOf(line: string, column: string): string {
  return column === '0' ? line : (line.trim().split(/\s+/)[Number(column) - 1] ?? '')
}

/** `-n 5`, `-5`, or ten lines. */
function some(
  words: readonly string[],
  textOf: (paths: readonly string[]) => string,
  take: (lines: string[], count: number) => string[],
): CommandResult {
  const rest = [...words]
  let count = 10
  while (rest[0]?.startsWith('-') && rest[0] !== '-') {
    const digits = /^-n?(\d+)$/.exec(rest[0])?.[1]
    if (digits === undefined && rest[0] !== '-n') break
    count = Number(digits ?? rest[1])
    rest.splice(0, digits === undefined ? 2 : 1)
  }
  if (!Number.isInteger(count) || rest[0]?.startsWith('-')) {
    throw new CommandError(`cannot read '${words.join(' ')}' of head or tail`)
  }
  const lines = take(linesOf(textOf(rest)), count)
  return { output: lines.map((line) => `${line}\n`).join(''), status: 0 }
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines[lines.length - 1] === '') lines.pop()
  return lines
}
