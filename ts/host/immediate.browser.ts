// As immediate.ts, for a browser, which has no setImmediate and whose setTimeout waits 4 ms once it is
// nested: one message on a channel for each callback, so that one that throws costs the others nothing.

export interface Immediate {
  /** null once it has run or was stopped. */
  callback: (() => void) | null
}

/** In the order of their messages. */
const waiting: Immediate[] = []
let postMessage: (() => void) | null = null

/** A page lives on by itself: `_ref` means nothing here. */
export function startImmediate(callback: () => void, _ref: boolean): Immediate {
  const immediate = { callback }
  waiting.push(immediate)
  postMessage ??= openChannel()
  postMessage()
  return immediate
}

export function stopImmediate(immediate: Immediate): void {
  immediate.callback = null
}

function openChannel(): () => void {
  const { port1, port2 } = new MessageChannel()
  // Assigned, since @types/node knows MessagePort as an emitter only.
  Object.assign(port1, { onmessage: runNext })
  return () => port2.postMessage(null)
}

function runNext(): void {
  const immediate = waiting.shift()!
  const { callback } = immediate
  immediate.callback = null
  callback?.()
}
