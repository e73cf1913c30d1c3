// Path managers of a user's own, and commands by token: what they are told, what they may ask for, and what
// happens when they are wrong.

import { afterEach, describe, expect, it, vi } from 'vitest'
import type {
  MptcpPathCommand,
  MptcpPathConnection,
  MptcpPathEvent,
  MptcpPathManager,
} from '../../../ts/mptcp/path-manager/path-manager.js'
import { ADD_ADDR, MP_JOIN, MP_PRIO, REMOVE_ADDR } from '../../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../../contract/cores.js'
import type { Conversation } from '../../harness/conversation.js'
import { dss } from '../../harness/peer.js'
import { answerJoin, established, joined, type StateOptions } from '../../harness/states.js'
import { connectPair, finish, runToEnd, subflowBytes, world } from '../../stack/world.js'
import { addAddr, echoes } from './says.js'

type Events = [string, MptcpPathEvent | object][]

/** A connection under `pathManager`, and what a watcher was told of it. */
function watched(
  options: StateOptions,
  pathManager: 'userspace' | MptcpPathManager = 'userspace',
): { c: Conversation; events: Events; types: () => string[] } {
  const events: Events = []
  const c = established({ ...options, stack: { pathManager, endpoints: undefined } })
  c.stack.pathControl.watch((event) => events.push([event.type, event]))
  return { c, events, types: () => events.splice(0).map(([type]) => type) }
}

function manager(
  onEvent: (event: MptcpPathEvent, connection: MptcpPathConnection) => unknown,
): MptcpPathManager {
  return { name: 'test', onEvent: onEvent as MptcpPathManager['onEvent'] }
}

afterEach(() => vi.restoreAllMocks())

describe.each(BACKENDS)('events, %s core', (core) => {
  it('a path manager is told of a connection from its handshake to its end', () => {
    const told: [string, number, string][] = []
    const own = manager((event, { token, local }) => {
      told.push([event.type, token, local])
    })
    const c = established({ core, stack: { pathManager: own, endpoints: undefined } })
    const { localToken } = c.connection
    expect(told).toEqual([
      ['created', localToken, '10.0.1.1'],
      ['established', localToken, '10.0.1.1'],
    ])
    c.receives({ flags: 'R', seq: 1 })
    // It lives on for a while, should another subflow come.
    c.after(200_000)
    expect(told.slice(2).map(([type]) => type)).toEqual(['sub-closed', 'closed'])
  })

  it('closed is the last event, once, however it ended', () => {
    for (const end of ['abort', 'fin'] as const) {
      const { c, types } = watched({ core })
      joined(c)
      types()
      if (end === 'abort') {
        c.stack.calls.abort(c.connection)
      } else {
        c.closes()
        c.sendsAll()
        const fin = dss({ ack: 2, dsn: 1, fin: true, length: 1 })
        c.receives({ seq: 1, ack: 1, mptcp: [fin] })
        for (const peer of c.peers) c.receives({ flags: 'F.', seq: 1, ack: 2 }, peer)
      }
      c.sendsAll()
      c.after(200_000)
      const told = types()
      expect(told.at(-1), end).toBe('closed')
      expect(told.filter((type) => type === 'closed')).toHaveLength(1)
      c.sendsAll()
    }
  })

  it('a client is established once the peer has shown that it has the key', () => {
    const told: string[] = []
    const own = manager((event) => {
      told.push(event.type)
    })
    established({ core, role: 'client', stack: { pathManager: own, endpoints: undefined } })
    expect(told).toEqual(['created', 'established'])
  })

  it('plain TCP is nothing to a path manager', () => {
    const own = { name: 'none', onEvent: vi.fn() }
    established({ core, mptcp: false, stack: { pathManager: own, endpoints: undefined } })
    expect(own.onEvent).not.toHaveBeenCalled()
  })

  it('announced, removed, sub-established, sub-priority and sub-closed', () => {
    const { c, events, types } = watched({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.2.2', 5, 80)] })
    expect(events).toEqual([
      ['announced', { type: 'announced', id: 5, address: '10.0.2.2', port: 80 }],
    ])
    types()
    c.sends({ mptcp: [{ echo: true }] })
    const peer = joined(c, { addressId: 5 })
    expect(events).toMatchObject([
      [
        'sub-established',
        { subflow: { id: 1, localId: 0, remoteId: 5, remote: '10.0.1.2', opener: false } },
      ],
    ])
    types()
    c.receives(
      { seq: 1, ack: 1, mptcp: [{ subtype: MP_PRIO, backup: true, addressId: null }] },
      peer,
    )
    expect(events).toMatchObject([
      ['sub-priority', { subflow: { id: 1, backup: false, remoteBackup: true } }],
    ])
    types()
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: REMOVE_ADDR, addressIds: [5] }] })
    expect(types()).toEqual(['removed', 'sub-closed'])
    c.sendsAll()
  })

  it('a subflow that was refused is told with its error and the reason of the peer', () => {
    const { c, events } = watched({ core, role: 'client', links: 2 })
    const { localToken } = c.connection
    c.stack.pathControl.createSubflow(localToken, { local: '10.0.2.1', remote: '10.0.1.2' })
    const { peer } = c.sends({ flags: 'S' })
    const reset = { subtype: 8, flags: 0, reason: 2 } as const
    c.receives({ flags: 'R.', seq: 0, ack: 1, mptcp: [reset] }, peer)
    expect(events).toMatchObject([
      ['sub-closed', { subflow: { id: 1 }, error: 'ECONNREFUSED', resetReason: 2 }],
    ])
  })

  it('listeners are told as well, those of endpoints too', () => {
    const told: unknown[] = []
    const c = established({ core })
    c.stack.pathControl.watch((event, connection) => told.push([event, connection]))
    const listener = c.stack.listen(null, 8081, 4, false)!
    c.stack.unlisten(listener)
    const { id } = c.stack.pathControl.addEndpoint({ address: '10.0.1.1', port: 82, signal: true })
    c.stack.pathControl.deleteEndpoint(id)
    c.sendsAll()
    expect(told.filter((each) => JSON.stringify(each).includes('listener'))).toEqual([
      [{ type: 'listener-created', address: null, port: 8081 }, null],
      [{ type: 'listener-closed', address: null, port: 8081 }, null],
      [{ type: 'listener-created', address: '10.0.1.1', port: 82 }, null],
      [{ type: 'listener-closed', address: '10.0.1.1', port: 82 }, null],
    ])
  })

  it('what happened before the stack closed is told all the same', () => {
    const told: string[] = []
    const c = established({ core })
    c.stack.pathControl.watch((event) => told.push(event.type))
    const listener = c.stack.listen(null, 8081, 4, false)!
    c.stack.unlisten(listener)
    c.stack.close()
    c.clock.runUntil(c.clock.now())
    expect(told).toEqual(expect.arrayContaining(['listener-created', 'listener-closed']))
  })

  it('a watcher that was taken back is told no more', () => {
    const c = established({ core })
    const watcher = vi.fn()
    c.stack.pathControl.watch(watcher)()
    joined(c)
    expect(watcher).not.toHaveBeenCalled()
  })
})

