// Node's http, https, http2, tls and WebSocket over raw links and over Linux's MPTCP, whichever end is ours,
// while all cores are busy: keep-alive, uploads and downloads, byte for byte. nginx where there is one.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bed, createBed, type Side, withoutBed } from '../harness/bed.js'
import type { BedProcess } from '../harness/bed-process.js'
import { needBuild, WEB_PEER } from '../harness/built.js'
import { WEB_KINDS, webFile } from '../harness/web.mjs'

const NODE = process.execPath
const DEADLINE_MS = 40_000
const OUR_PORT = '5001'
const NGINX_PORT = '8080'
/** Lengths. */
const FILES = [1, 1420, 70_000, 1_000_003]
const OUR_PATHS = ['--path', 'u1', '--path', 'u2']

describe.skipIf(withoutBed())('the web', () => {
  let bed: Bed

  beforeAll(async () => {
    needBuild('socket/kernel.js', 'socket/mptcp-stack.js', 'link/raw.js')
    bed = await createBed()
  })
  afterAll(() => bed?.destroy())

  const start = (side: Side, words: string[]): BedProcess =>
    bed.spawn(side, NODE, [WEB_PEER, ...words], { deadline: DEADLINE_MS })

  /** What a process says at its end, which must be one without an error. */
  async function doneBy(peer: BedProcess): Promise<object> {
    const { status, stderr } = await peer.ended
    const { event: _event, ...said } = peer.events().at(-1) ?? { event: null }
    expect({
      status,
      said: stderr,
      errors: peer.events().filter((e) => e.event === 'error'),
    }).toEqual({ status: 0, said: '', errors: [] })
    return said
  }

  async function bothDone(client: BedProcess, server: BedProcess, ours: BedProcess): Promise<void> {
    await client.event('done', DEADLINE_MS)
    server.end()
    for (const peer of [client, server]) {
      const held = await doneBy(peer)
      if (peer === ours) expect(held).toEqual({ drained: true, liveSlots: 0 })
    }
  }

  const busy: BedProcess[] = []
  /** As many loops as there are cores, for the time of one test. */
  async function underLoad(work: () => Promise<void>): Promise<void> {
    for (let i = 0; i < availableParallelism(); i++) {
      busy.push(bed.spawn('kernel', NODE, ['-e', 'for (;;);'], { deadline: DEADLINE_MS }))
    }
    try {
      await work()
    } finally {
      for (const each of busy) each.kill()
      await Promise.all(busy.splice(0).map((each) => each.ended))
    }
  }

  it.each(WEB_KINDS)('%s: ours asks, a server on Linux answers', async (kind) => {
    await underLoad(async () => {
      const server = start('kernel', ['server', '--stack', 'kernel', '--kind', kind])
      const { port } = await server.event('listening', DEADLINE_MS)
      const to = ['--host', bed.address('kernel', 1), '--port', String(port)]
      const client = start('user', ['client', '--kind', kind, ...OUR_PATHS, ...to, '--times', '2'])
      await bothDone(client, server, client)
    })
  })

  it.each(WEB_KINDS)('%s: a client on Linux asks, ours answers', async (kind) => {
    await underLoad(async () => {
      const server = start('user', ['server', '--kind', kind, '--port', OUR_PORT, ...OUR_PATHS])
      await server.event('listening', DEADLINE_MS)
      const to = ['--host', bed.address('user', 1), '--port', OUR_PORT]
      const words = ['client', '--stack', 'kernel', '--kind', kind, ...to, '--times', '2']
      const client = start('kernel', words)
      await bothDone(client, server, server)
    })
  })

  it.each(WEB_KINDS)('%s: both ends ours', async (kind) => {
    const paths = ['--path', 'k1', '--path', 'k2']
    const server = start('kernel', ['server', '--kind', kind, '--port', OUR_PORT, ...paths])
    await server.event('listening', DEADLINE_MS)
    const to = ['--host', bed.address('kernel', 1), '--port', OUR_PORT]
    const client = start('user', ['client', '--kind', kind, ...OUR_PATHS, ...to])
    await bothDone(client, server, client)
  })

  const hasNginx = spawnSync('nginx', ['-v']).error === undefined

  it.skipIf(!hasNginx && !process.env.CI)('http keep-alive with nginx', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mptcp-nginx-'))
    try {
      const nginx = await startNginx(bed, folder)
      const to = ['--host', bed.address('kernel', 1), '--port', NGINX_PORT]
      const files = [...FILES, ...FILES]
      const client = start('user', ['client', ...OUR_PATHS, ...to, '--files', files.join()])
      await client.event('done', DEADLINE_MS)
      await doneBy(client)
      nginx.kill('SIGTERM')
      expect(await nginx.ended).toMatchObject({ status: 0, stderr: '' })
      const served = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n')
      expect(served).toHaveLength(files.length)
      expect(new Set(served).size).toBe(1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

/** Serves files of a folder; its log has a line a request: which connection it came on. */
async function startNginx(bed: Bed, folder: string): Promise<BedProcess> {
  for (const name of ['files', 'temporary']) mkdirSync(join(folder, name))
  for (const size of FILES) writeFileSync(join(folder, 'files', `${size}`), webFile(size))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/temporary/${name};`,
  )
  const configuration = `
    daemon off; master_process off; pid ${folder}/pid; error_log stderr error;
    events {}
    http {
      ${temporary.join(' ')}
      log_format connection '$connection';
      access_log ${folder}/log connection;
      server { listen ${NGINX_PORT}; root ${folder}/files; }
    }`
  writeFileSync(join(folder, 'configuration'), configuration)
  const nginx = bed.spawn('kernel', 'nginx', ['-c', join(folder, 'configuration')], {
    deadline: DEADLINE_MS,
  })
  await expect
    .poll(async () => (await bed.run('kernel', 'ss', ['-Hltn', `sport = :${NGINX_PORT}`])).stdout, {
      timeout: 10_000,
    })
    .toContain(NGINX_PORT)
  return nginx
}
