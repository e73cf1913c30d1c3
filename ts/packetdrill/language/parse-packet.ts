// Packets: `<` and `>`, what they say of IP, addresses and ports, TCP flags and numbers, ICMP messages.
// UDP and encapsulation (IP in IP, GRE, MPLS) are refused by name: the stack speaks TCP alone.

import { ACK, CWR, ECE, FIN, PSH, RST, SYN, URG } from '../../wire/tcp-flags.js'
import type {
  Direction,
  Echoed,
  Endpoint,
  Flags,
  IcmpPacket,
  IpInfo,
  Sequence,
  TcpPacket,
  Tuple,
} from './ast.js'
import { ICMP_TYPES, icmpCodes, icmpNumbers } from './icmp-names.js'
import { parseOptionList } from './parse-options.js'
import { MAX_U8, MAX_U16, MAX_U32 } from './parse-value.js'
import { here, type TokenStream } from './token-stream.js'

const MAX_U20 = 0xfffff

/** Accurate ECN's bit beside the eight, RFC 9768 §3.1. */
export const AE = 0x100

const FLAG_BITS: Readonly<Record<string, number>> = {
  F: FIN,
  S: SYN,
  R: RST,
  P: PSH,
  '.': ACK,
  U: URG,
  E: ECE,
  W: CWR,
  C: CWR,
  A: AE,
}
const ECN_BITS = ECE | CWR | AE

const ENCAPSULATIONS = ['encap', 'ipv4', 'ipv6', 'gre', 'GREv0', 'mpls', 'psp']
/** What other dialects of packetdrill test beside TCP. */
const OTHER_PROTOCOLS: Readonly<Record<string, string>> = {
  udp: 'UDP',
  udplite: 'UDP-Lite',
  sctp: 'SCTP',
}

export function parsePacket(tokens: TokenStream): TcpPacket | IcmpPacket {
  const position = here(tokens)
  const direction: Direction = tokens.next().text === '<' ? 'inbound' : 'outbound'
  refuseOthers(tokens)
  const ip = parseIpInfo(tokens, direction)
  refuseOthers(tokens)
  if (tokens.at('icmp') || tokens.at('icmpv6')) {
    tokens.next()
    return { kind: 'icmp', position, direction, ip, ...parseIcmp(tokens) }
  }
  const tuple = parseTuple(tokens)
  const flags = parseFlags(tokens)
  const sequence = parseSequence(tokens)
  const ack = tokens.take('ack') ? tokens.number('an acknowledgment number', MAX_U32) : null
  const window = tokens.take('win') ? tokens.number('a window', MAX_U16) : null
  const urgent = tokens.take('urg') ? tokens.number('an urgent pointer', MAX_U16) : null
  const options = parseOptionList(tokens, direction)
  if (tokens.at('{') || tokens.at('[')) {
    tokens.problem(tokens.peek(), 'changing bytes of a packet ({rep …}, [mut …]) is not supported')
  }
  return {
    kind: 'tcp',
    position,
    direction,
    ip,
    tuple,
    flags,
    sequence,
    ack,
    window,
    urgent,
    options,
  }
}

function refuseOthers(tokens: TokenStream): void {
  const token = tokens.peek()
  if (token.kind === 'word' && Object.hasOwn(OTHER_PROTOCOLS, token.value)) {
    const protocol = OTHER_PROTOCOLS[token.value]
    tokens.problem(token, `${protocol} packets are not supported: the stack is TCP only`)
  }
  if (token.kind === 'word' && ENCAPSULATIONS.includes(token.value)) {
    tokens.problem(token, `encapsulation (${token.value}) is not supported: the stack is TCP only`)
  }
}

/** `[ect0]`, `(tos 0x10)`, `[ce, flowlabel 0x1]`, `(ttl 1)`. */
function parseIpInfo(tokens: TokenStream, direction: Direction): IpInfo {
  const ip = { ecn: null, tos: null, flowLabel: null, ttl: null } as {
    -readonly [Key in keyof IpInfo]: IpInfo[Key]
  }
  const close = tokens.at('[') ? ']' : tokens.at('(') ? ')' : null
  if (close === null) return ip
  do {
    tokens.next()
    const token = tokens.word("an ECN mark, 'tos', 'ttl' or 'flowlabel'")
    switch (token.value) {
      case 'ect01':
        if (direction === 'inbound') {
          tokens.problem(token, '[ect01] can only stand before outbound packets')
        }
        ip.ecn = 'ect01'
        break
      case 'noecn':
      case 'ect0':
      case 'ect1':
      case 'ce':
        ip.ecn = token.value
        break
      case 'tos':
        ip.tos = tokens.number('a type of service', MAX_U8)
        break
      case 'ttl':
        ip.ttl = tokens.number('a time to live', MAX_U8)
        break
      case 'flowlabel':
        ip.flowLabel = tokens.number('a flow label', MAX_U20)
        break
      default:
        tokens.problem(
          token,
          `unexpected '${token.text}', expected noecn, ect0, ect1, ect01, ce, tos, ttl or flowlabel`,
        )
    }
  } while (tokens.at(','))
  tokens.expect(close)
  return ip
}

/** `addr[a] > addr[b]`, `> addr[b]`, `addr[a] >`, or nothing at all. */
function parseTuple(tokens: TokenStream): Tuple | null {
  const source = parseEndpoint(tokens)
  if (source === null && !tokens.at('>')) return null
  tokens.expect('>')
  return { source, destination: parseEndpoint(tokens) }
}

