// A congestion control of one's own, seen at work in virtual time: `node examples/congestion-control.mjs`.
// The same object works on real paths: give it to MptcpStack.open({ links, congestion }).

import {
  MPTCP_CONSTANTS as C,
  MptcpEmulatedNetwork,
  MptcpSeededRandom,
  MptcpStack,
  MptcpVirtualClock,
} from 'mptcp-wasm'

/** Scalable TCP (Kelly 2003): a hundredth of a segment more for each one acknowledged, an eighth less at a loss. */
const scalable = {
  name: 'scalable',
  create: (mss) => ({
    cwnd: 10 * mss,
    ssthresh: Number.POSITIVE_INFINITY,
    acknowledged({ bytes, mayGrow }) {
      if (mayGrow) this.cwnd += this.cwnd < this.ssthresh ? bytes : bytes / 100
    },
    lost({ mss }) {
      this.ssthresh = Math.max((7 / 8) * this.cwnd, 2 * mss)
      this.cwnd = this.ssthresh
    },
    timedOut({ mss }) {
      this.ssthresh = Math.max(this.cwnd / 2, 2 * mss)
      this.cwnd = mss
    },
  }),
}

const BYTES = 4_000_000
const clock = new MptcpVirtualClock()
const network = new MptcpEmulatedNetwork({ clock, seed: 7 })
const ends = (i) => ({
  a: { host: 'phone', addresses: [`10.0.${i}.1`] },
  b: { host: 'server', addresses: [`10.0.${i}.2`] },
})
network.path({ name: 'wifi', ...ends(1), rate: 20e6, delay: 10, queueMs: 100, loss: 0.001 })
network.path({ name: 'cellular', ...ends(2), rate: 10e6, delay: 40, queueMs: 100, loss: 0.001 })

const open = (host, seed, options = {}) =>
  MptcpStack.open({
    links: network.links(host),
    clock,
    random: new MptcpSeededRandom(seed),
    ...options,
  })
const phone = await open('phone', 1, { congestion: scalable })
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
for (const info of phone.bsd.getsockopt(fd, C.SOL_MPTCP, C.MPTCP_TCPINFO).data) {
  const { tcpi_bytes_sent, tcpi_snd_cwnd, tcpi_delivery_rate } = info
  const mbit = (8 * tcpi_delivery_rate) / 1e6
  console.log(`${tcpi_bytes_sent} bytes, cwnd ${tcpi_snd_cwnd}, ${mbit.toFixed(1)} Mbit/s`)
}
phone.close()
server.close()
