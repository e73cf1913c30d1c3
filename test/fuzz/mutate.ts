// One input made of another: a few small changes, of bytes or of words and lines.

import type { Random } from '../../ts/random.js'
import { bytesOf, textOf } from './target.js'

export interface Mutable {
  readonly isText?: true
  readonly unitBytes?: number
  readonly maxBytes: number
}

const MAX_CHANGES = 6
/** Where comparisons turn. */
const NUMBERS = [
  0,
  1,
  2,
  7,
  8,
  15,
  16,
  31,
  32,
  63,
  64,
  127,
  128,
  255,
  256,
  1000,
  1460,
  4096,
  32767,
  32768,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  2 ** 63,
]
const TOKEN = /[A-Za-z_][A-Za-z0-9_]*|[0-9]+|\s+|[^\sA-Za-z0-9_]/g

/** The words and signs of texts, each once, as many as the mutations are to know. */
export function wordsIn(texts: readonly Uint8Array[], more: readonly string[] = []): string[] {
  const found = new Set<string>(more)
  for (const text of texts) {
    for (const token of textOf(text).match(TOKEN) ?? []) {
      if (found.size < 4000 && token.trim() !== '') found.add(token)
    }
  }
  return [...found]
}

export function mutate(
  input: Uint8Array,
  other: Uint8Array,
  words: readonly string[],
  target: Mutable,
  random: Random,
): Uint8Array {
  let bytes = input
  for (let left = 1 + random.below(MAX_CHANGES); left > 0; left--) {
    const byWords = target.isText && random.below(5) > 0
    bytes = byWords
      ? changedText(bytes, other, words, random)
      : changedBytes(bytes, other, target.unitBytes ?? 1, random)
  }
  return bytes.subarray(0, target.maxBytes)
}

// ---------------------------------------------------------------- bytes

function changedBytes(
  input: Uint8Array,
  other: Uint8Array,
  unit: number,
  random: Random,
): Uint8Array {
  const at = (bytes: Uint8Array): number => random.below(Math.floor(bytes.length / unit) + 1) * unit
  const some = (): number => unit * (1 + random.below(random.below(4) === 0 ? 64 : 4))
  switch (input.length === 0 ? 6 : random.below(10)) {
    case 0:
    case 1: {
      const bytes = input.slice()
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
      return bytes
    }
    case 2: {
      const bytes = input.slice()
      bytes[random.below(bytes.length)] = random.uint32()
      return bytes
    }
    case 3: {
      const bytes = input.slice()
      bytes[random.below(bytes.length)]! += random.below(2) === 0 ? 1 : -1
      return bytes
    }
    case 4: {
      const bytes = input.slice()
      const value = NUMBERS[random.below(NUMBERS.length)]!
      const width = 1 << random.below(3)
      const place = random.below(bytes.length)
      // A typed array ignores what is written past its end.
      for (let i = 0; i < width; i++) bytes[place + i] = value / 256 ** (width - 1 - i)
      return bytes
    }
    case 5:
      return without(input, at(input), some())
    case 6:
      return withInserted(input, at(input), random.bytes(some()))
    case 7: {
      const from = at(input)
      return withInserted(input, at(input), input.subarray(from, from + some()))
    }
    case 8: {
      const from = at(other)
      return withInserted(input, at(input), other.subarray(from, from + some()))
    }
    default: {
      const cut = at(other)
      return Uint8Array.from([...input.subarray(0, at(input)), ...other.subarray(cut)])
    }
  }
}

export function without(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const out = new Uint8Array(Math.max(0, bytes.length - Math.min(length, bytes.length - at)))
  out.set(bytes.subarray(0, at))
  out.set(bytes.subarray(at + length), at)
  return out
}

function withInserted(bytes: Uint8Array, at: number, more: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + more.length)
  out.set(bytes.subarray(0, at))
  out.set(more, at)
  out.set(bytes.subarray(at), at + more.length)
  return out
}

// ---------------------------------------------------------------- words and lines

function changedText(
  input: Uint8Array,
  other: Uint8Array,
  words: readonly string[],
  random: Random,
): Uint8Array {
  const byLine = random.below(4) === 0
  const split = (bytes: Uint8Array): string[] =>
    byLine ? textOf(bytes).split(/(?<=\n)/) : (textOf(bytes).match(TOKEN) ?? [])
  const parts = split(input)
  const at = random.below(parts.length + 1)
  switch (random.below(8)) {
    case 0:
      parts.splice(at, 1 + random.below(3))
      break
    case 1:
      parts.splice(at, 0, ...parts.slice(at, at + 1 + random.below(8)))
      break
    case 2: {
      const found = split(other)
      const from = random.below(found.length + 1)
      parts.splice(at, 0, ...found.slice(from, from + 1 + random.below(8)))
      break
    }
    case 3: {
      const [moved = ''] = parts.splice(at, 1)
      parts.splice(random.below(parts.length + 1), 0, moved)
      break
    }
    case 4:
      parts.splice(at, 1, number(random))
      break
    case 5: {
      // Deep nests and long lists, which recursion and backtracking would trip over.
      const part = parts[at] ?? '('
      parts.splice(at, 0, part.repeat(Math.min(1 << random.below(9), 1 + 4096 / (part.length + 1))))
      break
    }
    case 6:
      parts.splice(at, 1, words[random.below(words.length)] ?? '')
      break
    default:
      parts.splice(at, 0, words[random.below(words.length)] ?? '')
  }
  return bytesOf(parts.join(''))
}

function number(random: Random): string {
  const value = NUMBERS[random.below(NUMBERS.length)]!
  switch (random.below(6)) {
    case 0:
      return `0x${value.toString(16)}`
    case 1:
      return `-${value}`
    case 2:
      return `${value}.${random.below(1000)}`
    case 3:
      return `${value}e${random.below(400)}`
    default:
      return `${value}`
  }
}
