// The records of TIME-WAIT: which one answers where the same four have been used again.

import { expect, it } from 'vitest'
import { MptcpBsd } from '../../ts/socket/bsd.js'
import { MPTCP_CONSTANTS as C } from '../../ts/socket/constants.js'
import { finish, world } from './world.js'

it('answers for the last connection of the same addresses and ports', () => {
  const w = world()
  const client = new MptcpBsd(w.client)
  const server = new MptcpBsd(w.server)
  const listening = server.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_TCP)
  server.bind(listening, { address: '', port: 80 })
  server.listen(listening, 1)
  const { clock } = w
  for (const isLost of [false, true]) {
    const fd = client.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_TCP)
    client.bind(fd, { address: '10.0.1.1', port: 40_000 })
    client.connect(fd, { address: '10.0.1.2', port: 80 })
    clock.runUntil(clock.now() + 100)
    client.close(fd)
    clock.runUntil(clock.now() + 100)
    server.close(server.accept(listening))
    // The ACK of the server's FIN: it leaves after 10 ms.
    clock.runUntil(clock.now() + 5)
    if (isLost) w.paths[0]!.set({ loss: 1 })
    clock.runUntil(clock.now() + 30)
    w.paths[0]!.set({ loss: 0 })
    expect([...w.server.connections].length).toBe(isLost ? 1 : 0)
    clock.runUntil(clock.now() + 1000)
    expect([...w.server.connections].length).toBe(0)
    expect(w.client.connectionCount).toBe(1)
  }
  server.close(listening)
  finish(w)
})
