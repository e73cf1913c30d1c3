// The drop-in over our own stack and loopback: no privilege, no network.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { needBuild } from '../harness/built.js'

const ALONE = fileURLToPath(new URL('alone.mjs', import.meta.url))

function run(provider: string): Promise<{ status: number | null; events: object[]; err: string }> {
  needBuild('net/index.js')
  const env = { ...process.env, MPTCP_PROVIDER: provider, MPTCP_CORE: '' }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [ALONE], { env, timeout: 20_000 }, (_, out, err) => {
      const lines = out.trim().split('\n').filter(Boolean)
      resolve({
        status: child.exitCode,
        events: lines.map((line) => JSON.parse(line) as object),
        err,
      })
    })
  })
}

it('a program speaks to itself over two sockets of MPTCP, and ends when they have', async () => {
  const { status, events, err } = await run('userspace')
  expect(err).toBe('')
  expect(events).toEqual(
    expect.arrayContaining([
      { event: 'listening', address: '::' },
      { event: 'accepted', isSocket: true, isMultipath: true },
      { event: 'connected', provider: 'userspace', isMultipath: true },
      { event: 'closed', received: 2_000_000, bytesRead: 2_000_000, bytesWritten: 2_000_000 },
      { event: 'refused', code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port: 1 },
      { event: 'over' },
    ]),
  )
  expect(status).toBe(0)
})

it('by name it is plain TCP, the same program and the same events', async () => {
  const { status, events } = await run('tcp')
  expect(events).toContainEqual({ event: 'connected', provider: 'tcp', isMultipath: false })
  expect(status).toBe(0)
})

it('a provider that there is not is one error, which says what there is', async () => {
  const { status, err } = await run('pigeon')
  expect(err).toMatch(/MPTCP_PROVIDER knows no 'pigeon'; there is: auto, kernel, userspace, tcp/)
  expect(status).toBe(1)
})
