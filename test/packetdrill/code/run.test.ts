import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CodeFailure, runCode } from '../../../ts/packetdrill/code/run.js'
import type { CodeValue } from '../../../ts/packetdrill/code/values.js'
import { type Code, ScriptError } from '../../../ts/packetdrill/language/ast.js'
import { parseCode } from '../../../ts/packetdrill/language/parse-code.js'
import { action, refusal } from '../harness.js'

const INFO: Record<string, CodeValue> = {
  tcpi_rtt: 12_000n,
  tcpi_lost: 1n,
  tcpi_state: 1n,
  tcpi_options: 0x27n,
  tcpi_pacing_rate: 2n ** 64n - 1n,
}

function block(text: string): Code {
  return { kind: 'code', position: { file: 'x.pkt', line: 10, column: 5 }, text }
}

/** What the block fails with, or null. */
function run(text: string, names = new Map(Object.entries(INFO))): string | null {
  try {
    runCode(parseCode(block(text)), names)
  } catch (error) {
    if (!(error instanceof CodeFailure)) throw error
    return `${error.position.line}:${error.position.column}: ${error.message}`
  }
  return null
}

describe('an assertion that holds', () => {
  test.each([
    ' assert tcpi_lost == 1, tcpi_lost ',
    'assert 5000 <= tcpi_rtt <= 20000, "srtt=%d us" % tcpi_rtt',
    '\nassert tcpi_lost == 1\n\nassert tcpi_state == TCP_ESTABLISHED\n',
    'assert tcpi_lost == 1; \\\n   assert tcpi_rtt > 0;\\\n',
    'assert (tcpi_options & TCPI_OPT_SYN_DATA) != 0 and not tcpi_options & TCPI_OPT_ECN',
    'assert tcpi_pacing_rate == 18446744073709551615',
    'assert abs(tcpi_rtt - 12500) < 1000 or tcpi_missing',
    'assert tcpi_state in (TCP_ESTABLISHED, TCP_CLOSE) and tcpi_lost not in [2, 3]',
    'assert 7 // 2 == 3 and -7 // 2 == -4 and -7 % 3 == 2 and 7 / 2 == 3.5 and 2 ** 10 == 1024',
    'assert 1 + 2 * 3 - -4 == 11 and ~0 == -1 and 1 << 4 | 1 == 17 ^ 0',
    'assert min(3, 1, 2) == 1 and max([1, 2]) == 2 and round(2.5) == 2 and int(2.9) == 2',
    'x = tcpi_rtt / 1000 # milliseconds\nx += 1\nassert x == 13.0 and True',
    'assert (1 if tcpi_lost else 2) == 1',
    'assert len("abc") == 3 and str(5) + "a" == "5a" and "a" < "b"',
    'print(tcpi_rtt)\npass',
    'assert (tcpi_lost ==\n 1)',
    'assert 0x10 == 16 and 1e3 == 1000 and .5 < 1',
  ])('%j', (text) => {
    expect(run(text)).toBeNull()
  })
})

describe('an assertion that fails', () => {
  test.each([
    ['assert tcpi_lost == 0', '10:5: assertion failed: tcpi_lost == 0 (tcpi_lost = 1)'],
    [
      'assert tcpi_lost == 0, tcpi_rtt',
      '10:5: assertion failed: tcpi_lost == 0: 12000 (tcpi_lost = 1)',
    ],
    [
      '\n  assert tcpi_lost > 1 , "lost %d of %5.1f%%, %x" % (tcpi_lost, 2, 255)',
      '11:3: assertion failed: tcpi_lost > 1: lost 1 of   2.0%, ff (tcpi_lost = 1)',
    ],
    ['pass; assert None', '10:11: assertion failed: None'],
  ])('%j', (text, message) => {
    expect(run(text)).toBe(message)
  })

  test.each([
    ['assert tcpi_missing', "10:5: the name 'tcpi_missing' is not defined"],
    ['assert 1 / 0', '10:5: division by zero'],
    ['assert 1 < "a"', "10:5: '<' wants numbers, not a"],
    ['assert 1.5 & 1', "10:5: '&' wants whole numbers"],
    ['assert 1 in 1', "10:5: 'in' wants a list"],
    ['assert constructor', "10:5: the name 'constructor' is not defined"],
  ])('%j cannot be worked out', (text, message) => {
    expect(run(text)).toBe(message)
  })
})

