// What can be fuzzed: bytes in, an error out if something is broken.

export interface Target {
  readonly name: string
  /** What it starts from; the first ones also say which words the mutations of text know. */
  seeds(): Uint8Array[]
  /** Throws where what it tests did what it must not. */
  run(input: Uint8Array): void
  readonly maxBytes: number
  /** Mutated by words and lines. */
  readonly isText?: true
  /** More words for the mutations of text. */
  readonly words?: readonly string[]
  /** Bytes that belong together: they are moved, doubled and dropped together. Default 1. */
  readonly unitBytes?: number
}

/** Text as bytes: one byte a character, so that each string of bytes is a text. */
export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}
