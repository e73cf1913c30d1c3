// A subflow that ended by what may pass is opened again, ever later: what makes it so, what does not, and that no
// path manager of a user's is faster. The peer's side is scripted.

import { describe, expect, it } from 'vitest'
import type { MptcpPathManager } from '../../../ts/mptcp/path-manager/path-manager.js'
import {
  MP_JOIN,
  MP_TCPRST,
  REMOVE_ADDR,
  RESET_MIDDLEBOX,
  RESET_PROHIBITED,
  RESET_TRANSIENT,
} from '../../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../../contract/cores.js'
import type { Conversation } from '../../harness/conversation.js'
import type { SegmentSpec } from '../../harness/peer.js'
import { answerJoin, established, joined } from '../../harness/states.js'
import { addAddr } from './says.js'

const SECOND = 1000
/** What each failure in a row waits for. */
const WAITS = [1, 2, 4, 8, 16, 32, 64, 64]
const JOIN = [{ subtype: MP_JOIN, phase: 'SYN' }]

const reset = (reason: number, flags = 0): NonNullable<SegmentSpec['mptcp']> => [
  { subtype: MP_TCPRST, flags, reason },
]

/** The SYN of a join, which leaves now and is refused. */
function refused(c: Conversation, mptcp: SegmentSpec['mptcp'] = []): void {
  const { peer } = c.sends({ flags: 'S', mptcp: JOIN })
  c.receives({ flags: 'R.', seq: 0, ack: 1, mptcp }, peer)
}

function client(core: 'wasm' | 'js'): Conversation {
  const c = established({ core, role: 'client', links: 2 })
  c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true })
  return c
}

describe.each(BACKENDS)('a subflow that fails, %s core', (core) => {
  it('and was refused is opened again, ever later, each a minute at last', () => {
    const c = client(core)
    refused(c)
    for (const wait of WAITS) {
      c.sendsNothingFor(wait * SECOND - 1)
      c.after(1)
      refused(c)
    }
    expect(c.connection.subflows).toHaveLength(1)
  })

  it('and was given up is opened again', () => {
    const c = established({ core, role: 'client', links: 2, stack: { openTimeoutMs: 5000 } })
    c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true })
    c.after(5000)
    expect(c.sendsAll().every(({ flags }) => flags === 'S')).toBe(true)
    c.sendsNothingFor(SECOND - 1)
    c.after(1)
    c.sends({ flags: 'S', mptcp: JOIN })
  })

  it('and was reset while it stood goes to where it went, with its id; after a minute of life it is the first', () => {
    const c = client(core)
    const lives = [0, 30, 61, 0]
    const waits = [1, 2, 1, 2]
    for (const [i, seconds] of lives.entries()) {
      const peer = answerJoin(c)
      c.sendsNothingFor(seconds * SECOND)
      c.receives({ flags: 'R', seq: 1 }, peer)
      c.sendsNothingFor(waits[i]! * SECOND - 1)
      c.after(1)
    }
    c.sends({ flags: 'S', link: 1, mptcp: [{ subtype: MP_JOIN, phase: 'SYN', addressId: 4 }] })
  })

  const opensAgain = (c: Conversation): void => {
    c.sendsNothingFor(SECOND - 1)
    c.after(1)
    c.sends({ flags: 'S', mptcp: JOIN })
  }

  it('by what may pass, as its RST says (flag T), is opened again; by what lasts it is not (§3.6)', () => {
    const c = client(core)
    c.receives(
      { flags: 'R', seq: 1, mptcp: reset(RESET_MIDDLEBOX, RESET_TRANSIENT) },
      answerJoin(c),
    )
    opensAgain(c)
    const other = client(core)
    other.receives({ flags: 'R', seq: 1, mptcp: reset(RESET_PROHIBITED) }, answerJoin(other))
    other.sendsNothingFor(100 * SECOND)
  })

  it('since it was prohibited, as Linux says of a connection that it does not know yet, is opened again', () => {
    const c = client(core)
    refused(c, reset(RESET_PROHIBITED))
    opensAgain(c)
    const other = client(core)
    refused(other, reset(RESET_MIDDLEBOX))
    other.sendsNothingFor(100 * SECOND)
  })

  it('to an announced address is opened again if it stood; one that was refused waits for its ADD_ADDR', () => {
    const c = established({ core, role: 'client', links: 2 })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.2.2', 3)] })
    c.sends({ mptcp: [{ echo: true }] })
    c.receives({ flags: 'R', seq: 1 }, answerJoin(c))
    c.after(SECOND)
    refused(c)
    c.sendsNothingFor(100 * SECOND)
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.2.2', 3)] })
    c.sends({ mptcp: [{ echo: true }] })
    c.sends({ flags: 'S', mptcp: JOIN })
  })

  it('in order is not opened again', () => {
    const c = client(core)
    const peer = answerJoin(c)
    c.receives({ flags: 'F.', seq: 1, ack: 1 }, peer)
    c.sendsAll()
    c.after(100 * SECOND)
    expect(c.sendsAll().filter(({ flags }) => flags === 'S')).toEqual([])
  })

  it('is not opened again by who did not open it', () => {
    const c = established({ core })
    c.receives({ flags: 'R', seq: 1 }, joined(c))
    c.sendsNothingFor(100 * SECOND)
  })
})

