// As warning.ts, on the browser's console.

export function warn(warning: Error | string): void {
  console.warn(warning)
}
