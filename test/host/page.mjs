// What a page would run, bundled by browser.test.ts: two hosts over two emulated paths in virtual time,
// who speak the BSD calls.

import { VirtualClock } from '../../build/clock.js'
import { EmulatedNetwork } from '../../build/emulator/network.js'
import { MptcpBsd } from '../../build/socket/bsd.js'
import { MPTCP_CONSTANTS as C } from '../../build/socket/constants.js'
import { Stack } from '../../build/stack/stack.js'

export { RealClock } from '../../build/clock.js'
export { loadMptcpCore, loadMptcpCoreSync } from '../../build/core/load.js'

const MEMORY_BYTES = 8 * 1024 * 1024
const PIECE_BYTES = 16_384

/** `data` from one host to the other; `load` gives each a core of so many bytes. */
export async function transfer(load, data) {
  const clock = new VirtualClock()
  const network = new EmulatedNetwork({ clock, seed: 1 })
  const paths = [1, 2].map((i) =>
    network.path({
      name: `path${i}`,
      a: { host: 'phone', addresses: [`10.0.${i}.1`] },
      b: { host: 'server', addresses: [`10.0.${i}.2`] },
      rate: 20e6,
      delay: 10 * i,
    }),
  )
  // No `random`: keys and ports come from the browser's own source.
  const open = async (host) =>
    new Stack({ links: network.links(host), clock, core: await load(MEMORY_BYTES) })
  const stacks = [await open('phone'), await open('server')]
  const [phone, server] = stacks.map((stack) => new MptcpBsd(stack))
  const until = (condition) => {
    if (!clock.runWhile(() => !condition(), 120_000)) throw new Error(`stuck at ${clock.now()} ms`)
  }

  const listener = server.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
  server.bind(listener, { address: '', port: 80 })
  server.listen(listener, 1)
  const from = phone.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
  phone.connect(from, { address: '10.0.1.2', port: 80 })
  until(() => (server.poll(listener) & C.POLLIN) !== 0)
  const to = server.accept(listener)

  const received = new Uint8Array(data.length)
  const piece = new Uint8Array(PIECE_BYTES)
  let written = 0
  let length = 0
  until(() => {
    if (written < data.length) written += Math.max(0, phone.write(from, data.subarray(written)))
    for (let count = 1; count > 0; ) {
      count = server.read(to, piece)
      if (count <= 0) break
      received.set(piece.subarray(0, count), length)
      length += count
    }
    return length === data.length
  })
  phone.close(from)
  server.close(to)
  server.close(listener)
  until(() => stacks.every(({ connectionCount }) => connectionCount === 0))
  const result = {
    backends: stacks.map(({ core }) => core.backend),
    bytesOverPaths: paths.map(({ stats }) => stats.forward.bytes),
    liveSlots: stacks.map(({ liveSlots }) => liveSlots),
    received,
  }
  for (const stack of stacks) stack.close()
  return result
}
