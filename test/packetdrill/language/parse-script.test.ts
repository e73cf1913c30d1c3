import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { IcmpPacket } from '../../../ts/packetdrill/language/ast.js'
import { ScriptError } from '../../../ts/packetdrill/language/ast.js'
import { icmpNames, icmpNumbers } from '../../../ts/packetdrill/language/icmp-names.js'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'
import { action, call, option, packet, plain, refusal } from '../harness.js'

describe('a script', () => {
  const text = [
    '// a first comment',
    '--tolerance_usecs=4000',
    '--ip_version=ipv4-mapped-ipv6 --strict',
    '--local_ip=fd::1',
    '--define=CC="reno"',
    '`./defaults.sh',
    ' sysctl -q net.x=$VALUE`',
    '+0 `true`',
    '0.5 close(3) = 0',
    '`/tmp/restore_$PPID.sh $VALUE`',
  ].join('\n')

  test('has header options, a command before and one behind its events', () => {
    const script = parseScript(text, 'x.pkt', { VALUE: '7' })
    expect(script.options.map((header) => [header.name, header.value])).toEqual([
      ['tolerance_usecs', '4000'],
      ['ip_version', 'ipv4-mapped-ipv6'],
      ['strict', null],
      ['local_ip', 'fd::1'],
      ['define', 'CC="reno"'],
    ])
    expect(script.init?.text).toBe('./defaults.sh\n sysctl -q net.x=7')
    expect(script.events).toHaveLength(2)
    expect(script.cleanup?.text).toBe('/tmp/restore_$PPID.sh 7')
    expect(script.defines).toEqual({ CC: '"reno"', VALUE: '7' })
  })

  test('is refused where time runs backwards', () => {
    const text = '0 `true`\n0.2 `true`\n0.1 `true`\n'
    expect(refusal(() => parseScript(text, 'x.pkt'))).toBe(
      'x.pkt:3:1: the time 0.1 lies before that of the event before',
    )
    expect(parseScript('0.2 `true`\n+0 `true`\n0.1 `true`\n', 'x.pkt').events).toHaveLength(3)
  })

  test('is refused without an event', () => {
    expect(refusal(() => parseScript('--a=1\n`true`', 'x.pkt'))).toBe(
      'x.pkt:2:7: unexpected end of file, expected an event: a time and what happens then',
    )
  })

  test.each([
    ['7', 'integer'],
    ['0x7', 'integer'],
    ['O_RDWR', 'word'],
    ['"seven"', 'string'],
  ])('takes %s for a word that -D defines', (value, kind) => {
    const script = parseScript('+0 f(NAME, $NAME) = 0', 'x.pkt', { NAME: value })
    const made = script.events[0]?.action
    expect(made?.kind === 'call' && made.arguments.map((argument) => argument.kind)).toEqual([
      kind,
      kind,
    ])
  })

  test('refuses a $variable that no one defined', () => {
    expect(refusal(() => action('f($NAME) = 0'))).toBe(
      'x.pkt:1:6: $NAME is not defined; give -D NAME=VALUE',
    )
  })

  test('refuses a meaning that is no one token', () => {
    for (const meaning of ['/', 'a b', '', '1.2.3']) {
      expect(refusal(() => action('f(NAME) = 0', { NAME: meaning }))).toBe(
        `x.pkt:1:6: NAME stands for '${meaning}', which is not a word, a number, a "string" or a \`command\``,
      )
    }
  })

  test('refuses a number of too many digits, as where it is written out', () => {
    expect(refusal(() => action('f(N) = 0', { N: '5'.repeat(21) }))).toContain('is too large')
  })

  test('takes a cookie from -D', () => {
    const made = action('< S 0:0(0) win 1 <FO COOKIE>', { COOKIE: '00ff' })
    expect(made.kind === 'tcp' && plain(made.options![0])).toEqual({
      kind: 'FO',
      experimental: false,
      cookie: Uint8Array.of(0, 255),
    })
  })
})