describe.each(BACKENDS)('commands, %s core', (core) => {
  it('what a path manager answers is done in that very turn', () => {
    const own = manager((event): MptcpPathCommand[] =>
      event.type === 'announced'
        ? [{ type: 'subflow-create', remote: event.address, remoteId: event.id }]
        : [],
    )
    const { c } = watched({ core, role: 'client', links: 2 }, own)
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.2.2', 5)] })
    c.sends({ mptcp: [{ subtype: ADD_ADDR, echo: true }] })
    c.sends({ flags: 'S', link: 1, mptcp: [{ subtype: MP_JOIN, addressId: 1 }] })
  })

  it('all five by token', () => {
    const { c, types } = watched({ core, role: 'client', links: 2 })
    const { pathControl } = c.stack
    const { localToken: token } = c.connection
    pathControl.announce(token, { id: 3, address: '192.0.2.3' })
    const said = c.sends({ mptcp: [{ subtype: ADD_ADDR, addressId: 3 }] })
    c.receives({ seq: 1, ack: 1, mptcp: echoes(said) })
    pathControl.remove(token, 3)
    c.sends({ mptcp: [{ ack: 1 }, { subtype: REMOVE_ADDR, addressIds: [3] }] })
    pathControl.createSubflow(token, { local: '10.0.2.1', localId: 7, remote: '10.0.1.2' })
    const peer = answerJoin(c)
    expect(c.subflow(peer).localAddressId).toBe(7)
    const ends = { local: '10.0.2.1', remote: '10.0.1.2' }
    pathControl.setFlags(token, ends, { backup: true })
    c.sends({ peer, mptcp: [{}, { subtype: MP_PRIO, backup: true }] })
    pathControl.destroySubflow(token, ends)
    c.sends({ peer, flags: 'R.' })
    expect(types()).toEqual(['announce-echoed', 'sub-established', 'sub-closed'])
    expect(pathControl.connections[0]).toMatchObject({ token, role: 'client', established: true })
  })

  it('from either side', () => {
    const { c } = watched({ core })
    c.stack.pathControl.createSubflow(c.connection.localToken, {
      remote: '10.0.1.9',
      remotePort: 99,
    })
    c.sends({ flags: 'S', mptcp: [{ subtype: MP_JOIN, addressId: 0 }] })
  })

  it.each([
    ['a token that nobody has', 'NO_TOKEN', (c: Conversation) => c.stack.pathControl.remove(1, 3)],
    [
      'an id that no address has',
      'NO_ID',
      (c: Conversation, token: number) => c.stack.pathControl.remove(token, 3),
    ],
    [
      'an id of another address',
      'ID_TAKEN',
      (c: Conversation, token: number) => {
        c.stack.pathControl.announce(token, { id: 3, address: '192.0.2.3' })
        c.stack.pathControl.announce(token, { id: 3, address: '192.0.2.4' })
      },
    ],
    [
      'id 0 for another address',
      'ID_TAKEN',
      (c: Conversation, token: number) =>
        c.stack.pathControl.announce(token, { id: 0, address: '192.0.2.3' }),
    ],
    [
      'an address that is none',
      'ADDRESS',
      (c: Conversation, token: number) =>
        c.stack.pathControl.announce(token, { id: 3, address: 'here' }),
    ],
    [
      'a multicast address',
      'ADDRESS',
      (c: Conversation, token: number) =>
        c.stack.pathControl.createSubflow(token, { remote: '224.0.0.1' }),
    ],
    [
      'an address that is not ours',
      'NOT_OURS',
      (c: Conversation, token: number) =>
        c.stack.pathControl.createSubflow(token, { remote: '10.0.1.2', local: '192.0.2.3' }),
    ],
    [
      'another family',
      'FAMILY',
      (c: Conversation, token: number) =>
        c.stack.pathControl.createSubflow(token, { remote: '2001:db8::1', local: '10.0.1.1' }),
    ],
    [
      'a port above 65535',
      'OPTION',
      (c: Conversation, token: number) =>
        c.stack.pathControl.createSubflow(token, { remote: '10.0.1.2', remotePort: 65_536 }),
    ],
    [
      'a subflow that is not there',
      'NO_SUBFLOW',
      (c: Conversation, token: number) =>
        c.stack.pathControl.destroySubflow(token, { local: '10.0.2.1', remote: '10.0.1.2' }),
    ],
    [
      'endpoints',
      'PATH_MANAGER',
      (c: Conversation) => c.stack.pathControl.addEndpoint({ address: '10.0.1.1' }),
    ],
  ])('%s is refused by name', (_name, code, call) => {
    const { c } = watched({ core, role: 'client' })
    expect(() => call(c, c.connection.localToken)).toThrow(
      expect.objectContaining({ code: `ERR_MPTCP_${code}` }),
    )
    c.sendsAll()
  })

  it('more subflows than the limit are refused', () => {
    const { c } = watched({ core, role: 'client' })
    const { pathControl } = c.stack
    pathControl.setLimits({ subflows: 1 })
    const { localToken } = c.connection
    pathControl.createSubflow(localToken, { remote: '10.0.1.9' })
    expect(() => pathControl.createSubflow(localToken, { remote: '10.0.1.10' })).toThrow(
      expect.objectContaining({ code: 'ERR_MPTCP_LIMIT' }),
    )
    c.sendsAll()
  })

  it('a connection that has ended in both directions opens no more', () => {
    const { c } = watched({ core, role: 'client' })
    c.closes()
    const fin = dss({ ack: 1, dsn: 1, fin: true, length: 1 })
    c.receives({ seq: 1, ack: 1, mptcp: [fin] })
    c.sendsAll()
    expect(() =>
      c.stack.pathControl.createSubflow(c.connection.localToken, { remote: '10.0.1.9' }),
    ).toThrow(expect.objectContaining({ code: 'ERR_MPTCP_NOT_ESTABLISHED' }))
  })
})

