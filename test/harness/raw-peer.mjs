// One end of a connection on our own stack over raw links, for interop tests: run with `ip netns exec`,
// on build/. Events, commands and streams are those of stream-peer.mjs; a last event `finished` tells
// the counters, what memory is still in use, and the links' own counts.
// Usage: raw-peer.mjs server|client --path DEV=ADDR[@GW][,backup|signal|subflow] … [options]

import { parseArgs } from 'node:util'
import { openRawLinks } from '../../build/link/raw.js'
import { MptcpStack } from '../../build/socket/mptcp-stack.js'
import { STREAM_OPTIONS, say, streamPeer } from './stream-peer.mjs'

/** Milliseconds for what is closed to end on the wire. */
const DRAIN_MS = 5000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...STREAM_OPTIONS,
    path: { type: 'string', multiple: true, default: [] },
    /** local ports of a client */
    ports: { type: 'string', default: '40000-40255' },
    /** plain TCP */
    plain: { type: 'boolean', default: false },
    checksum: { type: 'boolean', default: false },
    core: { type: 'string', default: 'auto' },
    /** more of MptcpStack.open's options, as JSON */
    stack: { type: 'string', default: '{}' },
  },
})

const [role] = positionals
const port = Number(values.port)
const range = values.ports.split('-').map(Number)

function parsePath(text) {
  const [place, ...flags] = text.split(',')
  const [, device, address, gateway] = /^([^=@]+)(?:=([^@]+))?(?:@(.+))?$/.exec(place)
  return { path: { device, address, gateway }, flags }
}

const parsed = values.path.map(parsePath)
const used = role === 'client' ? 'subflow' : 'signal'
// Without a flag the stack's own defaults decide.
const endpoints = parsed.some(({ flags }) => flags.length > 0)
  ? parsed.map(({ path, flags }, i) => ({
      address: path.address,
      backup: flags.includes('backup'),
      subflow: flags.includes('subflow') || (i > 0 && used === 'subflow' && flags.length === 0),
      signal: flags.includes('signal') || (i > 0 && used === 'signal' && flags.length === 0),
    }))
  : undefined

const counted = (counters) =>
  Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0))

const sockets = new Set()

const state = (socket) => ({ info: socket.info, subflows: socket.subflows })

const look = (socket) => ({
  ...state(socket),
  counters: counted(socket.counters),
  subflowCount: socket.subflows.filter(({ state }) => state === 'ESTABLISHED').length,
})

try {
  const raw = await openRawLinks({
    paths: parsed.map(({ path }) => path),
    ports: role === 'server' ? [port] : { first: range[0], last: range[1] },
  })
  const stack = await MptcpStack.open({
    links: raw.links,
    core: values.core,
    checksum: values.checksum,
    ...(role === 'client' && { ports: range }),
    ...(endpoints && { endpoints }),
    ...JSON.parse(values.stack),
  })
  const server = role === 'server' ? stack.createServer({ allowHalfOpen: true }) : null
  const over = async () => {
    server?.close()
    const drained = await stack.drained(DRAIN_MS)
    say('finished', {
      drained,
      // A socket closes when all is written, not when all is acknowledged: this is how it ended.
      sockets: [...sockets].map(state),
      liveSlots: stack.liveSlots,
      connections: stack.connectionCount,
      counters: counted(stack.counters),
      links: raw.links.map((link) => link.stats),
    })
    stack.close()
    await raw.close()
  }
  const stream = streamPeer(values, role, look, over)
  const serve = (socket) => {
    sockets.add(socket)
    stream(socket)
  }
  const { plain } = values
  if (server !== null) {
    server.on('connection', serve)
    server.listen({ port, plain }, () => say('listening', { port, table: raw.guard.table }))
  } else {
    const socket = stack.connect({
      host: values.host,
      port,
      plain,
      allowHalfOpen: true,
    })
    const refused = (error) => {
      say('error', { code: error.code, message: error.message })
      process.exitCode = 1
      process.stdin.destroy()
      void over()
    }
    socket.once('error', refused)
    socket.once('connect', () => {
      socket.off('error', refused)
      serve(socket)
    })
  }
} catch (error) {
  say('error', { code: error.code, message: error.message })
  process.exit(1)
}