describe('a time', () => {
  const time = (text: string): unknown =>
    parseScript(`${text} > . 1:1(0) ack 1`, 'x.pkt').events[0]!.time

  test.each([
    ['0', { kind: 'absolute', usecs: 0 }],
    ['1.000001', { kind: 'absolute', usecs: 1_000_001 }],
    ['+.1', { kind: 'relative', usecs: 100_000 }],
    ['+0.29', { kind: 'relative', usecs: 290_000 }],
    ['0.1~0.2', { kind: 'absolute-range', usecs: 100_000, endUsecs: 200_000 }],
    ['+0~+1', { kind: 'relative-range', usecs: 0, endUsecs: 1_000_000 }],
    ['*', { kind: 'any' }],
  ])('%s', (text, expected) => {
    expect(time(text)).toEqual(expected)
  })

  test.each([
    ['+0~1', "x.pkt:1:4: unexpected '1', expected '+', since the range began with one"],
    ['+2~+1', 'x.pkt:1:1: the time range runs backwards'],
    ['-1', 'x.pkt:1:1: the time -1 is negative'],
    ['x', "x.pkt:1:1: unexpected 'x', expected a time: '+0.1', '0.1', '+0~+0.1' or '*'"],
  ])('%s is refused', (text, message) => {
    expect(refusal(() => time(text))).toBe(message)
  })

  test('of -0 is 0', () => {
    expect(parseScript('-0 f() = 0', 'x.pkt').events[0]!.time).toEqual({
      kind: 'absolute',
      usecs: 0,
    })
  })

  test('of any or a range stands only before outbound packets', () => {
    expect(refusal(() => parseScript('* < . 1:1(0) win 1', 'x.pkt'))).toContain("'*' can only")
    expect(refusal(() => parseScript('+0~+1 close(3) = 0', 'x.pkt'))).toContain('range can only')
  })

  test('ends a blocking call in the frame in which it began', () => {
    const { time: begin, action: made } = parseScript('+0.1...0.4 read(3) = 1', 'x.pkt').events[0]!
    expect(begin).toEqual({ kind: 'relative', usecs: 100_000 })
    expect(made.kind === 'call' && made.endUsecs).toBe(400_000)
    expect(refusal(() => parseScript('0.5...0.4 read(3) = 1', 'x.pkt'))).toContain(
      'before it begins',
    )
  })
})

