// MPTCP options as the packetdrill of the MPTCP project writes them. The attributes of an option may
// stand in any order here, each at most once; parse-value.ts has what they are made of.

import type {
  AddAddressNode,
  AddressVariable,
  Checksum,
  DssNode,
  DssNumber,
  KeyNode,
  MpCapableNode,
  MpFailNode,
  MpFastcloseNode,
  MpJoinAckNode,
  MpJoinSynAckNode,
  MpJoinSynNode,
  MpPrioNode,
  MpResetNode,
  MptcpOptionNode,
  RemoveAddressNode,
  Value,
} from './ast.js'
import type { Token } from './lexer.js'
import {
  assigned,
  endOfOption,
  MAX_U8,
  MAX_U16,
  MAX_U32,
  parseAddressId,
  parseAttributes,
  parseChecksum,
  parseFlagList,
  parseKey,
  parseValue,
} from './parse-value.js'
import { here, type TokenStream } from './token-stream.js'

type Parser = (tokens: TokenStream) => MptcpOptionNode

const OPTIONS: Readonly<Record<string, Parser>> = {
  mpcapable: parseMpCapable,
  mp_capable: parseOldMpCapable,
  mp_capable_no_cs: parseOldMpCapable,
  mp_join_syn: parseMpJoinSyn,
  mp_join_syn_ack: parseMpJoinSynAck,
  mp_join_ack: parseMpJoinAck,
  dss: parseDss,
  add_address: parseAddAddress,
  remove_address: parseRemoveAddress,
  mp_prio: parseMpPrio,
  mp_fail: parseMpFail,
  mp_fastclose: parseMpFastclose,
  mp_reset: parseMpReset,
}

/** MP_CAPABLE's flags, RFC 8684 §3.1. */
const CAPABLE_FLAGS: Readonly<Record<string, number>> = {
  no_flags: 0,
  flag_a: 0x80,
  flag_b: 0x40,
  flag_c: 0x20,
  flag_d: 0x10,
  flag_e: 0x08,
  flag_f: 0x04,
  flag_g: 0x02,
  flag_h: 0x01,
}

/** MP_TCPRST's, RFC 8684 §3.6; packetdrill knows T alone. */
const RESET_FLAGS: Readonly<Record<string, number>> = {
  no_flags: 0,
  flag_u: 8,
  flag_v: 4,
  flag_w: 2,
  flag_t: 1,
}

export function isMptcpOption(token: Token): boolean {
  return token.kind === 'word' && Object.hasOwn(OPTIONS, token.value)
}

export function parseMptcpOption(tokens: TokenStream): MptcpOptionNode {
  return OPTIONS[tokens.peek().value]!(tokens)
}

function parseMpCapable(tokens: TokenStream): MpCapableNode {
  const position = tokens.next().position
  const word = tokens.word("'v0', 'v1' or 'none'")
  if (word.value !== 'v0' && word.value !== 'v1' && word.value !== 'none') {
    tokens.problem(word, `unexpected '${word.text}', expected v0, v1 or none`)
  }
  const version = word.value === 'v0' ? 0 : 1
  if (!tokens.at('flags') && !tokens.at('Flags')) tokens.unexpected("'flags'")
  tokens.next()
  const flags = parseFlagList(tokens, CAPABLE_FLAGS)
  const keys: KeyNode[] = []
  if (!tokens.take('nokey')) {
    tokens.expect('key', "'nokey' or 'key'")
    tokens.expect('[')
    keys.push(parseKey(tokens))
    if (tokens.take(',')) keys.push(parseKey(tokens))
    tokens.expect(']', keys.length === 1 ? "',' or ']'" : "']'")
  }
  let dataLength: number | null = null
  let checksum: Checksum | null = null
  parseAttributes(tokens, {
    mpcdatalen: () => {
      dataLength = tokens.number('a data length', MAX_U16)
    },
    cksum: () => {
      checksum = parseChecksum(tokens)
    },
    nocs: () => {
      checksum = null
    },
  })
  // As in packetdrill, a length of 0 is one not written.
  return {
    kind: 'mpcapable',
    position,
    version,
    flags,
    keys,
    dataLength: dataLength || null,
    checksum,
  }
}

