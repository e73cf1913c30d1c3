// The BSD calls in virtual time: the ways to open a socket, what each call answers, readiness, options,
// and what closing does to the peer.

import { describe, expect, it } from 'vitest'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from '../../ts/socket/constants.js'
import { BACKENDS, randomBytes } from '../contract/cores.js'
import {
  accept,
  type BsdWorld,
  bsdWorld,
  connect,
  connected,
  finishBsd,
  listen,
  mptcpSocket,
  named,
  PORT,
  readAll,
  SERVER,
  until,
} from './bsd-world.js'

const TWO_PATHS = {
  paths: [
    { rate: 20e6, delay: 10 },
    { rate: 10e6, delay: 25 },
  ],
}
const WAYS = [
  ['AF_INET and IPPROTO_MPTCP', C.AF_INET, C.IPPROTO_MPTCP],
  ['AF_INET6 and IPPROTO_MPTCP', C.AF_INET6, C.IPPROTO_MPTCP],
  ['AF_MULTIPATH', C.AF_MULTIPATH, 0],
] as const

/** All that can be observed of one conversation over sockets that were opened one way. */
function conversation(family: number, protocol: number): unknown[] {
  const w = bsdWorld(TWO_PATHS)
  const { a, b } = w
  const seen: unknown[] = []
  const open = (bsd: typeof a): number => bsd.socket(family, C.SOCK_STREAM, protocol)
  const options = (bsd: typeof a, fd: number): unknown[] =>
    [
      [C.SOL_SOCKET, C.SO_TYPE],
      [C.SOL_SOCKET, C.SO_PROTOCOL],
      [C.SOL_SOCKET, C.SO_ERROR],
      [C.SOL_SOCKET, C.SO_ACCEPTCONN],
      [C.SOL_SOCKET, C.SO_SNDBUF],
      [C.SOL_SOCKET, C.SO_RCVBUF],
      [C.SOL_TCP, C.TCP_NODELAY],
      [C.SOL_TCP, C.TCP_IS_MPTCP],
      [C.SOL_TCP, C.TCP_MAXSEG],
      [C.SOL_TCP, C.TCP_CONGESTION],
      [C.SOL_MPTCP, C.MPTCP_INFO],
    ].map(([level, name]) => bsd.getsockopt(fd, level!, name!))
  const { client, server, listener } = connected(w, open(a), open(b))
  seen.push(w.clock.now(), a.getpeername(client), b.getsockname(server))
  const data = randomBytes(300_000, 7)
  let written = 0
  let got = Buffer.alloc(0)
  until(w, 'all data', () => {
    if (written < data.length) written += Math.max(0, a.write(client, data.subarray(written)))
    got = Buffer.concat([got, readAll(b, server).bytes])
    return got.length === data.length
  })
  seen.push(Buffer.compare(got, data), w.clock.now(), options(a, client), options(b, server))
  seen.push(options(b, listener), a.poll(client), b.poll(server))
  seen.push(a.shutdown(client, C.SHUT_WR))
  until(w, 'the end', () => (b.poll(server) & C.POLLRDHUP) !== 0)
  seen.push(readAll(b, server), b.write(server, Buffer.from('bye')), b.close(server))
  until(w, 'the answer', () => (a.poll(client) & C.POLLRDHUP) !== 0)
  seen.push(readAll(a, client), w.clock.now(), a.close(client), b.close(listener))
  finishBsd(w)
  return seen
}

