// What an options object may hold: a table of its names, each with the kind of value that it takes, so that a
// misspelt name or a value of another kind is said where it is given instead of being passed over. Ranges,
// and what excludes what, are checked by who reads the options.

/** A list of names is an object with these functions; null = who reads it checks it. */
type KindOf<V> = V extends boolean
  ? 'boolean'
  : V extends number
    ? 'number'
    : V extends string
      ? 'string'
      : V extends Uint8Array
        ? 'bytes'
        : V extends readonly unknown[]
          ? 'list'
          : V extends (...args: never[]) => unknown
            ? 'function'
            : 'object' | readonly (keyof V & string)[]

/** A table of all options of T: TypeScript complains of one that is missing here. */
export type OptionKinds<T> = { readonly [Name in keyof T]-?: KindOf<NonNullable<T[Name]>> | null }

/** What is wrong with `options`, in words; null = nothing. An option that is undefined is not given. */
export function wrongOption<T>(options: T, kinds: OptionKinds<T>): string | null {
  if (typeof options !== 'object' || options === null) {
    return `the options must be an object, not ${inWords(options)}`
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(kinds, name)) return unknownName(name, Object.keys(kinds))
    const kind = kinds[name as keyof T] as Kind | null
    if (value === undefined || kind === null) continue
    const wrong = wrongValue(name, value, kind)
    if (wrong !== null) return wrong
  }
  return null
}

/** That `value` is no object with these functions, in words; null = it is one. */
export function lacksFunction(
  name: string,
  value: unknown,
  functions: readonly string[],
): string | null {
  if (typeof value !== 'object' || value === null) {
    return `${name} must be an object with ${functions[0]}(), not ${inWords(value)}`
  }
  const lacking = functions.find((each) => typeof Reflect.get(value, each) !== 'function')
  return lacking === undefined ? null : `${name} lacks the function ${lacking}()`
}

type Kind = keyof typeof KINDS | readonly string[]

const KINDS = {
  boolean: { words: 'true or false', fits: (value: unknown) => typeof value === 'boolean' },
  number: { words: 'a number', fits: (value: unknown) => typeof value === 'number' },
  string: { words: 'a text', fits: (value: unknown) => typeof value === 'string' },
  bytes: { words: 'a Uint8Array', fits: (value: unknown) => value instanceof Uint8Array },
  list: { words: 'a list', fits: (value: unknown) => Array.isArray(value) },
  function: { words: 'a function', fits: (value: unknown) => typeof value === 'function' },
  object: {
    words: 'an object',
    fits: (value: unknown) => typeof value === 'object' && value !== null,
  },
}

function wrongValue(name: string, value: unknown, kind: Kind): string | null {
  if (typeof kind !== 'string') return lacksFunction(name, value, kind)
  const { words, fits } = KINDS[kind]
  return fits(value) ? null : `${name} must be ${words}, not ${inWords(value)}`
}

function inWords(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

function unknownName(name: string, known: readonly string[]): string {
  const [nearest] = known
    .map((each) => ({ each, edits: editsBetween(name.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
  const hint =
    nearest !== undefined && nearest.edits < name.length / 2
      ? `did you mean '${nearest.each}'?`
      : `there is: ${known.join(', ')}`
  return `there is no option '${name}'; ${hint}`
}

/** Letters to put in, take out or change so that one becomes the other (Levenshtein's distance). */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, changed))
    }
    row = next
  }
  return row[b.length]!
}
