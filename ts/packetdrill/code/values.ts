// The values of `%{ }%` blocks, which are Python's: whole numbers, fractions, text, truth, None, tuples; and
// their text, as str() shows it and as `'… %d' % (…)` does.

export type CodeValue = bigint | number | string | boolean | null | readonly CodeValue[]

const DIRECTIVE = /%([-0 +#]*)(\d{0,2})(?:\.(\d{1,2}))?([diusrxXofFgGe%])/g

export function shown(value: CodeValue): string {
  if (value === null) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (typeof value === 'number') return Number.isInteger(value) ? `${value}.0` : `${value}`
  if (Array.isArray(value)) return `(${value.map(shown).join(', ')})`
  return `${value}`
}

/** At most `limit` characters of it. */
export function formatted(text: string, values: readonly CodeValue[], limit: number): string {
  let next = 0
  const out = text.replace(DIRECTIVE, (_, flags: string, width: string, digits, kind: string) => {
    if (kind === '%') return '%'
    const value = next < values.length ? values[next++]! : '?'
    const body = directive(kind, value, digits === undefined ? null : Number(digits))
    if (flags.includes('-')) return body.padEnd(Number(width))
    return body.padStart(Number(width), flags.includes('0') ? '0' : ' ')
  })
  return out.slice(0, limit)
}

function directive(kind: string, value: CodeValue, digits: number | null): string {
  const number = typeof value === 'boolean' ? (value ? 1n : 0n) : value
  if (typeof number !== 'bigint' && typeof number !== 'number') return shown(value)
  switch (kind) {
    case 'd':
    case 'i':
    case 'u':
      return `${typeof number === 'number' ? Math.trunc(number) : number}`
    case 'x':
      return number.toString(16)
    case 'X':
      return number.toString(16).toUpperCase()
    case 'o':
      return number.toString(8)
    case 'f':
    case 'F':
      return Number(number).toFixed(digits ?? 6)
    case 'e':
      return Number(number).toExponential(digits ?? 6)
    case 'g':
    case 'G':
      return `${Number(Number(number).toPrecision(Math.max(digits ?? 6, 1)))}`
    default:
      return shown(value)
  }
}