describe('the ways to open a socket', () => {
  const expected = conversation(C.AF_MULTIPATH, 0)

  it.each(WAYS)('%s gives the same conversation', (_name, family, protocol) => {
    expect(conversation(family, protocol)).toEqual(expected)
  })

  it.each(WAYS)('%s says its own family', (_name, family, protocol) => {
    const { a } = bsdWorld()
    const fd = a.socket(family, C.SOCK_STREAM, protocol)
    expect(a.getsockopt(fd, C.SOL_SOCKET, C.SO_DOMAIN)).toBe(family)
  })

  it('plain TCP is a protocol of the families of IP only', () => {
    const w = bsdWorld()
    const client = w.a.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_TCP)
    const ends = connected(w, client)
    expect(w.a.getsockopt(client, C.SOL_TCP, C.TCP_IS_MPTCP)).toBe(0)
    expect(w.a.getsockopt(client, C.SOL_MPTCP, C.MPTCP_INFO)).toBe(-E.EOPNOTSUPP)
    expect(w.b.getsockopt(ends.server, C.SOL_TCP, C.TCP_IS_MPTCP)).toBe(0)
    expect(w.client.counters.MPCapableSYNTX).toBe(0)
    finishBsd(w)
  })

  it.each([
    ['an unknown family', 1, C.SOCK_STREAM, 0, 'EAFNOSUPPORT'],
    ['datagrams', C.AF_INET, 2, 0, 'ESOCKTNOSUPPORT'],
    ['UDP', C.AF_INET, C.SOCK_STREAM, 17, 'EPROTONOSUPPORT'],
    ['AF_MULTIPATH with TCP', C.AF_MULTIPATH, C.SOCK_STREAM, C.IPPROTO_TCP, 'EPROTONOSUPPORT'],
  ])('%s is refused', (_name, family, type, protocol, error) => {
    const { a } = bsdWorld()
    expect(named(a.socket(family, type, protocol))).toBe(error)
    expect(a.size).toBe(0)
  })

  it('takes SOCK_NONBLOCK and SOCK_CLOEXEC in the type', () => {
    const { a } = bsdWorld()
    const type = C.SOCK_STREAM | C.SOCK_NONBLOCK | C.SOCK_CLOEXEC
    expect(a.socket(C.AF_INET, type, C.IPPROTO_MPTCP)).toBeGreaterThan(0)
  })
})

