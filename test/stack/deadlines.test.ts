// The heap of deadlines against a list that is searched anew each time, and the stack's use of it.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../ts/clock.js'
import type { Connection } from '../../ts/mptcp/connection.js'
import { MptcpBsd } from '../../ts/socket/bsd.js'
import { MPTCP_CONSTANTS as C } from '../../ts/socket/constants.js'
import { Deadlines } from '../../ts/stack/deadlines.js'
import { finish, world } from './world.js'

function fakeConnections(count: number): Connection[] {
  return Array.from(
    { length: count },
    (_, id) => ({ id, agenda: { deadline: Number.POSITIVE_INFINITY, position: -1 } }) as Connection,
  )
}

describe('deadlines', () => {
  it('give the earliest first, whatever was set, moved and forgotten', () => {
    const call = fc.record({
      which: fc.integer({ min: 0, max: 9 }),
      deadline: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(Number.POSITIVE_INFINITY)),
      kind: fc.constantFrom('set', 'set', 'forget', 'take'),
    })
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        const deadlines = new Deadlines(new VirtualClock(), () => {})
        const connections = fakeConnections(10)
        const wanted = new Map<Connection, number>()
        for (const { which, deadline, kind } of calls) {
          const connection = connections[which]!
          if (kind === 'set') {
            deadlines.set(connection, deadline)
            if (deadline === Number.POSITIVE_INFINITY) wanted.delete(connection)
            else wanted.set(connection, deadline)
          } else if (kind === 'forget') {
            deadlines.forget(connection)
            wanted.delete(connection)
          } else {
            const least = Math.min(...wanted.values())
            const taken = deadlines.take(deadline)
            if (least <= deadline && wanted.size > 0) {
              expect(wanted.get(taken!)).toBe(least)
              wanted.delete(taken!)
            } else expect(taken).toBeUndefined()
          }
          expect(deadlines.size).toBe(wanted.size)
        }
      }),
    )
  })

  it('a connection that talks more often than its keep-alive has one, and none once it has ended', () => {
    const w = world()
    const server = new MptcpBsd(w.server)
    const client = new MptcpBsd(w.client)
    const listening = server.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
    server.bind(listening, { address: '', port: 80 })
    server.listen(listening, 1)
    let accepted = -1
    server.watch(listening, () => {
      accepted = server.accept(listening)
    })
    const fd = client.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
    client.setsockopt(fd, C.SOL_SOCKET, C.SO_KEEPALIVE, 1)
    client.connect(fd, { address: '10.0.1.2', port: 80 })
    w.clock.runUntil(1000)
    const buffer = new Uint8Array(100)
    for (let i = 0; i < 3000; i++) {
      expect(client.write(fd, buffer)).toBe(100)
      w.clock.runUntil(w.clock.now() + 100)
      expect(server.read(accepted, buffer)).toBe(100)
      for (const stack of [w.client, w.server]) {
        expect(stack.deadlineCount).toBeLessThanOrEqual(stack.connectionCount)
      }
    }
    client.close(fd)
    server.close(accepted)
    server.close(listening)
    w.clock.runUntil(w.clock.now() + 61_000)
    expect([w.client.deadlineCount, w.server.deadlineCount]).toEqual([0, 0])
    finish(w)
  })
})