describe('a packet', () => {
  test('with everything', () => {
    const text = '< [ect0] addr[a] > addr[b] SP. 1:1001(1000) ack 2 win 257 urg 3 <mss 1460, nop>'
    expect(plain(packet(text))).toEqual({
      kind: 'tcp',
      direction: 'inbound',
      ip: { ecn: 'ect0', tos: null, flowLabel: null, ttl: null },
      tuple: {
        source: { kind: 'variable', name: 'a' },
        destination: { kind: 'variable', name: 'b' },
      },
      flags: { bits: 0x1a, ace: null, text: 'SP.' },
      sequence: { start: 1, end: 1001, length: 1000 },
      ack: 2,
      window: 257,
      urgent: 3,
      options: [{ kind: 'mss', mss: 1460 }, { kind: 'nop' }],
    })
  })

  test('with next to nothing', () => {
    const made = packet('> - 1:1(0)')
    expect(made.flags).toEqual({ bits: 0, ace: null, text: '-' })
    expect([made.tuple, made.ack, made.window, made.urgent]).toEqual([null, null, null, null])
    expect(made.options).toEqual([])
  })

  test.each([
    ['> > addr[b] . 1:1(0)', null, { kind: 'variable', name: 'b' }],
    ['> addr[a] > . 1:1(0)', { kind: 'variable', name: 'a' }, null],
    ['> 80 > 8080 . 1:1(0)', { kind: 'port', port: 80 }, { kind: 'port', port: 8080 }],
    [
      '> 10.0.0.1:80 > fd::1 : 8080 . 1:1(0)',
      { kind: 'address', family: 4, address: '10.0.0.1', port: 80 },
      { kind: 'address', family: 6, address: 'fd::1', port: 8080 },
    ],
  ])('%s', (text, source, destination) => {
    expect(plain(packet(text).tuple)).toEqual({ source, destination })
  })

  test.each([
    ['[tos 0x04]', { tos: 4 }],
    ['(ttl 1)', { ttl: 1 }],
    ['[ce, flowlabel 0x12345]', { ecn: 'ce', flowLabel: 0x12345 }],
    ['[ect01]', { ecn: 'ect01' }],
  ])('%s is of IP', (text, expected) => {
    expect(packet(`> ${text} . 1:1(0)`).ip).toMatchObject(expected)
  })

  test.each([
    ['S', 0x02],
    ['F.', 0x11],
    ['R.', 0x14],
    ['SEW', 0xc2],
    ['SEWA', 0x1c2],
    ['.', 0x10],
    ['.5', 0x150],
    ['P.3', 0xd8],
    ['PU.', 0x38],
  ])('flags %s', (text, bits) => {
    expect(packet(`> ${text} 1:1(0)`).flags.bits).toBe(bits)
  })

  test.each([
    ['> SX 1:1(0)', "x.pkt:1:6: 'SX' is not TCP flags (S F R P . E W A U, or '-')"],
    ['> E.5 1:1(0)', "x.pkt:1:6: 'E.5' has both an ACE digit and E, W or A"],
    ['> . 1:3(1)', 'x.pkt:1:8: 1:3(1) does not add up: 1 + 1 != 3'],
    ['> . 1:70001(70000)', 'x.pkt:1:16: a payload length 70000 is out of range, 0 to 65535'],
    ['> . 1:1(0) ack', 'x.pkt:1:18: unexpected end of file, expected an acknowledgment number'],
    ['< . 1:1(0) win 1 <...>', 'x.pkt:1:22: <...> can only stand behind outbound packets'],
    ['< [ect01] . 1:1(0)', 'x.pkt:1:7: [ect01] can only stand before outbound packets'],
    ['< udp (1000)', 'x.pkt:1:6: UDP packets are not supported: the stack is TCP only'],
    [
      '< ipv4 1.1.1.1 > 2.2.2.2: . 1:1(0)',
      'x.pkt:1:6: encapsulation (ipv4) is not supported: the stack is TCP only',
    ],
    ['> gre: . 1:1(0)', 'x.pkt:1:6: encapsulation (gre) is not supported: the stack is TCP only'],
    [
      '< encap psp spi 1 . 1:1(0)',
      'x.pkt:1:6: encapsulation (encap) is not supported: the stack is TCP only',
    ],
    ['< sctp: INIT', 'x.pkt:1:6: SCTP packets are not supported: the stack is TCP only'],
    [
      '< . 1:1(0) win 1 {rep tcp seq_num 1}',
      'x.pkt:1:21: changing bytes of a packet ({rep …}, [mut …]) is not supported',
    ],
  ])('%s is refused', (text, message) => {
    expect(refusal(() => packet(text))).toBe(message)
  })

  test('<...> leaves the options unchecked', () => {
    expect(packet('> . 1:1(0) <...>').options).toBeNull()
  })
})

describe('an ICMP message', () => {
  test('quotes a packet of ours', () => {
    const made = action('< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]') as IcmpPacket
    expect(made).toMatchObject({ type: 'unreachable', code: 'frag_needed', mtu: 1200, id: null })
    expect(made.echoed).toEqual({
      protocol: 'tcp',
      sequence: { start: 1, end: 1461, length: 1460 },
    })
    expect(action('> icmp echo_request id 7 [raw(8)]')).toMatchObject({
      id: 7,
      echoed: { protocol: 'raw', payloadBytes: 8 },
    })
  })

  test.each([
    ['< icmp nonsense', "x.pkt:1:11: unexpected 'nonsense', expected an ICMP type: echo_reply, "],
    ['< icmp type_300', "x.pkt:1:11: unexpected 'type_300', expected an ICMP type"],
    [
      '< icmp unreachable frag_neded mtu 1200',
      "x.pkt:1:23: unexpected 'frag_neded', expected a code of unreachable: net_unreachable, ",
    ],
    ['< icmp time_exceeded nonsense', "unexpected 'nonsense', expected a code of time_exceeded"],
    ['< icmp unreachable host_unreachable mtu 9', 'x.pkt:1:40: mtu stands only behind unreach'],
  ])('%s is refused', (text, message) => {
    expect(refusal(() => action(text))).toContain(message)
  })

  test('may say its numbers', () => {
    expect(action('< icmp type_3 code_4 mtu 1200')).toMatchObject({ mtu: 1200, code: 'code_4' })
  })

  test('is known by name in either family', () => {
    expect(icmpNumbers(4, 'unreachable', 'frag_needed')).toEqual({ type: 3, code: 4 })
    expect(icmpNumbers(6, 'packet_too_big', null)).toEqual({ type: 2, code: 0 })
    expect(icmpNumbers(4, 'type_9', 'code_8')).toEqual({ type: 9, code: 8 })
    expect(icmpNumbers(6, 'source_quench', null)).toBeNull()
    expect(icmpNumbers(4, 'unreachable', 'constructor')).toBeNull()
    expect(icmpNames(4, 3, 4)).toEqual({ type: 'unreachable', code: 'frag_needed' })
    expect(icmpNames(6, 2, 0)).toEqual({ type: 'packet_too_big', code: null })
  })
})

