// Fast Open through the BSD calls, two stacks over the emulator: a cookie is fetched, then data rides in the
// SYN; with loss, with checksums, as MPTCP and as plain TCP. RFC 7413, RFC 8684 Appendix B.

import { describe, expect, it } from 'vitest'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from '../../ts/socket/constants.js'
import { BACKENDS, randomBytes } from '../contract/cores.js'
import { accept, type BsdWorld, bsdWorld, finishBsd, listen, SERVER, until } from './bsd-world.js'

const PORT = 5000
const server = { address: SERVER, port: PORT }

function socketOf(w: BsdWorld, side: 'a' | 'b', protocol: number): number {
  return w[side].socket(C.AF_INET, C.SOCK_STREAM, protocol)
}

function fastListener(w: BsdWorld, protocol: number): number {
  const fd = socketOf(w, 'b', protocol)
  expect(w.b.setsockopt(fd, C.SOL_TCP, C.TCP_FASTOPEN, 8)).toBe(0)
  return listen(w.b, PORT, 8, fd)
}

/** Sends `data` by Fast Open, and what comes back: the server echoes and ends. */
function exchange(w: BsdWorld, listener: number, protocol: number, data: Buffer): Buffer {
  const fd = socketOf(w, 'a', protocol)
  let sent = Math.max(0, w.a.sendto(fd, data, C.MSG_FASTOPEN, server))
  let echo = Buffer.alloc(0)
  let back = Buffer.alloc(0)
  let returned = 0
  let ended = false
  let child = -1
  const room = Buffer.alloc(65_536)
  const isDone = (): boolean => {
    if (sent < data.length) sent += Math.max(0, w.a.write(fd, data.subarray(sent)))
    if (child < 0 && (w.b.poll(listener) & C.POLLIN) !== 0) child = w.b.accept(listener)
    if (child >= 0) {
      const count = w.b.read(child, room)
      if (count > 0) echo = Buffer.concat([echo, room.subarray(0, count)])
      returned += Math.max(0, w.b.write(child, echo.subarray(returned)))
      if (!ended && returned === data.length) {
        ended = true
        w.b.shutdown(child, C.SHUT_WR)
      }
    }
    const count = w.a.read(fd, room)
    if (count > 0) back = Buffer.concat([back, room.subarray(0, count)])
    return back.length === data.length
  }
  // Where SYNs and their answers are lost, timeouts add up.
  expect(
    w.clock.runWhile(() => !isDone(), 100_000),
    'the echo came',
  ).toBe(true)
  w.a.close(fd)
  w.b.close(child)
  return back
}

describe.each(BACKENDS)('Fast Open on the %s core', (core) => {
  describe.each([
    ['MPTCP', C.IPPROTO_MPTCP, false],
    ['MPTCP with checksums', C.IPPROTO_MPTCP, true],
    ['plain TCP', C.IPPROTO_TCP, false],
  ] as const)('%s', (_, protocol, checksum) => {
    it('fetches a cookie, then sends with the SYN what the server reads before the third ACK', () => {
      const w = bsdWorld({ both: { core, checksum, fastOpen: 3 } })
      const listener = fastListener(w, protocol)
      const data = Buffer.from(randomBytes(20_000, 1))
      expect(exchange(w, listener, protocol, data).equals(data)).toBe(true)
      expect(w.client.counters.TcpExtTCPFastOpenActive).toBe(0)

      const fd = socketOf(w, 'a', protocol)
      expect(w.a.sendto(fd, data, C.MSG_FASTOPEN, server)).toBeGreaterThan(1000)
      until(w, 'a connection', () => (w.b.poll(listener) & C.POLLIN) !== 0)
      // The SYN/ACK is still on its way.
      expect(w.a.poll(fd) & C.POLLOUT).toBe(0)
      const child = accept(w, listener)
      expect(w.b.read(child, Buffer.alloc(5000))).toBeGreaterThan(1000)
      w.a.close(fd)
      w.b.close(child)
      expect(exchange(w, listener, protocol, data).equals(data)).toBe(true)
      // The second was closed before its SYN/ACK had come.
      expect(w.client.counters.TcpExtTCPFastOpenActive).toBe(1)
      expect(w.server.counters.TcpExtTCPFastOpenPassive).toBe(2)
      finishBsd(w)
    })

    it.each([1, 2, 3, 4, 5, 6])('brings every byte over a lossy path, seed %i', (seed) => {
      const paths = [{ rate: 20e6, delay: 10, loss: 0.2 }]
      const w = bsdWorld({ paths, seed, both: { core, checksum, fastOpen: 3 } })
      const listener = fastListener(w, protocol)
      for (let i = 0; i < 3; i++) {
        const data = Buffer.from(randomBytes(200 + 3000 * i, i))
        expect(exchange(w, listener, protocol, data).equals(data), `exchange ${i}`).toBe(true)
      }
      finishBsd(w)
    })
  })

  it('refuses MSG_FASTOPEN where it is turned off, and on a socket that is connected', () => {
    const w = bsdWorld({ both: { core, fastOpen: 0 } })
    const fd = socketOf(w, 'a', C.IPPROTO_MPTCP)
    const one = Buffer.from('1')
    expect(w.a.sendto(fd, one, C.MSG_FASTOPEN, server)).toBe(-E.EOPNOTSUPP)
    expect(w.a.setsockopt(fd, C.SOL_TCP, C.TCP_FASTOPEN_CONNECT, 1)).toBe(-E.EOPNOTSUPP)
    w.client.configure({ fastOpen: 1 })
    expect(w.a.sendto(fd, one, C.MSG_FASTOPEN, server)).toBe(-E.EINPROGRESS)
    expect(w.a.sendto(fd, one, C.MSG_FASTOPEN, server)).toBe(-E.EALREADY)
    w.a.close(fd)
    finishBsd(w)
  })

  it('TCP_FASTOPEN bounds those that wait for their third ACK', () => {
    const w = bsdWorld({ both: { core, fastOpen: 7 }, server: { core, fastOpen: 0x203 } })
    const fd = socketOf(w, 'b', C.IPPROTO_TCP)
    w.b.setsockopt(fd, C.SOL_TCP, C.TCP_FASTOPEN, 2)
    const listener = listen(w.b, PORT, 8, fd)
    const clients = [1, 2, 3].map(() => {
      const each = socketOf(w, 'a', C.IPPROTO_TCP)
      expect(w.a.setsockopt(each, C.SOL_TCP, C.TCP_FASTOPEN_NO_COOKIE, 1)).toBe(0)
      expect(w.a.sendto(each, Buffer.alloc(100), C.MSG_FASTOPEN, server)).toBe(100)
      return each
    })
    until(w, 'all three', () => clients.every((each) => (w.a.poll(each) & C.POLLOUT) !== 0))
    const { counters } = w.server
    expect(counters.TcpExtTCPFastOpenPassive).toBe(2)
    expect(counters.TcpExtTCPFastOpenListenOverflow).toBe(1)
    // The third has its data go again, behind the handshake.
    expect(w.client.counters.TcpExtTCPFastOpenActiveFail).toBe(1)
    for (const each of clients) w.a.close(each)
    for (let i = 0; i < 3; i++) w.b.close(accept(w, listener))
    finishBsd(w)
  })
})
