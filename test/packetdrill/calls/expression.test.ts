import { constants } from 'node:os'
import { describe, expect, test } from 'vitest'
import {
  addressOf,
  fieldOf,
  integerOf,
  isEllipsis,
  itemsOf,
  numberOf,
  onlyItem,
  requiredField,
  socketAddressOf,
} from '../../../ts/packetdrill/calls/expression.js'
import { constantValue } from '../../../ts/packetdrill/language/constants.js'
import { errnoName, errnoNumber, errnoText } from '../../../ts/packetdrill/language/errno.js'
import { call, refusal } from '../harness.js'

const argument = (text: string) => call(`f(${text}) = 0`).arguments[0]!

describe('a number', () => {
  test.each([
    ['5', 5n],
    ['-1', -1n],
    ['0xff', 255n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['SOL_SOCKET', 1n],
    ['O_RDWR|O_NONBLOCK', 0o4002n],
    ['EPOLLIN|EPOLLET', 0x80000001n],
    ['[7]', 7n],
    ['htons(8080)', 0x901fn],
    ['htonl(1)', 0x01000000n],
  ])('%s', (text, expected) => {
    expect(integerOf(argument(text))).toBe(expected)
  })

  test.each([
    ['SO_BOGUS', "x.pkt:1:6: unknown symbol 'SO_BOGUS'"],
    ['constructor', "unknown symbol 'constructor'"],
    ['"a"', '"a" is not a number'],
    ['...', '... is not a number'],
    ['[1, 2]', '[1, 2] is not a number'],
  ])('%s is none', (text, message) => {
    expect(refusal(() => integerOf(argument(text)))).toContain(message)
  })

  test('too large for a plain number is refused as one', () => {
    expect(numberOf(argument('9007199254740991'))).toBe(2 ** 53 - 1)
    expect(refusal(() => numberOf(argument('9007199254740992')))).toContain('is too large')
  })
})

test('a list gives its items, and stands for the only one', () => {
  expect(itemsOf(argument('[1, 2]'))).toHaveLength(2)
  expect(isEllipsis(onlyItem(argument('[...]')))).toBe(true)
  expect(refusal(() => itemsOf(argument('5')))).toContain('5 is not a list')
})

test('a struct gives its fields', () => {
  const struct = argument('{fd=4, events=POLLIN}')
  expect(numberOf(requiredField(struct, 'events'))).toBe(1)
  expect(fieldOf(struct, 'revents')).toBeNull()
  expect(refusal(() => requiredField(struct, 'revents'))).toContain('expected {… revents = …}')
})

test('an address of a socket, of either family', () => {
  const v4 = argument(
    '{sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("10.0.0.1")}',
  )
  expect(socketAddressOf(v4)).toEqual({ family: 2, port: 80, address: '10.0.0.1' })
  const v6 = argument('{sa_family=AF_INET6, sin6_port=htons(80), sin6_addr=inet6_addr("fd::1")}')
  expect(socketAddressOf(v6)).toEqual({ family: 10, port: 80, address: 'fd::1' })
  expect(refusal(() => addressOf(argument('7')))).toContain('7 is not inet_addr("…")')
})

describe('the symbols', () => {
  const linux = process.platform === 'linux'

  test.runIf(linux)('of errno are those that Node knows of Linux', () => {
    for (const [name, number] of Object.entries(constants.errno)) {
      expect([name, errnoNumber(name)]).toEqual([name, number])
    }
  })

  test('of errno go both ways', () => {
    expect(errnoNumber('EWOULDBLOCK')).toBe(11)
    expect(errnoName(115)).toBe('EINPROGRESS')
    expect(errnoText('ENOTSUP')).toBe('Operation not supported')
    expect(errnoName(4711)).toBeNull()
    expect(errnoNumber('constructor')).toBeNull()
  })

  test('of packetdrill are all known', () => {
    const names =
      'SOL_UDP SO_PEERSEC SOF_TIMESTAMPING_OPT_STATS SCM_TIMESTAMPING_OPT_STATS TCP_NLA_SRTT ' +
      'TCP_CA_DISORDER TCP_INFINITE_SSTHRESH IP_FREEBIND IPV6_HOPLIMIT TCP_TX_DELAY F_SETLKW64 ' +
      'FD_CLOEXEC LOCK_UN F_EXLCK SEEK_END MSG_CMSG_CLOEXEC POLLRDHUP ERFKILL EDEADLOCK EISDIR ' +
      'CAP_EFFECTIVE CAP_CLEAR CAP_NET_ADMIN CAP_BLOCK_SUSPEND EPOLLEXCLUSIVE SPLICE_F_GIFT'
    expect(names.split(' ').filter((name) => constantValue(name) === null)).toEqual([])
  })

  test('of MPTCP are the kernel’s', () => {
    const names = ['IPPROTO_MPTCP', 'SOL_MPTCP', 'MPTCP_INFO', 'MPTCP_FULL_INFO', 'TCP_IS_MPTCP']
    expect(names.map(constantValue)).toEqual([262, 284, 1, 4, 43])
  })
})
