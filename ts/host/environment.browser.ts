// As environment.ts: a page has no environment, so every default stands.

export function environmentVariable(_name: string): string | undefined {
  return undefined
}
