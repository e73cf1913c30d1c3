// The text between backticks into commands, as a shell reads it: words with their quotes, variables and
// $(…) still in them, pipelines, redirections, comments. What the small shell in here does not have
// (subshells, here-documents, background commands) is refused by name.

/** A command that the emulated host does not have, or cannot read. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** `text` is what stands in the brackets of `$(…)` and `$((…))`, and the name of a variable. */
export interface WordPart {
  readonly kind: 'text' | 'variable' | 'command' | 'arithmetic'
  readonly text: string
  /** In quotes: blanks in it part no words. */
  readonly quoted: boolean
}

export type Word = readonly WordPart[]

/** `> word`, `>> word`, `2> word`, `< word`; `word` null = to the other stream: `>&2`, `2>&1`. */
export interface Redirect {
  readonly stream: 'input' | 'output' | 'errors' | 'both'
  readonly append: boolean
  readonly word: Word | null
}

export interface ShellCommand {
  readonly words: readonly Word[]
  readonly redirects: readonly Redirect[]
}

/** `! a | b &&`: a pipeline, and what stands behind it. */
export interface ShellStep {
  readonly commands: readonly ShellCommand[]
  readonly negated: boolean
  readonly end: '&&' | '||' | ';'
}

const BLANK = /(?:[ \t\r]|\\\r?\n)+/y
/** Behind && and | a command may go on in the next line. */
const LINES = /\s+/y
const NAME = /[A-Za-z_]\w*/y
const REDIRECT = /(?:(\d+|&)?(>>?|<<?)(?:&(\d+|-))?)/y
const PLAIN = /[^ \t\r\n;|&<>()\\'"$]+/y
/** What ends a word that is not in quotes. */
const ENDS = ' \t\r\n;|&<>()'

/** A CommandError where the text cannot be read. */
export function readShell(text: string): ShellStep[] {
  return new ShellReader(text).steps()
}

class ShellReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  steps(): ShellStep[] {
    const steps: ShellStep[] = []
    while (this.#at < this.#text.length) {
      const step = this.#step()
      if (step !== null) steps.push(step)
    }
    const end = steps.at(-1)?.end ?? ';'
    if (end !== ';') this.#unexpected(end)
    return steps
  }

  #step(): ShellStep | null {
    const commands: ShellCommand[] = []
    let negated = false
    for (;;) {
      const command = this.#command()
      if (commands.length === 0 && isText(command.words[0], '!')) {
        negated = true
        commands.push({ ...command, words: command.words.slice(1) })
      } else {
        commands.push(command)
      }
      const sign = this.#sign()
      const empty = commands.at(-1)!.words.length === 0 && commands.at(-1)!.redirects.length === 0
      if (empty && (sign !== ';' || commands.length > 1)) this.#unexpected(sign)
      if (sign === '|') continue
      return empty ? null : { commands, negated, end: sign }
    }
  }

  /** What parts one command from the next; the end of the text is a `;`. */
  #sign(): '&&' | '||' | '|' | ';' {
    const text = this.#text
    if (this.#at >= text.length) return ';'
    for (const sign of ['&&', '||', '|&', '|'] as const) {
      if (!text.startsWith(sign, this.#at)) continue
      this.#at += sign.length
      this.#match(LINES)
      return sign === '|&' ? '|' : sign
    }
    if (text[this.#at] === '&') this.#refuse('background commands (&)')
    this.#at++
    return ';'
  }

  #command(): ShellCommand {
    const words: Word[] = []
    const redirects: Redirect[] = []
    for (;;) {
      this.#match(BLANK)
      const character = this.#text[this.#at]
      if (character === '#') {
        const end = this.#text.indexOf('\n', this.#at)
        this.#at = end < 0 ? this.#text.length : end
      } else if (character === '(' || character === ')') {
        this.#refuse('subshells and functions, ( )')
      } else {
        const redirect = this.#redirect()
        if (redirect !== null) redirects.push(redirect)
        else if (character === undefined || '\n;|&'.includes(character)) return { words, redirects }
        else words.push(this.#word())
      }
    }
  }

  #redirect(): Redirect | null {
    const found = this.#match(REDIRECT)
    if (found === null) return null
    const [, from, sign, to] = found
    if (sign === '<<') this.#refuse('here-documents (<<)')
    if (this.#text[this.#at] === '(') this.#refuse(`process substitution (${sign}(…))`)
    const stream =
      sign === '<' ? 'input' : from === '&' ? 'both' : from === '2' ? 'errors' : 'output'
    if (to !== undefined) return { stream, append: false, word: null }
    this.#match(BLANK)
    const next = this.#text[this.#at]
    if (next === undefined || ENDS.includes(next)) this.#unexpected(sign!)
    return { stream, append: sign === '>>', word: this.#word() }
  }

  #word(): Word {
    const parts: WordPart[] = []
    const text = (value: string, quoted: boolean): void => {
      parts.push({ kind: 'text', text: value, quoted })
    }
    for (;;) {
      const character = this.#text[this.#at]
      if (character === undefined || ENDS.includes(character)) break
      if (character === '\\') {
        if (this.#text[this.#at + 1] !== '\n') text(this.#text[this.#at + 1] ?? '', true)
        this.#at += 2
      } else if (character === "'") {
        const end = this.#closing("'", this.#at + 1)
        text(this.#text.slice(this.#at + 1, end), true)
        this.#at = end + 1
      } else if (character === '"') {
        this.#quoted(parts)
      } else if (character === '$') {
        parts.push(this.#dollar(false))
      } else {
        text(this.#match(PLAIN)![0], false)
      }
    }
    if (this.#text[this.#at] === '(') this.#refuse('subshells and functions, ( )')
    return parts
  }

  #quoted(parts: WordPart[]): void {
    let plain = ''
    this.#at++
    for (;;) {
      const character = this.#text[this.#at]
      if (character === undefined) throw new CommandError('the command has no closing "')
      if (character === '"') break
      if (character === '\\' && /["\\$`\n]/.test(this.#text[this.#at + 1] ?? '')) {
        if (this.#text[this.#at + 1] !== '\n') plain += this.#text[this.#at + 1]
        this.#at += 2
      } else if (character === '$') {
        parts.push({ kind: 'text', text: plain, quoted: true }, this.#dollar(true))
        plain = ''
      } else {
        plain += character
        this.#at++
      }
    }
    this.#at++
    parts.push({ kind: 'text', text: plain, quoted: true })
  }

  /** `$NAME`, `${NAME}`, `$?`, `$(…)`, `$((…))`; a `$` before anything else is itself. */
  #dollar(quoted: boolean): WordPart {
    const start = this.#at++
    const next = this.#text[this.#at] ?? ''
    if (next === '(') {
      const end = this.#bracket(this.#at)
      const inner = this.#text.slice(this.#at + 1, end)
      this.#at = end + 1
      if (inner.startsWith('(') && inner.endsWith(')')) {
        return { kind: 'arithmetic', text: inner.slice(1, -1), quoted }
      }
      return { kind: 'command', text: inner, quoted }
    }
    if (next === '{') {
      const end = this.#closing('}', this.#at)
      const name = this.#text.slice(this.#at + 1, end)
      if (!/^[A-Za-z_]\w*$/.test(name)) throw new CommandError(`cannot read '\${${name}}'`)
      this.#at = end + 1
      return { kind: 'variable', text: name, quoted }
    }
    const name = next === '?' ? next : (this.#match(NAME)?.[0] ?? null)
    if (name === '?') this.#at++
    if (name !== null) return { kind: 'variable', text: name, quoted }
    if (/[\d@*#$!-]/.test(next)) throw new CommandError(`the emulated host has no '$${next}'`)
    return { kind: 'text', text: this.#text[start]!, quoted: true }
  }

  /** Where the bracket at `from` closes; those in quotes do not count. */
  #bracket(from: number): number {
    let level = 0
    for (let at = from; at < this.#text.length; at++) {
      const character = this.#text[at]
      if (character === '\\') at++
      else if (character === "'") at = this.#closing("'", at + 1)
      else if (character === '"') at = this.#closing('"', at + 1)
      else if (character === '(') level++
      else if (character === ')' && --level === 0) return at
    }
    throw new CommandError('the command has no closing )')
  }

  #closing(mark: string, from: number): number {
    let end = this.#text.indexOf(mark, from)
    if (mark === '"') {
      while (end > 0 && this.#text[end - 1] === '\\') end = this.#text.indexOf(mark, end + 1)
    }
    if (end < 0) throw new CommandError(`the command has no closing ${mark}`)
    return end
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found !== null) this.#at = pattern.lastIndex
    return found
  }

  #refuse(what: string): never {
    throw new CommandError(`the emulated host's shell has no ${what}`)
  }

  #unexpected(sign: string): never {
    throw new CommandError(`a command is missing beside '${sign}'`)
  }
}

function isText(word: Word | undefined, text: string): boolean {
  return word?.length === 1 && !word[0]!.quoted && word[0]!.text === text
}