/** The older notation, of version 0: `mp_capable a`, `mp_capable_no_cs a b flag_h`. */
function parseOldMpCapable(tokens: TokenStream): MpCapableNode {
  const word = tokens.next()
  const keys = [parseKey(tokens)]
  if (!endOfOption(tokens) && !isFlag(tokens)) keys.push(parseKey(tokens))
  let flags = 0
  let none = false
  while (isFlag(tokens)) {
    const name = tokens.next().value
    none ||= name === 'no_flags'
    flags |= CAPABLE_FLAGS[name]!
  }
  if (flags === 0 && !none) flags = word.value === 'mp_capable' ? 0x81 : 0x01
  return {
    kind: 'mpcapable',
    position: word.position,
    version: 0,
    flags: none ? 0 : flags,
    keys,
    dataLength: null,
    checksum: null,
  }
}

function isFlag(tokens: TokenStream): boolean {
  const token = tokens.peek()
  return token.kind === 'word' && Object.hasOwn(CAPABLE_FLAGS, token.value)
}

function parseMpJoinSyn(tokens: TokenStream): MpJoinSynNode {
  const position = tokens.next().position
  const join = parseJoin(tokens, ['token'], position)
  return {
    kind: 'mp_join_syn',
    position,
    backup: join.backup,
    addressId: join.addressId,
    token: join.value,
    nonce: join.nonce,
  }
}

function parseMpJoinSynAck(tokens: TokenStream): MpJoinSynAckNode {
  const position = tokens.next().position
  const join = parseJoin(tokens, ['sender_hmac', 'token'], position)
  return {
    kind: 'mp_join_syn_ack',
    position,
    backup: join.backup,
    addressId: join.addressId,
    hmac: join.value,
    nonce: join.nonce,
  }
}

interface Join {
  backup: boolean
  addressId: number | null
  value: Value
  nonce: number | null
}

/** `names`: how token or HMAC may be called (`token=auto` is packetdrill's second way for either). */
function parseJoin(tokens: TokenStream, names: string[], position: Value['position']): Join {
  const join: Join = {
    backup: false,
    addressId: null,
    value: { kind: 'auto', position },
    nonce: null,
  }
  const value = (): void => {
    tokens.expect('=')
    join.value = parseValue(tokens)
  }
  parseAttributes(tokens, {
    backup: () => {
      join.backup = assigned(tokens, 'a backup flag', 1) === 1
    },
    address_id: () => {
      join.addressId = parseAddressId(tokens)
    },
    ...Object.fromEntries(names.map((name) => [name, value])),
    rand: () => {
      join.nonce = assigned(tokens, 'a random number', MAX_U32)
    },
  })
  return join
}

function parseMpJoinAck(tokens: TokenStream): MpJoinAckNode {
  const position = tokens.next().position
  let hmac: Value = { kind: 'auto', position }
  const value = (): void => {
    tokens.expect('=')
    hmac = parseValue(tokens)
  }
  parseAttributes(tokens, { sender_hmac: value, token: value })
  return { kind: 'mp_join_ack', position, hmac }
}

function parseDss(tokens: TokenStream): DssNode {
  const node: { -readonly [Key in keyof DssNode]: DssNode[Key] } = {
    kind: 'dss',
    position: tokens.next().position,
    dataAck: null,
    dsn: null,
    ssn: null,
    dataLength: null,
    checksum: 'auto',
    fin: false,
  }
  const number = (bytes: 4 | 8): DssNumber => ({
    bytes,
    value: tokens.take('=') ? parseValue(tokens) : null,
  })
  parseAttributes(tokens, {
    dack4: () => {
      node.dataAck = number(4)
    },
    dack8: () => {
      node.dataAck = number(8)
    },
    dsn4: () => {
      node.dsn = number(4)
    },
    dsn8: () => {
      node.dsn = number(8)
    },
    ssn: () => {
      node.ssn = assigned(tokens, 'a subflow sequence number', MAX_U32)
    },
    dll: () => {
      node.dataLength = assigned(tokens, 'a data length', MAX_U16)
    },
    nocs: () => {
      node.checksum = 'none'
    },
    cksum: () => {
      node.checksum = parseChecksum(tokens)
    },
    fin: () => {
      node.fin = true
    },
  })
  return node
}

