// Connections opened and closed in a row, in virtual time, each with a kilobyte there and back: how many a CPU
// second, and whether memory stays flat: `npm run build && node --expose-gc bench/open-close.mjs [COUNT]`.

import {
  MPTCP_CONSTANTS as C,
  MptcpEmulatedNetwork,
  MptcpSeededRandom,
  MptcpStack,
  MptcpVirtualClock,
} from 'mptcp-wasm'

const COUNT = Number(process.argv[2] ?? 20_000)
const STEP = 2_500

const clock = new MptcpVirtualClock()
const network = new MptcpEmulatedNetwork({ clock, seed: 1 })
network.path({
  name: 'path',
  a: { host: 'client', addresses: ['10.0.1.1'] },
  b: { host: 'server', addresses: ['10.0.1.2'] },
  rate: 10e9,
  delay: 1,
})
const open = (host, seed) =>
  MptcpStack.open({ links: network.links(host), clock, random: new MptcpSeededRandom(seed) })
const client = await open('client', 1)
const server = await open('server', 2)
const payload = new Uint8Array(1024).fill(7)
const buffer = new Uint8Array(2048)

const listening = server.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
server.bsd.bind(listening, { address: '', port: 80 })
server.bsd.listen(listening, 64)
server.bsd.watch(listening, () => {
  for (let fd = server.bsd.accept(listening); fd >= 0; fd = server.bsd.accept(listening)) {
    const echo = () => {
      let count = server.bsd.read(fd, buffer)
      for (; count > 0; count = server.bsd.read(fd, buffer)) {
        server.bsd.write(fd, buffer.subarray(0, count))
      }
      if (count === 0) server.bsd.close(fd)
    }
    server.bsd.watch(fd, echo)
    echo()
  }
})

function once() {
  const fd = client.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
  let received = 0
  let isOver = false
  client.bsd.connect(fd, { address: '10.0.1.2', port: 80 })
  client.bsd.watch(fd, () => {
    if (received === 0 && client.bsd.poll(fd) & C.POLLOUT) client.bsd.write(fd, payload)
    const count = client.bsd.read(fd, buffer)
    if (count > 0) received += count
    if (received < payload.length || isOver) return
    isOver = true
    client.bsd.close(fd)
  })
  clock.runWhile(() => !isOver, 10_000)
  if (received < payload.length) throw new Error(`received ${received} bytes`)
}

const rows = []
for (let done = 0; done < COUNT; done += STEP) {
  const cpu = process.cpuUsage()
  for (let i = 0; i < STEP; i++) once()
  const { user, system } = process.cpuUsage(cpu)
  globalThis.gc?.()
  rows.push({
    connections: done + STEP,
    'heap, KB': Math.round(process.memoryUsage().heapUsed / 1024),
    'slots in use': client.liveSlots + server.liveSlots,
    'in TIME-WAIT or closing': client.connectionCount + server.connectionCount,
    'a CPU second': Math.round(STEP / ((user + system) / 1e6)),
  })
}
console.table(rows)
client.close()
server.close()
