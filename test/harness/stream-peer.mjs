// What the two ends of an interop test share, whichever stack they run on: kernel-peer.mjs and
// raw-peer.mjs. A stream of pattern.mjs goes out, what comes in is checked and hashed, events are JSON
// lines on stdout, commands are lines on stdin.

import { createHash } from 'node:crypto'
import { patternBytes, patternMismatch } from './pattern.mjs'

const CHUNK = 64 * 1024

export const STREAM_OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string', default: '5001' },
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
  /** read nothing until told: resume */
  paused: { type: 'boolean', default: false },
  /** send no more than these bytes until told: go */
  hold: { type: 'string' },
  /** event `mark` once this many bytes have come; 0: none */
  mark: { type: 'string', default: '0' },
  /** event `gap` for each pause between two arrivals of at least so many milliseconds; 0: none */
  gaps: { type: 'string', default: '0' },
  /** when to end the sending side: sent | received (the peer's end) | told (command `end`) */
  end: { type: 'string', default: 'sent' },
  /** server: connections to serve before it ends */
  connections: { type: 'string', default: '1' },
}

export function say(event, details = {}) {
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

/**
 * Serves connections. `look(socket)` gives what its stack tells of it: `{ subflowCount, ... }`, and
 * the rest goes into the events as it is. `over()` is called after the last connection.
 */
export function streamPeer(values, role, look, over) {
  const seed = Number(values.seed)
  const readRate = Number(values['read-rate'])
  const mark = Number(values.mark)
  const gaps = Number(values.gaps)
  const sockets = new Set()
  let left = role === 'server' ? Number(values.connections) : 1
  let failed = false
  let served = 0

  function serve(socket) {
    const number = ++served
    const hash = createHash('sha256')
    const sentHash = createHash('sha256')
    let toSend = Number(values.send)
    const state = { socket, sent: 0, received: 0, arrivedAt: 0, end, go, stop }
    let mismatchAt = -1
    let seen = {}
    let maxSubflows = 0
    let largestGapMs = 0
    const examine = () => {
      const { subflowCount, ...rest } = look(socket) ?? {}
      seen = { ...seen, ...rest }
      maxSubflows = Math.max(maxSubflows, subflowCount ?? 0)
    }
    // Nothing is cut off: the end comes behind what is still to send.
    let endWanted = values.end === 'sent' && !values.echo
    function end() {
      endWanted = true
      if (values.echo || state.sent === toSend) socket.end()
    }
    /** No more than it has written already, and then the end. */
    function stop() {
      toSend = most = state.sent
      socket.end()
    }
    let most = Math.min(toSend, Number(values.hold ?? toSend))
    function go() {
      most = toSend
      pump()
    }
    examine()
    const start = performance.now()
    let last = start
    sockets.add(state)
    say('connected', {
      number,
      local: `${socket.localAddress} ${socket.localPort}`,
      remote: `${socket.remoteAddress} ${socket.remotePort}`,
      ...seen,
    })

    const pump = () => {
      while (state.sent < most) {
        const bytes = patternBytes(seed, state.sent, Math.min(CHUNK, most - state.sent))
        state.sent += bytes.length
        sentHash.update(bytes)
        if (!socket.write(bytes)) return
      }
      examine()
      if (endWanted && state.sent === toSend) socket.end()
    }
    socket.on('drain', () => {
      examine()
      if (values.echo) socket.resume()
      else if (!socket.writableEnded) pump()
    })
    socket.on('data', (bytes) => {
      examine()
      const now = performance.now()
      largestGapMs = Math.max(largestGapMs, now - last)
      if (gaps > 0 && now - last >= gaps) {
        say('gap', { number, ms: now - last, endedAt: performance.timeOrigin + now })
      }
      last = now
      state.arrivedAt = performance.timeOrigin + now
      if (values.expect !== undefined && mismatchAt < 0) {
        mismatchAt = patternMismatch(Number(values.expect), state.received, bytes)
      }
      hash.update(bytes)
      if (mark > 0 && state.received < mark && state.received + bytes.length >= mark) {
        say('mark', { number })
      }
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
      examine()
      say('peerEnded', { number, bytesReceived: state.received })
      if (values.end === 'received' || values.echo) end()
    })
    socket.on('error', (error) => {
      failed = true
      say('error', { number, code: error.code, message: error.message })
    })
    socket.on('close', () => {
      sockets.delete(state)
      examine()
      say('closed', {
        number,
        bytesSent: state.sent,
        sentSha256: sentHash.digest('hex'),
        bytesReceived: state.received,
        sha256: hash.digest('hex'),
        mismatchAt,
        seconds: (performance.now() - start) / 1000,
        largestGapMs,
        ...seen,
        maxSubflows,
      })
      if (mismatchAt >= 0) failed = true
      finish()
    })
    const delay = Number(values['read-delay'])
    if (delay > 0 || values.paused) socket.pause()
    if (delay > 0) setTimeout(() => socket.resume(), delay)
    if (!values.echo) pump()
  }

  function finish() {
    if (--left > 0) return
    process.stdin.destroy()
    process.exitCode = failed ? 1 : 0
    void over()
  }

  /** end, stop, reset, destroy, info, go, pause, resume, send TEXT, quit: to every connection. */
  function obey(line) {
    const [word, ...rest] = line.split(' ')
    if (word === 'quit') process.exit(0)
    for (const { socket, sent, received, arrivedAt, end, go, stop } of sockets) {
      if (word === 'end') end()
      else if (word === 'stop') stop()
      else if (word === 'go') go()
      else if (word === 'reset') socket.resetAndDestroy()
      else if (word === 'destroy') socket.destroy()
      else if (word === 'pause') socket.pause()
      else if (word === 'resume') socket.resume()
      else if (word === 'send') socket.write(rest.join(' '))
      else if (word === 'info') say('info', { sent, received, arrivedAt, ...look(socket) })
      else say('error', { message: `unknown command ${word}` })
    }
  }

  let typed = ''
  process.stdin.setEncoding('utf8').on('data', (text) => {
    const lines = (typed + text).split('\n')
    typed = lines.pop()
    for (const line of lines) obey(line)
  })

  return serve
}
