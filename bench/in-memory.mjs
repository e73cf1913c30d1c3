// Two stacks in one thread over emulated paths without delay, MTU 1500: how much the code itself can
// carry. Wall time, so run it on a quiet machine: `npm run build && node bench/in-memory.mjs`.

import {
  MPTCP_CONSTANTS as C,
  loadMptcpCore,
  MptcpEmulatedNetwork,
  MptcpSeededRandom,
  MptcpStack,
  MptcpVirtualClock,
} from 'mptcp-wasm'

const BYTES = Number(process.env.BYTES ?? 500e6)

async function run(backend, paths, checksum) {
  const clock = new MptcpVirtualClock()
  const network = new MptcpEmulatedNetwork({ clock, seed: 1 })
  for (let i = 1; i <= paths; i++) {
    network.path({
      name: `p${i}`,
      a: { host: 'client', addresses: [`10.0.${i}.1`] },
      b: { host: 'server', addresses: [`10.0.${i}.2`] },
      rate: 10e9,
      delay: 0.02,
      queueMs: 10,
    })
  }
  const open = async (host, seed) =>
    MptcpStack.open({
      links: network.links(host),
      clock,
      random: new MptcpSeededRandom(seed),
      core: await loadMptcpCore({ backend, memoryBytes: 64 * 1024 * 1024 }),
      checksum,
    })
  const client = await open('client', 1)
  const server = await open('server', 2)
  const listening = server.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
  server.bsd.bind(listening, { address: '', port: 80 })
  server.bsd.listen(listening, 1)
  const buffer = new Uint8Array(256 * 1024)
  let received = 0
  let ended = false
  server.bsd.watch(listening, () => {
    const fd = server.bsd.accept(listening)
    const drain = () => {
      let count = server.bsd.read(fd, buffer)
      while (count > 0) {
        received += count
        count = server.bsd.read(fd, buffer)
      }
      if (count === 0) {
        ended = true
        server.bsd.close(fd)
      }
    }
    server.bsd.watch(fd, drain)
    drain()
  })
  const fd = client.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
  const chunk = new Uint8Array(64 * 1024).fill(7)
  let sent = 0
  const push = () => {
    while (sent < BYTES) {
      const count = client.bsd.write(fd, chunk.subarray(0, Math.min(chunk.length, BYTES - sent)))
      if (count <= 0) return
      sent += count
    }
    client.bsd.shutdown(fd, C.SHUT_WR)
    client.bsd.watch(fd, null)
  }
  client.bsd.watch(fd, push)
  client.bsd.connect(fd, { address: '10.0.1.2', port: 80 })
  const cpu = process.cpuUsage()
  const start = performance.now()
  clock.runWhile(() => !ended, 600_000)
  const seconds = (performance.now() - start) / 1000
  const used = process.cpuUsage(cpu)
  client.close()
  server.close()
  if (received !== BYTES) throw new Error(`received ${received} of ${BYTES} bytes`)
  return {
    backend,
    paths,
    checksum,
    gbitPerSecond: +((BYTES * 8) / seconds / 1e9).toFixed(2),
    cpuSecondsPerGB: +((used.user + used.system) / 1e6 / (BYTES / 1e9)).toFixed(2),
  }
}

const rows = []
for (const backend of ['wasm', 'js']) {
  for (const [paths, checksum] of [
    [1, false],
    [2, false],
    [2, true],
  ]) {
    rows.push(await run(backend, paths, checksum))
  }
}
console.table(rows)
