// Commands that only look at text: `test`, and what picks a value from nstat's output.

import { CommandError, type CommandResult, type CommandTable } from './shell.js'

const status = (isTrue: boolean): CommandResult => ({ output: '', status: isTrue ? 0 : 1 })

export const TEXT_COMMANDS: CommandTable = {
  true: () => status(true),
  ':': () => status(true),
  false: () => status(false),
  set: () => status(true),
  exit: (words) => ({ output: '', status: Number(words[0] ?? 0) }),
  echo: (words) => ({ output: `${words.filter((word) => word !== '-n').join(' ')}\n`, status: 0 }),
  cat: (words, input) => {
    if (words.length > 0) throw new CommandError(`the emulated host has no file '${words[0]}'`)
    return { output: input, status: 0 }
  },
  test: (words) => status(evaluateTest(words)),
  '[': (words) => status(evaluateTest(words.slice(0, -1))),
  '[[': (words) => status(evaluateTest(words.slice(0, -1))),
  jq: (words, input) => jq(words, input),
  grep: (words, input) => grep(words, input),
  awk: (words, input) => awk(words, input),
  wc: (words, input) => {
    if (!words.includes('-l'))
      throw new CommandError("the emulated host's wc only counts lines: -l")
    return { output: `${linesOf(input).length}\n`, status: 0 }
  },
  head: (words, input) => some(words, input, (lines, count) => lines.slice(0, count)),
  tail: (words, input) => some(words, input, (lines, count) => lines.slice(-count)),
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
function jq(words: readonly string[], input: string): CommandResult {
  const filter = words.filter((word) => !word.startsWith('-')).join(' ')
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
  if (value === undefined || value === null) return { output: `${fallback ?? 'null'}\n`, status: 0 }
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

function grep(words: readonly string[], input: string): CommandResult {
  const letters = words.filter((word) => /^-\w/.test(word)).join('')
  const [pattern = ''] = words.filter((word) => !/^-\w/.test(word))
  checkCost(pattern)
  let expression: RegExp
  try {
    const source = letters.includes('F') ? pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : pattern
    const whole = letters.includes('w') ? `\\b(?:${source})\\b` : source
    expression = new RegExp(whole, letters.includes('i') ? 'i' : '')
  } catch {
    throw new CommandError(`cannot read the pattern '${pattern}' of grep`)
  }
  const lines = linesOf(input).map((line) => line.slice(0, MAX_GREP_LINE))
  const found = lines.filter((line) => expression.test(line) !== letters.includes('v'))
  const code = found.length > 0 ? 0 : 1
  if (letters.includes('q')) return { output: '', status: code }
  if (letters.includes('c')) return { output: `${found.length}\n`, status: code }
  const shown = letters.includes('o')
    ? found.map((line) => expression.exec(line)?.[0] ?? '')
    : found
  return { output: shown.map((line) => `${line}\n`).join(''), status: code }
}

/** `{print $2}`, perhaps with a /pattern/ before it. */
function awk(words: readonly string[], input: string): CommandResult {
  const program = words.find((word) => !word.startsWith('-')) ?? ''
  const found = /^\s*(?:\/([^/]*)\/)?\s*\{\s*print\s+\$(\d+)\s*;?\s*\}\s*$/.exec(program)
  if (found === null) throw new CommandError(`cannot read the awk program '${program}'`)
  const [, pattern, column] = found
  const lines = linesOf(input).filter((line) => pattern === undefined || line.includes(pattern))
  const fields = lines.map((line) => {
    return column === '0' ? line : (line.trim().split(/\s+/)[Number(column) - 1] ?? '')
  })
  return { output: fields.map((field) => `${field}\n`).join(''), status: 0 }
}

function some(
  words: readonly string[],
  input: string,
  take: (lines: string[], count: number) => string[],
): CommandResult {
  const text = words.join(' ')
  const count = Number(/(\d+)/.exec(text)?.[1] ?? 10)
  return {
    output: take(linesOf(input), count)
      .map((line) => `${line}\n`)
      .join(''),
    status: 0,
  }
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines[lines.length - 1] === '') lines.pop()
  return lines
}
