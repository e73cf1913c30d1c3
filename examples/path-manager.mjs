// A path manager of one's own, seen at work in virtual time: `node examples/path-manager.mjs`.
// The same object works on real paths: give it to MptcpStack.open({ links, pathManager }).

import {
  MPTCP_CONSTANTS as C,
  MptcpEmulatedNetwork,
  MptcpSeededRandom,
  MptcpStack,
  MptcpVirtualClock,
} from 'mptcp-wasm'

/** The second path waits as a backup; once the first has died it is a path like any other. */
const spare = {
  name: 'spare',
  onEvent(event, connection) {
    if (connection.role !== 'client') return []
    switch (event.type) {
      case 'established':
        return [
          { type: 'subflow-create', local: '10.0.2.1', remote: connection.remote, backup: true },
        ]
      case 'sub-closed':
        return connection.subflows.map(({ id }) => ({
          type: 'set-flags',
          subflow: id,
          backup: false,
        }))
      default:
        return []
    }
  },
}

const clock = new MptcpVirtualClock()
const network = new MptcpEmulatedNetwork({ clock, seed: 7 })
const ends = (i) => ({
  a: { host: 'phone', addresses: [`10.0.${i}.1`] },
  b: { host: 'server', addresses: [`10.0.${i}.2`] },
})
network.path({ name: 'wifi', ...ends(1), rate: 20e6, delay: 10, queueMs: 100 })
network.path({ name: 'cellular', ...ends(2), rate: 10e6, delay: 40, queueMs: 100 })

const open = (host, seed, options = {}) =>
  MptcpStack.open({
    links: network.links(host),
    clock,
    random: new MptcpSeededRandom(seed),
    ...options,
  })
const phone = await open('phone', 1, { pathManager: spare })
// A program that commands by token itself, instead of a path manager that is asked.
const server = await open('server', 2, { pathManager: 'userspace' })

phone.pathControl.watch((event) => {
  const { type, subflow, error } = event
  const what = subflow === undefined ? '' : `${subflow.local} > ${subflow.remote} ${error ?? ''}`
  console.log(`${clock.now().toFixed(0).padStart(5)} ms  ${type} ${what}`.trimEnd())
})

const listening = server.bsd.socket(C.AF_MULTIPATH, C.SOCK_STREAM, 0)
server.bsd.bind(listening, { address: '', port: 80 })
server.bsd.listen(listening, 1)
server.bsd.watch(listening, () => server.bsd.accept(listening))

const fd = phone.bsd.socket(C.AF_INET, C.SOCK_STREAM, C.IPPROTO_MPTCP)
// The connection is established, to a path manager, once the server has acknowledged data.
phone.bsd.watch(fd, () => phone.bsd.write(fd, new TextEncoder().encode('hello')))
phone.bsd.connect(fd, { address: '10.0.1.2', port: 80 })
clock.runUntil(clock.now() + 1000)

// The server gives the first path up.
const [{ token }] = server.pathControl.connections
server.pathControl.destroySubflow(token, { local: '10.0.1.2', remote: '10.0.1.1' })
clock.runUntil(clock.now() + 1000)

const [connection] = phone.pathControl.connections
for (const { local, remote, backup } of connection.subflows) {
  console.log(`${local} > ${remote}: ${backup ? 'a backup' : 'in use'}`)
}
phone.close()
server.close()
