// `$((…))`: whole numbers, + - * / % and brackets, and variables by name.

import { CommandError } from './shell-words.js'

/** Bounded: brackets and signs, where the reading recurses. */
const MAX_NESTING = 64
const TOKEN = /\s*(?:(0x[0-9a-fA-F]{1,8}|\d{1,15})|\$?([A-Za-z_]\w*)|([-+*/%()]))/y

export function arithmetic(text: string, variable: (name: string) => string): number {
  const tokens = scan(text, variable)
  let at = 0
  let nesting = 0
  const primary = (): number => {
    if (++nesting > MAX_NESTING) throw new CommandError('$((…)) is nested too deeply')
    const value = operand()
    nesting--
    return value
  }
  const operand = (): number => {
    const token = tokens[at++]
    if (typeof token === 'number') return token
    if (token === '-') return -primary()
    if (token !== '(') throw new CommandError(`cannot compute $((${text}))`)
    const value = sum()
    if (tokens[at++] !== ')') throw new CommandError(`cannot compute $((${text}))`)
    return value
  }
  const product = (): number => {
    let value = primary()
    for (;;) {
      const sign = tokens[at]
      if (sign !== '*' && sign !== '/' && sign !== '%') return value
      at++
      const right = primary()
      if (sign !== '*' && right === 0) throw new CommandError(`$((${text})) divides by zero`)
      value =
        sign === '*' ? value * right : sign === '/' ? Math.trunc(value / right) : value % right
    }
  }
  const sum = (): number => {
    let value = product()
    while (tokens[at] === '+' || tokens[at] === '-') {
      value = tokens[at++] === '+' ? value + product() : value - product()
    }
    return value
  }
  const result = sum()
  if (at < tokens.length) throw new CommandError(`cannot compute $((${text}))`)
  return result
}

function scan(text: string, variable: (name: string) => string): (number | string)[] {
  const tokens: (number | string)[] = []
  const trimmed = text.trimEnd()
  for (let at = 0; at < trimmed.length; ) {
    TOKEN.lastIndex = at
    const found = TOKEN.exec(trimmed)
    if (found === null) throw new CommandError(`cannot compute $((${text}))`)
    const [, digits, name, sign] = found
    at = TOKEN.lastIndex
    if (sign !== undefined) tokens.push(sign)
    else if (digits !== undefined) tokens.push(Number(digits))
    else tokens.push(wholeNumber(name!, variable(name!)))
  }
  return tokens
}

function wholeNumber(name: string, value: string): number {
  if (!/^-?\d{1,15}$/.test(value.trim())) {
    throw new CommandError(`$${name} is '${value.slice(0, 40)}', no whole number`)
  }
  return Number(value)
}
