// What many idle connections cost: two stacks in one process, virtual time, four addresses a side, the BSD
// calls. `npm run build && node --expose-gc bench/idle-connections.mjs [COUNT]`; COUNT is 100,000 by default.
// Heap and array buffers are told together, for both ends; core memory is what of the fixed block is taken.

import {
  MPTCP_CONSTANTS as C,
  MPTCP_ERRNO,
  MptcpEmulatedNetwork,
  MptcpSeededRandom,
  MptcpStack,
  MptcpVirtualClock,
} from 'mptcp-wasm'

const COUNT = Number(process.argv[2] ?? 100_000)
const PATHS = 4
/** Being opened at once: no more than fit into the listener's backlog. */
const WAVE = 2000
const ROUND_TRIPS = 20_000
const BYTES = 1024
if (globalThis.gc === undefined) throw new Error('run it with node --expose-gc')

const clock = new MptcpVirtualClock({ eventsPerInstant: 10_000_000 })
const network = new MptcpEmulatedNetwork({ clock, seed: 1 })
for (let i = 1; i <= PATHS; i++) {
  network.path({
    name: `p${i}`,
    a: { host: 'client', addresses: [`10.0.${i}.1`] },
    b: { host: 'server', addresses: [`10.0.${i}.2`] },
    rate: 10e9,
    delay: 0.02,
    queueMs: 100,
  })
}
const open = (host, seed) =>
  MptcpStack.open({
    links: network.links(host),
    clock,
    random: new MptcpSeededRandom(seed),
    memoryBytes: 512 * 1024 * 1024,
    // One subflow each: more of them are more connections of the same kind.
    endpoints: [],
    ports: [1024, 65_535],
  })
const client = await open('client', 1)
const server = await open('server', 2)

const accepted = []
const listening = server.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
server.bsd.bind(listening, { address: '', port: 80 })
server.bsd.listen(listening, 4096)
server.bsd.watch(listening, () => {
  let fd = server.bsd.accept(listening)
  while (fd >= 0) {
    accepted.push(fd)
    fd = server.bsd.accept(listening)
  }
})

let opened = 0
function connect() {
  const path = (opened++ % PATHS) + 1
  const fd = client.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
  if (fd < 0) throw new Error(`socket: ${fd}`)
  client.bsd.setsockopt(fd, C.SOL_IP, C.IP_BIND_ADDRESS_NO_PORT, 1)
  client.bsd.bind(fd, { address: `10.0.${path}.1`, port: 0 })
  const result = client.bsd.connect(fd, { address: `10.0.${path}.2`, port: 80 })
  if (result !== -MPTCP_ERRNO.EINPROGRESS) throw new Error(`connect: ${result}`)
  return fd
}

/** Bytes of everything that lives, after a collection. */
function heapBytes() {
  gc()
  gc()
  const { heapUsed, arrayBuffers, external } = process.memoryUsage()
  return heapUsed + Math.max(arrayBuffers, external)
}

const request = new Uint8Array(BYTES).fill(7)
const buffer = new Uint8Array(65_536)

/** Median CPU time of a round trip of 1 KB over a fresh connection, in microseconds. */
function roundTrip() {
  const fd = connect()
  const before = accepted.length
  clock.runWhile(() => accepted.length === before, 10_000)
  const peer = accepted.pop()
  let answered = 0
  server.bsd.watch(peer, () => {
    const count = server.bsd.read(peer, buffer)
    if (count > 0) server.bsd.write(peer, buffer.subarray(0, count))
  })
  client.bsd.watch(fd, () => {
    const count = client.bsd.read(fd, buffer)
    if (count > 0) answered += count
  })
  const times = []
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const start = performance.now()
    const wanted = answered + BYTES
    client.bsd.write(fd, request)
    clock.runWhile(() => answered < wanted, 10_000)
    times.push(performance.now() - start)
  }
  if (answered !== ROUND_TRIPS * BYTES) throw new Error(`${answered} bytes came back`)
  server.bsd.watch(peer, null)
  client.bsd.watch(fd, null)
  client.bsd.close(fd)
  server.bsd.close(peer)
  clock.runUntil(clock.now() + 120_000)
  times.sort((a, b) => a - b)
  return times[times.length >> 1] * 1000
}

function timed(what) {
  const start = performance.now()
  what()
  return (performance.now() - start) / 1000
}

roundTrip()
const alone = roundTrip()
const empty = heapBytes()
const fds = []
const opening = timed(() => {
  while (fds.length < COUNT) {
    const most = Math.min(COUNT, fds.length + WAVE)
    while (fds.length < most) fds.push(connect())
    clock.runWhile(() => accepted.length < most, 60_000)
    if (accepted.length < most) throw new Error(`${accepted.length} accepted of ${most}`)
  }
  // Whatever is still to be said and waited for is.
  clock.runUntil(clock.now() + 10_000)
})
const full = heapBytes()
const slots = [client.liveSlots, server.liveSlots]
const beside = roundTrip()
const closing = timed(() => {
  // In waves as well: the emulated paths keep the room that a burst of FINs once took.
  while (fds.length > 0) {
    for (const fd of fds.splice(-WAVE)) client.bsd.close(fd)
    for (const fd of accepted.splice(-WAVE)) server.bsd.close(fd)
    clock.runUntil(clock.now() + 100)
  }
  clock.runUntil(clock.now() + 200_000)
})
const connections = [client.connectionCount, server.connectionCount]
const after = heapBytes()

console.table({
  connections: COUNT,
  'bytes each at each end: heap': Math.round((full - empty) / COUNT / 2),
  'slots of core memory held': slots.join(' and '),
  'open, s': +opening.toFixed(1),
  'close, s': +closing.toFixed(1),
  '1 KB round trip alone, µs': +alone.toFixed(1),
  '1 KB round trip beside them, µs': +beside.toFixed(1),
  'beside / alone': +(beside / alone).toFixed(2),
  'connections left': connections.join(' and '),
  'bytes left for each that there was': Math.round((after - empty) / COUNT / 2),
})
client.close()
server.close()
network.close()
