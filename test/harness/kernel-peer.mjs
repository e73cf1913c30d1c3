// One end of a connection on the host's own MPTCP, for interop tests: run with `ip netns exec`, on
// build/. Says what happens as JSON lines on stdout, takes commands on stdin. The streams are those of
// pattern.mjs. Usage: kernel-peer.mjs server|client --host H --port P [options]; see `parseArgs` below.

import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { kernelConnect, kernelListen, mptcpInfo } from '../../build/socket/kernel.js'
import { patternBytes, patternMismatch } from './pattern.mjs'

const CHUNK = 64 * 1024

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: 'string', default: '::' },
    port: { type: 'string', default: '5001' },
    /** client: source address */
    local: { type: 'string' },
    /** plain TCP */
    tcp: { type: 'boolean', default: false },
    /** bytes to send, and their seed */
    send: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    /** seed that received bytes are checked against; default: not checked */
    expect: { type: 'string' },
    /** send back what is received, instead of --send */
    echo: { type: 'boolean', default: false },
    /** milliseconds before the first read */
    'read-delay': { type: 'string', default: '0' },
    /** bytes a second to read at most; 0: no limit */
    'read-rate': { type: 'string', default: '0' },
    /** when to end the sending side: sent | received (the peer's end) | told (command `end`) */
    end: { type: 'string', default: 'sent' },
    /** milliseconds for a client to connect */
    timeout: { type: 'string', default: '5000' },
    /** server: connections to serve before it ends */
    connections: { type: 'string', default: '1' },
  },
})

const [role] = positionals
const toSend = Number(values.send)
const seed = Number(values.seed)
const readRate = Number(values['read-rate'])
const port = Number(values.port)
const mptcp = !values.tcp
const sockets = new Set()
let failed = false

function say(event, details = {}) {
  const text = JSON.stringify({ event, ...details }, (_key, value) =>
    // Sequence numbers have 64 bits: what a number cannot hold is said in decimal.
    typeof value === 'bigint'
      ? value <= Number.MAX_SAFE_INTEGER
        ? Number(value)
        : `${value}`
      : value,
  )
  process.stdout.write(`${text}\n`)
}

function serve(socket, number) {
  const hash = createHash('sha256')
  const sentHash = createHash('sha256')
  const state = { socket, sent: 0, received: 0, mismatchAt: -1, info: null, maxSubflows: 0, end }
  const look = () => {
    state.info = mptcpInfo(socket) ?? state.info
    state.maxSubflows = Math.max(state.maxSubflows, state.info?.subflowsTotal ?? 0)
  }
  // Nothing is cut off: the end comes behind what is still to send.
  let endWanted = values.end === 'sent' && !values.echo
  function end() {
    endWanted = true
    if (values.echo || state.sent === toSend) socket.end()
  }
  look()
  const start = performance.now()
  sockets.add(state)
  say('connected', {
    number,
    local: `${socket.localAddress} ${socket.localPort}`,
    remote: `${socket.remoteAddress} ${socket.remotePort}`,
    info: state.info,
  })

  const pump = () => {
    while (state.sent < toSend) {
      const bytes = patternBytes(seed, state.sent, Math.min(CHUNK, toSend - state.sent))
      state.sent += bytes.length
      sentHash.update(bytes)
      if (!socket.write(bytes)) return
    }
    look()
    if (endWanted) socket.end()
  }
  socket.on('drain', () => {
    look()
    if (values.echo) socket.resume()
    else if (!socket.writableEnded) pump()
  })
  socket.on('data', (bytes) => {
    look()
    if (values.expect !== undefined && state.mismatchAt < 0) {
      state.mismatchAt = patternMismatch(Number(values.expect), state.received, bytes)
    }
    hash.update(bytes)
    state.received += bytes.length
    if (values.echo) {
      state.sent += bytes.length
      sentHash.update(bytes)
      if (!socket.write(bytes)) socket.pause()
    }
    if (readRate > 0) {
      socket.pause()
      const due = (state.received / readRate) * 1000 - (performance.now() - start)
      setTimeout(() => socket.resume(), Math.max(0, due))
    }
  })
  socket.on('end', () => {
    look()
    say('peerEnded', { number, bytesReceived: state.received })
    if (values.end === 'received' || values.echo) end()
  })
  socket.on('error', (error) => {
    failed = true
    say('error', { number, code: error.code, message: error.message })
  })
  socket.on('close', () => {
    sockets.delete(state)
    say('closed', {
      number,
      bytesSent: state.sent,
      sentSha256: sentHash.digest('hex'),
      bytesReceived: state.received,
      sha256: hash.digest('hex'),
      mismatchAt: state.mismatchAt,
      seconds: (performance.now() - start) / 1000,
      info: state.info,
      maxSubflows: state.maxSubflows,
    })
    if (state.mismatchAt >= 0) failed = true
    finish()
  })
  const delay = Number(values['read-delay'])
  if (delay > 0) {
    socket.pause()
    setTimeout(() => socket.resume(), delay)
  }
  if (!values.echo) pump()
}

let server = null
let left = role === 'server' ? Number(values.connections) : 1

function finish() {
  if (--left > 0) return
  server?.close()
  process.stdin.destroy()
  process.exitCode = failed ? 1 : 0
}

/** end, reset, destroy, info, pause, resume, send TEXT, quit: to every connection. */
function obey(line) {
  const [word, ...rest] = line.split(' ')
  if (word === 'quit') process.exit(0)
  for (const { socket, sent, received, end } of sockets) {
    if (word === 'end') end()
    else if (word === 'reset') socket.resetAndDestroy()
    else if (word === 'destroy') socket.destroy()
    else if (word === 'pause') socket.pause()
    else if (word === 'resume') socket.resume()
    else if (word === 'send') socket.write(rest.join(' '))
    else if (word === 'info') say('info', { sent, received, info: mptcpInfo(socket) })
    else say('error', { message: `unknown command ${word}` })
  }
}

let typed = ''
process.stdin.setEncoding('utf8').on('data', (text) => {
  const lines = (typed + text).split('\n')
  typed = lines.pop()
  for (const line of lines) obey(line)
})

try {
  if (role === 'server') {
    let number = 0
    const options = { host: values.host, port, mptcp, allowHalfOpen: true }
    server = await kernelListen(options, (socket) => serve(socket, ++number))
    say('listening', { port: server.address().port })
  } else {
    const socket = await kernelConnect({
      host: values.host,
      port,
      mptcp,
      allowHalfOpen: true,
      timeout: Number(values.timeout),
      ...(values.local && { localAddress: values.local }),
    })
    serve(socket, 1)
  }
} catch (error) {
  say('error', { code: error.code, message: error.message })
  process.exit(1)
}
