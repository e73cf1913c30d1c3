// Reading from a connection whose data has ended in both directions while its subflows still close.

import { describe, expect, it } from 'vitest'
import type { BsdSocket } from '../../ts/socket/descriptors.js'
import { receive } from '../../ts/socket/receive.js'
import { BACKENDS } from '../contract/cores.js'
import { dss, pattern } from '../harness/peer.js'
import { established } from '../harness/states.js'

describe.each(BACKENDS)('reading the last byte, %s core', (core) => {
  it('gives nothing back while a subflow holds bytes that count against the same account', () => {
    const c = established({ core })
    const all = dss({ ack: 1, fin: true, dsn: 1, ssn: 1, length: 101 })
    c.receives({ seq: 1, ack: 1, data: pattern(1, 100), mptcp: [all] })
    // Behind the end of the data, without a mapping.
    c.receives({ seq: 101, ack: 1, data: 50, mptcp: [dss({ ack: 1 })] })
    c.closes()
    c.receives({ seq: 151, ack: 1, mptcp: [dss({ ack: 2 })] })
    expect(c.sendsAll().at(-1)!.flags).toContain('F')
    expect(c.connection.state).toBe('M_CLOSED')
    const socket = { connection: c.connection, readShut: false } as unknown as BsdSocket
    expect(receive(c.stack, socket, new Uint8Array(200), 0)).toBe(100)
    expect(c.connection.rcv.queue).not.toBe(0)
  })
})
