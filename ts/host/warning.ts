// Where a warning goes that nobody waits for: Node's 'warning' event, by default stderr. In a browser:
// warning.browser.ts.

export function warn(warning: Error | string): void {
  process.emitWarning(warning)
}
