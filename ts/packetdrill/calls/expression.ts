// The values of a call's arguments: numbers and symbols (language/constants.ts has those), or-ed flags,
// addresses, fields of structs. What has no value of the wanted kind is a ScriptError at its own place.

import { type Expression, type Field, ScriptError } from '../language/ast.js'
import { constantValue } from '../language/constants.js'
import { printExpression } from '../print/call.js'

/** `...`: the runner's own value, or any. */
export function isEllipsis(expression: Expression | undefined): boolean {
  return expression?.kind === 'ellipsis'
}

/** The number of `5`, `0x2`, `O_RDWR|O_NONBLOCK`, `htons(80)`; a list of one stands for its item. */
export function integerOf(expression: Expression): bigint {
  switch (expression.kind) {
    case 'integer':
      return expression.value
    case 'word': {
      const value = constantValue(expression.name)
      if (value === null) fail(expression, `unknown symbol '${expression.name}'`)
      return BigInt(value)
    }
    case 'or':
      return integerOf(expression.left) | integerOf(expression.right)
    case 'array':
    case 'group':
      if (expression.items.length === 1) return integerOf(expression.items[0]!)
      break
    case 'call':
      return callValue(expression)
    default:
      break
  }
  return fail(expression, `${printExpression(expression)} is not a number`)
}

/** As `integerOf`, for what fits a plain number; a descriptor, a length, a flag word do. */
export function numberOf(expression: Expression): number {
  const value = integerOf(expression)
  const number = Number(value)
  if (!Number.isSafeInteger(number)) fail(expression, `${value} is too large`)
  return number
}

/** Of `[5]` and `[...]`: the one item; of anything else itself. */
export function onlyItem(expression: Expression): Expression {
  const list = expression.kind === 'array' || expression.kind === 'group'
  return list && expression.items.length === 1 ? expression.items[0]! : expression
}

/** The items of `[a, b]` or `{a, b}`. */
export function itemsOf(expression: Expression): readonly Expression[] {
  if (expression.kind === 'array' || expression.kind === 'group') return expression.items
  return fail(expression, `${printExpression(expression)} is not a list`)
}

/** A field of a struct; null if it has none of that name. */
export function fieldOf(expression: Expression, name: string): Field | null {
  if (expression.kind !== 'struct') return null
  return expression.fields.find((field) => field.name === name) ?? null
}

/** As `fieldOf`, where the struct makes no sense without. */
export function requiredField(expression: Expression, name: string): Expression {
  const field = fieldOf(expression, name)
  return field?.value ?? fail(expression, `expected {… ${name} = …}`)
}

/** `{sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("…")}`, and sin6_… the same. */
export interface SocketAddress {
  readonly family: number
  readonly port: number
  readonly address: string
}

export function socketAddressOf(expression: Expression): SocketAddress {
  const family = numberOf(requiredField(expression, 'sa_family'))
  const prefix = fieldOf(expression, 'sin6_port') !== null ? 'sin6' : 'sin'
  const port = requiredField(expression, `${prefix}_port`)
  const address = requiredField(expression, `${prefix}_addr`)
  return { family, port: portOf(port), address: addressOf(address) }
}

/** A port in host order: htons() of a script is not a byte swap here. */
function portOf(expression: Expression): number {
  const inner = expression.kind === 'call' ? expression.arguments[0] : expression
  return inner === undefined ? fail(expression, 'htons() wants a port') : numberOf(inner)
}

/** The text in `inet_addr("…")` or `inet6_addr("…")`. */
export function addressOf(expression: Expression): string {
  if (expression.kind === 'call' && expression.name.startsWith('inet')) {
    const text = expression.arguments[0]
    if (text?.kind === 'string') return text.value
  }
  return fail(expression, `${printExpression(expression)} is not inet_addr("…")`)
}

function callValue(call: Extract<Expression, { kind: 'call' }>): bigint {
  const argument = call.arguments[0]
  if (argument !== undefined && call.arguments.length === 1) {
    switch (call.name) {
      case 'htons':
      case 'ntohs': {
        const value = integerOf(argument)
        return ((value & 0xffn) << 8n) | ((value >> 8n) & 0xffn)
      }
      case 'htonl':
      case 'ntohl': {
        const value = integerOf(argument)
        const swapped = ((value & 0xffn) << 24n) | ((value & 0xff00n) << 8n)
        return swapped | ((value >> 8n) & 0xff00n) | ((value >> 24n) & 0xffn)
      }
      default:
        break
    }
  }
  return fail(call, `${printExpression(call)} is not a number`)
}

function fail(expression: Expression, problem: string): never {
  throw new ScriptError(expression.position, printExpression(expression), null, problem)
}
