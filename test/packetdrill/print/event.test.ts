import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Event } from '../../../ts/packetdrill/language/ast.js'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'
import { printResult } from '../../../ts/packetdrill/print/call.js'
import { printEvent } from '../../../ts/packetdrill/print/event.js'
import { printOption } from '../../../ts/packetdrill/print/options.js'
import { printFlags, printPacket } from '../../../ts/packetdrill/print/packet.js'
import { printUsecs } from '../../../ts/packetdrill/print/time.js'
import { option, packet, plain } from '../harness.js'

function event(text: string): Event {
  return parseScript(text, 'x.pkt').events[0]!
}

describe('what is printed is what was written', () => {
  test.each([
    '+0.1 < [ect0] addr[a] > addr[b] SP. 1:1001(1000) ack 2 win 257 urg 3 <mss 1460, nop, eol>',
    '* > > addr[b] . 1:1(0) ack 1 <...>',
    '+0~+0.5 > [tos 0x04, ttl 2] 80 > 8080 - 1:1(0)',
    '0.000001~0.2 > 10.0.0.1:80 > fd::1 : 8080 .5 1:1(0)',
    '+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]',
    '+0 > icmp echo_reply id 7 [raw(8)]',
    '+0 > S 0:0(0) <mss 1460, sackOK, TS val 100 ecr 0, nop, wscale 8, FO, FOEXP abcd>',
    '+0 > . 1:1(0) ack 1 <sack 1:2 3:4, wscale *, md5 00ff, ECN e1b 1 ceb 0>',
    '+0 > S 0:0(0) <mpcapable v1 flags[flag_a,flag_h] nokey>',
    '+0 > . 1:1(0) <mpcapable v1 flags[flag_h] key[ckey=2, skey] mpcdatalen 2 cksum=auto>',
    '+0 > . 1:1(0) <mpcapable v0 flags[no_flags] key[a]>',
    '+0 > S 0:0(0) <mp_join_syn backup=1 address_id=2 token=sha256_32(skey) rand=5>',
    '+0 > S. 0:0(0) ack 1 <mp_join_syn_ack address_id=1 sender_hmac=trunc_l64_hmac(skey ckey)>',
    '+0 > . 1:1(0) ack 1 <mp_join_ack sender_hmac=auto>',
    '+0 > . 1:1(0) ack 1 <dss dack8=101 dsn4=3 ssn=0 dll=1 nocs fin>',
    '+0 > . 1:1(0) ack 1 <dss dack4 dsn8=trunc_r64_hmac(skey) + 5 ssn=1 dll=9 cksum=513>',
    '+0 > . 1:1(0) <add_address address_id=1 addr[x=inet_addr("10.0.0.1")] port=80 hmac=auto>',
    '+0 > . 1:1(0) <add_address addr[x=inet6_addr("fd::1")] addr_echo, add_address addr[x] hmac=0x10>',
    '+0 > . 1:1(0) <remove_address address_id=[1,2], mp_prio backup=0 address_id=3>',
    '+0 > . 1:1(0) <mp_fail dsn8=1, mp_fail, mp_fastclose, mp_fastclose ckey=5 + 1>',
    '+0 > R 1:1(0) <mp_reset 3 flags[flag_w,flag_t], mp_reset 0>',
    '+0...0.4 read(3, ..., 100) = -1 EAGAIN (Resource temporarily unavailable)',
    '+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)',
    '+0 poll([{fd=3, events=POLLIN|POLLOUT, revents=0}], 1, -1) = 1',
    '+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=0}, 0) = 0',
    '+0 bind(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")}, 16) = 0',
    '+0 f("a\\n\\000\\"", "b"..., [], {}, x = [1]) = 0',
    '+0 `nstat -n`',
    '+0 %{ assert tcpi_lost == 0, tcpi_lost }%',
  ])('%s', (text) => {
    expect(printEvent(event(text))).toBe(text)
  })
})

test('a string prints so that it reads back', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (value) => {
      const text = JSON.stringify(value).replace(/\\u00(..)/g, '\\x$1')
      const first = event(`+0 f(${text}) = 0`)
      expect(plain(event(printEvent(first)))).toEqual(plain(first))
    }),
  )
})

test('flags come in one order, none of them as a dash', () => {
  expect(printFlags(0)).toBe('-')
  expect(printFlags(0x12)).toBe('S.')
  expect(printFlags(0x1c2)).toBe('SEWA')
  for (let bits = 0; bits < 0x200; bits++) {
    expect(packet(`> ${printFlags(bits)} 1:1(0)`).flags.bits).toBe(bits)
  }
})

test('times take as many digits as they need', () => {
  expect([0, 1, 100_000, 1_500_000, -250_000].map(printUsecs)).toEqual([
    '0',
    '0.000001',
    '0.1',
    '1.5',
    '-0.25',
  ])
})

test('a result carries its errno and what strerror says of it', () => {
  expect(printResult(5)).toBe('5')
  expect(printResult(-1, 'EAGAIN')).toBe('-1 EAGAIN (Resource temporarily unavailable)')
  expect(printResult(-1, 'EWEIRD')).toBe('-1 EWEIRD')
})

test('a node that no script wrote prints too', () => {
  const made = packet('> . 1:1(0) ack 1')
  const dss = option('dss dack8=1 nocs')
  expect(printPacket({ ...made, window: 5, options: [dss] })).toBe(
    '> . 1:1(0) ack 1 win 5 <dss dack8=1 nocs>',
  )
  expect(printOption({ kind: 'wscale', position: made.position, shift: 3 })).toBe('wscale 3')
})
