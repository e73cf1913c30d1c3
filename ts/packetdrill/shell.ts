// The little of a shell that scripts use between backticks: commands one after another, pipelines,
// quotes, $(…), `test`. What a command does is looked up in a table and acts on the emulated host; one
// that is not in the table is an error that names it.

/** What a command wrote, and its exit status. */
export interface CommandResult {
  readonly output: string
  readonly status: number
}

export type CommandTable = Readonly<
  Record<string, (words: readonly string[], input: string) => CommandResult>
>

/** A command that the emulated host does not have, or cannot read. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

type Token =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'operator'; readonly text: string }

/** Bounded: `$(…)` in `$(…)`. */
const MAX_DEPTH = 8
/** Bounded: brackets and signs of `$((…))`, where the reading recurses. */
const MAX_NESTING = 64

/** Runs `text` and returns the status of its last command. */
export function runShell(text: string, table: CommandTable, depth = 0): CommandResult {
  if (depth > MAX_DEPTH) throw new CommandError('commands are nested too deeply')
  const tokens = tokenize(text, table, depth)
  let result: CommandResult = { output: '', status: 0 }
  let at = 0
  let skip: 'none' | '&&' | '||' = 'none'
  let output = ''
  while (at < tokens.length) {
    const end = tokens.findIndex(
      (token, i) => i >= at && token.kind === 'operator' && token.text !== '|',
    )
    const stop = end < 0 ? tokens.length : end
    const pipeline = tokens.slice(at, stop)
    const skipped = (skip === '&&' && result.status !== 0) || (skip === '||' && result.status === 0)
    if (pipeline.length > 0 && !skipped) {
      result = runPipeline(pipeline, table)
      output += result.output
    }
    const operator = tokens[stop]?.text
    skip = operator === '&&' || operator === '||' ? operator : 'none'
    // `a && b; c`: a failure before the `;` is forgotten, unless the shell was told otherwise.
    at = stop + 1
  }
  return { output, status: result.status }
}

function runPipeline(tokens: readonly Token[], table: CommandTable): CommandResult {
  const stages: string[][] = [[]]
  for (const token of tokens) {
    if (token.kind === 'operator') stages.push([])
    else stages[stages.length - 1]!.push(token.text)
  }
  // `! a | b` turns the status of the whole round.
  const isNegated = stages[0]![0] === '!'
  if (isNegated) stages[0]!.shift()
  let result: CommandResult = { output: '', status: 0 }
  for (const words of stages) result = runCommand(words, table, result.output)
  return isNegated ? { ...result, status: result.status === 0 ? 1 : 0 } : result
}