test('an assignment lasts for the blocks that follow', () => {
  const names = new Map<string, CodeValue>([['tcpi_rtt', 5n]])
  expect(run('before = tcpi_rtt', names)).toBeNull()
  names.set('tcpi_rtt', 6n)
  expect(run('assert tcpi_rtt > before', names)).toBeNull()
})

describe('code that is more than assertions', () => {
  test.each([
    ['import os', "x.pkt:10:5: 'import' is not supported in %{ }% blocks"],
    ['for x in y: pass', "'for' is not supported"],
    ['open("/etc/passwd")', "'open()' is not supported, expected abs, min"],
    ['x.y', 'x.pkt:10:6: attributes and methods are not supported'],
    ["'{}'.format(x)", 'attributes and methods are not supported'],
    ['x[0]', 'items by index are not supported'],
    ["f'{x}'", "'f' before a string is not supported"],
    ['print "x"', "'print' before a string is not supported"],
    ['assert (1', "unexpected '}%', expected ',' or ')'"],
    ['assert 1 2', "x.pkt:10:14: unexpected '2', expected an operator, a new line or ';'"],
    ['\nassert', "x.pkt:11:7: unexpected '}%', expected a name"],
    ['assert 1 ==\n2', 'x.pkt:10:16: unexpected end of line'],
  ])('%j is refused', (text, message) => {
    expect(refusal(() => parseCode(block(text)))).toContain(message)
  })

  test('is refused when the script is parsed, at its place', () => {
    expect(refusal(() => action('%{\n import os }%'))).toContain("x.pkt:2:2: 'import'")
  })
})

describe('a block from a hostile hand', () => {
  test.each([
    ['grows no number', `x = 3\n${'x = x * x\n'.repeat(50)}`, 'a number of more than 128 bits'],
    ['shifts no further than it holds', 'assert 1 << 9999999', 'a shift by 9999999'],
    ['raises no further', 'assert 9 ** 9 ** 9', 'exponent'],
  ])('%s', (_, text, message) => {
    expect(run(text)).toContain(message)
  })

  test('grows no text', () => {
    const names = new Map<string, CodeValue>()
    expect(run(`x = "aaaaaaaa"\n${'x = x + x\n'.repeat(50)}`, names)).toBeNull()
    expect((names.get('x') as string).length).toBe(4096)
    expect(run('x = "%s" * 9', names)).toContain("'*' wants numbers")
  })

  test('grows no tuple: it would take for ever to show or compare', () => {
    const names = new Map<string, CodeValue>([['t', 1n]])
    expect(run('t = (t, t)\n'.repeat(8), names)).toBeNull()
    expect(run('assert t == t and len(str(t)) > 1000', names)).toBeNull()
    expect(run('t = (t, t)\n'.repeat(2), names)).toContain('a tuple of more than 1000 items')
  })

  test('nests only so deep', () => {
    for (const text of ['('.repeat(99_999), '-'.repeat(99_999), 'not '.repeat(99_999)]) {
      expect(refusal(() => parseCode(block(text)))).toContain('nested deeper than 64 levels')
    }
    expect(refusal(() => parseCode(block(`x = ${'1+'.repeat(99_999)}1`)))).toContain('too long')
    expect(run(`x = ${'1+'.repeat(900)}1`)).toBeNull()
  })

  test('is code, a ScriptError or a CodeFailure, whatever the words in it', () => {
    const words = (
      'assert tcpi_rtt x = == < <= + - * / // % ** << & | ^ ~ ( ) [ ] , ; not and or in if else ' +
      '1 0 2.5 99 "a%d" True None abs min print \n \\ .'
    ).split(' ')
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 30 }), (soup) => {
        try {
          run(soup.join(' '))
        } catch (error) {
          expect(error).toBeInstanceOf(ScriptError)
        }
      }),
      { numRuns: 3000 },
    )
  })
})
