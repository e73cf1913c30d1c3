// System calls: `...0.4 name(arguments) = result ERRNO (note)`, and the expressions in them. Structs are
// read by their form, `{name = value}`, whatever the names; the runner knows which fields a call has.

import type { Call, Expression, Field } from './ast.js'
import { errnoNumber } from './errno.js'
import { here, type TokenStream } from './token-stream.js'

/** What may be called inside an argument; any other word before a bracket is none of its own. */
const FUNCTIONS = ['htons', 'htonl', 'ntohs', 'ntohl', 'inet_addr', 'inet6_addr']

/** Bounded: whoever evaluates `A|B|…` goes one call deeper for each. */
const MAX_OPERANDS = 64

const EXPECTED = "a number, a word, a string, '...', '[' or '{'"

/** From the name on; `endUsecs` of a blocking call has been read. */
export function parseCall(tokens: TokenStream, endUsecs: number | null): Call {
  const position = here(tokens)
  const name = tokens.word('a system call').value
  tokens.expect('(')
  const args = parseList(tokens, ')')
  tokens.expect('=', "'=' and the call's result")
  const result = parseExpression(tokens)
  let errno: Call['errno'] = null
  if (tokens.peek().kind === 'word') {
    if (errnoNumber(tokens.peek().value) === null) {
      tokens.unexpected("an errno, '(' or the time of the next event")
    }
    errno = { name: tokens.next().value, note: parseNote(tokens) }
  }
  const note = parseNote(tokens)
  return { kind: 'call', position, name, endUsecs, arguments: args, result, errno, note }
}

/** Words in brackets, told to the reader and to no one else. */
function parseNote(tokens: TokenStream): string | null {
  if (!tokens.take('(')) return null
  const words: string[] = []
  while (!tokens.at(')')) {
    if (tokens.peek().kind === 'end') tokens.unexpected("')'")
    words.push(tokens.next().text)
  }
  tokens.expect(')')
  return words.join(' ')
}

/** `a, b` up to and with `close`, which may come at once. */
function parseList(tokens: TokenStream, close: string): Expression[] {
  const items: Expression[] = []
  if (tokens.take(close)) return items
  do items.push(parseExpression(tokens))
  while (tokens.take(','))
  tokens.expect(close, `',' or '${close}'`)
  return items
}

function parseExpression(tokens: TokenStream): Expression {
  return tokens.nested(() => {
    let left = parsePrimary(tokens)
    for (let i = 0; tokens.at('|'); i++) {
      if (i >= MAX_OPERANDS) tokens.problem(tokens.peek(), 'too long an expression')
      tokens.next()
      left = { kind: 'or', position: left.position, left, right: parsePrimary(tokens) }
    }
    return left
  })
}

function parsePrimary(tokens: TokenStream): Expression {
  const token = tokens.peek()
  const position = token.position
  switch (token.kind) {
    case 'ellipsis':
      tokens.next()
      return { kind: 'ellipsis', position }
    case 'integer': {
      const hex = token.value.startsWith('0x')
      return { kind: 'integer', position, value: tokens.integer('a number'), hex }
    }
    case 'string':
      return parseString(tokens)
    case 'word':
      return parseWord(tokens)
    default:
      if (tokens.take('[')) return { kind: 'array', position, items: parseList(tokens, ']') }
      if (tokens.at('{')) return parseBraces(tokens)
      return tokens.unexpected(EXPECTED)
  }
}

function parseWord(tokens: TokenStream): Expression {
  const token = tokens.next()
  const { position, value: name } = token
  if (tokens.take('=')) {
    return { kind: 'assign', position, name, value: parseExpression(tokens) }
  }
  if (FUNCTIONS.includes(name) && tokens.take('(')) {
    return { kind: 'call', position, name, arguments: parseList(tokens, ')') }
  }
  return { kind: 'word', position, name }
}

function parseString(tokens: TokenStream): Expression {
  const position = here(tokens)
  let value = ''
  while (tokens.peek().kind === 'string') value += unescaped(tokens.next().value)
  return { kind: 'string', position, value, open: tokens.take('...') }
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** C's escapes; a backslash before anything else is that thing itself. */
function unescaped(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[\s\S])/g, (_, name: string) => {
    if (name.length > 1 && name[0] === 'x') return code(Number.parseInt(name.slice(1), 16))
    if (name >= '0' && name < '8') return code(Number.parseInt(name, 8))
    return ESCAPES[name] ?? name
  })
}

function code(value: number): string {
  return String.fromCharCode(value & 0xff)
}

/** Fields with names make a struct, items without a group; both together are refused. */
function parseBraces(tokens: TokenStream): Expression {
  const position = tokens.next().position
  const fields: Field[] = []
  const items: Expression[] = []
  if (!tokens.at('}')) {
    do {
      if (isField(tokens)) {
        if (items.length > 0) tokens.unexpected('an item without a name')
        fields.push(parseField(tokens))
      } else {
        if (tokens.at('(') || tokens.at('flags') || tokens.at('Flags')) {
          tokens.problem(tokens.peek(), 'MPLS and GRE structures are not supported')
        }
        if (fields.length > 0) tokens.unexpected('a field, NAME = VALUE')
        items.push(parseExpression(tokens))
      }
    } while (tokens.take(','))
  }
  tokens.expect('}', "',' or '}'")
  if (fields.length > 0) return { kind: 'struct', position, fields }
  return { kind: 'group', position, items }
}

/** `name =`, or `name(count) =` as msg_iov has it. */
function isField(tokens: TokenStream): boolean {
  if (tokens.peek().kind !== 'word') return false
  if (tokens.at('=', 1)) return true
  return tokens.at('(', 1) && !FUNCTIONS.includes(tokens.peek().value)
}

function parseField(tokens: TokenStream): Field {
  const { position, value: name } = tokens.next()
  let count: Expression | null = null
  if (tokens.take('(')) {
    count = parseExpression(tokens)
    tokens.expect(')')
  }
  tokens.expect('=')
  return { position, name, count, value: parseExpression(tokens) }
}
