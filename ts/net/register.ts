// `node --import mptcp-wasm/register app.js`: every TCP socket that the program opens, or listens on, is MPTCP, whoever
// opens it: net, http, https, http2, fetch, clients of databases. It gives libuv's handles a socket of MPTCP before
// they make one of TCP; nothing else of Node changes, and nothing of the host. docs/net.md says what it touches.

import { environmentVariable } from '../host/environment.js'
import { provider } from './provider.js'
import { giveSockets, tcpPrototype } from './tcp-handle.js'

function register(): string | null {
  const { kernel, why } = provider()
  if (kernel === null) return why
  const prototype = tcpPrototype(kernel.open)
  if (prototype === null)
    return `Node ${process.version} has other handles than those it is tried with`
  giveSockets(prototype, kernel.open, kernel.close)
  return null
}

let why: string | null
try {
  why = register()
} catch (error) {
  why = error instanceof Error ? error.message : String(error)
}
if (why !== null && environmentVariable('MPTCP_DEBUG')) {
  process.stderr.write(`mptcp-wasm/register: sockets stay plain TCP: ${why}\n`)
}
