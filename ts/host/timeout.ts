// A callback after a delay: setTimeout. In a browser: timeout.browser.ts.

/** What `stopTimeout` takes back. */
export type Timeout = NodeJS.Timeout

/** Calls `callback` once, in about `delayMs`. `ref`: the process waits for it. */
export function startTimeout(callback: () => void, delayMs: number, ref: boolean): Timeout {
  const timeout = setTimeout(callback, delayMs)
  if (!ref) timeout.unref()
  return timeout
}

export function stopTimeout(timeout: Timeout): void {
  clearTimeout(timeout)
}
