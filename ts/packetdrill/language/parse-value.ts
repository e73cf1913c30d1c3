// What MPTCP options are made of: attributes, flags, keys, and values: numbers, key variables, hash
// functions of keys, sums.

import { type Checksum, type KeyNode, MPTCP_FUNCTIONS, type Value } from './ast.js'
import { here, type TokenStream } from './token-stream.js'

/** Bounded: whoever evaluates a sum goes one call deeper for each term. */
const MAX_TERMS = 64

export const MAX_U8 = 0xff
export const MAX_U16 = 0xffff
export const MAX_U32 = 0xffff_ffff

/** Reads `name …` pairs in any order up to the end of the option; an unknown or second one is refused. */
export function parseAttributes(
  tokens: TokenStream,
  known: Readonly<Record<string, () => void>>,
): void {
  const seen = new Set<string>()
  while (!endOfOption(tokens)) {
    const token = tokens.peek()
    const expected = `${Object.keys(known).join(', ')}, ',' or '>'`
    if (token.kind !== 'word' || !Object.hasOwn(known, token.value)) tokens.unexpected(expected)
    if (seen.has(token.value)) tokens.problem(token, `${token.value} is written twice`)
    seen.add(token.value)
    tokens.next()
    known[token.value]!()
  }
}

export function endOfOption(tokens: TokenStream): boolean {
  return tokens.at(',') || tokens.at('>')
}

export function assigned(tokens: TokenStream, what: string, max: number): number {
  tokens.expect('=')
  return tokens.number(what, max)
}

/** `=N`, or `=auto` for null. */
export function parseAddressId(tokens: TokenStream): number | null {
  tokens.expect('=')
  return tokens.take('auto') ? null : tokens.number('an address id', MAX_U8)
}

/** `flags[flag_a,flag_h]`, or `flags 0x81`. */
export function parseFlagList(
  tokens: TokenStream,
  names: Readonly<Record<string, number>>,
): number {
  if (!tokens.take('[')) return tokens.number('flags', MAX_U8)
  let flags = 0
  do {
    const name = tokens.peek()
    if (name.kind !== 'word' || !Object.hasOwn(names, name.value)) {
      tokens.unexpected(Object.keys(names).join(', '))
    }
    flags |= names[tokens.next().value]!
  } while (tokens.take(','))
  tokens.expect(']')
  return flags
}

/** `name` or `name=value`. */
export function parseKey(tokens: TokenStream): KeyNode {
  const position = here(tokens)
  const name = tokens.word('the name of a key').value
  return { position, name, value: tokens.take('=') ? tokens.integer('a key') : null }
}

export function parseChecksum(tokens: TokenStream): Checksum {
  tokens.expect('=')
  return tokens.take('auto') ? 'auto' : tokens.number('a checksum', MAX_U16)
}

/** `auto`, `5`, `0x5`, `ckey`, `sha256_32(skey)`, `trunc_l64_hmac(ckey skey)`, and sums of these. */
export function parseValue(tokens: TokenStream): Value {
  let left = parseTerm(tokens)
  for (let i = 0; tokens.at('+'); i++) {
    if (i >= MAX_TERMS) tokens.problem(tokens.peek(), 'too long a sum')
    tokens.next()
    left = { kind: 'sum', position: left.position, left, right: parseTerm(tokens) }
  }
  return left
}

function parseTerm(tokens: TokenStream): Value {
  const token = tokens.peek()
  const position = token.position
  if (token.kind === 'integer') {
    const hex = token.value.startsWith('0x')
    return { kind: 'number', position, value: tokens.integer('a number'), hex }
  }
  const name = tokens.word("a number, 'auto', a key or a function of keys").value
  if (name === 'auto') return { kind: 'auto', position }
  if (!tokens.at('(')) return { kind: 'variable', position, name }
  if (!(MPTCP_FUNCTIONS as readonly string[]).includes(name)) {
    tokens.problem(token, `'${name}' is not a function, expected ${MPTCP_FUNCTIONS.join(', ')}`)
  }
  tokens.expect('(')
  const args: Value[] = []
  while (!tokens.at(')')) {
    args.push(tokens.nested(() => parseValue(tokens)))
    // A blank parts the keys of a HMAC; a comma does as well.
    tokens.take(',')
  }
  tokens.expect(')')
  if (args.length === 0) tokens.problem(token, `${name}() wants a key`)
  return { kind: 'call', position, name, arguments: args }
}