describe('what a call refuses', () => {
  const bind = (address: string, port: number) => (w: BsdWorld, fd: number) =>
    w.a.bind(fd, { address, port })
  const connectTo = (address: string, port: number) => (w: BsdWorld, fd: number) =>
    w.a.connect(fd, { address, port })

  it.each<[string, string | number, (w: BsdWorld, fd: number) => number]>([
    ['bind to what is no address', 'EINVAL', bind('here', 1)],
    ["bind to another host's address", 'EADDRNOTAVAIL', bind(SERVER, 1)],
    ['bind to no port', 'EINVAL', bind('', 65_536)],
    ['bind to half a port', 'EINVAL', bind('', 1.5)],
    ['bind to any port', 0, bind('10.0.1.1', 0)],
    ['bind twice', 'EINVAL', (w, fd) => bind('', 1)(w, fd) || bind('', 2)(w, fd)],
    ['connect to what is no address', 'EINVAL', connectTo('there', 1)],
    ['connect to port 0', 'EINVAL', connectTo(SERVER, 0)],
    ['connect without a path of the family', 'ENETUNREACH', connectTo('fd00::1', 1)],
    ['connect twice', 'EALREADY', (w, fd) => connectTo(SERVER, 1)(w, connect(w, fd))],
    [
      'connect while listening',
      'EOPNOTSUPP',
      (w, fd) => connectTo(SERVER, 1)(w, listen(w.a, 1, 1, fd)),
    ],
    ['listen twice', 'EINVAL', (w, fd) => w.a.listen(listen(w.a, 1, 1, fd), 1)],
    [
      'listen where another does',
      'EADDRINUSE',
      (w, fd) => {
        listen(w.a, 9)
        return bind('', 9)(w, fd) || w.a.listen(fd, 1)
      },
    ],
    ['accept without listening', 'EINVAL', (w, fd) => w.a.accept(fd)],
    ['accept when nobody called', 'EAGAIN', (w, fd) => w.a.accept(listen(w.a, 1, 1, fd))],
    ['read before a connection', 'ENOTCONN', (w, fd) => w.a.read(fd, Buffer.alloc(1))],
    ['write before a connection', 'EPIPE', (w, fd) => w.a.write(fd, Buffer.alloc(1))],
    ['write while connecting', 'EAGAIN', (w, fd) => w.a.write(connect(w, fd), Buffer.alloc(1))],
    ['shutdown before a connection', 'ENOTCONN', (w, fd) => w.a.shutdown(fd, C.SHUT_WR)],
    [
      'an unknown option to read',
      'ENOPROTOOPT',
      (w, fd) => w.a.getsockopt(fd, C.SOL_SOCKET, 999) as number,
    ],
    ['an unknown option to set', 'ENOPROTOOPT', (w, fd) => w.a.setsockopt(fd, C.SOL_TCP, 999, 1)],
    [
      'MPTCP_INFO before a connection',
      'ENOTCONN',
      (w, fd) => w.a.getsockopt(fd, C.SOL_MPTCP, C.MPTCP_INFO) as number,
    ],
  ])('%s: %s', (_name, error, call) => {
    const w = bsdWorld()
    expect(named(call(w, mptcpSocket(w.a)))).toBe(error)
    finishBsd(w)
  })

  it('an AF_INET socket takes no IPv6 address, one of AF_INET6 takes IPv4 unless told otherwise', () => {
    const w = bsdWorld()
    const four = w.a.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_MPTCP)
    const six = w.a.socket(C.AF_INET6, C.SOCK_STREAM, C.IPPROTO_MPTCP)
    expect(named(w.a.connect(four, { address: 'fd00::1', port: 1 }))).toBe('EAFNOSUPPORT')
    expect(w.a.setsockopt(six, C.IPPROTO_IPV6, C.IPV6_V6ONLY, 1)).toBe(0)
    expect(named(w.a.connect(six, { address: SERVER, port: 1 }))).toBe('EAFNOSUPPORT')
    expect(w.a.setsockopt(six, C.IPPROTO_IPV6, C.IPV6_V6ONLY, 0)).toBe(0)
    expect(named(w.a.connect(six, { address: SERVER, port: 1 }))).toBe('EINPROGRESS')
    finishBsd(w)
  })

  it('every call knows a descriptor that is none', () => {
    const { a } = bsdWorld()
    const address = { address: '', port: 1 }
    const results = [
      a.bind(9, address),
      a.listen(9, 1),
      a.accept(9),
      a.connect(9, address),
      a.read(9, Buffer.alloc(1)),
      a.write(9, Buffer.alloc(1)),
      a.shutdown(9, C.SHUT_WR),
      a.close(9),
      a.poll(9),
      a.watch(9, null),
      a.getsockopt(9, C.SOL_SOCKET, C.SO_TYPE),
      a.setsockopt(9, C.SOL_SOCKET, C.SO_LINGER, 0),
    ]
    expect(results).toEqual(results.map(() => -E.EBADF))
    expect([a.getsockname(9), a.getpeername(9)]).toEqual([null, null])
  })
})

