// One end of the connections of the self-tests, on our stack over raw links or on the host's own MPTCP:
// run with `ip netns exec`, on build/. It lives as long as its test file and does what it is told:
// commands are JSON lines on stdin, `{ id, word, ... }`, answered by `{ id, ... }` or `{ id, error }`.
// Usage: self-test-peer.mjs ours|kernel

import { createInterface } from 'node:readline'
import { openRawLinks } from '../../build/link/raw.js'
import { kernelConnect, kernelListen, mptcpInfo } from '../../build/socket/kernel.js'
import { MptcpStack } from '../../build/socket/mptcp-stack.js'
import { patternBytes, patternMismatch } from './pattern.mjs'

const CHUNK = 64 * 1024

/** Our stack: made anew for each test, so that it counts from zero. */
const ours = {
  seed: 1,
  expect: 2,
  raw: null,
  stack: null,
  servers: [],
  events: [],

  async open({ paths, ports, stack }) {
    const raw = await openRawLinks({ paths, ports })
    ours.raw = raw
    ours.stack = await MptcpStack.open({ links: raw.links, ...stack })
    ours.events = []
    pathManager().watch(({ type }) => ours.events.push(type))
    return {}
  },
  listen({ port, host, plain }) {
    return new Promise((resolve, reject) => {
      const server = ours.stack.createServer({ allowHalfOpen: true })
      ours.servers.push(server)
      server.on('connection', (socket) => serve(socket))
      server.once('error', reject)
      server.listen({ port, plain, ...(host && { host }) }, () => resolve({ port }))
    })
  },
  connect: ({ host, port, local, plain }) =>
    ours.stack.connect({
      host,
      port,
      plain,
      allowHalfOpen: true,
      ...(local && { localAddress: local }),
    }),
  look: (socket) => ({ info: socket.info, subflows: socket.subflows }),
  counters: () => ({ counters: counted(ours.stack?.counters ?? {}) }),

  async over() {
    if (ours.stack === null) return {}
    for (const server of ours.servers) server.close()
    const drained = await ours.stack.drained(5000)
    const { liveSlots, counters } = ours.stack
    const end = { drained, liveSlots, counters: counted(counters), events: ours.events }
    ours.stack.close()
    await ours.raw.close()
    Object.assign(ours, { stack: null, raw: null, servers: [] })
    return end
  },
}

/** The host's stack. */
const kernel = {
  seed: 2,
  expect: 1,
  servers: [],

  async listen({ host, port, plain }) {
    const options = { host: host ?? '::', port: port ?? 0, mptcp: !plain, allowHalfOpen: true }
    const server = await kernelListen(options, (socket) => serve(socket))
    kernel.servers.push(server)
    return { port: server.address().port }
  },
  connect: ({ host, port, local, plain }) =>
    kernelConnect({
      host,
      port,
      mptcp: !plain,
      allowHalfOpen: true,
      timeout: 15_000,
      ...(local && { localAddress: local }),
    }),
  look: (socket) => {
    const info = mptcpInfo(socket)
    return { info }
  },
  counters: () => ({}),
  async over() {
    for (const server of kernel.servers.splice(0)) server.close()
    return {}
  },
}

const pathManager = () => ours.stack.pathControl

const counted = (counters) =>
  Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0))

const end = process.argv[2] === 'ours' ? ours : kernel
/** The connection of the test, of several the last. */
let current = null

function serve(socket, connected = true) {
  const state = {
    socket,
    wanted: 0,
    sent: 0,
    zeros: false,
    received: 0,
    mismatchAt: -1,
    connected,
    peerEnded: false,
    closed: false,
    error: null,
    endWanted: false,
    look: {},
  }
  current = state
  socket.on('data', (bytes) => {
    // Zeros are what a test sends to have them changed on the way.
    if (!state.zeros && state.mismatchAt < 0) {
      state.mismatchAt = patternMismatch(end.expect, state.received, bytes)
    }
    state.received += bytes.length
  })
  socket.on('end', () => {
    state.peerEnded = true
  })
  socket.on('error', (error) => {
    state.error = error.code ?? error.message
  })
  socket.on('close', () => {
    state.closed = true
  })
  socket.on('drain', () => pump(state))
  return state
}

function pump(state) {
  const { socket } = state
  while (state.sent < state.wanted) {
    const most = Math.min(CHUNK, state.wanted - state.sent)
    const bytes = state.zeros ? Buffer.alloc(most) : patternBytes(end.seed, state.sent, most)
    state.sent += bytes.length
    if (!socket.write(bytes)) return
  }
  if (state.endWanted) socket.end()
}

const obey = {
  open: (words) => end.open(words),
  listen: (words) => end.listen(words),
  async connect(words) {
    const socket = await end.connect(words)
    // The host's sockets are connected when they are handed over.
    const state = serve(socket, end === kernel)
    socket.once('connect', () => {
      state.connected = true
    })
    return {}
  },
  zeros({ on }) {
    current.zeros = on
    return {}
  },
  send({ bytes }) {
    current.wanted += bytes
    pump(current)
    return {}
  },
  end() {
    current.endWanted = true
    if (current.sent === current.wanted) current.socket.end()
    return {}
  },
  reset() {
    current.socket.resetAndDestroy()
    return {}
  },
  add({ endpoint }) {
    pathManager().addEndpoint(endpoint)
    return {}
  },
  change({ endpoint, flags }) {
    pathManager().changeEndpoint(endpoint, flags)
    return {}
  },
  remove({ endpoint, address }) {
    pathManager().deleteEndpoint(endpoint, address)
    return {}
  },
  endpoints: () => ({ endpoints: pathManager().endpoints }),
  /** A command of a userspace path manager. */
  command({ name, words }) {
    const [{ token }] = pathManager().connections
    pathManager()[name](token, ...words)
    return {}
  },
  flush() {
    pathManager().flushEndpoints()
    return {}
  },
  state() {
    if (current === null) return { connected: false, ...end.counters() }
    const { socket, look, ...rest } = current
    if (!rest.closed) Object.assign(look, end.look(socket))
    else if (end === ours) Object.assign(look, end.look(socket))
    return { ...rest, ...look, local: [socket.localAddress, socket.localPort], ...end.counters() }
  },
  /** What is left of the test ends; the answer is how it ended. */
  async over() {
    if (current !== null && !current.closed) current.socket.destroy()
    current = null
    return end.over()
  },
}

const plainNumber = (_key, value) =>
  typeof value === 'bigint'
    ? value <= Number.MAX_SAFE_INTEGER
      ? Number(value)
      : `${value}`
    : value

async function answer(line) {
  const { id, word, ...words } = JSON.parse(line)
  let said
  try {
    said = await obey[word](words)
  } catch (error) {
    said = { error: error.code ?? error.message }
  }
  process.stdout.write(`${JSON.stringify({ id, ...said }, plainNumber)}\n`)
}

// The end of stdin is the end of the test file.
createInterface({ input: process.stdin })
  .on('line', (line) => void answer(line))
  .on('close', () => process.exit(0))
