// Watching the host's network: with `ip monitor`, and where that may not be, which is said once. Root only.

import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bed, createBed, withoutBed } from '../harness/bed.js'
import { BUILD, needBuild } from '../harness/built.js'

/** Two listeners, as of two raw links. */
const WATCHES = `
import('${BUILD}/link/watch/host-watch.js').then(({ watchHost }) => {
  for (const name of ['one', 'other']) watchHost(() => console.log('told ' + name))
  setTimeout(() => console.log('ready'), 300)
  setTimeout(() => process.exit(), 15_000)
})`
/** What a host without the capability says. */
const MAY_NOT = `#!/bin/sh
case "$1" in monitor) echo 'Cannot open netlink socket: Operation not permitted' >&2; exit 1;; esac
exec "$REAL_IP" "$@"
`

describe.skipIf(withoutBed())("the host's network is watched", () => {
  let bed: Bed
  let folder: string
  let ip: string

  beforeAll(async () => {
    needBuild('link/watch/host-watch.js')
    bed = await createBed()
    folder = mkdtempSync(join(tmpdir(), 'mptcp-watch-'))
    ip = (await bed.run('user', 'sh', ['-c', 'command -v ip'])).stdout.trim()
    for (const name of ['none', 'no-monitor']) {
      const bin = join(folder, name)
      await bed.run('user', 'mkdir', [bin])
      for (const tool of ['sh', 'cat']) symlinkSync(`/bin/${tool}`, join(bin, tool))
    }
    writeFileSync(join(folder, 'no-monitor', 'ip'), MAY_NOT)
    chmodSync(join(folder, 'no-monitor', 'ip'), 0o755)
  })

  afterAll(async () => {
    await bed?.destroy()
    rmSync(folder, { recursive: true, force: true })
  })

  it.each([
    ['by ip monitor', null, null],
    ['without ip', 'none', /cannot be watched \(sh: .*ip.*\): looked at every 2 s instead/],
    [
      'without the capability',
      'no-monitor',
      /\(Cannot open netlink socket: Operation not permitted\)/,
    ],
  ])('%s', async (name, bin, warning) => {
    const env = bin === null ? {} : { PATH: join(folder, bin), REAL_IP: ip }
    const words = Object.entries(env).map(([key, value]) => `${key}=${value}`)
    const watches = bed.spawn('user', '/usr/bin/env', [...words, process.execPath, '-e', WATCHES])
    await watches.waitFor(/ready/)
    const address = `10.77.${name.length}.1/24`
    await bed.run('user', 'ip', ['address', 'add', address, 'dev', 'u1'])
    await watches.waitFor(/told one\ntold other/)
    watches.kill()
    const { stderr } = await watches.ended
    expect(stderr.match(/cannot be watched/g) ?? []).toHaveLength(warning === null ? 0 : 1)
    if (warning !== null) expect(stderr).toMatch(warning)
  })
})
