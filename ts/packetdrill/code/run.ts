// Runs the statements of a `%{ }%` block over the names that the runner gives it (tcpi_… of the last
// TCP_INFO). Nothing here loops, and numbers (128 bits), text and tuples cannot grow: a block always ends.

import type { Position } from '../language/ast.js'
import type { CodeExpression, CodeStatement } from '../language/parse-code.js'
import { type CodeValue, formatted, shown } from './values.js'

/** Bounded: `x = x * x` over and over would fill the memory. */
const MAX_BITS = 128n
const MAX_TEXT = 4096
/** Bounded: `t = (t, t)` over and over takes little memory, but for ever to show or compare. */
const MAX_ITEMS = 1000

/** What packetdrill names for the states and flags of TCP_INFO, beside the values themselves. */
export const CODE_CONSTANTS: Readonly<Record<string, bigint>> = {
  ...{ TCP_ESTABLISHED: 1n, TCP_SYN_SENT: 2n, TCP_SYN_RECV: 3n, TCP_FIN_WAIT1: 4n },
  ...{ TCP_FIN_WAIT2: 5n, TCP_TIME_WAIT: 6n, TCP_CLOSE: 7n, TCP_CLOSE_WAIT: 8n },
  ...{ TCP_LAST_ACK: 9n, TCP_LISTEN: 10n, TCP_CLOSING: 11n, TCP_NEW_SYN_RECV: 12n },
  ...{ TCP_CA_Open: 0n, TCP_CA_Disorder: 1n, TCP_CA_CWR: 2n, TCP_CA_Recovery: 3n, TCP_CA_Loss: 4n },
  ...{ TCPI_OPT_TIMESTAMPS: 1n, TCPI_OPT_SACK: 2n, TCPI_OPT_WSCALE: 4n, TCPI_OPT_ECN: 8n },
  ...{ TCPI_OPT_ECN_SEEN: 16n, TCPI_OPT_SYN_DATA: 32n, TCPI_OPT_USEC_TS: 64n },
  TCP_INFINITE_SSTHRESH: 0x7fff_ffffn,
}

/** A block that failed: an assertion that does not hold, or code that cannot be worked out. */
export class CodeFailure extends Error {
  override readonly name = 'CodeFailure'
  readonly code = 'MPTCP_SCRIPT_CODE'
  readonly position: Position

  constructor(position: Position, message: string) {
    super(message)
    this.position = position
  }
}

/** A value that cannot be had; `runCode` says where. */
class Unworkable extends Error {}

/**
 * Throws a CodeFailure at the first assertion that does not hold. Assignments go to `names`, so that a
 * later block of the same script, given the same map, can use them.
 */
export function runCode(statements: readonly CodeStatement[], names: Map<string, CodeValue>): void {
  for (const statement of statements) {
    try {
      runStatement(statement, names)
    } catch (error) {
      if (!(error instanceof Unworkable)) throw error
      throw new CodeFailure(statement.position, error.message)
    }
  }
}

function runStatement(statement: CodeStatement, names: Map<string, CodeValue>): void {
  switch (statement.kind) {
    case 'assert': {
      if (truth(evaluate(statement.test, names))) return
      const message = statement.message === null ? null : evaluate(statement.message, names)
      const told = message === null ? '' : `: ${shown(message)}`
      const where = valuesIn(statement.test, names)
      const text = `assertion failed: ${statement.text}${told}${where === '' ? '' : ` (${where})`}`
      throw new CodeFailure(statement.position, text)
    }
    case 'assign':
      names.set(statement.name, evaluate(statement.value, names))
      return
    case 'expression':
      evaluate(statement.value, names)
      return
    default:
      unknown(statement)
  }
}

