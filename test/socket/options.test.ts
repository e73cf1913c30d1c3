// Socket options: the exact set, by whose rules, what each does to subflows that exist and that come, and
// what the options of SOL_MPTCP tell to a caller with little room.

import { describe, expect, it } from 'vitest'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from '../../ts/socket/constants.js'
import { newReno } from '../../ts/tcp/congestion/newreno.js'
import {
  bsdWorld,
  connected,
  finishBsd,
  listen,
  mptcpSocket,
  named,
  SERVER,
  until,
} from './bsd-world.js'

const TWO_PATHS = {
  paths: [
    { rate: 20e6, delay: 10 },
    { rate: 10e6, delay: 25 },
  ],
}

interface Elements {
  num_subflows: number
  size_kernel: number
  size_user: number
  data: Record<string, unknown>[]
}

describe('what Linux’s MPTCP socket', () => {
  it.each([
    ['SO_KEEPALIVE', C.SOL_SOCKET, C.SO_KEEPALIVE, 1, 1],
    ['SO_PRIORITY', C.SOL_SOCKET, C.SO_PRIORITY, 5, 5],
    ['SO_MARK', C.SOL_SOCKET, C.SO_MARK, 7, 7],
    ['SO_RCVLOWAT', C.SOL_SOCKET, C.SO_RCVLOWAT, 0, 1],
    ['SO_BROADCAST, which means nothing', C.SOL_SOCKET, C.SO_BROADCAST, 1, 0],
    ['TCP_CORK', C.SOL_TCP, C.TCP_CORK, 9, 1],
    ['TCP_KEEPIDLE', C.SOL_TCP, C.TCP_KEEPIDLE, 60, 60],
    ['TCP_KEEPINTVL', C.SOL_TCP, C.TCP_KEEPINTVL, 5, 5],
    ['TCP_KEEPCNT', C.SOL_TCP, C.TCP_KEEPCNT, 3, 3],
    ['TCP_MAXSEG', C.SOL_TCP, C.TCP_MAXSEG, 700, 700],
    ['TCP_NOTSENT_LOWAT', C.SOL_TCP, C.TCP_NOTSENT_LOWAT, 4096, 4096],
    ['TCP_INQ', C.SOL_TCP, C.TCP_INQ, 1, 1],
    ['TCP_DEFER_ACCEPT', C.SOL_TCP, C.TCP_DEFER_ACCEPT, 3, 3],
    ['IP_TOS without ECN', C.SOL_IP, C.IP_TOS, 0xff, 0xfc],
    ['IP_FREEBIND', C.SOL_IP, C.IP_FREEBIND, 1, 1],
    ['IP_BIND_ADDRESS_NO_PORT', C.SOL_IP, C.IP_BIND_ADDRESS_NO_PORT, 1, 1],
    ['IP_LOCAL_PORT_RANGE', C.SOL_IP, C.IP_LOCAL_PORT_RANGE, 40_001 * 65_536 + 40_000, 0x9c419c40],
    ['IPV6_TRANSPARENT', C.SOL_IPV6, C.IPV6_TRANSPARENT, 1, 1],
  ])('takes: %s', (_name, level, name, value, back) => {
    const w = bsdWorld()
    const fd = w.a.socket(C.AF_INET6, C.SOCK_STREAM, C.IPPROTO_MPTCP)
    expect(w.a.setsockopt(fd, level, name, value)).toBe(0)
    expect(w.a.getsockopt(fd, level, name)).toBe(back)
    finishBsd(w)
  })

  it.each([
    ['SO_ZEROCOPY', C.SOL_SOCKET, 60, 1, 'EOPNOTSUPP', 0],
    ['SO_OOBINLINE', C.SOL_SOCKET, C.SO_OOBINLINE, 1, 'EOPNOTSUPP', 0],
    ['SO_TIMESTAMPING', C.SOL_SOCKET, 37, 1, 'EOPNOTSUPP', 'ENOPROTOOPT'],
    ['SO_BINDTOIFINDEX', C.SOL_SOCKET, C.SO_BINDTOIFINDEX, 1, 'ENODEV', 'ENODEV'],
    ['TCP_USER_TIMEOUT', C.SOL_TCP, C.TCP_USER_TIMEOUT, 1, 'ENOPROTOOPT', 0],
    ['TCP_QUICKACK', C.SOL_TCP, C.TCP_QUICKACK, 1, 'ENOPROTOOPT', 0],
    ['TCP_SYNCNT', C.SOL_TCP, C.TCP_SYNCNT, 3, 'ENOPROTOOPT', 0],
    ['TCP_MD5SIG', C.SOL_TCP, 14, 1, 'ENOPROTOOPT', 'ENOPROTOOPT'],
    ['TCP_INQ of 2', C.SOL_TCP, C.TCP_INQ, 2, 'EINVAL', 'EINVAL'],
    ['TCP_KEEPCNT of 0', C.SOL_TCP, C.TCP_KEEPCNT, 0, 'EINVAL', 'EINVAL'],
    ['IP_MTU_DISCOVER', C.SOL_IP, C.IP_MTU_DISCOVER, 2, 'EOPNOTSUPP', 0],
    ['IPV6_TCLASS', C.SOL_IPV6, C.IPV6_TCLASS, 4, 'EOPNOTSUPP', 0],
    ['IP_OPTIONS', C.SOL_IP, 4, 1, 'ENOPROTOOPT', 'ENOPROTOOPT'],
  ])('refuses: %s', (_name, level, name, value, multipath, tcp) => {
    const w = bsdWorld()
    const [a, b] = [C.IPPROTO_MPTCP, C.IPPROTO_TCP].map((protocol) =>
      w.a.socket(C.AF_INET6, C.SOCK_STREAM, protocol),
    ) as [number, number]
    expect(named(w.a.setsockopt(a, level, name, value))).toBe(multipath)
    expect(named(w.a.setsockopt(b, level, name, value))).toBe(tcp)
    finishBsd(w)
  })

  it('a socket that fell back has the options of TCP', () => {
    const w = bsdWorld()
    const tcp = listen(w.b, 99, 8, w.b.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_TCP))
    const fd = mptcpSocket(w.a)
    expect(named(w.a.setsockopt(fd, C.SOL_TCP, C.TCP_USER_TIMEOUT, 5))).toBe('ENOPROTOOPT')
    w.a.connect(fd, { address: SERVER, port: 99 })
    until(w, 'fallback', () => w.a.connectionOf(fd)?.mode === 'fallback')
    expect(w.a.setsockopt(fd, C.SOL_TCP, C.TCP_USER_TIMEOUT, 5)).toBe(0)
    expect(tcp).toBeGreaterThan(0)
    finishBsd(w)
  })

  it('SOL_IPV6 is none of an AF_INET socket’s', () => {
    const w = bsdWorld()
    const fd = w.a.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_MPTCP)
    expect(named(w.a.setsockopt(fd, C.SOL_IPV6, C.IPV6_V6ONLY, 1))).toBe('ENOPROTOOPT')
    finishBsd(w)
  })
})

