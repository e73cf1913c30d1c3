// The text of a `%{ }%` block into statements. packetdrill hands such a block to Python; here a small
// part of Python is read, what assertions are made of, and nothing is ever executed: assert, names,
// numbers, strings, comparison (chained too), and / or / not, arithmetic, `'text %d' % value`, a few
// functions of numbers, assignment. The rest (import, def, if …) is refused by name, when the script
// is parsed.

import { type Code, type Position, ScriptError } from './ast.js'

export type CodeExpression =
  | { readonly kind: 'literal'; readonly value: bigint | number | string | boolean | null }
  | { readonly kind: 'name'; readonly name: string; readonly position: Position }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: CodeExpression }
  | {
      readonly kind: 'binary'
      readonly operator: string
      readonly left: CodeExpression
      readonly right: CodeExpression
    }
  /** `a < b <= c`. */
  | {
      readonly kind: 'compare'
      readonly operators: readonly string[]
      readonly operands: readonly CodeExpression[]
    }
  | {
      readonly kind: 'choice'
      readonly test: CodeExpression
      readonly yes: CodeExpression
      readonly no: CodeExpression
    }
  | { readonly kind: 'tuple'; readonly items: readonly CodeExpression[] }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly CodeExpression[] }

export type CodeStatement = { readonly position: Position } & (
  | {
      readonly kind: 'assert'
      readonly test: CodeExpression
      /** The source of `test`. */
      readonly text: string
      readonly message: CodeExpression | null
    }
  | { readonly kind: 'assign'; readonly name: string; readonly value: CodeExpression }
  | { readonly kind: 'expression'; readonly value: CodeExpression }
)

/** What a block may call. `print` does nothing. */
export const CODE_FUNCTIONS = ['abs', 'min', 'max', 'int', 'float', 'round', 'len', 'str', 'print']

/** Bounded: the parser recurses, and the evaluation does on both, since `1+1+1…` is a deep tree. */
const MAX_DEPTH = 64
const MAX_OPERATORS = 1000
const MAX_DIGITS = 40

const KEYWORDS =
  /^(?:as|async|await|break|class|continue|def|del|elif|except|finally|for|from|global|if|import|is|lambda|nonlocal|raise|return|try|while|with|yield|exec|eval)$/
const TOKEN =
  /(?<blank>[ \t\r]+|\\\r?\n|#[^\n]*)|(?<end>\n|;)|(?<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<string>'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*")|(?<sign>\*\*|\/\/|<<|>>|<=|>=|==|!=|\+=|-=|[-+*/%&|^~<>=(),[\]])|(?<other>[\s\S])/y

interface CodeToken {
  readonly kind: 'end' | 'number' | 'name' | 'string' | 'sign' | 'other' | 'stop'
  readonly text: string
  readonly at: number
  readonly position: Position
}

/** From weak to strong, those that take their operands from left to right. */
const LEVELS: readonly (readonly string[])[] = [
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '//', '%'],
]
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>=']

/** A ScriptError where the block is no such code. */
export function parseCode(code: Code): CodeStatement[] {
  return new CodeParser(code).statements()
}

class CodeParser {
  readonly #code: Code
  readonly #tokens: CodeToken[]
  #next = 0
  #depth = 0
  #operators = 0

  constructor(code: Code) {
    this.#code = code
    this.#tokens = this.#scan()
  }

  statements(): CodeStatement[] {
    const statements: CodeStatement[] = []
    while (this.#peek().kind !== 'stop') {
      if (this.#peek().kind === 'end') {
        this.#next++
        continue
      }
      const statement = this.#statement()
      if (statement !== null) statements.push(statement)
      const after = this.#peek().kind
      if (after !== 'end' && after !== 'stop') this.#unexpected("an operator, a new line or ';'")
    }
    return statements
  }

