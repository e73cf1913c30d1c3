// packetdrill text into tokens, the longest match winning as in the field's own flex rules: so
// `0.1...0.2` is three tokens, `1:1001` three, and `2001:db8::1` one. Every step moves forward and no
// pattern can backtrack more than it has read, so hostile text costs linear time.

import { type Position, ScriptError } from './ast.js'

export type TokenKind =
  | 'word'
  | 'integer'
  | 'float'
  | 'string'
  | 'command'
  | 'code'
  | 'option'
  | 'ipv4'
  | 'ipv6'
  | 'ellipsis'
  | 'punctuation'
  | 'end'

export interface Token {
  readonly kind: TokenKind
  /** As in the source. */
  readonly text: string
  /** Without quotes, dashes and brackets; escapes still in it. */
  readonly value: string
  readonly position: Position
  /** Offsets into the source. */
  readonly start: number
  readonly end: number
}

const WORD = /[A-Za-z0-9_]+/y
const INTEGER = /-?[0-9]+/y
const FLOAT = /-?[0-9]*\.[0-9]+/y
const IPV4 = /[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/y
const OPTION = /--[A-Za-z0-9_]+/y
const HEX = /^0x[0-9a-fA-F]+$/

/** A colon or two decides that it may be an IPv6 address: worth the thirteen patterns. */
const MAYBE_IPV6 = /(?:[0-9a-fA-F]{1,4}:|::)/y
const IPV6 = ipv6Patterns()

/** Everything that an IPv6 address may look like, since `1:1001` must not. */
function ipv6Patterns(): RegExp[] {
  const part = '[0-9a-fA-F]{1,4}'
  const dotted = '[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+'
  const forms = ['::', `(?:${part}:){7}${part}`, `(?:${part}:){1,7}:`, `:(?::${part}){1,7}`]
  for (let before = 1; before <= 6; before++) {
    forms.push(`(?:${part}:){1,${before}}(?::${part}){1,${7 - before}}`)
  }
  forms.push(`::ffff:(?:0{1,4}:)?${dotted}`, `(?:${part}:){1,4}:${dotted}`)
  return forms.map((form) => new RegExp(form, 'y'))
}

/** Reads one token at a time, so that the first fault in the text is the one that is told. */
export class Lexer {
  readonly file: string
  readonly #text: string
  #at = 0
  #line = 1
  #lineStart = 0
  /** Kept, so that a script of one long line is not searched again for every token. */
  #newline = 0

  constructor(text: string, file: string) {
    this.#text = text
    this.file = file
    this.#newline = newlineFrom(text, 0)
  }

  next(): Token {
    this.#skipBlank()
    const text = this.#text
    const start = this.#at
    if (start >= text.length) {
      return this.#token('end', start, start, 'end of file')
    }
    switch (text[start]) {
      case '"':
        return this.#quoted('string', '"')
      case '`':
        return this.#quoted('command', '`')
      case '%':
        if (text[start + 1] === '{') return this.#code()
        return this.#token('punctuation', start, start + 1)
      case '.':
        if (text.startsWith('...', start)) return this.#token('ellipsis', start, start + 3)
        break
      default:
        break
    }
    return this.#symbol(start)
  }

  #symbol(start: number): Token {
    const text = this.#text
    const option = match(OPTION, text, start)
    if (option > start) {
      return this.#token('option', start, option, undefined, text.slice(start + 2, option))
    }
    // Where two are of one length, the first in this list is meant.
    let kind: TokenKind = 'punctuation'
    let end = start + 1
    const offer = (offered: TokenKind, to: number): void => {
      if (to > end || (to === end && kind === 'punctuation')) {
        kind = offered
        end = to
      }
    }
    offer('float', match(FLOAT, text, start))
    offer('integer', match(INTEGER, text, start))
    const word = match(WORD, text, start)
    if (word > end && HEX.test(text.slice(start, Math.min(word, start + 100))))
      offer('integer', word)
    offer('word', word)
    offer('ipv4', match(IPV4, text, start))
    if (match(MAYBE_IPV6, text, start) > start) {
      for (const form of IPV6) offer('ipv6', match(form, text, start))
    }
    return this.#token(kind, start, end)
  }

  #skipBlank(): void {
    const text = this.#text
    for (;;) {
      const char = text[this.#at]
      if (char === ' ' || char === '\t' || char === '\n' || char === '\r') {
        this.#advance(this.#at + 1)
      } else if (char === '/' && text[this.#at + 1] === '/') {
        const end = text.indexOf('\n', this.#at)
        this.#advance(end < 0 ? text.length : end)
      } else if (char === '/' && text[this.#at + 1] === '*') {
        const end = text.indexOf('*/', this.#at + 2)
        if (end < 0) this.#unclosed('/*', "'*/'")
        this.#advance(end + 2)
      } else {
        return
      }
    }
  }

  #quoted(kind: 'string' | 'command', quote: string): Token {
    const text = this.#text
    const start = this.#at
    let end = start + 1
    while (end < text.length && text[end] !== quote) end += text[end] === '\\' ? 2 : 1
    if (end >= text.length) this.#unclosed(quote, `a closing ${quote}`)
    return this.#token(kind, start, end + 1, undefined, text.slice(start + 1, end))
  }

  #code(): Token {
    const start = this.#at
    const end = this.#text.indexOf('}%', start + 2)
    if (end < 0) this.#unclosed('%{', "'}%'")
    return this.#token('code', start, end + 2, undefined, this.#text.slice(start + 2, end))
  }

  #token(
    kind: TokenKind,
    start: number,
    end: number,
    text = this.#text.slice(start, end),
    value = text,
  ): Token {
    const position = this.#position()
    this.#advance(end)
    return { kind, text, value, position, start, end }
  }

  #advance(to: number): void {
    while (this.#newline < to) {
      this.#line++
      this.#lineStart = this.#newline + 1
      this.#newline = newlineFrom(this.#text, this.#lineStart)
    }
    this.#at = to
  }

  #position(): Position {
    return { file: this.file, line: this.#line, column: this.#at - this.#lineStart + 1 }
  }

  #unclosed(token: string, expected: string): never {
    const problem = `${token} is not closed, expected ${expected}`
    throw new ScriptError(this.#position(), token, expected, problem)
  }
}

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

function newlineFrom(text: string, at: number): number {
  const found = text.indexOf('\n', at)
  return found < 0 ? Number.POSITIVE_INFINITY : found
}
