// A scheduler of one's own, seen at work in virtual time: `node examples/round-robin-scheduler.mjs`.
// The same object works on real paths: give it to MptcpStack.open({ links, scheduler }).

import {
  MPTCP_CONSTANTS as C,
  MptcpEmulatedNetwork,
  MptcpSeededRandom,
  MptcpStack,
  MptcpVirtualClock,
  mptcpIsPreferred,
} from 'mptcp-wasm'

/** Each subflow in turn, of those that are to be used and have room: a segment for one, then for the next. */
const roundRobin = {
  name: 'round-robin',
  create: () => {
    let last = -1
    return {
      schedule(subflows, data) {
        const able = subflows.filter(
          (each) => each.usableBytes > 0 && mptcpIsPreferred(each, subflows, data),
        )
        const subflow = able.find(({ id }) => id > last) ?? able[0]
        if (subflow === undefined) return []
        last = subflow.id
        return [{ subflow, bytes: subflow.mssBytes }]
      },
    }
  },
}

const BYTES = 4_000_000
const clock = new MptcpVirtualClock()
const network = new MptcpEmulatedNetwork({ clock, seed: 7 })
const ends = (i) => ({
  a: { host: 'phone', addresses: [`10.0.${i}.1`] },
  b: { host: 'server', addresses: [`10.0.${i}.2`] },
})
network.path({ name: 'wifi', ...ends(1), rate: 20e6, delay: 10, queueMs: 100 })
network.path({ name: 'cellular', ...ends(2), rate: 10e6, delay: 40, queueMs: 100 })

const open = (host, seed, options = {}) =>
  MptcpStack.open({
    links: network.links(host),
    clock,
    random: new MptcpSeededRandom(seed),
    ...options,
  })
const phone = await open('phone', 1, { scheduler: roundRobin })
const server = await open('server', 2)

// Virtual time needs no promises: the BSD calls and a watcher each are enough.
const listening = server.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
server.bsd.bind(listening, { address: '', port: 80 })
server.bsd.listen(listening, 1)
let received = 0
let done = false
server.bsd.watch(listening, () => {
  const fd = server.bsd.accept(listening)
  const buffer = new Uint8Array(65_536)
  const read = () => {
    let count = server.bsd.read(fd, buffer)
    for (; count > 0; count = server.bsd.read(fd, buffer)) received += count
    done = count === 0
  }
  server.bsd.watch(fd, read)
  read()
})

const fd = phone.bsd.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_MPTCP)
let sent = 0
phone.bsd.watch(fd, () => {
  while (sent < BYTES) {
    const count = phone.bsd.write(fd, new Uint8Array(Math.min(65_536, BYTES - sent)))
    if (count < 0) return
    sent += count
  }
  phone.bsd.shutdown(fd, C.SHUT_WR)
})
phone.bsd.connect(fd, { address: '10.0.1.2', port: 80 })
clock.runWhile(() => !done, 60_000)

console.log(`${received} bytes in ${(clock.now() / 1000).toFixed(3)} virtual seconds`)
for (const subflow of phone.bsd.connectionOf(fd).subflows) {
  console.log(`subflow ${subflow.id}: ${subflow.dataBytesSent} bytes`)
}
phone.close()
server.close()