describe('opening a connection', () => {
  it('says POLLOUT and SO_ERROR 0 when it stands', () => {
    const w = bsdWorld()
    listen(w.b)
    const fd = connect(w)
    expect(w.a.poll(fd)).toBe(0)
    until(w, 'POLLOUT', () => w.a.poll(fd) === C.POLLOUT)
    expect(w.a.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)).toBe(0)
    // The first to ask again is told so, as if it had waited.
    const again = () => named(w.a.connect(fd, { address: SERVER, port: PORT }))
    expect([again(), again()]).toEqual([named(0), 'EISCONN'])
    expect(w.a.getpeername(fd)).toEqual({ address: SERVER, port: PORT })
    finishBsd(w)
  })

  it('says POLLERR and the reason once when it is refused', () => {
    const w = bsdWorld()
    const fd = connect(w)
    until(w, 'POLLERR', () => (w.a.poll(fd) & C.POLLERR) !== 0)
    // A write does not block: it fails.
    expect(w.a.poll(fd) & (C.POLLHUP | C.POLLOUT)).toBe(C.POLLHUP | C.POLLOUT)
    expect(w.a.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)).toBe(E.ECONNREFUSED)
    expect(w.a.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)).toBe(0)
    finishBsd(w)
  })

  it('says ETIMEDOUT when nobody answers', () => {
    const w = bsdWorld({ both: { openTimeoutMs: 3000 } })
    w.paths[0]!.cut()
    const fd = connect(w)
    until(w, 'POLLERR', () => (w.a.poll(fd) & C.POLLERR) !== 0)
    expect(w.a.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)).toBe(E.ETIMEDOUT)
    finishBsd(w)
  })

  it('a backlog that is full drops SYNs, and takes them when there is room', () => {
    const w = bsdWorld({ server: { synCookies: 0 } })
    const listener = listen(w.b, PORT, 2)
    const clients = [1, 2, 3].map(() => connect(w))
    w.clock.runUntil(w.clock.now() + 500)
    const standing = (): number => clients.filter((fd) => w.a.poll(fd) & C.POLLOUT).length
    expect([standing(), w.server.counters.TcpExtListenOverflows]).toEqual([2, 1])
    accept(w, listener)
    until(w, 'the third', () => standing() === 3)
    finishBsd(w)
  })

  it('closing a listener resets those that nobody accepted', () => {
    const w = bsdWorld()
    const listener = listen(w.b)
    const fd = connect(w)
    until(w, 'POLLOUT', () => (w.a.poll(fd) & C.POLLOUT) !== 0)
    w.clock.runUntil(w.clock.now() + 100)
    w.b.close(listener)
    until(w, 'POLLERR', () => (w.a.poll(fd) & C.POLLERR) !== 0)
    expect(named(w.a.read(fd, Buffer.alloc(1)))).toBe('ECONNRESET')
    finishBsd(w)
  })
})

describe('reading and writing', () => {
  it('tells one that only asked for POLLOUT when there is room, though none of its writes failed', () => {
    const w = bsdWorld({ client: { sendBufferBytes: 4096 } })
    const { client } = connected(w)
    const room = 4096
    expect(w.a.write(client, Buffer.alloc(room))).toBe(room)
    expect(w.a.poll(client) & C.POLLOUT).toBe(0)
    let told = false
    w.a.watch(client, () => {
      told ||= (w.a.poll(client) & C.POLLOUT) !== 0
    })
    until(w, 'the watcher', () => told)
    finishBsd(w)
  })

  it('writes what the buffer takes, then EAGAIN, then POLLOUT when there is room', () => {
    const w = bsdWorld({ both: { sendBufferBytes: 100_000, receiveBufferBytes: 100_000 } })
    const { client, server } = connected(w)
    const data = randomBytes(1_000_000, 3)
    expect(w.a.write(client, data)).toBe(100_000)
    expect(named(w.a.write(client, data.subarray(100_000)))).toBe('EAGAIN')
    expect(w.a.poll(client) & C.POLLOUT).toBe(0)
    let written = 100_000
    let got = Buffer.alloc(0)
    until(w, 'all data', () => {
      if (w.a.poll(client) & C.POLLOUT) {
        written += Math.max(0, w.a.write(client, data.subarray(written)))
      }
      if (w.b.poll(server) & C.POLLIN) got = Buffer.concat([got, readAll(w.b, server).bytes])
      return got.length === data.length
    })
    expect(Buffer.compare(got, data)).toBe(0)
    finishBsd(w)
  })

  it('a watcher is told in the turn in which something happened', () => {
    const w = bsdWorld()
    const { client, server } = connected(w)
    let told = 0
    w.b.watch(server, () => told++)
    w.a.write(client, Buffer.from('x'))
    until(w, 'the byte', () => told > 0)
    expect([w.b.poll(server) & C.POLLIN, w.b.readableBytes(server)]).toEqual([C.POLLIN, 1])
    finishBsd(w)
  })

  it('half-closes: the other direction goes on', () => {
    const w = bsdWorld()
    const { client, server } = connected(w)
    w.a.write(client, Buffer.from('question'))
    expect(w.a.shutdown(client, C.SHUT_WR)).toBe(0)
    expect(named(w.a.write(client, Buffer.from('more')))).toBe('EPIPE')
    until(w, 'the end', () => (w.b.poll(server) & C.POLLRDHUP) !== 0)
    expect(String(readAll(w.b, server).bytes)).toBe('question')
    expect(w.b.read(server, Buffer.alloc(1))).toBe(0)
    w.b.write(server, Buffer.from('answer'))
    until(w, 'the answer', () => (w.a.poll(client) & C.POLLIN) !== 0)
    expect(readAll(w.a, client)).toEqual({ bytes: Buffer.from('answer'), end: 'EAGAIN' })
    finishBsd(w)
  })

  it('SHUT_RD reads nothing more and lets the peer finish', () => {
    const w = bsdWorld()
    const { client, server } = connected(w)
    expect(w.b.shutdown(server, C.SHUT_RD)).toBe(0)
    w.a.write(client, randomBytes(50_000, 1))
    w.a.close(client)
    until(w, 'the close', () => w.a.closingCount === 0 || (w.b.poll(server) & C.POLLRDHUP) !== 0)
    expect(w.b.read(server, Buffer.alloc(1))).toBe(0)
    w.b.close(server)
    until(w, 'both ends', () => w.a.closingCount === 0 && w.b.closingCount === 0)
    expect(w.client.counters.TcpEstabResets).toBe(0)
    finishBsd(w)
  })
})