function runCommand(words: readonly string[], table: CommandTable, input: string): CommandResult {
  let rest = [...words]
  // `VAR=value command`, and output that is thrown away.
  while (/^[A-Za-z_]\w*=/.test(rest[0] ?? '')) rest = rest.slice(1)
  let quiet = false
  rest = rest.filter((word, i) => {
    const redirects = /^([12&]?>>?|2>&1)/.test(word)
    if (redirects && !word.startsWith('2>')) quiet = true
    const isTarget = /^[12&]?>>?$/.test(rest[i - 1] ?? '')
    return !redirects && !isTarget
  })
  const [name] = rest
  if (name === undefined) return { output: '', status: 0 }
  const base = name.replace(/^.*\//, '')
  if (!Object.hasOwn(table, base)) {
    throw new CommandError(`the emulated host has no command '${name}'`)
  }
  const result = table[base]!(rest.slice(1), input)
  return { output: quiet ? '' : result.output, status: result.status }
}

function tokenize(text: string, table: CommandTable, depth: number): Token[] {
  const tokens: Token[] = []
  let word: string | null = null
  let at = 0
  const endWord = (): void => {
    if (word !== null) tokens.push({ kind: 'word', text: word })
    word = null
  }
  const operator = (characters: string): void => {
    endWord()
    tokens.push({ kind: 'operator', text: characters })
    at += characters.length
  }
  while (at < text.length) {
    const character = text[at]!
    if (character === '\\') {
      if (text[at + 1] !== '\n') word = (word ?? '') + (text[at + 1] ?? '')
      at += 2
    } else if (character === "'") {
      const end = closing(text, "'", at + 1)
      word = (word ?? '') + text.slice(at + 1, end)
      at = end + 1
    } else if (character === '"') {
      const { value, end } = quoted(text, at + 1, table, depth)
      word = (word ?? '') + value
      at = end
    } else if (character === '$' && text[at + 1] === '(') {
      const { value, end } = substitution(text, at, table, depth)
      // Unquoted: blanks in it part words.
      const parts = value.split(/\s+/).filter((part) => part !== '')
      parts.forEach((part, i) => {
        if (i > 0) endWord()
        word = (word ?? '') + part
      })
      at = end
    } else if (character === '\n' || character === ';') operator(character)
    else if (text.startsWith('&&', at) || text.startsWith('||', at))
      operator(text.slice(at, at + 2))
    else if (character === '|') operator('|')
    else if (character === '#' && word === null) at = closing(`${text}\n`, '\n', at)
    else if (/\s/.test(character)) {
      endWord()
      at++
    } else {
      word = (word ?? '') + character
      at++
    }
  }
  endWord()
  return tokens
}

function closing(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from)
  if (end < 0) throw new CommandError(`the command has no closing ${mark}`)
  return end
}

function quoted(
  text: string,
  from: number,
  table: CommandTable,
  depth: number,
): { value: string; end: number } {
  let value = ''
  let at = from
  while (text[at] !== '"') {
    if (at >= text.length) throw new CommandError('the command has no closing "')
    if (text[at] === '\\' && /["\\$`]/.test(text[at + 1] ?? '')) {
      value += text[at + 1]
      at += 2
    } else if (text.startsWith('$(', at)) {
      const inner = substitution(text, at, table, depth)
      value += inner.value
      at = inner.end
    } else value += text[at++]
  }
  return { value, end: at + 1 }
}

/** `$(command)` or `$((1+2))` at `at`. */
function substitution(
  text: string,
  at: number,
  table: CommandTable,
  depth: number,
): { value: string; end: number } {
  let level = 0
  let end = at + 1
  for (; end < text.length; end++) {
    if (text[end] === '(') level++
    if (text[end] === ')' && --level === 0) break
  }
  if (level !== 0) throw new CommandError('the command has no closing )')
  const inner = text.slice(at + 2, end)
  if (inner.startsWith('(')) return { value: String(arithmetic(inner.slice(1, -1))), end: end + 1 }
  const { output } = runShell(inner, table, depth + 1)
  return { value: output.replace(/\n+$/, ''), end: end + 1 }
}

/** Whole numbers, + - * / and brackets. */
function arithmetic(text: string): number {
  const tokens = text.match(/\d+|[-+*/()]/g) ?? []
  let at = 0
  let nesting = 0
  const primary = (): number => {
    if (++nesting > MAX_NESTING) throw new CommandError('$((…)) is nested too deeply')
    const value = operand()
    nesting--
    return value
  }
  const operand = (): number => {
    const token = tokens[at++]
    if (token === '(') {
      const value = sum()
      at++
      return value
    }
    if (token === '-') return -primary()
    if (token === undefined || !/^\d+$/.test(token)) {
      throw new CommandError(`cannot compute $((${text}))`)
    }
    return Number(token)
  }
  const product = (): number => {
    let value = primary()
    while (tokens[at] === '*' || tokens[at] === '/') {
      value = tokens[at++] === '*' ? value * primary() : Math.trunc(value / primary())
    }
    return value
  }
  const sum = (): number => {
    let value = product()
    while (tokens[at] === '+' || tokens[at] === '-') {
      value = tokens[at++] === '+' ? value + product() : value - product()
    }
    return value
  }
  return sum()
}