describe.each(BACKENDS)('a path manager that is wrong, %s core', (core) => {
  it('a watcher throws: that goes up as from any listener, and the connection goes on', () => {
    const c = established({ core })
    const stop = c.stack.pathControl.watch(() => {
      throw new Error('not I')
    })
    c.stack.unlisten(c.stack.listen(null, 8081, 4, false)!)
    expect(() => c.sendsNothing()).toThrow('not I')
    expect(() => c.sendsNothing()).toThrow('not I')
    stop()
    c.writes(10)
    expect(c.sendsAll().some(({ length }) => length === 10)).toBe(true)
  })

  it('a watcher that stops watching is told no more, of what has happened neither', () => {
    const c = established({ core })
    const told: string[] = []
    const stop = c.stack.pathControl.watch(({ type }) => {
      told.push(type)
      stop()
    })
    c.stack.unlisten(c.stack.listen(null, 8081, 4, false)!)
    c.sendsNothing()
    expect(told).toEqual(['listener-created'])
  })

  it('throws: the default takes its place on that connection, counted, said once', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    let told = 0
    const own = manager(() => {
      told++
      throw new Error('not today')
    })
    const { c } = watched({ core }, own)
    const peer = joined(c)
    c.writes(10)
    expect(c.sendsAll().some(({ length }) => length === 10)).toBe(true)
    expect(c.subflow(peer).tcb.state).toBe('ESTABLISHED')
    expect([told, c.stack.counters.PathManagerFault]).toEqual([1, 1])
    expect(warn).toHaveBeenCalledTimes(1)
    warn.mockRestore()
  })

  it('throws, or answers no list: its connections go on, the others under it', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    let first = ''
    const own = manager((event, connection) => {
      first ||= String(connection.token)
      if (String(connection.token) !== first || event.type === 'created') return undefined
      return event.type === 'established' ? (42 as never) : undefined
    })
    const w = world({
      paths: [{ rate: 10e6 }, { rate: 10e6 }],
      both: { core },
      client: { pathManager: own },
      server: { endpoints: [] },
    })
    const pairs = [5000, 5001].map((port) => connectPair(w, { up: 100_000, down: 100_000, port }))
    for (const pair of pairs) {
      runToEnd(w, pair)
      pair.client.check()
      pair.server.check()
    }
    // The default joins from the second address; the user's opens nothing.
    expect(pairs.map(({ client }) => subflowBytes(client).length)).toEqual([2, 1])
    expect(w.client.counters.PathManagerFault).toBe(1)
    warn.mockRestore()
    finish(w)
  })

  it.each([
    ['a string', 'open'],
    ['commands that are none', [null, 7, { type: 'fly' }, {}]],
    [
      'commands with wrong fields',
      [
        { type: 'announce', id: 'x', address: {} },
        { type: 'remove', ids: 7 },
        { type: 'remove', ids: [] },
        { type: 'subflow-create' },
        { type: 'subflow-create', remote: '10.0.1.2', local: 7 },
        { type: 'subflow-destroy' },
        { type: 'set-flags', subflow: 99 },
      ],
    ],
  ])('answers %s: counted', (_name, answer) => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { c } = watched(
      { core },
      manager(() => answer),
    )
    joined(c)
    const refused = Array.isArray(answer) ? 3 * answer.length : 0
    const faults = Array.isArray(answer) ? 0 : 1
    expect(c.stack.counters).toMatchObject({
      PathCommandRefused: refused,
      PathManagerFault: faults,
    })
  })

  it('commands that throw when they are read are refused, counted and said; no id is null', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const bare = Object.create(null)
    const { c } = watched({ core }, {
      onEvent: () => [
        { type: 'announce', id: 3, address: bare },
        { type: 'announce', id: Symbol('id'), address: '10.0.0.9' },
        {
          get type(): string {
            throw bare
          },
        },
      ],
      localAddress: () => null,
    } as unknown as MptcpPathManager)
    joined(c)
    const { PathCommandRefused, PathManagerFault } = c.stack.counters
    expect(PathCommandRefused).toBe(9)
    // Those before the handshake was done are refused unread, but for their type.
    expect(PathManagerFault).toBeGreaterThanOrEqual(6)
    expect(warn).toHaveBeenCalledTimes(1)
    c.writes(10)
    expect(c.sendsAll().some(({ length }) => length === 10)).toBe(true)
    warn.mockRestore()
  })

  it('closes the stack from within: the turn ends', () => {
    let close = (): void => {}
    const { c } = watched(
      { core },
      manager((event) => event.type === 'sub-priority' && close()),
    )
    close = () => c.stack.close()
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: MP_PRIO, backup: true, addressId: null }] })
    expect(c.stack.closed).toBe(true)
  })

  it('cannot be given with endpoints, nor be nothing at all', () => {
    const wrong = [
      { pathManager: manager(() => []), endpoints: [] },
      { pathManager: {} as MptcpPathManager, endpoints: undefined },
    ]
    for (const stack of wrong) {
      expect(() => established({ core, stack })).toThrow(
        expect.objectContaining({ code: 'ERR_MPTCP_OPTION' }),
      )
    }
  })
})
