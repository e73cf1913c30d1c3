// The host's own MPTCP sockets, kernel to kernel across a bed: root only. Shows as well that the bed
// and the kernel peer work, on which the tests of our own stack stand.

import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { KernelMptcpInfo } from '../../ts/socket/kernel.js'
import { type Bed, createBed, type Side, withoutBed } from '../harness/bed.js'
import type { BedProcess } from '../harness/bed-process.js'
import { BUILD, KERNEL_PEER, needBuild } from '../harness/built.js'

const NODE = process.execPath
const MEGABYTE = 1_000_000

interface Closed {
  bytesSent: number
  bytesReceived: number
  sha256: string
  sentSha256: string
  mismatchAt: number
  seconds: number
  info: KernelMptcpInfo | null
  /** Most subflows seen at once. */
  maxSubflows: number
}

describe.skipIf(withoutBed())("the host's own MPTCP sockets", () => {
  let bed: Bed
  const peers: BedProcess[] = []

  beforeAll(async () => {
    needBuild('socket/kernel.js', 'socket/kernel-endpoints.js')
    bed = await createBed({ rates: ['50mbit', '50mbit'] })
  })

  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.kill()
    for (const side of ['kernel', 'user'] as const) await bed.flushEndpoints(side)
  })

  afterAll(async () => {
    await bed?.destroy()
  })

  function peer(side: Side, words: string[], deadline = 20_000): BedProcess {
    const started = bed.spawn(side, NODE, [KERNEL_PEER, ...words], { deadline })
    peers.push(started)
    return started
  }

  async function serve(words: string[] = []): Promise<{ server: BedProcess; port: string }> {
    const server = peer('kernel', ['server', '--port', '0', ...words])
    const { port } = await server.event('listening')
    return { server, port: String(port) }
  }

  const call = (port: string, words: string[] = [], host = '10.1.1.1') =>
    peer('user', ['client', '--host', host, '--port', port, ...words])

  const closed = async (of: BedProcess) => (await of.event('closed', 15_000)) as unknown as Closed

  /** Runs statements with the functions of a compiled module in scope; they print JSON. */
  async function evaluate(module: string, statements: string): Promise<unknown> {
    const script = `const m = await import('${BUILD}/${module}'); ${statements}`
    const words = ['--input-type=module', '-e', script]
    const { stdout } = await bed.run('user', NODE, words)
    return JSON.parse(stdout)
  }

  it.each([
    ['IPv4', '10.1.1.1'],
    ['IPv6', 'fd01:1::1'],
  ])('carry data both ways over two subflows (%s)', async (name, host) => {
    const family = name === 'IPv4' ? 4 : 6
    await bed.addEndpoint('user', { path: 2, family, id: 2, flags: ['subflow'] })
    const size = 5 * MEGABYTE
    const words = (seed: number, expected: number) => [
      ...['--send', String(size), '--seed', String(seed), '--expect', String(expected)],
    ]
    const { server, port } = await serve(words(1, 2))
    const client = call(port, words(2, 1), host)
    const [there, here] = await Promise.all([closed(server), closed(client)])
    expect(there).toMatchObject({ bytesReceived: size, mismatchAt: -1, sha256: here.sentSha256 })
    expect(here).toMatchObject({ bytesReceived: size, mismatchAt: -1, sha256: there.sentSha256 })
    for (const { info, maxSubflows } of [there, here]) {
      expect(maxSubflows).toBe(2)
      expect(info).toMatchObject({
        flags: { fallback: false, remoteKeyReceived: true },
        checksum: false,
      })
    }
    expect((await client.ended).status).toBe(0)
    expect((await bed.stat('kernel')).MPTcpExtMPJoinAckRx).toBeGreaterThan(0)
  })

  it('take an address that is announced', async () => {
    await bed.addEndpoint('kernel', { path: 2, id: 5, flags: ['signal'] })
    const { server, port } = await serve(['--end', 'told'])
    const client = call(port, ['--end', 'told'])
    await server.event('connected')
    await expect
      .poll(async () => {
        client.write('info\n')
        const { info } = client.events().findLast((event) => event.event === 'info') ?? {}
        return (info as KernelMptcpInfo | undefined)?.subflowsTotal
      })
      .toBe(2)
    server.write('end\n')
    client.write('end\n')
    expect((await closed(client)).info).toMatchObject({ addAddrAccepted: 1 })
    await server.ended
  })

  it('are plain TCP on request, and then have no MPTCP_INFO', async () => {
    const { server, port } = await serve(['--tcp'])
    const client = call(port, ['--tcp', '--send', '1000'])
    expect(await closed(server)).toMatchObject({ bytesReceived: 1000, info: null })
    expect((await closed(client)).info).toBeNull()
  })

  it('fall back to TCP towards a peer without MPTCP, and then have none either', async () => {
    const { server, port } = await serve(['--tcp'])
    const client = call(port, ['--send', '1000'])
    expect((await closed(client)).info).toBeNull()
    expect(await closed(server)).toMatchObject({ bytesReceived: 1000 })
  })

  it('half close: one side ends, the other goes on', async () => {
    const { server, port } = await serve(['--send', '200000', '--end', 'received'])
    const client = call(port, ['--send', '100', '--expect', '1'])
    expect(await closed(client)).toMatchObject({ bytesReceived: 200_000, mismatchAt: -1 })
    expect(await closed(server)).toMatchObject({ bytesReceived: 100 })
  })

  it('wait for a slow reader', async () => {
    const { server, port } = await serve(['--read-rate', '2000000', '--expect', '1'])
    const client = call(port, ['--send', '1000000', '--end', 'told'])
    await client.event('connected')
    client.write('end\n')
    const { bytesReceived, seconds, mismatchAt } = await closed(server)
    expect({ bytesReceived, mismatchAt }).toEqual({ bytesReceived: 1_000_000, mismatchAt: -1 })
    expect(seconds).toBeGreaterThan(0.4)
  })

  it('echo, and reset when told', async () => {
    const { server, port } = await serve(['--echo', '--connections', '2'])
    const client = call(port, ['--send', '300000', '--expect', '1'])
    expect(await closed(client)).toMatchObject({ bytesReceived: 300_000, mismatchAt: -1 })
    const second = call(port, ['--end', 'told'])
    await second.event('connected')
    await expect.poll(() => server.events().filter((e) => e.event === 'connected').length).toBe(2)
    second.write('reset\n')
    expect(await server.event('error')).toMatchObject({ code: 'ECONNRESET' })
    expect((await server.ended).status).toBe(1)
  })

  it('say so when nobody listens, and when nobody answers', async () => {
    const start = performance.now()
    expect(await call('9').event('error')).toMatchObject({ code: 'ECONNREFUSED' })
    expect(await call('9', [], 'fd01:1::1').event('error')).toMatchObject({ code: 'ECONNREFUSED' })
    const nobody = call('9', ['--timeout', '300'], '10.1.1.99')
    expect(await nobody.event('error')).toMatchObject({ code: 'ETIMEDOUT' })
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('say so when the kernel has MPTCP switched off', async () => {
    await bed.sysctl('user', { 'net.mptcp.enabled': 0 })
    const error = await call('9').event('error')
    await bed.sysctl('user', { 'net.mptcp.enabled': 1 })
    expect(error).toMatchObject({
      code: 'EPROTONOSUPPORT',
      message: expect.stringContaining('net.mptcp.enabled=1'),
    })
  })

  it('say so when the address is in use', async () => {
    const { port } = await serve()
    const second = peer('kernel', ['server', '--port', port])
    expect(await second.event('error')).toMatchObject({ code: 'EADDRINUSE' })
  })

  it('have endpoints and limits that can be set', async () => {
    const shown = await evaluate(
      'socket/kernel-endpoints.js',
      `const one = await m.addEndpoint({ address: '10.1.2.2', device: 'u2', flags: ['subflow'] })
      const two = await m.addEndpoint({ address: 'fd01:2::2', id: 9, flags: ['signal', 'backup'] })
      const both = await m.listEndpoints()
      let again
      try { await m.addEndpoint({ address: '10.1.2.2', device: 'u2', flags: ['subflow'] }) }
      catch (error) { again = error.code }
      await m.removeEndpoint(one)
      const left = await m.listEndpoints()
      await m.setMptcpLimits({ subflows: 3, addAddrAccepted: 4 })
      console.log(JSON.stringify({ one, two, both, again, left, limits: await m.mptcpLimits() }))`,
    )
    expect(shown).toMatchObject({
      one: expect.any(Number),
      two: 9,
      both: [{ address: '10.1.2.2' }, { address: 'fd01:2::2', id: 9 }],
      again: 'EEXIST',
      left: [{ address: 'fd01:2::2', id: 9 }],
      limits: { subflows: 3, addAddrAccepted: 4 },
    })
    await bed.setLimits('user', 8, 8)
  })
})

describe('the module of kernel sockets', () => {
  it('can be loaded without koffi', async () => {
    // Only asking for a socket needs it.
    const file = fileURLToPath(new URL('../../ts/socket/kernel.ts', import.meta.url))
    await expect(import(file)).resolves.toHaveProperty('kernelConnect')
  })
})
