// Node's own http, https, http2, tls and WebSocket over MptcpSocket at both ends, in real time: keep-alive,
// uploads and downloads, byte for byte. Over raw links and with Linux: test/interop/web.test.ts.

import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { RealClock } from '../../ts/clock.js'
import { EmulatedNetwork } from '../../ts/emulator/network.js'
import type { MptcpSocket } from '../../ts/socket/mptcp-socket.js'
import { MptcpStack } from '../../ts/socket/mptcp-stack.js'
import { BACKENDS } from '../contract/cores.js'
import { WEB_KINDS, webClient, webServer } from '../harness/web.mjs'

const PORT = 443
const BYTES = 400_001
const DRAINED_MS = 5000

describe.each(BACKENDS)('%s core', (core) => {
  it.each(WEB_KINDS)('%s, both ends ours, over two paths', async (kind) => {
    const clock = new RealClock()
    const network = new EmulatedNetwork({ clock, seed: 1 })
    for (const i of [1, 2]) {
      network.path({
        name: `p${i}`,
        a: { host: 'client', addresses: [`10.0.${i}.1`] },
        b: { host: 'server', addresses: [`10.0.${i}.2`] },
        rate: 200e6,
        delay: i,
        loss: 0.005,
      })
    }
    const open = (host: string): Promise<MptcpStack> =>
      MptcpStack.open({ links: network.links(host), clock, core, memoryBytes: 16 << 20 })
    const [client, server] = await Promise.all([open('client'), open('server')])
    const failures: Error[] = []
    const failed = (error: Error): void => void failures.push(error)
    const web = webServer(kind, failed)
    const listener = server.createServer()
    const accepted: MptcpSocket[] = []
    listener.on('connection', (socket) => {
      accepted.push(socket as MptcpSocket)
      socket.on('error', failed)
      web.accept(socket)
    })
    listener.listen({ port: PORT })
    await once(listener, 'listening')
    const connect = () => {
      const socket = client.connect({ host: '10.0.1.2', port: PORT })
      socket.on('error', failed)
      return socket
    }
    await webClient(kind, connect, BYTES)
    listener.close()
    expect(failures).toEqual([])
    expect(accepted).toHaveLength(1)
    // drained() waits for those that are closed.
    await Promise.all(accepted.map((socket) => socket.closed || once(socket, 'close')))
    expect(await Promise.all([client, server].map((stack) => stack.drained(DRAINED_MS)))).toEqual([
      true,
      true,
    ])
    expect([client.liveSlots, server.liveSlots]).toEqual([0, 0])
    web.close()
    client.close()
    server.close()
    network.close()
  })
})
