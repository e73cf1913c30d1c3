// What is configured while a stack runs.

import { expect, it } from 'vitest'
import { finish, transfer, world } from './world.js'

it('what is configured counts for connections to come, beside what the options said', () => {
  const w = world({ both: { closeTimeoutMs: 1234 } })
  const before = transfer(w, { up: 5000, down: 5000 })
  w.client.configure({ checksum: true })
  const after = transfer(w, { up: 5000, down: 5000, port: 5001 })
  expect(before.client.connection.checksum).toBe(false)
  expect(after.client.connection.checksum).toBe(true)
  expect(after.server.connection.checksum).toBe(true)
  expect(w.client.config).toMatchObject({ checksum: true, closeTimeoutMs: 1234 })
  expect(w.server.config.checksum).toBe(false)
  finish(w)
})