describe.each(BACKENDS)(
  'a connection that has nothing but joins which nobody answers, %s core',
  (core) => {
    it('is given up after closeTimeoutMs', () => {
      const stack = { openTimeoutMs: 900_000, closeTimeoutMs: 20_000 }
      const c = established({ core, role: 'client', links: 2, stack })
      c.stack.pathControl.addEndpoint({ address: '10.0.2.1', id: 4, subflow: true })
      c.sends({ flags: 'S', mptcp: JOIN })
      c.closes()
      c.sendsAll()
      c.receives({ flags: 'R', seq: 1 })
      c.after(19_999)
      expect(c.connection.state).toBe('M_FIN_WAIT_1')
      c.after(2)
      expect([c.connection.state, c.connection.error]).toEqual(['M_CLOSED', 'ETIMEDOUT'])
      c.sendsAll()
    })
  },
)

describe.each(BACKENDS)('what waits to be opened, %s core', (core) => {
  const gone: [string, (c: Conversation) => void][] = [
    ['its endpoint is deleted', (c) => c.stack.pathControl.deleteEndpoint(4)],
    ['all endpoints are', (c) => c.stack.pathControl.flushEndpoints()],
    ['the connection has ended', (c) => c.stack.calls.abort(c.connection)],
  ]
  it.each(gone)('is not when %s', (_name, happens) => {
    const c = client(core)
    refused(c)
    happens(c)
    c.after(100 * SECOND)
    expect(c.sendsAll().filter(({ flags }) => flags === 'S')).toEqual([])
    expect(c.stack.counters.PathCommandRefused).toBe(0)
  })

  it('is not when the peer takes the address back', () => {
    const c = established({ core, role: 'client', links: 2 })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.2.2', 3)] })
    c.sends({ mptcp: [{ echo: true }] })
    c.receives({ flags: 'R', seq: 1 }, answerJoin(c))
    const addressIds = [c.connection.pathManager.failures![0]!.waiting!.remoteId!]
    c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: REMOVE_ADDR, addressIds }] })
    c.sendsNothingFor(100 * SECOND)
  })

  it('of a path manager that opens one each time is paced, and only the last of several is kept', () => {
    const eager: MptcpPathManager = {
      name: 'eager',
      onEvent: ({ type }, { remote }) => {
        if (type !== 'announced' && type !== 'sub-closed') return []
        const create = { type: 'subflow-create', local: '10.0.2.1', remote } as const
        return type === 'announced' ? [create] : [create, create, create]
      },
    }
    const stack = { pathManager: eager, endpoints: undefined }
    const c = established({ core, role: 'client', links: 2, stack })
    c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, '10.0.2.2', 3)] })
    c.sends({ mptcp: [{ echo: true }] })
    for (const wait of WAITS.slice(0, 4)) {
      refused(c)
      c.sendsNothingFor(wait * SECOND - 1)
      c.after(1)
    }
    c.sends({ flags: 'S', mptcp: JOIN })
    expect(c.stack.counters).toMatchObject({ MPJoinSynTx: 5, PathCommandRefused: 0 })
  })

  it('is bounded, whatever addresses the peer announces', () => {
    const c = established({ core, role: 'client', links: 2, stack: { maxSubflows: 3 } })
    c.stack.pathControl.setLimits({ addAddrAccepted: 8 })
    for (let i = 0; i < 60; i++) {
      c.receives({ seq: 1, ack: 1, mptcp: [addAddr(c, `10.0.2.${100 + i}`, 10 + i)] })
      for (const said of c.sendsAll()) {
        if (said.flags === 'S') c.receives({ flags: 'R.', seq: 0, ack: 1 }, said.peer)
      }
    }
    expect(c.connection.pathManager.failures!.length).toBeLessThanOrEqual(32)
  })
})
