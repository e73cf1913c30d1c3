// As timeout.ts, for a browser, whose timers are numbers and never keep a page alive.

export type Timeout = ReturnType<typeof setTimeout>

export function startTimeout(callback: () => void, delayMs: number, _ref: boolean): Timeout {
  return setTimeout(callback, delayMs)
}

export function stopTimeout(timeout: Timeout): void {
  clearTimeout(timeout)
}
