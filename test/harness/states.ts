// Conversations that have come to a state: the handshakes, step by step, with each packet checked.

import { expect } from 'vitest'
import { parseAddress } from '../../ts/wire/address.js'
import { MP_CAPABLE, MP_JOIN, type MpCapableOption } from '../../ts/wire/mptcp-options.js'
import { Conversation, type ConversationOptions, peerAddress } from './conversation.js'
import { dss, joinHmac, keyed, type Peer, type SegmentSpec } from './peer.js'

export const PORT = 5000
export const PEER_PORT = 40_000

/** A MP_CAPABLE of version 1 with HMAC-SHA256 and nothing else. */
export function capable(spec: Partial<Omit<MpCapableOption, 'subtype'>> = {}): MpCapableOption {
  return {
    subtype: MP_CAPABLE,
    version: 1,
    checksumRequired: false,
    extensibility: false,
    denyJoin: false,
    algorithms: 1,
    senderKey: null,
    receiverKey: null,
    dataLength: null,
    checksum: null,
    ...spec,
  }
}

export interface StateOptions extends ConversationOptions {
  role?: 'server' | 'client'
  /** MP_CAPABLE in the handshake; default true. */
  mptcp?: boolean
  /** Of the client's socket; default both. */
  families?: 'ipv4' | 'ipv6' | 'both'
  checksum?: boolean
  /** What the peer offers in its SYN or SYN/ACK. */
  timestamps?: boolean
  sack?: boolean
  windowScaling?: boolean
  mss?: number
  /** The peer's window once established, bytes. */
  window?: number
  /** Round trip of the handshake, ms; 0 unless told. */
  rttMs?: number
}

/** The options of the peer's SYN or SYN/ACK. */
export function synSpec(options: StateOptions): SegmentSpec {
  return {
    mss: options.mss ?? 1460,
    windowScale: options.windowScaling === false ? null : 7,
    sackPermitted: options.sack !== false,
    window: 65_535,
  }
}

/** A peer with what it offers, before any packet. */
export function knock(c: Conversation, options: StateOptions, port = PEER_PORT, link = 0): Peer {
  const peer = c.addPeer({ link, port, stackPort: PORT })
  peer.timestamps = options.timestamps !== false
  if (options.windowScaling === false) peer.shift = -1
  return peer
}

/** The stack listens on PORT; what it accepts becomes the conversation's connection. */
export function listening(options: StateOptions = {}): Conversation {
  const c = new Conversation(options)
  const listener = c.stack.listen(null, PORT, 16, false)!
  listener.fastOpen.settings.queue = 4
  listener.notify = () => {
    const connection = listener.ready.shift()!
    c.connection ??= connection
    c.stack.calls.accept(connection, c.notify)
  }
  return c
}

/** A SYN has come and was answered: SYN-RECEIVED. */
export function synReceived(options: StateOptions = {}): Conversation {
  const c = listening(options)
  const peer = knock(c, options)
  const mptcp = options.mptcp ?? true
  c.receives({
    flags: 'S',
    seq: 0,
    ...synSpec(options),
    mptcp: mptcp ? [capable({ checksumRequired: options.checksum ?? false })] : [],
  })
  const said = c.sends({ flags: 'S.', seq: 0, ack: 1 })
  expect(said.peer).toBe(peer)
  const option = said.mptcp[0]
  if (option?.subtype === MP_CAPABLE) c.keys.stack = keyed(option.senderKey!)
  return c
}

/** The stack has sent its SYN: SYN-SENT. The peer is `c.peer`. */
export function synSent(options: StateOptions & { plain?: boolean } = {}): Conversation {
  const c = new Conversation(options)
  c.connection = c.stack.calls.connect(
    parseAddress(peerAddress(0))!,
    PORT,
    {
      local: null,
      localPort: 0,
      plain: options.plain ?? false,
      families: options.families ?? 'both',
    },
    c.notify,
  )!
  c.keys.stack = keyed(c.connection.localKey)
  c.sends({ flags: 'S', seq: 0 })
  c.peer.timestamps = options.timestamps !== false
  if (options.windowScaling === false) c.peer.shift = -1
  return c
}

/** Both sides are open; with `mptcp` also fully established, so that joins may come. */
export function established(options: StateOptions = {}): Conversation {
  const { role = 'server', mptcp = true, window } = options
  const c = role === 'server' ? synReceived(options) : synSent(options)
  const more = window === undefined ? {} : { window }
  c.after(options.rttMs ?? 0)
  if (role === 'server') {
    const option = capable({
      checksumRequired: options.checksum ?? false,
      senderKey: c.keys.peer.key,
      receiverKey: c.keys.stack?.key ?? null,
    })
    c.receives({ flags: '.', seq: 1, ack: 1, ...more, mptcp: mptcp ? [option] : [] })
    c.sendsNothing()
  } else {
    const option = capable({
      checksumRequired: options.checksum ?? false,
      senderKey: c.keys.peer.key,
    })
    c.receives({ flags: 'S.', seq: 0, ack: 1, ...synSpec(options), mptcp: mptcp ? [option] : [] })
    c.sends({ flags: '.', seq: 1, ack: 1, mptcp: mptcp ? [{ subtype: MP_CAPABLE }] : [] })
    if (mptcp) c.receives({ seq: 1, ack: 1, ...more, mptcp: [dss({ ack: 1 })] })
    else if (window !== undefined) c.receives({ seq: 1, ack: 1, window })
    c.sendsNothing()
  }
  expect(c.connection.mode).toBe(mptcp ? 'mptcp' : 'fallback')
  return c
}