function evaluate(expression: CodeExpression, names: Map<string, CodeValue>): CodeValue {
  switch (expression.kind) {
    case 'literal':
      return expression.value
    case 'name':
      return lookUp(expression.name, names)
    case 'unary':
      return unary(expression.operator, evaluate(expression.operand, names))
    case 'binary': {
      const left = evaluate(expression.left, names)
      if (expression.operator === 'and') {
        return truth(left) ? evaluate(expression.right, names) : left
      }
      if (expression.operator === 'or') {
        return truth(left) ? left : evaluate(expression.right, names)
      }
      return binary(expression.operator, left, evaluate(expression.right, names))
    }
    case 'compare': {
      const values = expression.operands.map((operand) => evaluate(operand, names))
      return expression.operators.every((operator, i) =>
        compare(operator, values[i]!, values[i + 1]!),
      )
    }
    case 'choice':
      return evaluate(
        truth(evaluate(expression.test, names)) ? expression.yes : expression.no,
        names,
      )
    case 'tuple':
      return boundedTuple(expression.items.map((item) => evaluate(item, names)))
    case 'call':
      return call(
        expression.name,
        expression.arguments.map((argument) => evaluate(argument, names)),
      )
    default:
      return unknown(expression)
  }
}

function lookUp(name: string, names: Map<string, CodeValue>): CodeValue {
  const value = names.get(name)
  if (value !== undefined) return value
  if (Object.hasOwn(CODE_CONSTANTS, name)) return CODE_CONSTANTS[name]!
  throw new Unworkable(`the name '${name}' is not defined`)
}

function unary(operator: string, value: CodeValue): CodeValue {
  if (operator === 'not') return !truth(value)
  const number = numeric(value, operator)
  if (operator === '+') return number
  if (operator === '-') return -number
  return ~whole(number, operator)
}

function binary(operator: string, left: CodeValue, right: CodeValue): CodeValue {
  if (typeof left === 'string') {
    if (operator === '%') return formatted(left, Array.isArray(right) ? right : [right], MAX_TEXT)
    if (operator === '+' && typeof right === 'string') return (left + right).slice(0, MAX_TEXT)
  }
  const a = numeric(left, operator)
  const b = numeric(right, operator)
  if (typeof a === 'bigint' && typeof b === 'bigint' && operator !== '/') {
    return bounded(integers(operator, a, b))
  }
  return fractions(operator, Number(a), Number(b))
}

function integers(operator: string, a: bigint, b: bigint): bigint | number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '//':
      return floorDivide(a, nonZero(b))
    case '%':
      return a - floorDivide(a, nonZero(b)) * b
    case '&':
      return a & b
    case '|':
      return a | b
    case '^':
      return a ^ b
    case '<<':
    case '>>':
      if (b < 0n || b > MAX_BITS) throw new Unworkable(`a shift by ${b} is out of range`)
      return operator === '<<' ? a << b : a >> b
    case '**':
      if (b < 0n) return Number(a) ** Number(b)
      if (b > MAX_BITS) throw new Unworkable(`the exponent ${b} is out of range`)
      return a ** b
    default:
      throw new Unworkable(`unknown operator '${operator}'`)
  }
}

function fractions(operator: string, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return a / nonZero(b)
    case '//':
      return Math.floor(a / nonZero(b))
    case '%':
      return a - Math.floor(a / nonZero(b)) * b
    case '**':
      return a ** b
    default:
      throw new Unworkable(`'${operator}' wants whole numbers`)
  }
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
}

function nonZero<T extends bigint | number>(value: T): T {
  if (Number(value) === 0) throw new Unworkable('division by zero')
  return value
}

function bounded(value: bigint | number): bigint | number {
  const out = typeof value === 'bigint' && ((value >> MAX_BITS) + 1n) >> 1n !== 0n
  if (out) throw new Unworkable(`a number of more than ${MAX_BITS} bits`)
  return value
}

/** Every tuple is made here, so that each item's own size is at most MAX_ITEMS. */
function boundedTuple(items: readonly CodeValue[]): readonly CodeValue[] {
  const size = (value: CodeValue): number =>
    Array.isArray(value) ? value.reduce((sum, item) => sum + size(item), 1) : 1
  if (size(items) > MAX_ITEMS) throw new Unworkable(`a tuple of more than ${MAX_ITEMS} items`)
  return items
}

