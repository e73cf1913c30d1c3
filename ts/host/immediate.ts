// A callback in a turn of its own of the event loop, as soon as possible: setImmediate. In a browser:
// immediate.browser.ts.

/** What `stopImmediate` takes back. */
export type Immediate = NodeJS.Immediate

/** Calls `callback` once, never before the caller has returned. `ref`: the process waits for it. */
export function startImmediate(callback: () => void, ref: boolean): Immediate {
  const immediate = setImmediate(callback)
  if (!ref) immediate.unref()
  return immediate
}

export function stopImmediate(immediate: Immediate): void {
  clearImmediate(immediate)
}
