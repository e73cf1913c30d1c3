// All calls that a script can make, by name.

import type { Expression } from '../language/ast.js'
import { type Attempt, CallError, type CallHandler, type CallWorld } from './descriptors.js'
import { IO_CALLS } from './io.js'
import { OPTION_CALLS } from './options.js'
import { PIPE_CALLS } from './pipe.js'
import { POLL_CALLS } from './poll.js'
import { SOCKET_CALLS } from './sockets.js'

const CALLS: Readonly<Record<string, CallHandler>> = {
  ...SOCKET_CALLS,
  ...IO_CALLS,
  ...OPTION_CALLS,
  ...PIPE_CALLS,
  ...POLL_CALLS,
}

/** Readies a call; it runs when it is first attempted. */
export function readyCall(world: CallWorld, name: string, given: readonly Expression[]): Attempt {
  if (!Object.hasOwn(CALLS, name)) throw new CallError(`the call ${name}() is not emulated`)
  return CALLS[name]!(world, given)
}