describe('options', () => {
  it('Nagle starts on, and holds a small piece back while another is unacknowledged', () => {
    const w = bsdWorld()
    const { client } = connected(w)
    const before = w.client.counters.TcpOutSegs
    for (let i = 0; i < 3; i++) {
      w.a.write(client, Buffer.from('x'))
      w.clock.runUntil(w.clock.now() + 1)
    }
    expect(w.client.counters.TcpOutSegs - before).toBe(1)
    expect(w.a.setsockopt(client, C.SOL_TCP, C.TCP_NODELAY, 1)).toBe(0)
    w.clock.runUntil(w.clock.now() + 1)
    expect(w.client.counters.TcpOutSegs - before).toBe(2)
    finishBsd(w)
  })

  it('buffers can be made smaller, and never larger than the stack allows', () => {
    const w = bsdWorld({ both: { sendBufferBytes: 100_000 } })
    const fd = mptcpSocket(w.a)
    w.a.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, 1e9)
    expect(w.a.getsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF)).toBe(200_000)
    w.a.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, 8192)
    const { client } = connected(w, fd)
    expect(w.a.write(client, Buffer.alloc(50_000))).toBe(8192)
    finishBsd(w)
  })

  it('MPTCP_INFO counts subflows and the bytes of the data level', () => {
    const w = bsdWorld(TWO_PATHS)
    const { client, server } = connected(w)
    w.a.write(client, Buffer.alloc(1000))
    until(w, 'the second subflow', () => {
      const info = w.a.getsockopt(client, C.SOL_MPTCP, C.MPTCP_INFO)
      return (info as { mptcpi_subflows: number }).mptcpi_subflows === 1
    })
    until(w, 'the data', () => w.b.readableBytes(server) === 1000)
    w.clock.runUntil(w.clock.now() + 500)
    expect(w.a.getsockopt(client, C.SOL_MPTCP, C.MPTCP_INFO)).toMatchObject({
      mptcpi_fallback: false,
      mptcpi_remote_key_received: true,
      mptcpi_write_seq: 1001,
      mptcpi_snd_una: 1001,
      mptcpi_rcv_nxt: 1,
    })
    finishBsd(w)
  })
})