describe('options about binding', () => {
  it('IP_LOCAL_PORT_RANGE bounds the ports that bind and connect choose', () => {
    const w = bsdWorld()
    const range = 40_003 * 65_536 + 40_002
    const ports = [1, 2, 3].map(() => {
      const fd = mptcpSocket(w.a)
      w.a.setsockopt(fd, C.SOL_IP, C.IP_LOCAL_PORT_RANGE, range)
      const result = w.a.bind(fd, { address: '', port: 0 })
      return result === 0 ? w.a.getsockname(fd)?.port : named(result)
    })
    expect(ports.slice(0, 2).sort()).toEqual([40_002, 40_003])
    expect(ports[2]).toBe('EADDRINUSE')
    finishBsd(w)
  })

  it('IP_BIND_ADDRESS_NO_PORT leaves the port to connect, IP_FREEBIND takes any address', () => {
    const w = bsdWorld()
    const late = mptcpSocket(w.a)
    w.a.setsockopt(late, C.SOL_IP, C.IP_BIND_ADDRESS_NO_PORT, 1)
    expect(w.a.bind(late, { address: '', port: 0 })).toBe(0)
    expect(w.a.getsockname(late)?.port).toBe(0)
    const free = mptcpSocket(w.a)
    expect(named(w.a.bind(free, { address: '203.0.113.9', port: 1 }))).toBe('EADDRNOTAVAIL')
    w.a.setsockopt(free, C.SOL_IP, C.IP_FREEBIND, 1)
    expect(w.a.bind(free, { address: '203.0.113.9', port: 1 })).toBe(0)
    finishBsd(w)
  })
})

describe('what is still to be sent', () => {
  it('TCP_NOTSENT_LOWAT keeps a socket from being writable', () => {
    const w = bsdWorld()
    const { client } = connected(w)
    w.a.setsockopt(client, C.SOL_TCP, C.TCP_NOTSENT_LOWAT, 20_000)
    w.a.write(client, Buffer.alloc(150_000))
    w.clock.runUntil(w.clock.now() + 1)
    expect(w.a.poll(client) & C.POLLOUT).toBe(0)
    until(w, 'room', () => (w.a.poll(client) & C.POLLOUT) !== 0)
    expect(w.a.ioctl(client, C.SIOCOUTQNSD)).toBeLessThan(20_000)
    expect(w.a.ioctl(client, C.SIOCOUTQ)).toBeGreaterThan(0)
    finishBsd(w)
  })
})