describe('a TCP option', () => {
  test.each([
    ['wscale 7', { kind: 'wscale', shift: 7 }],
    ['wscale *', { kind: 'wscale', shift: null }],
    [
      'sack 1:2 3:4',
      {
        kind: 'sack',
        blocks: [
          { left: 1, right: 2 },
          { left: 3, right: 4 },
        ],
      },
    ],
    ['TS val 4074410674 ecr 0', { kind: 'TS', value: 4074410674, echo: 0 }],
    ['FO', { kind: 'FO', experimental: false, cookie: new Uint8Array(0) }],
    ['FOEXP 12345678', { kind: 'FO', experimental: true, cookie: Uint8Array.of(18, 52, 86, 120) }],
    ['md5 0aff', { kind: 'md5', digest: Uint8Array.of(10, 255) }],
    [
      'ECN e1b 1 ceb 0',
      {
        kind: 'ECN',
        counters: [
          { name: 'e1b', value: 1 },
          { name: 'ceb', value: 0 },
        ],
      },
    ],
  ])('%s', (text, expected) => {
    expect(plain(option(text))).toEqual(expected)
  })

  test.each([
    ['FO abc', 'a cookie has an odd number of hex digits'],
    ['FO xy', "'xy' is not a cookie in hex"],
    ['mss 65536', 'a segment size 65536 is out of range, 0 to 65535'],
    ['mss', "unexpected '>', expected a segment size"],
    ['bogus', "unexpected 'bogus', expected a TCP option (mss, wscale,"],
  ])('%s is refused', (text, message) => {
    expect(refusal(() => option(text))).toContain(message)
  })
})

