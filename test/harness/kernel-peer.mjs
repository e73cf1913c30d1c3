// One end of a connection on the host's own MPTCP, for interop tests: run with `ip netns exec`, on
// build/. Events, commands and streams are those of stream-peer.mjs.
// Usage: kernel-peer.mjs server|client --host H --port P [options]; see `parseArgs` below.

import { parseArgs } from 'node:util'
import { kernelConnect, kernelListen, mptcpInfo } from '../../build/socket/kernel.js'
import { STREAM_OPTIONS, say, streamPeer } from './stream-peer.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...STREAM_OPTIONS,
    /** client: source address */
    local: { type: 'string' },
    /** plain TCP */
    tcp: { type: 'boolean', default: false },
    /** milliseconds for a client to connect */
    timeout: { type: 'string', default: '5000' },
    /** client: connections to open at once, each of them a stream of its own */
    clients: { type: 'string', default: '1' },
  },
})

const [role] = positionals
const host = values.host ?? '::'
const port = Number(values.port)
const mptcp = !values.tcp
let server = null

function look(socket) {
  const info = mptcpInfo(socket)
  return info === null ? { info: null } : { info, subflowCount: info.subflowsTotal }
}

/** What was seen last counts: MPTCP_INFO ends with the socket. */
const lastInfo = new WeakMap()
function lookAgain(socket) {
  const seen = look(socket)
  if (seen.info !== null) lastInfo.set(socket, seen.info)
  return { ...seen, info: seen.info ?? lastInfo.get(socket) ?? null }
}

const clients = Number(values.clients)
if (role === 'client') values.connections = values.clients
const serve = streamPeer(values, clients > 1 ? 'server' : role, lookAgain, () => server?.close())

try {
  if (role === 'server') {
    server = await kernelListen({ host, port, mptcp, allowHalfOpen: true }, serve)
    say('listening', { port: server.address().port })
  } else {
    const open = async () =>
      serve(
        await kernelConnect({
          host,
          port,
          mptcp,
          allowHalfOpen: true,
          timeout: Number(values.timeout),
          ...(values.local && { localAddress: values.local }),
        }),
      )
    await Promise.all(Array.from({ length: clients }, open))
  }
} catch (error) {
  say('error', { code: error.code, message: error.message })
  process.exit(1)
}
