// The drop-in and the flag over the host's own MPTCP, on a bed of two namespaces with two paths. Root only.

import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Bed, createBed, type Side, withoutBed } from '../harness/bed.js'
import { needBuild } from '../harness/built.js'

const NODE = process.execPath
const ECHO = fileURLToPath(new URL('echo.mjs', import.meta.url))
const UNCHANGED = fileURLToPath(new URL('unchanged.mjs', import.meta.url))
const REGISTER = [
  '--import',
  fileURLToPath(new URL('../../build/net/register.js', import.meta.url)),
]
const SERVER = '10.1.1.1'
const BYTES = 3_000_000

describe.skipIf(withoutBed())("over the host's own MPTCP", () => {
  let bed: Bed
  let port = 5100

  beforeAll(async () => {
    needBuild('net/index.js', 'net/register.js')
    bed = await createBed()
    for (const side of ['user', 'kernel'] as const) {
      await bed.run(side, 'ip', ['link', 'set', 'lo', 'up'])
      await bed.run(side, 'ip', [
        'mptcp',
        'limits',
        'set',
        'subflow',
        '2',
        'add_addr_accepted',
        '2',
      ])
    }
    await bed.run('user', 'ip', ['mptcp', 'endpoint', 'add', '10.1.2.2', 'dev', 'u2', 'subflow'])
  })

  afterAll(() => bed?.destroy())

  beforeEach(() => {
    port++
  })

  async function counter(side: Side, name: string): Promise<number> {
    const { stdout } = await bed.run(side, 'nstat', ['-asz', name])
    return Number(stdout.trim().split('\n').at(-1)!.trim().split(/\s+/)[1])
  }

  async function server(words: readonly string[]) {
    const running = bed.spawn('kernel', NODE, words, { deadline: 30_000 })
    await running.waitFor(/listening/)
    return running
  }

  it('a connection of the drop-in at both ends takes both paths', async () => {
    const serving = await server([ECHO, 'server', String(port)])
    const words = [ECHO, 'client', SERVER, String(port), String(BYTES), '2']
    const client = bed.spawn('user', NODE, words)
    expect(await client.event('whole')).toMatchObject({
      received: BYTES,
      provider: 'kernel',
      isMultipath: true,
      fallbackReason: null,
      subflows: 2,
    })
    expect(await serving.event('accepted')).toMatchObject({ provider: 'kernel', isMultipath: true })
    expect(await serving.event('listening')).toMatchObject({ address: '::', family: 'IPv6', port })
    expect([(await client.ended).status, (await serving.ended).status]).toEqual([0, 0])
  })

  it('towards plain TCP it falls back, and says so', async () => {
    const plain = `require('net').createServer((s) => s.pipe(s)).listen(${port}, () => console.log('listening'))`
    const serving = await server(['-e', plain])
    const client = bed.spawn('user', NODE, [ECHO, 'client', SERVER, String(port), '1000'])
    expect(await client.event('whole')).toMatchObject({
      received: 1000,
      isMultipath: false,
      fallbackReason: expect.stringContaining('does not speak MPTCP'),
    })
    serving.kill()
  })

  it("errors are Node's, at both ends", async () => {
    const client = bed.spawn('user', NODE, [ECHO, 'client', SERVER, String(port), '1'])
    expect(await client.event('error')).toMatchObject({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: SERVER,
      port,
    })
    await client.event('closed')
    const first = await server([ECHO, 'server', String(port)])
    const second = await bed.run('kernel', NODE, [ECHO, 'server', String(port)], { check: false })
    expect(second.stderr).toMatch(/listen EADDRINUSE: address already in use :::\d+/)
    first.kill()
  })

  it('where MPTCP is switched off it is TCP, and by name it is refused', async () => {
    await bed.run('user', 'sysctl', ['-q', 'net.mptcp.enabled=0'])
    try {
      const serving = await server([ECHO, 'server', String(port)])
      const words = [ECHO, 'client', SERVER, String(port), '1000']
      expect(await bed.spawn('user', NODE, words).event('whole')).toMatchObject({
        provider: 'tcp',
        isMultipath: false,
        fallbackReason: expect.stringContaining('sysctl net.mptcp.enabled=1'),
      })
      const env = { MPTCP_PROVIDER: 'kernel' }
      const byName = await bed.run('user', NODE, words, { check: false, env })
      expect(byName.stderr).toContain('ERR_MPTCP_PROVIDER')
      expect(byName.status).toBe(1)
      serving.kill()
    } finally {
      await bed.run('user', 'sysctl', ['-q', 'net.mptcp.enabled=1'])
    }
  })

  it('an unchanged program under the flag is MPTCP at both ends, and joins', async () => {
    const before = await counter('kernel', 'MPTcpExtMPJoinAckRx')
    const serving = await server([...REGISTER, UNCHANGED, 'server', String(port)])
    const url = `http://${SERVER}:${port}/`
    const { stdout } = await bed.run('user', NODE, [...REGISTER, UNCHANGED, 'client', url])
    expect(stdout).toBe('3000000 bytes\n')
    expect((await serving.ended).status).toBe(0)
    expect(await counter('kernel', 'MPTcpExtMPJoinAckRx')).toBeGreaterThan(before)
  })
})
