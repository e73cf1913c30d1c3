import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ScriptError } from '../../../ts/packetdrill/language/ast.js'
import { Lexer, type Token } from '../../../ts/packetdrill/language/lexer.js'

function tokens(text: string): Token[] {
  const lexer = new Lexer(text, 'x.pkt')
  const all: Token[] = []
  for (let token = lexer.next(); token.kind !== 'end'; token = lexer.next()) all.push(token)
  return all
}

const kinds = (text: string): string[] => tokens(text).map((token) => `${token.kind} ${token.text}`)

describe('a token is the longest that fits', () => {
  test.each([
    ['0.1...0.2', ['float 0.1', 'ellipsis ...', 'float 0.2']],
    ['+.1', ['punctuation +', 'float .1']],
    ['+0~+1', ['punctuation +', 'integer 0', 'punctuation ~', 'punctuation +', 'integer 1']],
    ['P.5', ['word P', 'float .5']],
    ['0x1f -3 0xg', ['integer 0x1f', 'integer -3', 'word 0xg']],
    ['1a2b3c 1234', ['word 1a2b3c', 'integer 1234']],
    ['--tolerance_usecs=10', ['option --tolerance_usecs', 'punctuation =', 'integer 10']],
  ])('%s', (text, expected) => {
    expect(kinds(text)).toEqual(expected)
  })

  test.each([
    '::',
    '::1',
    'fd3d:0a0b:17d6::1',
    '2001:DB8::',
    '1:2:3:4:5:6:7:8',
    '::ffff:192.168.0.1',
    '64:ff9b::1',
  ])('%s is one IPv6 address', (text) => {
    expect(kinds(text)).toEqual([`ipv6 ${text}`])
  })

  test('an IPv4 address is one token, sequence numbers are none', () => {
    expect(kinds('192.168.0.1')).toEqual(['ipv4 192.168.0.1'])
    expect(kinds('1:1001(1000)').map((kind) => kind.split(' ')[0])).toEqual([
      'integer',
      'punctuation',
      'integer',
      'punctuation',
      'integer',
      'punctuation',
    ])
  })
})

test('comments of both kinds are blanks', () => {
  expect(kinds('1 // a `b\n/* "c\n **/ 2')).toEqual(['integer 1', 'integer 2'])
})

test('a quoted thing keeps its lines, and its escapes for the parser', () => {
  const [string, command, code] = tokens('"a\\"b" `c\nd` %{ e\n }%')
  expect(string?.value).toBe('a\\"b')
  expect(command?.value).toBe('c\nd')
  expect(code?.value).toBe(' e\n ')
})

test('a token tells its line and column', () => {
  const [, second, third] = tokens('a\n  b `x\ny` c')
  expect(second?.position).toEqual({ file: 'x.pkt', line: 2, column: 3 })
  expect(third?.position).toEqual({ file: 'x.pkt', line: 2, column: 5 })
  expect(tokens('a\n  b `x\ny` c')[3]?.position).toEqual({ file: 'x.pkt', line: 3, column: 4 })
})

test.each([
  ['1\n "ab', 'x.pkt:2:2: " is not closed, expected a closing "'],
  ['`ab', 'x.pkt:1:1: ` is not closed, expected a closing `'],
  ['/* ab', "x.pkt:1:1: /* is not closed, expected '*/'"],
  ['%{ ab }', "x.pkt:1:1: %{ is not closed, expected '}%'"],
])('%j is told where it begins', (text, message) => {
  expect(() => tokens(text)).toThrow(message)
})

test('any text is tokens or a ScriptError', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      try {
        const all = tokens(text)
        expect(all.every((token) => token.end > token.start)).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(ScriptError)
      }
    }),
    { numRuns: 100 },
  )
})

test.each([
  ['digits', '1'],
  ['parts of an address', '1:'],
  ['dots', '.'],
  ['escapes', '"\\'],
  ['words', 'a '],
  ['minus signs', '-'],
])('a megabyte of %s takes no longer than it is long', (_, piece) => {
  const text = piece.repeat(1_000_000 / piece.length)
  const start = performance.now()
  try {
    tokens(text)
  } catch (error) {
    expect(error).toBeInstanceOf(ScriptError)
  }
  expect(performance.now() - start).toBeLessThan(5000)
})