function compare(operator: string, left: CodeValue, right: CodeValue): boolean {
  switch (operator) {
    case '==':
      return same(left, right)
    case '!=':
      return !same(left, right)
    case 'in':
    case 'not in':
      if (!Array.isArray(right)) throw new Unworkable(`'${operator}' wants a list`)
      return right.some((item) => same(left, item)) === (operator === 'in')
    default: {
      const text = typeof left === 'string' && typeof right === 'string'
      const a = text ? left : numeric(left, operator)
      const b = text ? right : numeric(right, operator)
      if (operator === '<') return a < b
      if (operator === '<=') return a <= b
      return operator === '>' ? a > b : a >= b
    }
  }
}

function same(left: CodeValue, right: CodeValue): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, i) => same(item, right[i]))
  }
  if (isNumeric(left) && isNumeric(right)) {
    // Of a bigint and a number only the loose comparison tells.
    // biome-ignore lint/suspicious/noDoubleEquals: see above
    return numeric(left, '==') == numeric(right, '==')
  }
  return left === right
}

function call(name: string, args: readonly CodeValue[]): CodeValue {
  const first = args[0] ?? null
  switch (name) {
    case 'print':
      return null
    case 'str':
      return shown(first).slice(0, MAX_TEXT)
    case 'len':
      if (typeof first !== 'string' && !Array.isArray(first))
        throw new Unworkable('len() of a number')
      return BigInt(first.length)
    case 'min':
    case 'max': {
      const values = args.length === 1 && Array.isArray(first) ? (first as CodeValue[]) : args
      if (values.length === 0) throw new Unworkable(`${name}() of nothing`)
      const operator = name === 'min' ? '<' : '>'
      return values.reduce((best, value) => (compare(operator, value, best) ? value : best))
    }
    default:
      return numberCall(name, numeric(first, `${name}()`))
  }
}

function numberCall(name: string, value: bigint | number): CodeValue {
  switch (name) {
    case 'abs':
      return value < 0 ? -value : value
    case 'float':
      return Number(value)
    case 'int':
    case 'round':
      if (typeof value === 'bigint') return value
      if (!Number.isFinite(value)) throw new Unworkable(`${name}() of ${value}`)
      return bounded(BigInt(name === 'int' ? Math.trunc(value) : evenRound(value)))
    default:
      throw new Unworkable(`unknown function '${name}'`)
  }
}

/** Python rounds a half to the even side. */
function evenRound(value: number): number {
  const low = Math.floor(value)
  if (value - low !== 0.5) return Math.round(value)
  return low % 2 === 0 ? low : low + 1
}

function isNumeric(value: CodeValue): value is bigint | number | boolean {
  return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean'
}

function numeric(value: CodeValue, operator: string): bigint | number {
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value === 'bigint' || typeof value === 'number') return value
  throw new Unworkable(`'${operator}' wants numbers, not ${shown(value).slice(0, 40)}`)
}

function whole(value: bigint | number, operator: string): bigint {
  if (typeof value === 'bigint') return value
  throw new Unworkable(`'${operator}' wants whole numbers`)
}

function truth(value: CodeValue): boolean {
  if (typeof value === 'string' || Array.isArray(value)) return value.length > 0
  return Boolean(value)
}

/** The values of the names in an expression, `tcpi_unacked = 3`: the reader has no debugger. */
function valuesIn(expression: CodeExpression, names: Map<string, CodeValue>): string {
  const found = new Set<string>()
  collect(expression, found)
  const known = [...found].filter((name) => names.has(name))
  return known.map((name) => `${name} = ${shown(names.get(name)!)}`).join(', ')
}

function collect(expression: CodeExpression, found: Set<string>): void {
  switch (expression.kind) {
    case 'name':
      found.add(expression.name)
      break
    case 'unary':
      collect(expression.operand, found)
      break
    case 'binary':
      collect(expression.left, found)
      collect(expression.right, found)
      break
    case 'compare':
      for (const operand of expression.operands) collect(operand, found)
      break
    case 'choice':
      for (const part of [expression.test, expression.yes, expression.no]) collect(part, found)
      break
    case 'tuple':
      for (const item of expression.items) collect(item, found)
      break
    case 'call':
      for (const argument of expression.arguments) collect(argument, found)
      break
    case 'literal':
      break
    default:
      unknown(expression)
  }
}

function unknown(node: never): never {
  throw new RangeError(`unknown code: ${JSON.stringify(node)}`)
}