describe('the options of SOL_MPTCP', () => {
  it('tell every subflow, as many as the caller has room for', () => {
    const w = bsdWorld(TWO_PATHS)
    const { client } = connected(w)
    w.a.write(client, Buffer.alloc(100_000))
    const ask = (name: number, request = {}): Elements | number =>
      w.a.getsockopt(client, C.SOL_MPTCP, name, request) as Elements | number
    until(w, 'two subflows', () => (ask(C.MPTCP_TCPINFO) as Elements).num_subflows === 2)
    w.clock.runUntil(w.clock.now() + 500)
    const all = ask(C.MPTCP_TCPINFO) as Elements
    expect(all.data.map((each) => each.tcpi_state)).toEqual([1, 1])
    const sent = all.data.map((each) => Number(each.tcpi_bytes_sent))
    expect(sent[0]! + sent[1]!).toBeGreaterThanOrEqual(100_000)
    const one = ask(C.MPTCP_TCPINFO, { length: 16 + 150, size_user: 100 }) as Elements
    expect([one.num_subflows, one.size_kernel, one.size_user, one.data.length]).toEqual([
      2, 248, 100, 1,
    ])
    const none = ask(C.MPTCP_SUBFLOW_ADDRS, { length: 16 }) as Elements
    expect([none.num_subflows, none.data.length]).toEqual([2, 0])
    const addresses = ask(C.MPTCP_SUBFLOW_ADDRS) as Elements
    expect(new Set(addresses.data.map((each) => JSON.stringify(each.sin_local))).size).toBe(2)
    finishBsd(w)
  })

  it.each([
    ['less than the header', { length: 15 }],
    ['a header that is too short', { size_subflow_data: 12 }],
    ['a header longer than all', { length: 20, size_subflow_data: 24 }],
    ['a count that is not ours to give', { num_subflows: 1 }],
    ['a size that is not ours to give', { size_kernel: 1 }],
  ])('refuse %s', (_name, request) => {
    const w = bsdWorld()
    const { client } = connected(w)
    expect(w.a.getsockopt(client, C.SOL_MPTCP, C.MPTCP_TCPINFO, request)).toBe(-E.EINVAL)
    finishBsd(w)
  })

  it('MPTCP_FULL_INFO tells both, and the connection', () => {
    const w = bsdWorld()
    const { client } = connected(w)
    const info = w.a.getsockopt(client, C.SOL_MPTCP, C.MPTCP_FULL_INFO, { size_arrays_user: 0 })
    expect(info).toMatchObject({ num_subflows: 1, size_sfinfo_kernel: 264, subflow_info: [] })
    expect(info).toMatchObject({ mptcp_info: { mptcpi_subflows_total: 1 } })
    expect(w.a.getsockopt(client, C.SOL_MPTCP, 99)).toBe(-E.EOPNOTSUPP)
    finishBsd(w)
  })
})

describe('SO_REUSEPORT', () => {
  const withReuse = (w: ReturnType<typeof bsdWorld>, port: number): number => {
    const fd = mptcpSocket(w.b)
    w.b.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEPORT, 1)
    w.b.bind(fd, { address: '', port })
    return fd
  }

  it('lets several listen where all have it, and shares the connections out', () => {
    const w = bsdWorld()
    const listeners = [1, 2].map(() => withReuse(w, 99))
    for (const fd of listeners) expect(w.b.listen(fd, 64)).toBe(0)
    const without = mptcpSocket(w.b)
    expect(named(w.b.bind(without, { address: '', port: 99 }))).toBe('EADDRINUSE')
    const clients = Array.from({ length: 40 }, () => mptcpSocket(w.a))
    for (const fd of clients) w.a.connect(fd, { address: SERVER, port: 99 })
    const accepted = [0, 0]
    until(w, 'all of them', () => {
      listeners.forEach((fd, i) => {
        while (w.b.accept(fd) > 0) accepted[i]!++
      })
      return accepted[0]! + accepted[1]! === clients.length
    })
    for (const count of accepted) expect(count).toBeGreaterThan(5)
    finishBsd(w)
  })
})

describe('TCP_CONGESTION', () => {
  it('takes each name of the table, and the name of the stack’s own', () => {
    const own = { name: 'own', create: newReno.create }
    const w = bsdWorld({ client: { congestion: own } })
    const fd = mptcpSocket(w.a)
    const told = (): unknown => w.a.getsockopt(fd, C.SOL_TCP, C.TCP_CONGESTION)
    expect(told()).toBe('own')
    const set = (name: string): number => w.a.setsockopt(fd, C.SOL_TCP, C.TCP_CONGESTION, name)
    expect([set('cubic'), told()]).toEqual([0, 'cubic'])
    expect([set('reno'), told()]).toEqual([0, 'newreno'])
    expect([set('bbr'), told()]).toEqual([-E.ENOENT, 'newreno'])
    expect([set('own'), told()]).toEqual([0, 'own'])
    finishBsd(w)
  })

  it('changes that of a connection under way, whose window goes on from where it stood', () => {
    const w = bsdWorld(TWO_PATHS)
    const { client } = connected(w)
    const connection = w.a.connectionOf(client)!
    until(w, 'a second subflow', () => connection.congestion.members.length === 2)
    const windows = (): number[] => connection.subflows.map(({ tcb }) => tcb.congestion.cwnd)
    const before = windows()
    expect(w.a.setsockopt(client, C.SOL_TCP, C.TCP_CONGESTION, 'cubic')).toBe(0)
    expect(windows()).toEqual(before)
    expect(connection.subflows.map(({ tcb }) => tcb.congestion)).toEqual(
      connection.congestion.members,
    )
    finishBsd(w)
  })
})