  #statement(): CodeStatement | null {
    const first = this.#peek()
    const position = first.position
    if (this.#take('pass')) return null
    if (this.#take('assert')) {
      const start = this.#peek().at
      const test = this.#expression()
      const text = this.#code.text.slice(start, this.#peek().at).trim()
      const message = this.#take(',') ? this.#expression() : null
      return { kind: 'assert', position, test, text, message }
    }
    const second = this.#tokens[this.#next + 1]
    if (first.kind === 'name' && second?.kind === 'sign' && /^[-+]?=$/.test(second.text)) {
      this.#next += 2
      const value = this.#expression()
      if (second.text === '=') return { kind: 'assign', position, name: first.text, value }
      const left: CodeExpression = { kind: 'name', name: first.text, position }
      const sum: CodeExpression = { kind: 'binary', operator: second.text[0]!, left, right: value }
      return { kind: 'assign', position, name: first.text, value: sum }
    }
    return { kind: 'expression', position, value: this.#expression() }
  }

  #expression(): CodeExpression {
    return this.#nested(() => {
      const yes = this.#or()
      if (!this.#take('if')) return yes
      const test = this.#or()
      if (!this.#take('else')) this.#unexpected("'else'")
      return { kind: 'choice', test, yes, no: this.#expression() }
    })
  }

  #or(): CodeExpression {
    let left = this.#and()
    while (this.#take('or')) left = this.#binary('or', left, this.#and())
    return left
  }

  #and(): CodeExpression {
    let left = this.#not()
    while (this.#take('and')) left = this.#binary('and', left, this.#not())
    return left
  }

  #not(): CodeExpression {
    if (!this.#take('not')) return this.#comparison()
    return { kind: 'unary', operator: 'not', operand: this.#nested(() => this.#not()) }
  }

  #comparison(): CodeExpression {
    const operands = [this.#level(0)]
    const operators: string[] = []
    for (;;) {
      const operator = this.#comparisonOperator()
      if (operator === null) break
      operators.push(operator)
      operands.push(this.#level(0))
    }
    return operators.length === 0 ? operands[0]! : { kind: 'compare', operators, operands }
  }

  #comparisonOperator(): string | null {
    const sign = COMPARISONS.find((text) => this.#at(text))
    if (sign !== undefined) {
      this.#next++
      return sign
    }
    if (this.#take('in')) return 'in'
    if (this.#at('not') && this.#tokens[this.#next + 1]?.text === 'in') {
      this.#next += 2
      return 'not in'
    }
    return null
  }

  #level(level: number): CodeExpression {
    const operators = LEVELS[level]
    if (operators === undefined) return this.#unary()
    let left = this.#level(level + 1)
    for (;;) {
      const operator = operators.find((text) => this.#at(text))
      if (operator === undefined) return left
      this.#next++
      left = this.#binary(operator, left, this.#level(level + 1))
    }
  }

  #binary(operator: string, left: CodeExpression, right: CodeExpression): CodeExpression {
    if (++this.#operators > MAX_OPERATORS) this.#problem(this.#peek(), 'too long an expression')
    return { kind: 'binary', operator, left, right }
  }

  #unary(): CodeExpression {
    const operator = ['-', '+', '~'].find((text) => this.#at(text))
    if (operator !== undefined) {
      this.#next++
      return { kind: 'unary', operator, operand: this.#nested(() => this.#unary()) }
    }
    const base = this.#primary()
    const behind = this.#peek()
    if (behind.text === '.') this.#problem(behind, 'attributes and methods are not supported')
    if (behind.text === '[') this.#problem(behind, 'items by index are not supported')
    if (!this.#take('**')) return base
    return { kind: 'binary', operator: '**', left: base, right: this.#nested(() => this.#unary()) }
  }

  #primary(): CodeExpression {
    const token = this.#peek()
    switch (token.kind) {
      case 'number':
        this.#next++
        return { kind: 'literal', value: this.#number(token) }
      case 'string': {
        let value = ''
        while (this.#peek().kind === 'string') value += unquoted(this.#tokens[this.#next++]!.text)
        return { kind: 'literal', value }
      }
      case 'name':
        return this.#name(token)
      default:
        if (this.#take('(')) return this.#items(')')
        if (this.#take('[')) return this.#items(']')
        return this.#unexpected('a name, a number, a string or a bracket')
    }
  }

  #name(token: CodeToken): CodeExpression {
    const name = token.text
    if (name === 'True' || name === 'False') {
      this.#next++
      return { kind: 'literal', value: name === 'True' }
    }
    if (name === 'None') {
      this.#next++
      return { kind: 'literal', value: null }
    }
    if (this.#tokens[this.#next + 1]?.kind === 'string') {
      this.#problem(token, `'${name}' before a string is not supported`)
    }
    if (KEYWORDS.test(name)) this.#problem(token, `'${name}' is not supported in %{ }% blocks`)
    this.#next++
    if (!this.#take('(')) return { kind: 'name', name, position: token.position }
    if (!CODE_FUNCTIONS.includes(name)) {
      this.#problem(token, `'${name}()' is not supported, expected ${CODE_FUNCTIONS.join(', ')}`)
    }
    const items = this.#items(')', true)
    return { kind: 'call', name, arguments: items.kind === 'tuple' ? items.items : [items] }
  }

  /** `(a)` is a; `(a, b)`, `(a,)`, `()` and every `[…]` and list of arguments a tuple. */
  #items(close: ')' | ']', call = false): CodeExpression {
    const items: CodeExpression[] = []
    let comma = close === ']' || call
    while (!this.#at(close)) {
      items.push(this.#expression())
      if (!this.#take(',')) break
      comma = true
    }
    if (!this.#take(close)) this.#unexpected(`',' or '${close}'`)
    if (items.length === 1 && !comma) return items[0]!
    return { kind: 'tuple', items }
  }

  #number(token: CodeToken): bigint | number {
    if (token.text.length > MAX_DIGITS) this.#problem(token, 'the number is too long')
    if (/^(?:0[xX]|[0-9]+$)/.test(token.text)) return BigInt(token.text)
    return Number(token.text)
  }

  #scan(): CodeToken[] {
    const text = this.#code.text
    const tokens: CodeToken[] = []
    let { file, line, column } = this.#code.position
    let brackets = 0
    for (let at = 0; at < text.length; ) {
      TOKEN.lastIndex = at
      const groups = TOKEN.exec(text)!.groups!
      const position: Position = { file, line, column }
      const entry = Object.entries(groups).find(([, value]) => value !== undefined)!
      const [kind, value] = entry as [CodeToken['kind'] | 'blank', string]
      if (value === '(' || value === '[') brackets++
      else if (value === ')' || value === ']') brackets--
      // Within brackets a new line is a blank, as in Python.
      const blank = kind === 'blank' || (kind === 'end' && value === '\n' && brackets > 0)
      if (!blank) tokens.push({ kind: kind as CodeToken['kind'], text: value, at, position })
      at += value.length
      const newlines = value.split('\n').length - 1
      line += newlines
      column = newlines === 0 ? column + value.length : value.length - value.lastIndexOf('\n')
    }
    const position = { file, line, column }
    tokens.push({ kind: 'stop', text: '}%', at: text.length, position })
    return tokens
  }

  #nested(parse: () => CodeExpression): CodeExpression {
    if (this.#depth >= MAX_DEPTH) {
      this.#problem(this.#peek(), `nested deeper than ${MAX_DEPTH} levels`)
    }
    this.#depth++
    const expression = parse()
    this.#depth--
    return expression
  }

  #peek(): CodeToken {
    return this.#tokens[this.#next]!
  }

  #at(text: string): boolean {
    const token = this.#peek()
    return token.text === text && (token.kind === 'sign' || token.kind === 'name')
  }

  #take(text: string): boolean {
    if (!this.#at(text)) return false
    this.#next++
    return true
  }

  #unexpected(expected: string): never {
    const token = this.#peek()
    const shown = token.text === '\n' ? 'end of line' : `'${token.text}'`
    throw new ScriptError(token.position, shown, expected)
  }

  #problem(token: CodeToken, problem: string): never {
    throw new ScriptError(token.position, token.text, null, problem)
  }
}

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\([\s\S])/g, (_, char: string) => {
    if (char === 'n') return '\n'
    if (char === 't') return '\t'
    return char === '\n' ? '' : char
  })
}
