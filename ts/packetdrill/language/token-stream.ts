// The parser's view of the tokens: look ahead, take, refuse. Words that `-D NAME=VALUE` or `--define`
// gave a meaning are replaced here, as packetdrill does: by a word, a number, a "string" or a `command`,
// never by more than one token. `$NAME` must be defined; a plain NAME may be.

import { type Position, ScriptError } from './ast.js'
import { Lexer, type Token } from './lexer.js'

/** Nested lists and structs; real scripts need four. Bounded: the parser recurses. */
const MAX_DEPTH = 64
/** 2^64 - 1 has 20 digits; more are refused before they cost anything. */
const MAX_DIGITS = 20

export class TokenStream {
  readonly file: string
  /** What words stand for, from now on. */
  defines: Readonly<Record<string, string>> = {}
  readonly #lexer: Lexer
  readonly #ahead: Token[] = []
  #depth = 0

  constructor(text: string, file: string) {
    this.#lexer = new Lexer(text, file)
    this.file = file
  }

  /** The token to come, or the one `ahead` further on. */
  peek(ahead = 0): Token {
    while (this.#ahead.length <= ahead) this.#ahead.push(this.#read())
    return this.#define(this.#ahead[ahead]!)
  }

  next(): Token {
    const token = this.peek()
    this.#ahead.shift()
    return token
  }

  /** Is this word or sign next? A quoted string of that text is not. */
  at(text: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    if (token.kind === 'ellipsis') return text === '...'
    return (token.kind === 'word' || token.kind === 'punctuation') && token.value === text
  }

  /** Takes it if it is there. */
  take(text: string): boolean {
    if (!this.at(text)) return false
    this.next()
    return true
  }

  expect(text: string, expected = `'${text}'`): Token {
    if (!this.at(text)) this.unexpected(expected)
    return this.next()
  }

  word(expected: string): Token {
    if (this.peek().kind !== 'word') this.unexpected(expected)
    return this.next()
  }

  string(expected: string): Token {
    if (this.peek().kind !== 'string') this.unexpected(expected)
    return this.next()
  }

  /** A decimal or hex number from 0 to `max`; `what` names it in the error. */
  number(what: string, max: number): number {
    const token = this.peek()
    const value = this.integer(what)
    if (value < 0n || value > BigInt(max)) {
      this.problem(token, `${what} ${token.text} is out of range, 0 to ${max}`)
    }
    return Number(value)
  }

  /** A number of up to 64 bits, with a sign or none. */
  integer(what: string): bigint {
    const token = this.peek()
    if (token.kind !== 'integer') this.unexpected(what)
    if (token.value.length > MAX_DIGITS) this.problem(token, `${what} ${token.text} is too large`)
    const value = BigInt(token.value)
    if (BigInt.asUintN(64, value) !== value && BigInt.asIntN(64, value) !== value) {
      this.problem(token, `${what} ${token.text} does not fit 64 bits`)
    }
    this.next()
    return value
  }

  /** Runs `parse` one level deeper, and refuses a script that nests without end. */
  nested<T>(parse: () => T): T {
    if (this.#depth >= MAX_DEPTH)
      this.problem(this.peek(), `nested deeper than ${MAX_DEPTH} levels`)
    this.#depth++
    const value = parse()
    this.#depth--
    return value
  }

  unexpected(expected: string): never {
    const token = this.peek()
    throw new ScriptError(token.position, shown(token), expected)
  }

  problem(token: Token, text: string): never {
    throw new ScriptError(token.position, shown(token), null, text)
  }

  /** A `$` and the word that it stands before are one token. */
  #read(): Token {
    const token = this.#lexer.next()
    if (token.text !== '$') return token
    const name = this.#lexer.next()
    if (name.kind !== 'word' || name.start !== token.end) {
      throw new ScriptError(token.position, "'$'", 'a variable name behind it')
    }
    return { ...name, text: `$${name.text}`, position: token.position, start: token.start }
  }

  #define(token: Token): Token {
    if (token.kind !== 'word') return token
    const variable = token.text.startsWith('$')
    if (!Object.hasOwn(this.defines, token.value)) {
      if (variable)
        this.problem(token, `${token.text} is not defined; give -D ${token.value}=VALUE`)
      return token
    }
    const meant = defined(token, this.defines[token.value]!)
    if (meant.kind === 'word' && !/^[A-Za-z0-9_]+$/.test(meant.value)) {
      const forms = 'a word, a number, a "string" or a `command`'
      this.problem(
        token,
        `${token.text} stands for '${meant.value.slice(0, 40)}', which is not ${forms}`,
      )
    }
    return meant
  }
}

/** `token` with the meaning that `value` gives it. */
function defined(token: Token, value: string): Token {
  const quote = value[0]
  if (quote === '"' || quote === '`') {
    const inside = value.slice(1, value.length > 1 && value.endsWith(quote) ? -1 : undefined)
    return { ...token, kind: quote === '"' ? 'string' : 'command', value: inside }
  }
  const number = /^(?:-?[0-9]+|0x[0-9a-fA-F]+)$/.test(value)
  return { ...token, kind: number ? 'integer' : 'word', value }
}

/** A token as an error names it. */
function shown(token: Token): string {
  if (token.kind === 'end') return token.text
  const line = token.text.split('\n', 1)[0]!
  return `'${line.length > 40 || line.length < token.text.length ? `${line.slice(0, 40)}…` : line}'`
}

/** The position of the token to come: where the node that it begins stands. */
export function here(tokens: TokenStream): Position {
  return tokens.peek().position
}