describe('closing', () => {
  const ended = (w: BsdWorld): boolean => w.a.closingCount === 0 && w.b.closingCount === 0

  it('delivers what was written', () => {
    const w = bsdWorld()
    const { client, server } = connected(w)
    const data = randomBytes(200_000, 5)
    expect(w.a.write(client, data)).toBe(data.length)
    w.a.close(client)
    let got = Buffer.alloc(0)
    until(w, 'the end', () => {
      got = Buffer.concat([got, readAll(w.b, server).bytes])
      return (w.b.poll(server) & C.POLLRDHUP) !== 0 && w.b.readableBytes(server) === 0
    })
    expect(Buffer.compare(got, data)).toBe(0)
    w.b.close(server)
    until(w, 'both ends', () => ended(w))
    finishBsd(w)
  })

  it('with unread data is a reset', () => {
    const w = bsdWorld()
    const { client, server } = connected(w)
    w.a.write(client, Buffer.from('unheard'))
    until(w, 'the data', () => w.b.readableBytes(server) > 0)
    w.b.close(server)
    until(w, 'POLLERR', () => (w.a.poll(client) & C.POLLERR) !== 0)
    expect(named(w.a.read(client, Buffer.alloc(1)))).toBe('ECONNRESET')
    expect(w.server.counters.MPFastcloseTx).toBeGreaterThan(0)
    finishBsd(w)
  })

  it('with SO_LINGER 0 is a reset', () => {
    const w = bsdWorld()
    const { client, server } = connected(w)
    w.a.setsockopt(client, C.SOL_SOCKET, C.SO_LINGER, 0)
    w.a.close(client)
    until(w, 'POLLERR', () => (w.b.poll(server) & C.POLLERR) !== 0)
    expect(named(w.b.write(server, Buffer.from('x')))).toBe('ECONNRESET')
    expect(named(w.b.write(server, Buffer.from('x')))).toBe('EPIPE')
    until(w, 'both ends', () => ended(w))
    finishBsd(w)
  })

  it('while connecting gives the attempt up', () => {
    const w = bsdWorld()
    w.paths[0]!.cut()
    const fd = connect(w)
    w.clock.runUntil(w.clock.now() + 100)
    expect(w.a.close(fd)).toBe(0)
    until(w, 'the end', () => ended(w))
    expect(w.client.connectionCount).toBe(0)
    finishBsd(w)
  })

  it('data that came before a reset is still read', () => {
    const w = bsdWorld()
    const { client, server } = connected(w)
    w.a.write(client, Buffer.from('last words'))
    until(w, 'the data', () => w.b.readableBytes(server) > 0)
    w.a.abort(client)
    until(w, 'POLLERR', () => (w.b.poll(server) & C.POLLERR) !== 0)
    expect(readAll(w.b, server)).toEqual({ bytes: Buffer.from('last words'), end: 'ECONNRESET' })
    finishBsd(w)
  })
})