function parseEndpoint(tokens: TokenStream): Endpoint | null {
  const token = tokens.peek()
  const position = token.position
  switch (token.kind) {
    case 'integer':
      return { kind: 'port', position, port: tokens.number('a port', MAX_U16) }
    case 'ipv4':
    case 'ipv6': {
      tokens.next()
      tokens.expect(':', "':' and a port")
      const port = tokens.number('a port', MAX_U16)
      const family = token.kind === 'ipv4' ? 4 : 6
      return { kind: 'address', position, family, address: token.value, port }
    }
    default: {
      if (!tokens.at('addr') || !tokens.at('[', 1)) return null
      tokens.next()
      tokens.next()
      const name = tokens.word('the name of an address').value
      tokens.expect(']')
      return { kind: 'variable', position, name }
    }
  }
}

/** `S.`, `SEWA`, `.`, `-`, and with the ACE field as a digit: `P.5`, `.3`. */
function parseFlags(tokens: TokenStream): Flags {
  const first = tokens.peek()
  const expected = "TCP flags (S F R P . E W A U, or '-')"
  if (tokens.take('-')) return { bits: 0, ace: null, text: '-' }
  let text = ''
  if (first.kind === 'word') text += tokens.next().value
  // '.5' is a number to the lexer, and so is the rest of 'P.5'.
  if (tokens.peek().kind === 'float') text += tokens.next().value
  else if (tokens.take('.')) text += '.'
  if (text === '') tokens.unexpected(expected)
  let bits = 0
  let ace: number | null = null
  for (const char of text) {
    const bit = Object.hasOwn(FLAG_BITS, char) ? FLAG_BITS[char]! : 0
    if (bit !== 0) {
      bits |= bit
    } else if (char >= '0' && char <= '7' && ace === null) {
      ace = Number(char)
    } else {
      tokens.problem(first, `'${text.slice(0, 20)}' is not ${expected}`)
    }
  }
  if (ace !== null) {
    if ((bits & ECN_BITS) !== 0)
      tokens.problem(first, `'${text}' has both an ACE digit and E, W or A`)
    bits |= (ace & 1 ? ECE : 0) | (ace & 2 ? CWR : 0) | (ace & 4 ? AE : 0)
  }
  return { bits, ace, text }
}

/** `1:1001(1000)`. */
function parseSequence(tokens: TokenStream): Sequence {
  const first = tokens.peek()
  const start = tokens.number('a sequence number', MAX_U32)
  tokens.expect(':')
  const end = tokens.number('the end of a sequence', MAX_U32)
  tokens.expect('(')
  const length = tokens.number('a payload length', MAX_U16)
  tokens.expect(')')
  if (end !== start + length) {
    tokens.problem(
      first,
      `${start}:${end}(${length}) does not add up: ${start} + ${length} != ${end}`,
    )
  }
  return { start, end, length }
}

const TYPES = ICMP_TYPES.join(', ')

/** In either family: which one the script is run over is not known yet. */
function isIcmp(type: string, code: string | null): boolean {
  return icmpNumbers(4, type, code) !== null || icmpNumbers(6, type, code) !== null
}

/** RFC 1191 §4, and RFC 4443 §3.2. */
function hasMtu(type: string, code: string | null): boolean {
  const [v4, v6] = [icmpNumbers(4, type, code), icmpNumbers(6, type, code)]
  return (v4?.type === 3 && v4.code === 4) || (v6?.type === 2 && v6.code === 0)
}

/** What stands behind the word `icmp`. */
function parseIcmp(
  tokens: TokenStream,
): Pick<IcmpPacket, 'type' | 'code' | 'mtu' | 'id' | 'echoed'> {
  const type = tokens.peek()
  if (type.kind !== 'word' || !isIcmp(type.value, null)) tokens.unexpected(`an ICMP type: ${TYPES}`)
  tokens.next()
  let code: string | null = null
  if (tokens.peek().kind === 'word' && !tokens.at('mtu') && !tokens.at('id')) {
    code = tokens.peek().value
    if (!isIcmp(type.value, code)) {
      tokens.unexpected(`a code of ${type.value}: ${icmpCodes(type.value).join(', ')}`)
    }
    tokens.next()
  }
  if (tokens.at('mtu') && !hasMtu(type.value, code)) {
    tokens.problem(
      tokens.peek(),
      'mtu stands only behind unreachable frag_needed or packet_too_big',
    )
  }
  const mtu = tokens.take('mtu') ? tokens.number('a MTU', MAX_U32) : null
  const id = tokens.take('id') ? tokens.number('an echo id', MAX_U16) : null
  return { type: type.value, code, mtu, id, echoed: parseEchoed(tokens) }
}

function parseEchoed(tokens: TokenStream): Echoed | null {
  if (!tokens.take('[')) return null
  let echoed: Echoed
  if (tokens.at('udp') || tokens.at('raw')) {
    const protocol = tokens.next().value as 'udp' | 'raw'
    tokens.expect('(')
    echoed = { protocol, payloadBytes: tokens.number('a payload length', MAX_U16) }
    tokens.expect(')')
  } else {
    echoed = { protocol: 'tcp', sequence: parseSequence(tokens) }
  }
  tokens.expect(']')
  return echoed
}
