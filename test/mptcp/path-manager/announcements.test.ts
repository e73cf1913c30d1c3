// Addresses that this side announces: ADD_ADDR until it is echoed, RFC 8684 §3.4.1.

import { describe, expect, it } from 'vitest'
import { ADD_ADDR, type AddAddrOption } from '../../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../../contract/cores.js'
import type { Conversation } from '../../harness/conversation.js'
import { addAddressHmac } from '../../harness/peer.js'
import { capable, synReceived } from '../../harness/states.js'

const signals = {
  links: 2,
  stack: { endpoints: [{ address: '10.0.1.1' }, { address: '10.0.2.1', id: 7, signal: true }] },
}

describe.each(BACKENDS)('announcing an address, %s core', (core) => {
  it('an endpoint to be announced is announced, with the right HMAC', () => {
    const c = announced(core)
    const { option } = c
    const { peer, stack } = c.conversation.keys
    const expected = addAddressHmac(stack!.key, peer.key, 7, option.address, 0)
    expect(option).toMatchObject({ addressId: 7, address: Uint8Array.of(10, 0, 2, 1), port: null })
    expect(Buffer.from(option.hmac!)).toEqual(Buffer.from(expected))
  })

  it('an ADD_ADDR that is not echoed goes again, and not for ever', () => {
    const { conversation: c } = announced(core)
    c.after(60_000)
    const again = c.sendsAll()
    expect(again).toHaveLength(3)
    expect(c.stack.counters.AddAddrTxRetrans).toBe(3)
    c.sendsNothingFor(600_000)
  })

  it('an echo ends that', () => {
    const { conversation: c, option } = announced(core)
    c.receives({ seq: 1, ack: 1, mptcp: [{ ...option, echo: true, hmac: null }] })
    c.sendsNothingFor(60_000)
    expect(c.stack.counters.EchoAdd).toBe(1)
  })

  it('so does a fallback, and no deadline of it stays behind', () => {
    const { conversation: c } = announced(core)
    c.receives({ seq: 1, ack: 1, data: 50 })
    expect(c.connection.mode).toBe('fallback')
    c.sends({ ack: 51, mptcp: [] })
    c.sendsNothingFor(60_000)
    expect(c.connection.agenda.deadline).toBe(Number.POSITIVE_INFINITY)
  })
})

/** A server of two addresses that has announced the second. */
function announced(core: 'wasm' | 'js'): { conversation: Conversation; option: AddAddrOption } {
  const c = synReceived({ core, ...signals })
  const keys = { senderKey: c.keys.peer.key, receiverKey: c.keys.stack!.key }
  c.receives({ seq: 1, ack: 1, mptcp: [capable(keys)] })
  const said = c.sends({ mptcp: [{ subtype: ADD_ADDR, echo: false }] })
  return { conversation: c, option: said.mptcp[0] as AddAddrOption }
}