describe('a MPTCP option', () => {
  const auto = { kind: 'auto' }
  const number = (value: bigint): unknown => ({ kind: 'number', value, hex: false })
  const name = (text: string): unknown => ({ kind: 'variable', name: text })
  const of = (fn: string, ...args: unknown[]): unknown => ({
    kind: 'call',
    name: fn,
    arguments: args,
  })

  test.each([
    [
      'mpcapable v1 flags[flag_a,flag_h] nokey',
      { version: 1, flags: 0x81, keys: [], dataLength: null, checksum: null },
    ],
    [
      'mpcapable v1 flags 0x41 key[ckey=18446744073709551615, skey] mpcdatalen 2',
      {
        flags: 0x41,
        keys: [
          { name: 'ckey', value: 2n ** 64n - 1n },
          { name: 'skey', value: null },
        ],
        dataLength: 2,
      },
    ],
    ['mpcapable v0 flags[no_flags] key[a]', { version: 0, flags: 0 }],
    [
      'mp_capable_no_cs a b flag_h',
      { kind: 'mpcapable', version: 0, flags: 1, keys: [{ name: 'a' }, { name: 'b' }] },
    ],
    [
      'mp_join_syn backup=1 address_id=2 token=sha256_32(skey) rand=5',
      { backup: true, addressId: 2, token: of('sha256_32', name('skey')), nonce: 5 },
    ],
    ['mp_join_syn address_id=auto token=77', { addressId: null, token: number(77n), nonce: null }],
    [
      'mp_join_syn_ack address_id=1 sender_hmac=trunc_l64_hmac(skey ckey)',
      { addressId: 1, hmac: of('trunc_l64_hmac', name('skey'), name('ckey')) },
    ],
    ['mp_join_syn_ack sender_hmac=auto', { backup: false, addressId: null, hmac: auto }],
    [
      'mp_join_ack sender_hmac=full_160_hmac(ckey, skey)',
      { hmac: of('full_160_hmac', name('ckey'), name('skey')) },
    ],
    [
      'dss dack8=101 dsn4=3 ssn=1 dll=100 nocs fin',
      {
        dataAck: { bytes: 8, value: number(101n) },
        dsn: { bytes: 4, value: number(3n) },
        ssn: 1,
        dataLength: 100,
        checksum: 'none',
        fin: true,
      },
    ],
    [
      'dss dack4 dll=0',
      { dataAck: { bytes: 4, value: null }, dsn: null, ssn: null, dataLength: 0, checksum: 'auto' },
    ],
    ['dss dsn8=1 ssn=1 dll=1 cksum=513', { checksum: 513, fin: false }],
    [
      'dss dack8=trunc_r64_hmac(skey) + 5',
      {
        dataAck: {
          bytes: 8,
          value: { kind: 'sum', left: of('trunc_r64_hmac', name('skey')), right: number(5n) },
        },
      },
    ],
    [
      'add_address address_id=1 addr[x=inet_addr("10.0.0.1")] port=80 hmac=auto',
      {
        addressId: 1,
        address: { name: 'x', family: 4, value: '10.0.0.1' },
        port: 80,
        echo: false,
        hmac: auto,
      },
    ],
    [
      'add_address addr[x=inet6_addr("2001:db8::1")] hmac=0x10',
      { addressId: null, address: { family: 6 }, hmac: { kind: 'number', value: 16n, hex: true } },
    ],
    ['add_address address_id=1 addr[x] addr_echo', { echo: true, hmac: null, port: null }],
    ['remove_address address_id=[1,2]', { addressIds: [1, 2] }],
    ['mp_prio backup=1', { backup: true, addressId: null }],
    ['mp_prio backup=0 address_id=3', { backup: false, addressId: 3 }],
    ['mp_fail dsn8=1', { dsn: number(1n) }],
    ['mp_fastclose', { key: null, add: 0n }],
    ['mp_fastclose ckey=5', { key: { name: 'ckey', value: 5n }, add: 0n }],
    ['mp_fastclose ckey + 1', { key: { name: 'ckey', value: null }, add: 1n }],
    ['mp_reset 1', { reason: 1, flags: 0 }],
    ['mp_reset 3 flags[flag_t]', { reason: 3, flags: 1 }],
  ])('%s', (text, expected) => {
    expect(plain(option(text))).toMatchObject(expected as object)
  })

  test.each([
    ['mpcapable v2 flags[flag_h] nokey', "unexpected 'v2', expected v0, v1 or none"],
    ['mpcapable v1 flags[flag_x] nokey', "unexpected 'flag_x', expected no_flags, flag_a"],
    ['mpcapable v1 flags[flag_h]', "unexpected '>', expected 'nokey' or 'key'"],
    ['mp_join_syn token=md5(skey)', "'md5' is not a function, expected sha1_32, sha256_32"],
    ['mp_join_syn address_id=256 token=1', 'an address id 256 is out of range, 0 to 255'],
    ['mp_prio backup=2', 'a backup flag 2 is out of range, 0 to 1'],
    ['dss dack8=1 dack8=2', 'dack8 is written twice'],
    ['dss dsn8=18446744073709551616', 'does not fit 64 bits'],
    ['dss bogus=1', "unexpected 'bogus', expected dack4, dack8, dsn4, dsn8, ssn, dll"],
    ['add_address address_id=1 addr[x]', 'add_address wants either hmac= or addr_echo'],
    ['add_address address_id=1 hmac=auto', "unexpected '>', expected addr[NAME]"],
    ['remove_address address_id=[]', "unexpected ']', expected an address id"],
  ])('%s is refused', (text, message) => {
    expect(refusal(() => option(text))).toContain(message)
  })
})

