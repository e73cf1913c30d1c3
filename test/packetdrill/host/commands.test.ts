// Backtick commands from a hostile hand: refused by name, in bounded time, and nothing of the emulated
// host is set to what it cannot be.

import { describe, expect, test } from 'vitest'
import { Commands } from '../../../ts/packetdrill/host/commands.js'
import { Host } from '../../../ts/packetdrill/host/host.js'
import { settingsOf } from '../../../ts/packetdrill/host/settings.js'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'

function host(): { commands: Commands; slept: number[] } {
  const slept: number[] = []
  const settings = settingsOf(parseScript('+0 f() = 0', 'x.pkt'), {})
  const commands = new Commands({
    host: new Host({ settings, core: 'js' }),
    files: new Map(),
    sleep: (ms) => void slept.push(ms),
    socketInfo: () => 0,
  })
  return { commands, slept }
}

describe('refused, and says why', () => {
  test.each([
    ['sleep x', "sleep: 'x' is not a number of seconds"],
    ['sleep 1e300', "sleep: '1e300'"],
    ['sleep -1', "sleep: '-1'"],
    ['sleep', "sleep: ''"],
    ['sysctl constructor=1', "no sysctl 'constructor'"],
    ['sysctl net.ipv4.tcp_ecn=1', "'net.ipv4.tcp_ecn' 0 only"],
    ['sysctl net.ipv4.tcp_syn_linear_timeouts=0', "'net.ipv4.tcp_syn_linear_timeouts' 4 only"],
    ['sysctl net.ipv4.tcp_keepalive_time=0', "'0' is no value"],
    ['sysctl -n __proto__', "no sysctl '__proto__'"],
    ['sysctl net.mptcp.add_addr_timeout=1e308', "'1e308' is no value"],
    ['sysctl net.ipv4.tcp_wmem="1 2 2147483648"', "'1 2 2147483648' is no value"],
    ['sysctl net.ipv4.tcp_fastopen_key=1-2', "'1-2' is no value"],
    ['sysctl net.ipv4.tcp_rmem="1 2 Infinity"', "'1 2 Infinity' is no value"],
    [`echo $((${'('.repeat(50_000)}1))`, 'closing )'],
    [`echo $((${'-'.repeat(50_000)}1))`, 'nested too deeply'],
    [`echo $((${'('.repeat(999)}1${')'.repeat(999)}))`, 'nested too deeply'],
    [`test ${'! '.repeat(50_000)}1`, 'too many words'],
    [`echo ${'a'.repeat(99)} | grep -E '(a+)+$'`, 'more than this grep can do'],
    ["echo a | grep 'a*a*a*a*a*b'", 'more than this grep can do'],
    ["echo aa | grep '\\(a\\)\\1'", 'more than this grep can do'],
  ])('%.40s', (text, problem) => {
    expect(host().commands.run(text)).toContain(problem)
  })

  test.each(['id 256', 'id 0.5', 'port 65536', 'id x'])('an endpoint with %s', (words) => {
    expect(host().commands.run(`ip mptcp endpoint add 10.0.0.9 ${words}`)).not.toBeNull()
  })
})

test('sleep lets seconds pass', () => {
  const { commands, slept } = host()
  expect(commands.run('sleep 0.5; sleep 2s')).toBeNull()
  expect(slept).toEqual([500, 2000])
})

test('grep takes the patterns that scripts have', () => {
  for (const pattern of ['^MPTcpExt.*Rx +1', 'Join|Syn', '[A-Z]{3}', 'Tcp\\b']) {
    expect(
      host().commands.run(`echo "MPTcpExtJoinRx   1 ABC Tcp" | grep -E '${pattern}'`),
    ).toBeNull()
  }
})

describe('nstat picks by name', () => {
  test.each([
    ['*', true],
    ['MPTcpExtMPJoin*', true],
    ['mptcpext*syn*rx', true],
    ['MPTcpExtMPJoinSynRx', true],
    ['MPTcpExtMPJoinSynRx*Rx', false],
    ['JoinSynRx', false],
    [`${'*a'.repeat(40)}z`, false],
    ['*****************************************Rx', true],
  ])('%s', (pattern, found) => {
    const { commands } = host()
    const problem = commands.run(`nstat -asz '${pattern}' | grep -q MPTcpExtMPJoinSynRx`)
    expect(problem === null).toBe(found)
  })
})
