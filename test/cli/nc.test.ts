// `mptcp nc` across a bed: our stack on raw links against Linux, which the same command speaks for by
// --link kernel. Root only.

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NcReport } from '../../ts/cli/nc-transport.js'
import { randomBytes } from '../contract/cores.js'
import { type Bed, createBed, type Side, withoutBed } from '../harness/bed.js'
import type { BedProcess } from '../harness/bed-process.js'
import { needBuild } from '../harness/built.js'
import { MAIN } from './cli.js'

const PATHS = '--path u1=10.1.1.2 --path u2=10.1.2.2'
const SERVER = '10.1.1.1'

describe.skipIf(withoutBed())('mptcp nc', () => {
  let bed: Bed
  let port = 5000
  const folder = mkdtempSync(join(tmpdir(), 'mptcp-nc-'))
  const file = (name: string): string => join(folder, name)
  const sha256 = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(file(name)))
      .digest('hex')

  beforeAll(async () => {
    needBuild('cli/main.js')
    // Slow enough that the paths are the limit, also on a machine that is busy: only then both are filled.
    bed = await createBed({ rates: ['20mbit', '20mbit'] })
    writeFileSync(file('big'), randomBytes(5_000_000, 21))
    writeFileSync(file('small'), randomBytes(700_000, 22))
    writeFileSync(file('none'), '')
  })

  afterAll(async () => {
    await bed?.destroy()
    rmSync(folder, { recursive: true, force: true })
  })

  /** `mptcp nc WORDS < input > output`. */
  function nc(side: Side, words: string, input: string, output: string): BedProcess {
    const line = `exec ${process.execPath} ${MAIN} nc ${words} < ${file(input)} > ${file(output)}`
    return bed.spawn(side, 'sh', ['-c', line], { deadline: 30_000 })
  }

  /** Starts one that listens on a new port and waits until it does. */
  async function listener(side: Side, words: string, input: string, output: string) {
    const process = nc(side, `-v -l ${++port} ${words}`, input, output)
    const deadline = performance.now() + 10_000
    while (!process.stderr.includes('listening')) {
      if (performance.now() > deadline) throw new Error(`it does not listen: ${process.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return process
  }

  function reportIn(stderr: string): NcReport {
    const line = stderr.split('\n').find((each) => each.startsWith('{'))
    if (line === undefined) throw new Error(`no report in: ${stderr}`)
    return JSON.parse(line) as NcReport
  }

  async function nothingLeft(): Promise<void> {
    const tables = await bed.run('user', 'nft', ['list', 'tables'])
    const endpoints = await bed.run('user', 'ip', ['mptcp', 'endpoint'])
    expect([tables.stdout, endpoints.stdout]).toEqual(['', ''])
    expect(bed.pids('user')).toEqual([])
  }

  it('both directions over both paths to a Linux server, and the report', async () => {
    const server = await listener('kernel', '--link kernel', 'small', 'at-server')
    const client = await nc('user', `--json ${PATHS} ${SERVER} ${port}`, 'big', 'at-client').ended
    expect([client.status, (await server.ended).status], client.stderr).toEqual([0, 0])
    expect([sha256('at-server'), sha256('at-client')]).toEqual([sha256('big'), sha256('small')])
    const report = reportIn(client.stderr)
    expect(Object.keys(report)).toEqual([
      'bytesSent',
      'bytesReceived',
      'seconds',
      'mbitPerSecond',
      'multipath',
      'fallbackReason',
      'subflows',
      'counters',
    ])
    expect(report).toMatchObject({
      bytesSent: 5_000_000,
      bytesReceived: 700_000,
      multipath: true,
      fallbackReason: null,
    })
    expect(report.seconds).toBeGreaterThan(0.4)
    expect(report.subflows.map(({ id, local }) => [id, local.split(':')[0]])).toEqual([
      [0, '10.1.1.2'],
      [1, '10.1.2.2'],
    ])
    for (const { bytesSent } of report.subflows) expect(bytesSent).toBeGreaterThan(1_000_000)
    await nothingLeft()
  })

  it('a listener of ours announces its second path to a Linux client', async () => {
    const server = await listener('user', `--json ${PATHS}`, 'none', 'at-server')
    const client = await nc('kernel', `--link kernel 10.1.1.2 ${port}`, 'big', 'at-client').ended
    const { status, stderr } = await server.ended
    expect([client.status, status], stderr).toEqual([0, 0])
    expect(sha256('at-server')).toBe(sha256('big'))
    const report = reportIn(stderr)
    expect(report.subflows.filter(({ bytesReceived }) => bytesReceived > 1_000_000)).toHaveLength(2)
    await nothingLeft()
  })

  it('one that only downloads uses both paths', async () => {
    const server = await listener('kernel', '--link kernel', 'big', 'at-server')
    const client = await nc('user', `--json ${PATHS} ${SERVER} ${port}`, 'none', 'at-client').ended
    expect([client.status, (await server.ended).status]).toEqual([0, 0])
    expect(sha256('at-client')).toBe(sha256('big'))
    const { subflows } = reportIn(client.stderr)
    expect(subflows.filter(({ bytesReceived }) => bytesReceived > 1_000_000)).toHaveLength(2)
  })

  it('-k serves one connection after another', async () => {
    const server = await listener('user', '-k --path u1', 'none', 'at-server')
    for (const input of ['small', 'small', 'none']) {
      const client = await nc('kernel', `--link kernel 10.1.1.2 ${port}`, input, 'at-client').ended
      expect(client.status).toBe(0)
    }
    server.kill('SIGTERM')
    expect((await server.ended).status).toBe(143)
    expect(readFileSync(file('at-server')).length).toBe(1_400_000)
    await nothingLeft()
  })

  it('falls back where the peer speaks plain TCP, and says why', async () => {
    const server = await listener('kernel', '--link kernel --plain', 'none', 'at-server')
    const client = await nc('user', `--json ${PATHS} ${SERVER} ${port}`, 'small', 'at-client').ended
    expect([client.status, (await server.ended).status]).toEqual([0, 0])
    expect(sha256('at-server')).toBe(sha256('small'))
    expect(reportIn(client.stderr)).toMatchObject({
      multipath: false,
      fallbackReason: 'MPCapableFallbackSYNACK',
    })
  })

  it("the host's own stack gets our paths as endpoints, and loses them again", async () => {
    const server = await listener('kernel', '--link kernel', 'none', 'at-server')
    const words = `--json --link kernel ${PATHS} ${SERVER} ${port}`
    const client = await nc('user', words, 'big', 'at-client').ended
    expect([client.status, (await server.ended).status], client.stderr).toEqual([0, 0])
    expect(sha256('at-server')).toBe(sha256('big'))
    expect(reportIn(client.stderr)).toMatchObject({ multipath: true, counters: { subflows: 1 } })
    await nothingLeft()
  })

  it('SIGINT resets the connection and leaves nothing behind', async () => {
    const server = await listener('kernel', '--link kernel', 'none', 'at-server')
    const client = bed.spawn('user', process.execPath, [
      ...[MAIN, 'nc', '-v', '--path', 'u1', '--path', 'u2', SERVER, `${port}`],
    ])
    client.write('hello\n')
    while (readFileSync(file('at-server')).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    client.kill('SIGINT')
    expect((await client.ended).status).toBe(130)
    const { status, stderr } = await server.ended
    expect([status, stderr]).toEqual([1, expect.stringContaining('reset the connection')])
    await nothingLeft()
  })

  it('a reader that stops is not drowned, and gets everything in the end', async () => {
    const out = file('at-server')
    const line = `${process.execPath} ${MAIN} nc -v -l ${++port} --path u1 < ${file('none')}`
    const server = bed.spawn('user', 'sh', ['-c', `${line} | (sleep 2; cat > ${out})`], {
      deadline: 30_000,
    })
    while (!server.stderr.includes('listening')) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    writeFileSync(file('huge'), randomBytes(12_000_000, 23))
    const client = await nc('kernel', `--link kernel 10.1.1.2 ${port}`, 'huge', 'at-client').ended
    expect([client.status, (await server.ended).status]).toEqual([0, 0])
    expect(sha256('at-server')).toBe(sha256('huge'))
  })

  it.each([
    ['is refused', `${SERVER} 4999`, /refused the connection/],
    ['cannot reach the host', '10.1.1.99 4999', /unreachable|did not answer/],
  ])('one that %s fails with one line', async (_name, target, expected) => {
    const { status, stderr } = await nc('user', `--timeout 5 ${PATHS} ${target}`, 'none', 'x').ended
    expect([status, stderr.split('\n').length], stderr).toEqual([1, 2])
    expect(stderr).toMatch(expected)
    await nothingLeft()
  })

  it('a port that another program has is refused', async () => {
    const other = await listener('user', '--link kernel', 'none', 'x')
    const { status, stderr } = await nc('user', `-l ${port} --path u1`, 'none', 'y').ended
    expect([status, stderr]).toEqual([2, expect.stringMatching(/port \d+ of .* is in use/)])
    other.kill()
    await other.ended
    await nothingLeft()
  })
})
