// What a user's code threw, in words: anything can be thrown, also what has none.

export function thrownWords(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return 'something that has no text'
  }
}
