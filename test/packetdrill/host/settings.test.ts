// The `--name=value` lines of a script's header: taken, refused where they say what cannot be, and those
// that packetdrill has and this runner has not refused by name.

import { describe, expect, test } from 'vitest'
import {
  type AskedSettings,
  environmentOf,
  type RunSettings,
  settingsOf,
} from '../../../ts/packetdrill/host/settings.js'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'
import { type Failure, type RunOptions, runScript } from '../../../ts/packetdrill/runner/runner.js'
import { formatAddress } from '../../../ts/wire/address.js'
import { refusal } from '../harness.js'

const EVENT = '\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n'

function settings(header: string, asked: AskedSettings = {}): RunSettings {
  return settingsOf(parseScript(`${header}${EVENT}`, 'x.pkt'), asked)
}

function run(text: string, options: RunOptions = {}): Failure | null {
  return runScript(parseScript(text, 'x.pkt'), { core: 'js', ...options })
}

test('several on one line, with comments between', () => {
  const made = settings('--mtu=1400 --bind_port=80 // one\n/* two */ --tolerance_percent=5')
  expect(made).toMatchObject({ mtu: 1400, bindPort: 80, tolerancePercent: 5 })
})

test('every option of packetdrill that has nothing to do here is taken', () => {
  for (const option of ['is_anyip', 'send_omit_free', 'debug', 'verbose', 'strict_segments']) {
    expect(() => settings(`--${option}`)).not.toThrow()
  }
  const named = ['gateway_ip=10.0.0.1', 'netmask_ip=255.0.0.0', 'speed=100', 'mss=1400']
  for (const option of [...named, 'code_command=python3', 'code_sockopt=TCP_INFO']) {
    expect(() => settings(`--${option}`)).not.toThrow()
  }
})

describe('refused, with place and what was expected', () => {
  test.each([
    ['--no_such=1', "x.pkt:1:1: unexpected '--no_such=1', expected an option of packetdrill"],
    ['--mtu', "x.pkt:1:1: unexpected '--mtu', expected --mtu=VALUE"],
    ['--mtu=20', 'expected a number from 148 to 65535'],
    ['--mtu=70000', 'expected a number from 148 to 65535'],
    ['--bind_port=0', 'expected a number from 1 to 65535'],
    ['--connect_port=65536', 'expected a number from 1 to 65535'],
    ['--tolerance_usecs=soon', 'expected a number from 0 to 1000000000'],
    ['--tolerance_percent=101', 'expected a number from 0 to 100'],
    ['--strict_segments=1', 'expected --strict_segments alone'],
    ['--non_fatal=packets', "expected 'packet', 'syscall'"],
    ['--ip_version=ipv5', 'expected ipv4, ipv6 or ipv4-mapped-ipv6'],
    ['--local_ip=here', 'expected an IP address'],
    ['--ip_version=ipv6 --local_ip=10.0.0.1', 'x.pkt:1:19: '],
    ['--wire_client', '--wire_client is not supported'],
    ['--wire_server_at=10.0.0.1', '--wire_server_at is not supported'],
    ['--so_filename=lib.so', '--so_filename is not supported'],
  ])('%s', (header, problem) => {
    expect(refusal(() => settings(header))).toContain(problem)
  })
})

test("an address of the other family leaves the suites' own where the version is asked for", () => {
  const made = settings('--local_ip=10.1.2.3', { ipVersion: 'ipv6' })
  expect(formatAddress(made.local)).toBe('fd3d:a0b:17d6::1')
  const mapped = settings('--local_ip=10.1.2.3', { ipVersion: 'ipv4-mapped-ipv6' })
  expect(formatAddress(mapped.local)).toBe('10.1.2.3')
})

test('commands are told of them as packetdrill does', () => {
  const made = settings('--bind_port=81 --netmask_ip=255.255.255.0')
  expect(environmentOf(made)).toMatchObject({
    OPT_IP_VERSION: 'ipv4',
    OPT_LOCAL_DEV: 'tun0',
    OPT_BIND_PORT: '81',
    OPT_NETMASK_IP: '255.255.255.0',
  })
})

test('--dry_run parses and plays nothing', () => {
  expect(run(`--dry_run\n${EVENT}+0 \`false\`\n`)).toBeNull()
})

test('--init_scripts come before the first command', () => {
  const text = `--init_scripts="./defaults.sh,./no_such.sh"${EVENT}`
  expect(run(text)?.message).toBe("the emulated host has no command './no_such.sh'")
  expect(run(text.replace(',./no_such.sh', ''))).toBeNull()
})

describe('--non_fatal', () => {
  const wrong = `${EVENT}+0 listen(3, 1) = 7\n+0 > S 0:0(0) <...>\n`

  test('tells what is otherwise, and goes on', () => {
    const warnings: Failure[] = []
    const warn = (failure: Failure): void => void warnings.push(failure)
    expect(run(`--non_fatal=packet,syscall${wrong}`, { warn })).toBeNull()
    expect(warnings.map(({ position }) => position.line)).toEqual([3, 4])
  })

  test('forgives only what it names', () => {
    expect(run(`--non_fatal=packet${wrong}`)?.position.line).toBe(3)
    expect(run(`--non_fatal=syscall${wrong}`)?.position.line).toBe(4)
  })
})

test('/proc/net/tcp tells who listens and who is connected', () => {
  const text = `
0.0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0  bind(3, ..., ...) = 0
+0  \`! grep " 0A " /proc/net/tcp\`
+0  listen(3, 1) = 0
+0  \`grep " 0A " /proc/net/tcp /proc/net/tcp6 | grep -q "0100A8C0:1F90 00000000:0000"\`
+0  < S  0:0(0)       win 1000 <mss 1000>
+0  > S. 0:0(0) ack 1          <mss 1460>
+0  <  . 1:1(0) ack 1 win 1000
+0  accept(3, ..., ...) = 4
+0  \`grep -q "0100A8C0:1F90 010200C0:[0-9A-F]* 01 " /proc/net/tcp\`
`
  expect(run(text)).toBeNull()
})
