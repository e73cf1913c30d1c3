// Errors as Node's own sockets have them: `code`, `errno` (the host's, negated), `syscall`, `address` and `port`.

import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import { mptcpErrnoName } from './constants.js'

/** Of an errno of ours, which are Linux's, what the host calls the same. Both negated. */
export function hostErrno(errno: number): number {
  const known = constants.errno as Readonly<Record<string, number>>
  return -(known[mptcpErrnoName(errno)] ?? Math.abs(errno))
}

/** `errno`: one of ours, of any sign. */
export function systemError(
  errno: number,
  syscall: string,
  address?: string | null,
  port?: number,
): NodeJS.ErrnoException {
  const code = mptcpErrnoName(errno)
  const number = hostErrno(errno)
  const at = address ? ` ${address}${port === undefined ? '' : `:${port}`}` : ''
  // As net: only what the arguments caused is put into words.
  const words = syscall === 'listen' ? `: ${getSystemErrorMap().get(number)?.[1] ?? code}` : ''
  return Object.assign(new Error(`${syscall} ${code}${words}${at}`), {
    errno: number,
    code,
    syscall,
    ...(address && { address }),
    ...(port !== undefined && { port }),
  })
}
