// What our process changes on the host: the kernel stays silent on our ports while it runs, and
// nothing is left when it has ended, however that was.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { withoutBed } from '../harness/bed.js'
import { BUILD } from '../harness/built.js'
import { bothWhole, Interop, streams } from '../harness/interop.js'

describe.skipIf(withoutBed())('the guard of a stack', () => {
  let net: Interop

  beforeAll(async () => {
    net = await Interop.create()
  })
  beforeEach(() => net.begin())
  afterAll(() => net?.end())

  const tables = async () => (await net.bed.run('user', 'nft', ['list', 'tables'])).stdout

  it('the host resets nothing, and nothing is left after an orderly end', async () => {
    const ends = await net.kernelConnects(
      { paths: [1, 2] },
      [...streams(300_000, 1, 2)],
      [...streams(300_000, 2, 1)],
    )
    await ends.kernel.event('connected')
    expect(await tables()).toContain('mptcp')
    await bothWhole(ends, { ours: 300_000, kernel: 300_000 })
    expect(await tables()).toBe('')
    expect((await net.counts()).TcpEstabResets ?? 0).toBe(0)
  })

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    '%s in the middle of a transfer leaves no table',
    async (signal) => {
      const ends = await net.weConnect(
        { paths: [1, 2] },
        [...streams(0, 1, 2), '--mark', '100000', '--read-rate', '1000000'],
        streams(20_000_000, 2, 1),
      )
      await ends.ours.event('mark')
      expect(await tables()).toContain('mptcp')
      ends.ours.kill(signal)
      await ends.ours.ended
      await expect.poll(tables, { timeout: 5000 }).toBe('')
      // From now on the host answers for the ports, so the peer learns of it.
      const { code } = await ends.kernel.event('error', 10_000)
      expect(['ECONNRESET', 'EPIPE']).toContain(code)
    },
  )

  it('mptcp nc: an answer from Linux, and no table after it; killed, none either', async () => {
    const kernel = net.kernel('server', ['--port', '0', '--echo', '--connections', '2'])
    const { port } = await kernel.event('listening')
    const device = (path: number) => [
      '--path',
      `${net.bed.device('user', path)}=${net.bed.address('user', path)}`,
    ]
    const words = [`${BUILD}/cli/main.js`, 'nc', '--json', ...device(1), ...device(2)]
    const call = (input?: string) =>
      net.bed.spawn(
        'user',
        process.execPath,
        [...words, net.bed.address('kernel', 1), String(port)],
        input === undefined ? {} : { input },
      )
    const { status, stdout, stderr } = await call('a line\n').ended
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'a line\n' })
    expect(stderr).toContain('"multipath":true')
    expect(await tables()).toBe('')

    const nc = call()
    nc.write('another\n')
    await nc.waitFor(/another/)
    expect(await tables()).toContain('mptcp')
    nc.kill()
    await nc.ended
    await expect.poll(tables, { timeout: 5000 }).toBe('')
  })
})
