// One end of Node's web protocols for interop tests, on our own stack over raw links or on the host's MPTCP:
// run with `ip netns exec`, on build/. Events are JSON lines on stdout: `listening`, `done`, `error`.
// Usage: web-peer.mjs server|client --stack ours|kernel --kind http|https|http2|tls|ws [options]

import { parseArgs } from 'node:util'
import { kernelConnect, kernelListen } from '../../build/socket/kernel.js'
import { say } from './stream-peer.mjs'
import { webClient, webFiles, webServer } from './web.mjs'

/** Milliseconds for what is closed to end on the wire. */
const DRAIN_MS = 5000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    stack: { type: 'string', default: 'ours' },
    kind: { type: 'string', default: 'http' },
    host: { type: 'string' },
    port: { type: 'string', default: '5001' },
    /** ours: DEV or DEV=ADDR, each a path */
    path: { type: 'string', multiple: true, default: [] },
    /** bytes of the upload, and of the download */
    bytes: { type: 'string', default: '500000' },
    /** how often a client does it all, each time on a connection of its own */
    times: { type: 'string', default: '1' },
    /** client: files of these lengths from whatever server of http it is, in place of --kind */
    files: { type: 'string' },
  },
})
const [role] = positionals
const port = Number(values.port)
const PORTS = { first: 40_000, last: 40_255 }
const failed = (error) => {
  process.exitCode = 1
  say('error', { code: error.code, message: error.message })
}

/** `{ connect(), listen(accept), close() }`. */
async function ours() {
  const { openRawLinks } = await import('../../build/link/raw.js')
  const { MptcpStack } = await import('../../build/socket/mptcp-stack.js')
  const paths = values.path.map((text) => {
    const [device, address] = text.split('=')
    return { device, ...(address && { address }) }
  })
  const isServer = role === 'server'
  const raw = await openRawLinks({ paths, ports: isServer ? [port] : PORTS })
  const stack = await MptcpStack.open({
    links: raw.links,
    ...(!isServer && { ports: [PORTS.first, PORTS.last] }),
  })
  const server = isServer ? stack.createServer() : null
  return {
    connect: () => stack.connect({ host: values.host, port }),
    listen: (accept) =>
      new Promise((resolve, reject) => {
        server.on('error', reject)
        server.on('connection', accept)
        server.listen({ port }, () => resolve(port))
      }),
    async close() {
      server?.close()
      const drained = await stack.drained(DRAIN_MS)
      const { liveSlots } = stack
      stack.close()
      await raw.close()
      return { drained, liveSlots }
    },
  }
}

function kernel() {
  let server = null
  const accept = { mptcp: true, allowHalfOpen: true }
  return {
    next: () => kernelConnect({ host: values.host, port, ...accept, timeout: 5000 }),
    async listen(take) {
      server = await kernelListen({ host: values.host ?? '0.0.0.0', port: 0, ...accept }, take)
      return server.address().port
    },
    async close() {
      server?.close()
      return {}
    },
  }
}

try {
  const stack = values.stack === 'kernel' ? kernel() : await ours()
  if (role === 'server') {
    const web = webServer(values.kind, failed)
    const closed = new Set()
    const listening = await stack.listen((socket) => {
      socket.on('error', failed)
      closed.add(new Promise((resolve) => socket.once('close', resolve)))
      web.accept(socket)
    })
    say('listening', { port: listening })
    // Until nobody writes to it any more, and every connection has ended.
    process.stdin.resume().on('end', async () => {
      await Promise.all(closed)
      say('done', await stack.close())
      web.close()
    })
  } else {
    for (let i = 0; i < Number(values.times); i++) {
      // The host's socket has to stand before there is a net.Socket.
      const standing = stack.next === undefined ? null : await stack.next()
      const connect = () => {
        const socket = standing ?? stack.connect()
        socket.on('error', failed)
        return socket
      }
      if (values.files !== undefined) await webFiles(connect, values.files.split(',').map(Number))
      else await webClient(values.kind, connect, Number(values.bytes))
    }
    say('done', await stack.close())
  }
} catch (error) {
  failed(error)
  process.exit(1)
}