describe('a call', () => {
  test('has arguments, a result, an errno and a note', () => {
    const made = call('connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)')
    expect(made.name).toBe('connect')
    expect(plain(made.arguments[1])).toEqual({ kind: 'ellipsis' })
    expect(plain(made.result)).toEqual({ kind: 'integer', value: -1n, hex: false })
    expect(made.errno).toEqual({ name: 'EINPROGRESS', note: 'Operation now in progress' })
    expect(call('fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)')).toMatchObject({
      errno: null,
      note: 'flags O_RDWR',
    })
    expect(call('fork() = 0').arguments).toEqual([])
  })

  test.each([
    [
      'O_RDWR | O_NONBLOCK',
      { kind: 'or', left: { kind: 'word', name: 'O_RDWR' }, right: { name: 'O_NONBLOCK' } },
    ],
    ['[1]', { kind: 'array', items: [{ kind: 'integer', value: 1n }] }],
    ['{..., 1000}', { kind: 'group', items: [{ kind: 'ellipsis' }, { value: 1000n }] }],
    [
      '{events=POLLIN, fd=4}',
      { kind: 'struct', fields: [{ name: 'events', count: null }, { name: 'fd' }] },
    ],
    [
      '{msg_name(...)=..., msg_iov(1)=[{...,0}], msg_flags=0}',
      { fields: [{ name: 'msg_name', count: { kind: 'ellipsis' } }, { count: { value: 1n } }, {}] },
    ],
    [
      '{sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("10.0.0.1")}',
      {
        fields: [
          { value: { name: 'AF_INET' } },
          { value: { kind: 'call', name: 'htons' } },
          { value: { arguments: [{ kind: 'string', value: '10.0.0.1' }] } },
        ],
      },
    ],
    ['"a\\n\\x41\\101" "b"...', { kind: 'string', value: 'a\nAAb', open: true }],
    ['TCP_INQ = 1', { kind: 'assign', name: 'TCP_INQ', value: { value: 1n } }],
  ])('argument %s', (text, expected) => {
    expect(plain(call(`f(${text}) = 0`).arguments[0])).toMatchObject(expected as object)
  })

  test.each([
    ['f(1 = 0', "x.pkt:1:8: unexpected '=', expected ',' or ')'"],
    ['f(1)', "x.pkt:1:8: unexpected end of file, expected '=' and the call's result"],
    ['f({a=1, 2}) = 0', "x.pkt:1:12: unexpected '2', expected a field, NAME = VALUE"],
    ['f(1) = -1 EFOO (x)', "x.pkt:1:14: unexpected 'EFOO', expected an errno"],
    ['f({(label 1)}) = 0', 'x.pkt:1:7: MPLS and GRE structures are not supported'],
    ['f(99999999999999999999999) = 0', 'a number 99999999999999999999999 is too large'],
  ])('%s is refused', (text, message) => {
    expect(refusal(() => call(text))).toContain(message)
  })
})

describe('a script from a hostile hand', () => {
  test('nests only so deep', () => {
    expect(refusal(() => call(`f(${'['.repeat(100_000)}`))).toContain(
      'nested deeper than 64 levels',
    )
    expect(refusal(() => option(`mp_fail dsn8=${'sha256_32('.repeat(9999)}`))).toContain('nested')
    expect(refusal(() => call(`f(${'1|'.repeat(99_999)}1) = 0`))).toContain(
      'too long an expression',
    )
  })

  test('is parsed or refused, whatever the words in it', () => {
    const words = (
      '+0 0.1 * < > <...> . S. - 1:1(0) ack win ( ) [ ] { } , = | + ... "a" `b` %{ assert 1 }% ' +
      'icmp udp addr a1 dss dack8 dsn4 mpcapable v1 flags key nokey mp_join_syn token sha256_32 ' +
      'sack TS val FO 7 0x7 -7 $x --a ~ : fd::1 10.0.0.1 \n //'
    ).split(' ')
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 40 }), (soup) => {
        try {
          parseScript(`+0 ${soup.join(' ')}`, 'x.pkt')
        } catch (error) {
          expect(error).toBeInstanceOf(ScriptError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('does not reach what every object has', () => {
    expect(refusal(() => option('constructor'))).toContain('expected a TCP option')
    expect(refusal(() => option('dss toString=1'))).toContain('expected dack4')
    expect(refusal(() => option('mpcapable v1 flags[valueOf] nokey'))).toContain('no_flags')
    expect(call('f(__proto__) = 0').arguments[0]).toMatchObject({ name: '__proto__' })
  })
})
