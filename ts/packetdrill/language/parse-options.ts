// The TCP options of a packet, `<mss 1460, sackOK, …>`; those of MPTCP are in parse-mptcp.ts.

import type { Direction, EcnCounter, SackBlock, TcpOption } from './ast.js'
import { isMptcpOption, parseMptcpOption } from './parse-mptcp.js'
import { MAX_U8, MAX_U16, MAX_U32 } from './parse-value.js'
import { here, type TokenStream } from './token-stream.js'

const MAX_U24 = 0xff_ffff

/** What 40 bytes of options leave: kind and length off, and FOEXP's magic. */
const MAX_COOKIE_BYTES = 38
const MAX_EXPERIMENTAL_COOKIE_BYTES = 36
/** RFC 2385 §3.0. */
const MD5_BYTES = 16

const EXPECTED =
  'a TCP option (mss, wscale, sackOK, sack, TS, nop, eol, FO, FOEXP, md5, ECN, mpcapable, ' +
  'mp_join_syn, mp_join_syn_ack, mp_join_ack, dss, add_address, remove_address, mp_prio, mp_fail, ' +
  'mp_fastclose, mp_reset)'

/** null = `<...>`; nothing written = no options. */
export function parseOptionList(tokens: TokenStream, direction: Direction): TcpOption[] | null {
  if (!tokens.take('<')) return []
  const first = tokens.peek()
  if (tokens.take('...')) {
    if (direction === 'inbound') {
      tokens.problem(first, '<...> can only stand behind outbound packets')
    }
    tokens.expect('>')
    return null
  }
  const options: TcpOption[] = []
  do options.push(parseOption(tokens))
  while (tokens.take(','))
  tokens.expect('>', "',' or '>'")
  return options
}

function parseOption(tokens: TokenStream): TcpOption {
  const position = here(tokens)
  if (isMptcpOption(tokens.peek())) return parseMptcpOption(tokens)
  if (tokens.peek().kind !== 'word') tokens.unexpected(EXPECTED)
  switch (tokens.peek().value) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return { kind: tokens.next().value as 'nop' | 'eol' | 'sackOK', position }
    case 'mss':
      tokens.next()
      return { kind: 'mss', position, mss: tokens.number('a segment size', MAX_U16) }
    case 'wscale': {
      tokens.next()
      const shift = tokens.take('*') ? null : tokens.number('a shift count', MAX_U8)
      return { kind: 'wscale', position, shift }
    }
    case 'sack':
      tokens.next()
      return { kind: 'sack', position, blocks: parseBlocks(tokens) }
    case 'TS': {
      tokens.next()
      tokens.expect('val')
      const value = tokens.number('a timestamp', MAX_U32)
      tokens.expect('ecr')
      return { kind: 'TS', position, value, echo: tokens.number('a timestamp', MAX_U32) }
    }
    case 'FO':
    case 'FOEXP': {
      const experimental = tokens.next().value === 'FOEXP'
      const max = experimental ? MAX_EXPERIMENTAL_COOKIE_BYTES : MAX_COOKIE_BYTES
      const cookie = endOfOption(tokens) ? new Uint8Array(0) : parseHex(tokens, 'a cookie', max)
      return { kind: 'FO', position, experimental, cookie }
    }
    case 'md5':
      tokens.next()
      return { kind: 'md5', position, digest: parseHex(tokens, 'a digest', MD5_BYTES) }
    case 'ECN':
      tokens.next()
      return { kind: 'ECN', position, counters: parseCounters(tokens) }
    default:
      return tokens.unexpected(EXPECTED)
  }
}

function endOfOption(tokens: TokenStream): boolean {
  return tokens.at(',') || tokens.at('>')
}

/** `1:2 3:4`, with blanks between. */
function parseBlocks(tokens: TokenStream): SackBlock[] {
  const blocks: SackBlock[] = []
  do {
    const left = tokens.number('a SACK block', MAX_U32)
    tokens.expect(':')
    blocks.push({ left, right: tokens.number('the end of a SACK block', MAX_U32) })
  } while (!endOfOption(tokens))
  return blocks
}

/** `e0b 1 ceb 0 e1b 1`, or the first of them only. */
function parseCounters(tokens: TokenStream): EcnCounter[] {
  const counters: EcnCounter[] = []
  while (!endOfOption(tokens)) {
    const name = tokens.peek().value
    if (name !== 'e0b' && name !== 'e1b' && name !== 'ceb') tokens.unexpected('e0b, e1b or ceb')
    tokens.next()
    counters.push({ name, value: tokens.number('a byte counter', MAX_U24) })
  }
  return counters
}

/** Hex digits without 0x, two a byte; digits alone are a number to the lexer. */
function parseHex(tokens: TokenStream, what: string, maxBytes: number): Uint8Array {
  const token = tokens.peek()
  if (token.kind !== 'word' && token.kind !== 'integer') tokens.unexpected(`${what} in hex`)
  const text = token.value
  if (!/^[0-9a-fA-F]+$/.test(text)) tokens.problem(token, `'${text}' is not ${what} in hex`)
  if (text.length % 2 !== 0) tokens.problem(token, `${what} has an odd number of hex digits`)
  if (text.length > 2 * maxBytes) tokens.problem(token, `${what} has at most ${maxBytes} bytes`)
  tokens.next()
  return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16))
}