export interface JoinOptions {
  link?: number
  port?: number
  addressId?: number
  backup?: boolean
  /** In place of the right HMAC-A. */
  hmac?: Uint8Array
  token?: number
}

/** The peer's MP_JOIN SYN arrives. */
export function joinSyn(c: Conversation, options: JoinOptions = {}): Peer {
  const peer = knock(c, {}, options.port ?? PEER_PORT + 1, options.link ?? 0)
  c.receives(
    {
      flags: 'S',
      seq: 0,
      ...synSpec({}),
      mptcp: [
        {
          subtype: MP_JOIN,
          phase: 'SYN',
          backup: options.backup ?? false,
          addressId: options.addressId ?? 2,
          token: options.token ?? c.keys.stack!.token,
          nonce: JOIN_NONCE,
        },
      ],
    },
    peer,
  )
  return peer
}

export const JOIN_NONCE = 0xcafe0001

/** The stack's SYN/ACK of a join, its HMAC-B checked; returns the stack's nonce. */
export function joinSynAck(c: Conversation, peer: Peer): number {
  const said = c.sends({ peer, flags: 'S.', seq: 0, ack: 1, mptcp: [{ subtype: MP_JOIN }] })
  const option = said.mptcp[0]!
  if (option.subtype !== MP_JOIN || option.phase !== 'SYN/ACK') throw new Error('no MP_JOIN')
  const { peer: own, stack } = c.keys
  const expected = joinHmac(stack!.key, own.key, option.nonce, JOIN_NONCE).subarray(0, 8)
  expect(Buffer.from(option.hmac).toString('hex')).toBe(Buffer.from(expected).toString('hex'))
  return option.nonce
}

/** The third ACK of the peer's join. */
export function joinAck(
  c: Conversation,
  peer: Peer,
  stackNonce: number,
  options: JoinOptions = {},
): void {
  const { peer: own, stack } = c.keys
  const hmac = options.hmac ?? joinHmac(own.key, stack!.key, JOIN_NONCE, stackNonce).subarray(0, 20)
  c.receives({ seq: 1, ack: 1, mptcp: [{ subtype: MP_JOIN, phase: 'ACK', hmac }] }, peer)
}

/** The peer has joined a second subflow to an established connection of the stack. */
export function joined(c: Conversation, options: JoinOptions = {}): Peer {
  const peer = joinSyn(c, options)
  joinAck(c, peer, joinSynAck(c, peer), options)
  c.sends({ peer, flags: '.', seq: 1, ack: 1 })
  c.sendsNothing()
  return peer
}

/** The stack has joined a subflow to the peer, from the second link: it is `c.peers[1]`. */
export function answerJoin(
  c: Conversation,
  options: { confirm?: boolean; backup?: boolean; hmac?: Uint8Array } = {},
): Peer {
  const syn = c.sends({ flags: 'S', seq: 0, mptcp: [{ subtype: MP_JOIN, phase: 'SYN' }] })
  const { peer } = syn
  const option = syn.mptcp[0]!
  if (option.subtype !== MP_JOIN || option.phase !== 'SYN') throw new Error('no MP_JOIN')
  expect(option.token).toBe(c.keys.peer.token)
  const { peer: own, stack } = c.keys
  const hmac =
    options.hmac ?? joinHmac(own.key, stack!.key, JOIN_NONCE, option.nonce).subarray(0, 8)
  c.receives(
    {
      flags: 'S.',
      seq: 0,
      ack: 1,
      ...synSpec({}),
      mptcp: [
        {
          subtype: MP_JOIN,
          phase: 'SYN/ACK',
          backup: options.backup ?? false,
          addressId: 2,
          hmac,
          nonce: JOIN_NONCE,
        },
      ],
    },
    peer,
  )
  if (options.hmac !== undefined) return peer
  const ack = c.sends({
    peer,
    flags: '.',
    seq: 1,
    ack: 1,
    mptcp: [{ subtype: MP_JOIN, phase: 'ACK' }],
  })
  const third = ack.mptcp[0]!
  if (third.subtype !== MP_JOIN || third.phase !== 'ACK') throw new Error('no MP_JOIN')
  const expected = joinHmac(stack!.key, own.key, option.nonce, JOIN_NONCE).subarray(0, 20)
  expect(Buffer.from(third.hmac).toString('hex')).toBe(Buffer.from(expected).toString('hex'))
  if (options.confirm !== false) c.receives({ seq: 1, ack: 1, mptcp: [dss({ ack: 1 })] }, peer)
  return peer
}
