// Who may have which port, and which four: by Linux's rules, whatever the order of bind, connect, listen and close.

import { describe, expect, it } from 'vitest'
import { MPTCP_CONSTANTS as C } from '../../ts/socket/constants.js'
import { BACKENDS } from '../contract/cores.js'
import { bsdWorld, finishBsd, mptcpSocket, named, until } from './bsd-world.js'

const CLIENT = '10.0.1.1'
const SERVER = '10.0.1.2'

describe.each(BACKENDS)('ports, %s core', (core) => {
  const make = (ports: readonly [number, number] = [40_000, 40_007]) =>
    bsdWorld({ both: { core }, client: { ports } })

  it('one that is bound is not bound again, until it is given back', () => {
    const w = make()
    const one = mptcpSocket(w.a)
    const two = mptcpSocket(w.a)
    expect(w.a.bind(one, { address: '', port: 500 })).toBe(0)
    expect(named(w.a.bind(two, { address: CLIENT, port: 500 }))).toBe('EADDRINUSE')
    expect(w.a.getsockname(two)?.port).toBe(0)
    w.a.close(one)
    expect(w.a.bind(two, { address: CLIENT, port: 500 })).toBe(0)
    finishBsd(w)
  })

  it('one that is listened on is not bound again, with SO_REUSEADDR either', () => {
    const w = make()
    const reusing = (): number => {
      const fd = mptcpSocket(w.a)
      w.a.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1)
      return fd
    }
    const [one, two, three] = [reusing(), reusing(), reusing()]
    expect(w.a.bind(one, { address: '', port: 500 })).toBe(0)
    expect(w.a.bind(two, { address: '', port: 500 })).toBe(0)
    expect(w.a.listen(one, 1)).toBe(0)
    expect(named(w.a.bind(three, { address: '', port: 500 }))).toBe('EADDRINUSE')
    expect(named(w.a.listen(two, 1))).toBe('EADDRINUSE')
    finishBsd(w)
  })

  it('bind to port 0 gives each another one, and an error when there is none left', () => {
    const w = make()
    const got = Array.from({ length: 9 }, () => {
      const fd = mptcpSocket(w.a)
      const result = w.a.bind(fd, { address: '', port: 0 })
      return result === 0 ? w.a.getsockname(fd)!.port : named(result)
    })
    expect(new Set(got.slice(0, 8)).size).toBe(8)
    expect(got[8]).toBe('EADDRINUSE')
    finishBsd(w)
  })

  it('connections take none that is bound, and one again towards another port of the peer', () => {
    const w = make([40_000, 40_001])
    for (const port of [80, 81]) {
      const fd = mptcpSocket(w.b)
      w.b.bind(fd, { address: '', port })
      w.b.listen(fd, 8)
    }
    const bound = mptcpSocket(w.a)
    w.a.bind(bound, { address: '', port: 40_000 })
    const connect = (port: number): string | number => {
      const fd = mptcpSocket(w.a)
      const result = named(w.a.connect(fd, { address: SERVER, port }))
      return result === 'EINPROGRESS' ? w.a.getsockname(fd)!.port : result
    }
    expect([connect(80), connect(81), connect(80)]).toEqual([40_001, 40_001, 'EADDRNOTAVAIL'])
    finishBsd(w)
  })

  it('the same four twice are refused at once, and the first connection goes on', () => {
    const w = make()
    const listener = mptcpSocket(w.b)
    w.b.bind(listener, { address: '', port: 80 })
    w.b.listen(listener, 8)
    const connect = (): [number, string | number] => {
      const fd = mptcpSocket(w.a)
      w.a.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1)
      expect(w.a.bind(fd, { address: CLIENT, port: 50_000 })).toBe(0)
      return [fd, named(w.a.connect(fd, { address: SERVER, port: 80 }))]
    }
    const [first, result] = connect()
    expect(result).toBe('EINPROGRESS')
    until(w, 'connected', () => (w.a.poll(first) & C.POLLOUT) !== 0)
    expect(connect()[1]).toBe('EADDRNOTAVAIL')
    expect(w.a.write(first, Buffer.from('still here'))).toBe(10)
    finishBsd(w)
  })

  it.each([C.IPPROTO_TCP, C.IPPROTO_MPTCP])(
    'both ends open at once: one connection, protocol %i',
    (protocol) => {
      const w = make()
      const open = (bsd: typeof w.a, local: string, port: number): number => {
        const fd = bsd.socket(C.AF_INET, C.SOCK_STREAM, protocol)
        expect(bsd.bind(fd, { address: local, port })).toBe(0)
        return fd
      }
      const a = open(w.a, CLIENT, 700)
      const b = open(w.b, SERVER, 800)
      w.a.connect(a, { address: SERVER, port: 800 })
      w.b.connect(b, { address: CLIENT, port: 700 })
      until(w, 'both connected', () => (w.a.poll(a) & w.b.poll(b) & C.POLLOUT) !== 0)
      w.a.write(a, Buffer.from('from a'))
      w.b.write(b, Buffer.from('from b'))
      const buffer = Buffer.alloc(10)
      const texts = (['a', 'b'] as const).map((end) => {
        const fd = end === 'a' ? a : b
        until(w, 'something to read', () => (w[end].poll(fd) & C.POLLIN) !== 0)
        return buffer.toString('latin1', 0, w[end].read(fd, buffer))
      })
      expect(texts).toEqual(['from b', 'from a'])
      expect(w.a.connectionOf(a)?.mode).toBe('fallback')
      finishBsd(w)
    },
  )
})
