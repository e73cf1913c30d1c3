// System calls, their arguments and results in packetdrill's own notation.

import type { Call, Expression, Field } from '../language/ast.js'
import { errnoText } from '../language/errno.js'
import { printUsecs } from './time.js'

export function printCall(call: Call): string {
  const end = call.endUsecs === null ? '' : `...${printUsecs(call.endUsecs)} `
  const args = call.arguments.map(printExpression).join(', ')
  return `${end}${call.name}(${args}) = ${printCallResult(call)}`
}

/** What the script expects of a call. */
export function printCallResult(call: Call): string {
  let text = printExpression(call.result)
  if (call.errno !== null) {
    text += ` ${call.errno.name}`
    if (call.errno.note !== null) text += ` (${call.errno.note})`
  }
  return call.note === null ? text : `${text} (${call.note})`
}

/** What a call gave: `5`, or `-1 EAGAIN (Resource temporarily unavailable)`. */
export function printResult(value: number | bigint, errno: string | null = null): string {
  if (errno === null) return `${value}`
  const text = errnoText(errno)
  return text === null ? `${value} ${errno}` : `${value} ${errno} (${text})`
}

export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'ellipsis':
      return '...'
    case 'integer':
      return printInteger(expression.value, expression.hex)
    case 'word':
      return expression.name
    case 'string':
      return `"${escaped(expression.value)}"${expression.open ? '...' : ''}`
    case 'or':
      return `${printExpression(expression.left)}|${printExpression(expression.right)}`
    case 'assign':
      return `${expression.name} = ${printExpression(expression.value)}`
    case 'array':
      return `[${expression.items.map(printExpression).join(', ')}]`
    case 'group':
      return `{${expression.items.map(printExpression).join(', ')}}`
    case 'struct':
      return `{${expression.fields.map(printField).join(', ')}}`
    case 'call':
      return `${expression.name}(${expression.arguments.map(printExpression).join(', ')})`
    default:
      return unknown(expression)
  }
}

export function printInteger(value: bigint, hex: boolean): string {
  return hex && value >= 0n ? `0x${value.toString(16)}` : `${value}`
}

function printField(field: Field): string {
  const count = field.count === null ? '' : `(${printExpression(field.count)})`
  return `${field.name}${count}=${printExpression(field.value)}`
}

/** So that it reads back as it was: C's escapes, octal where no letter has one. */
function escaped(text: string): string {
  let out = ''
  for (const char of text) {
    const code = char.charCodeAt(0)
    if (char === '"' || char === '\\') out += `\\${char}`
    else if (char === '\n') out += '\\n'
    else if (char === '\t') out += '\\t'
    else if (char === '\r') out += '\\r'
    else if (code < 0x20 || (code > 0x7e && code < 0x100)) {
      out += `\\${code.toString(8).padStart(3, '0')}`
    } else out += char
  }
  return out
}

function unknown(expression: never): never {
  throw new RangeError(`unknown expression: ${JSON.stringify(expression)}`)
}