describe.each(BACKENDS)('a stack that closes, %s core', (core) => {
  it('tells each watcher, and says of what was under way or unread that it is lost', () => {
    const w = bsdWorld({ ...TWO_PATHS, both: { core } })
    const { client, server, listener } = connected(w)
    w.b.write(server, Buffer.from('unread'))
    until(w, 'the data', () => w.a.readableBytes(client) > 0)
    w.clock.runUntil(w.clock.now() + 1000)
    let told = 0
    for (const bsd of [w.a, w.b]) bsd.watch(3 + (bsd === w.b ? 1 : 0), () => told++)
    w.client.close()
    w.server.close()
    w.clock.runUntil(w.clock.now() + 1)
    expect(told).toBe(2)
    expect(named(w.a.read(client, Buffer.alloc(9)))).toBe('ECONNABORTED')
    expect(w.b.getsockopt(server, C.SOL_SOCKET, C.SO_ERROR)).toBe(0)
    expect(w.client.counters.TcpExtTCPAbortOnClose).toBe(1)
    expect(w.server.counters.TcpExtTCPAbortOnClose).toBe(0)
    expect([w.b.close(server), w.b.close(listener)]).toEqual([0, 0])
    finishBsd(w)
  })

  it('refuses what would open or send with ENETDOWN, and frees what nobody owns', () => {
    const w = bsdWorld({ ...TWO_PATHS, both: { core } })
    const { server } = connected(w)
    const waiting = connect(w)
    w.clock.runUntil(w.clock.now() + 500)
    w.a.write(waiting, Buffer.from('nobody has accepted it'))
    w.clock.runUntil(w.clock.now() + 500)
    const bare = mptcpSocket(w.b)
    w.server.close()
    expect([w.server.connectionCount, w.server.liveSlots]).toEqual([0, 0])
    w.clock.runUntil(w.clock.now() + 1)
    const address = { address: '10.0.1.1', port: PORT }
    for (const answer of [
      mptcpSocket(w.b),
      w.b.bind(bare, { address: '', port: 0 }),
      w.b.listen(bare, 1),
      w.b.connect(bare, address),
      w.b.sendto(bare, Buffer.from('x'), C.MSG_FASTOPEN, address),
      w.b.write(server, Buffer.from('x')),
    ]) {
      expect(named(answer)).toBe('ENETDOWN')
    }
    finishBsd(w)
  })

  it('one of those who wait for the end that throws keeps nobody else waiting', () => {
    const w = bsdWorld({ ...TWO_PATHS, both: { core } })
    const { client } = connected(w)
    w.a.write(client, Buffer.from('x'))
    w.a.close(client)
    let told = 0
    w.a.whenDrained(() => {
      throw new Error('of the user')
    })
    w.a.whenDrained(() => told++)
    const takeBack = w.a.whenDrained(() => told++)
    takeBack()
    w.client.close()
    expect(() => w.clock.runUntil(w.clock.now() + 1)).toThrow('of the user')
    w.clock.runUntil(w.clock.now() + 1)
    expect(told).toBe(1)
    finishBsd(w)
  })
})

describe('a link-local address', () => {
  const paths = [{ delay: 5 }, { delay: 5 }].map((shape, i) => ({
    ...shape,
    a: { host: 'client', addresses: [`fe80::${i}1`] },
    b: { host: 'server', addresses: [`fe80::${i}2`] },
  }))

  it.each([
    ['fe80::2%p1', 'fe80::1'],
    ['fe80::12%p2', 'fe80::11'],
  ])('%s is reached by the link of its zone, from %s', (address, from) => {
    const w = bsdWorld({ paths })
    listen(w.b)
    const fd = mptcpSocket(w.a)
    expect(named(w.a.connect(fd, { address, port: PORT }))).toBe('EINPROGRESS')
    until(w, 'connected', () => (w.a.poll(fd) & C.POLLOUT) !== 0)
    expect(w.a.getsockname(fd)?.address).toBe(from)
    finishBsd(w)
  })

  it.each(['fe80::2', 'fe80::2%p3', 'fe80::2%', '10.0.1.2%p1'])('%s is refused', (address) => {
    const w = bsdWorld({ paths })
    const fd = mptcpSocket(w.a)
    expect(named(w.a.connect(fd, { address, port: PORT }))).toBe('EINVAL')
    finishBsd(w)
  })

  it('is bound on the link of its zone, and on no other', () => {
    const w = bsdWorld({ paths })
    const [one, two] = [mptcpSocket(w.a), mptcpSocket(w.a)]
    expect(named(w.a.bind(one, { address: 'fe80::1%p2', port: 5 }))).toBe('EADDRNOTAVAIL')
    expect(w.a.bind(two, { address: 'fe80::1%p1', port: 5 })).toBe(0)
    finishBsd(w)
  })
})
