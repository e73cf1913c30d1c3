// Fast Open's bounds: how many may wait for their third ACK, and how many cookies a client keeps. RFC 7413.

import { describe, expect, it } from 'vitest'
import { sipHashBytes } from '../../ts/siphash.js'
import { FastOpenCache, makeCookie, synDataRoom } from '../../ts/tcp/fast-open.js'
import { addressFromBytes, type IpAddress, parseAddress } from '../../ts/wire/address.js'

const address = (text: string): IpAddress => parseAddress(text) as IpAddress

describe('SipHash-2-4', () => {
  // The first vectors of the authors' reference: key 0 to 15, messages 0, 1, 2 …
  it.each([
    [0, '310e0edd47db6f72'],
    [1, 'fd67dc93c539f874'],
    [7, '37d1018bf50002ab'],
    [8, '6224939a79f5f593'],
    [15, 'e545be4961ca29a1'],
  ])('of %i bytes', (length, expected) => {
    const key = Uint8Array.from({ length: 16 }, (_, i) => i)
    const message = Uint8Array.from({ length }, (_, i) => i)
    expect(Buffer.from(sipHashBytes(key, message)).toString('hex')).toBe(expected)
  })
})

describe('a Fast Open cookie', () => {
  it.each([
    ['192.0.2.1', '192.168.0.1', '3021b9d889017eeb'],
    ['fd3d:fa7b:d17d::1', 'fd3d:a0b:17d6::1', 'c1d1e9742a47a9bc'],
  ])('of %s is the one that Linux gives', (client, server, expected) => {
    const key = Uint8Array.from(Buffer.from('a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4', 'hex'))
    const cookie = makeCookie(key, address(client), address(server))
    expect(Buffer.from(cookie).toString('hex')).toBe(expected)
  })
})

describe('the cache of cookies', () => {
  const own = address('10.0.0.1')
  const option = { cookie: Uint8Array.of(1, 2, 3, 4), experimental: false }

  it('holds a bounded number of servers, and drops the one heard of least lately', () => {
    const cache = new FastOpenCache()
    const server = (i: number): IpAddress =>
      addressFromBytes(Uint8Array.of(10, 1, (i >> 8) & 255, i & 255))
    for (let i = 0; i < 1024; i++) cache.set(own, server(i), 1460, option, 0)
    cache.set(own, server(0), 1460, option, 0)
    for (let i = 1024; i < 2047; i++) cache.set(own, server(i), 1460, option, 0)
    expect(cache.size).toBe(1024)
    expect(cache.get(own, server(0))).not.toBeNull()
    expect(cache.get(own, server(1))).toBeNull()
  })

  it('tries the older form once where a request was ignored', () => {
    const cache = new FastOpenCache()
    const server = address('10.1.0.1')
    cache.set(own, server, 1460, null, 1)
    expect(cache.get(own, server)?.ignored).toBe(1)
    cache.set(own, server, 1460, null, 2)
    cache.set(own, server, 1460, null, 1)
    expect(cache.get(own, server)?.ignored).toBe(2)
  })

  it('leaves room for every option beside the data', () => {
    expect(synDataRoom(1460, 0)).toBe(1420)
    expect(synDataRoom(1460, 940)).toBe(900)
    expect(synDataRoom(1460, 10_000)).toBe(1420)
    expect(synDataRoom(1460, 20)).toBe(0)
  })
})