function parseAddAddress(tokens: TokenStream): AddAddressNode {
  const word = tokens.next()
  const position = word.position
  let addressId: number | null = null
  let address: AddressVariable | null = null
  let port: number | null = null
  let echo = false
  let hmac: Value | null = null
  parseAttributes(tokens, {
    address_id: () => {
      addressId = parseAddressId(tokens)
    },
    addr: () => {
      address = parseAddressVariable(tokens)
    },
    port: () => {
      port = assigned(tokens, 'a port', MAX_U16)
    },
    hmac: () => {
      tokens.expect('=')
      hmac = parseValue(tokens)
    },
    addr_echo: () => {
      echo = true
    },
  })
  if (address === null) tokens.unexpected('addr[NAME]')
  if (echo === (hmac !== null)) {
    tokens.problem(word, 'add_address wants either hmac= or addr_echo')
  }
  return { kind: 'add_address', position, addressId, address, port, echo, hmac }
}

/** `[name]`, `[name=inet_addr("…")]`, `[name=inet6_addr("…")]`, behind the word addr. */
function parseAddressVariable(tokens: TokenStream): AddressVariable {
  tokens.expect('[')
  const position = here(tokens)
  const name = tokens.word('the name of an address').value
  let family: 4 | 6 | null = null
  let value: string | null = null
  if (tokens.take('=')) {
    family = tokens.at('inet6_addr') ? 6 : 4
    tokens.expect(family === 6 ? 'inet6_addr' : 'inet_addr', 'inet_addr or inet6_addr')
    tokens.expect('(')
    value = tokens.string('an address in quotes').value
    tokens.expect(')')
  }
  tokens.expect(']')
  return { position, name, family, value }
}

function parseRemoveAddress(tokens: TokenStream): RemoveAddressNode {
  const position = tokens.next().position
  tokens.expect('address_id')
  tokens.expect('=')
  const addressIds: number[] = []
  // A lone number without brackets is taken too; packetdrill itself wants the brackets.
  const list = tokens.take('[')
  do addressIds.push(tokens.number('an address id', MAX_U8))
  while (list && tokens.take(','))
  if (list) tokens.expect(']', "',' or ']'")
  return { kind: 'remove_address', position, addressIds }
}

function parseMpPrio(tokens: TokenStream): MpPrioNode {
  const position = tokens.next().position
  let backup = false
  let addressId: number | null = null
  parseAttributes(tokens, {
    backup: () => {
      backup = assigned(tokens, 'a backup flag', 1) === 1
    },
    address_id: () => {
      addressId = parseAddressId(tokens)
    },
  })
  return { kind: 'mp_prio', position, backup, addressId }
}

function parseMpFail(tokens: TokenStream): MpFailNode {
  const position = tokens.next().position
  let dsn: Value | null = null
  parseAttributes(tokens, {
    dsn8: () => {
      if (tokens.take('=')) dsn = parseValue(tokens)
    },
  })
  return { kind: 'mp_fail', position, dsn }
}

function parseMpFastclose(tokens: TokenStream): MpFastcloseNode {
  const position = tokens.next().position
  const key = endOfOption(tokens) ? null : parseKey(tokens)
  const add = key !== null && tokens.take('+') ? tokens.integer('a number') : 0n
  return { kind: 'mp_fastclose', position, key, add }
}

function parseMpReset(tokens: TokenStream): MpResetNode {
  const position = tokens.next().position
  const reason = tokens.number('a reason', MAX_U8)
  const flags = tokens.take('flags') ? parseFlagList(tokens, RESET_FLAGS) : 0
  return { kind: 'mp_reset', position, reason, flags }
}
