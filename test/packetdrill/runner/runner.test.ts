// The runner itself: that it fails what is wrong, where and how, and takes what packetdrill takes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'
import { describeFailure, findScripts, runSuite } from '../../../ts/packetdrill/runner/report.js'
import { type RunOptions, runScript } from '../../../ts/packetdrill/runner/runner.js'

function run(text: string, options: RunOptions = {}): string[] {
  const failure = runScript(parseScript(text, 'test.pkt'), { core: 'js', ...options })
  return failure === null ? [] : describeFailure(failure)
}

const LISTEN = `
0.0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0  bind(3, ..., ...) = 0
+0  listen(3, 1) = 0
`
const OPEN = `${LISTEN}
+0   < S  0:0(0)       win 1000 <mss 1000, nop, wscale 7>
+0   > S. 0:0(0) ack 1          <mss 1460, nop, wscale 7>
+0.1 <  . 1:1(0) ack 1 win 1000
+0  accept(3, ..., ...) = 4
`
const MULTIPATH = `
0.0  socket(..., SOCK_STREAM, IPPROTO_MPTCP) = 3
+0   bind(3, ..., ...) = 0
+0   listen(3, 1) = 0
+0   < S  0:0(0)       win 1000 <mss 1000, nop, wscale 7, mpcapable v1 flags[flag_h] nokey>
+0   > S. 0:0(0) ack 1          <mss 1460, nop, wscale 7, mpcapable v1 flags[flag_h] key[skey]>
+0.1 <  . 1:1(0) ack 1 win 1000 <mpcapable v1 flags[flag_h] key[ckey=2, skey]>
+0   accept(3, ..., ...) = 4
+0   < P. 1:11(10) ack 1 win 1000 <dss dack8=1 dsn8=1 ssn=1 dll=10 nocs, nop, nop>
`

const LISTEN_LINE = '\n0.0  socket'

describe('a packet that is not as expected', () => {
  it('is shown beside what was, with the time', () => {
    const lines = run(`${OPEN}+0 write(4, ..., 5) = 5\n+0 > P. 1:5(4) ack 1\n`)
    expect(lines).toEqual([
      'test.pkt:11: at 0.1: payload length: expected 4, actual 5',
      '  expected: > P. 1:5(4) ack 1',
      '  actual:   > P. 1:6(5) ack 1',
    ])
  })

  it.each([
    ['flags', '> . 1:6(5) ack 1', /^.*flags: expected \., actual P\./],
    ['sequence', '> P. 2:7(5) ack 1', /sequence number: expected 2, actual 1/],
    ['acknowledgment', '> P. 1:6(5) ack 2', /acknowledgment number: expected 2, actual 1/],
    ['window', '> P. 1:6(5) ack 1 win 1', /window: expected 1, actual/],
    ['options', '> P. 1:6(5) ack 1 <nop, nop>', /option 1: expected nop, actual none/],
  ])('is wrong by its %s', (_what, packet, message) => {
    expect(run(`${OPEN}+0 write(4, ..., 5) = 5\n+0 ${packet}\n`)[0]).toMatch(message)
  })

  it('is wrong by its time, and right within the tolerance', () => {
    const text = `${OPEN}+0 write(4, ..., 5) = 5\n+0.01 > P. 1:6(5) ack 1\n`
    expect(run(text)[0]).toMatch(/expected at 0.11, happened at 0.1/)
    expect(run(text, { toleranceUsecs: 20_000 })).toEqual([])
  })

  it('may leave out what the script does not write', () => {
    expect(run(`${OPEN}+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 1 <...>\n`)).toEqual([])
    expect(run(`${OPEN}+0 write(4, ..., 5) = 5\n* > P. 1:6(5) ack 1\n`)).toEqual([])
    expect(run(`${OPEN}+0 write(4, ..., 5) = 5\n+0~+1 > P. 1:6(5) ack 1\n`)).toEqual([])
  })

  it('that never comes is said to be missing', () => {
    const lines = run(`${OPEN}+0 > P. 1:6(5) ack 1\n`)
    expect(lines[0]).toMatch(/the stack has sent nothing more/)
    expect(lines[2]).toBe('  actual:   nothing')
  })
})

describe('MPTCP options', () => {
  it('are compared: a DATA_ACK one short', () => {
    const lines = run(`${MULTIPATH}+0 > . 1:1(0) ack 11 <dss dack8=10 nocs>\n`)
    expect(lines[0]).toMatch(/dack8: expected 10, actual 11/)
    expect(lines[2]).toBe('  actual:   > . 1:1(0) ack 11 <dss dack8=11 nocs>')
  })

  it('do not count ssn and dll beside a lone DATA_ACK', () => {
    expect(run(`${MULTIPATH}+0 > . 1:1(0) ack 11 <dss dack8=11 ssn=7 dll=0 nocs>\n`)).toEqual([])
  })

  it('take absolute numbers that a function gives', () => {
    const ack = 'dack8=trunc_r64_hmac(ckey)+11'
    expect(run(`${MULTIPATH}+0 > . 1:1(0) ack 11 <dss ${ack} nocs>\n`)).toEqual([])
  })

  it('need a key to be bound before it is used', () => {
    const lines = run(`${MULTIPATH}+0 < . 11:11(0) ack 1 win 9 <mp_fastclose nobody>\n`)
    expect(lines[0]).toMatch(/no packet has bound the key 'nobody' yet/)
  })
})

describe('calls', () => {
  it('give a result and an errno', () => {
    expect(run(`${OPEN}+0 read(9, ..., 5) = -1 EBADF (Bad file descriptor)\n`)).toEqual([])
    expect(run(`${OPEN}+0 read(9, ..., 5) = 5\n`)).toEqual([
      'test.pkt:10: at 0.1: read() returned something else',
      '  expected: 5',
      '  actual:   -1 EBADF (Bad file descriptor)',
    ])
  })

  it('that block are written with the time at which they return', () => {
    const data = '+0.2 < P. 1:6(5) ack 1 win 1000\n+0 > . 1:1(0) ack 6\n'
    expect(run(`${OPEN}+0...0.2 read(4, ..., 5) = 5\n${data}`)).toEqual([])
    expect(run(`${OPEN}+0...0.4 read(4, ..., 5) = 5\n${data}`)[0]).toMatch(/the return of read\(\)/)
    expect(run(`${OPEN}+0 read(4, ..., 5) = 5\n`)[0]).toMatch(/the call blocks/)
  })

  it('are refused by name where they are not emulated', () => {
    expect(run(`${OPEN}+0 mremap(4) = 0\n`)[0]).toMatch(/the call mremap\(\) is not emulated/)
  })

  it('wait in poll and epoll_wait', () => {
    const text = `${OPEN}+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0
+0...0.1 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 500) = 1
+0.1 < P. 1:6(5) ack 1 win 1000
+0 > . 1:1(0) ack 6
+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT}], 1, 0) = 1
+0 ioctl(4, SIOCINQ, [5]) = 0
+0 recv(4, ..., 3, MSG_PEEK) = 3
+0 read(4, ..., 100) = 5
+0...0.05 poll([{fd=4, events=POLLIN, revents=0}], 1, 50) = 0
`
    expect(run(text)).toEqual([])
  })
})

describe('calls on files', () => {
  it('sendfile sends the zeros of a file that the script made', () => {
    const text = `\`dd bs=1 count=5 if=/dev/zero of=/tmp/f\`${OPEN}+0 open("/tmp/f", O_RDONLY) = 5
+0 sendfile(4, 5, [0], 50) = 5
+0 > P. 1:6(5) ack 1
+0 open("/etc/passwd", O_RDONLY) = -1 ENOENT (No such file or directory)
`
    expect(run(text)).toEqual([])
  })

  it('a buffer that is no memory is EFAULT', () => {
    const text = `${OPEN}+0 write(4, NULL, 10) = -1 EFAULT (Bad address)
+0 < P. 1:6(5) ack 1 win 1000
+0 > . 1:1(0) ack 6
+0 recv(4, NULL, 10, 0) = -1 EFAULT (Bad address)
`
    expect(run(text)).toEqual([])
  })
})

describe('segmentation offload', () => {
  it('is off where ethtool says so', () => {
    const text = `${OPEN}+0 write(4, ..., 2000) = 2000\n`
    expect(run(`${text}+0 > P. 1:2001(2000) ack 1\n`)).toEqual([])
    const off = '`ethtool -K tun0 tso off gso off`'
    expect(
      run(
        `--strict_segments\n${off}${text}+0 > . 1:1001(1000) ack 1\n+0 > P. 1001:2001(1000) ack 1\n`,
      ),
    ).toEqual([])
  })
})

describe('MP_FAIL', () => {
  it('counts from the IDSN of the data that its sender received', () => {
    const failed = MULTIPATH.replaceAll('flag_h]', 'flag_a, flag_h]')
      .replace('dll=10 nocs, nop, nop', 'dll=10 cksum=1')
      .replace(LISTEN_LINE, `\`sysctl -q net.mptcp.checksum_enabled=1\`${LISTEN_LINE}`)
    expect(run(`${failed}+0 > . 1:1(0) ack 11 <mp_fail dsn8=1, dss dack8=1 nocs>\n`)).toEqual([])
    const lines = run(`${failed}+0 > . 1:1(0) ack 11 <mp_fail dsn8=2, dss dack8=1 nocs>\n`)
    expect(lines[0]).toMatch(/dsn8: expected 2, actual 1/)
  })
})

describe('commands', () => {
  it.each([
    'sysctl -q net.mptcp.checksum_enabled=1; sysctl -q net/ipv4/tcp_sack=0',
    '../../common/set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0',
    '../common/defaults.sh\nsysctl -q net.mptcp.close_timeout=1',
    '/tmp/sysctl_restore_4711.sh',
    'ip mptcp limits set add_addr_accepted 8 subflows 8 && true',
    'ip addr add 10.9.9.9/24 dev tun0 > /dev/null 2>&1',
    'ip tcp_metrics flush all > /dev/null 2>&1',
    'test $((1+2)) -eq 3',
    'test "$(nstat -zas | grep -w MPTcpExtMPJoinSynRx | awk \'{print $2}\')" -eq 0',
    'false || true',
    '! ss -Mtn | grep tcp',
  ])('%s', (command) => {
    expect(run(`\`${command}\`\n${LISTEN}`)).toEqual([])
  })

  it('are refused by name where the host has none such', () => {
    expect(run(`${LISTEN}+0 \`reboot\`\n`)[0]).toMatch(/the emulated host has no command 'reboot'/)
    expect(run(`${LISTEN}+0 \`dd if=/etc/passwd of=/tmp/x count=1\`\n`)[0]).toMatch(/cannot do 'dd/)
    expect(run(`${LISTEN}+0 \`sysctl -q net.no.such=1\`\n`)[0]).toMatch(/no sysctl 'net.no.such'/)
    expect(run(`${LISTEN}+0 \`ip mptcp monitor\`\n`)[0]).toMatch(/no command 'ip mptcp monitor'/)
  })

  it('fail the script by their status', () => {
    expect(run(`${LISTEN}+0 \`test 1 -eq 2\`\n`)[0]).toMatch(/ended with status 1/)
  })
})

describe('header lines', () => {
  it('are read: addresses, MTU, tolerance', () => {
    const open = OPEN.replace('mss 1460', 'mss 1360')
    expect(run(`--mtu=1400\n--local_ip=10.1.2.3\n--tolerance_usecs=1\n${open}`)).toEqual([])
  })

  it('are refused by name where there is none such', () => {
    const script = () => run(`--no_such=1\n${LISTEN}`)
    expect(script).toThrow(
      "test.pkt:1:1: unexpected '--no_such=1', expected an option of packetdrill",
    )
  })
})

describe('a suite', () => {
  it('goes on behind a script that fails and one that does not parse, and counts them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'packetdrill-'))
    writeFileSync(join(folder, 'a.pkt'), LISTEN)
    writeFileSync(join(folder, 'b.pkt'), `${LISTEN}+0 listen(3\n`)
    writeFileSync(join(folder, 'c.pkt'), `${LISTEN}+0 \`false\`\n`)
    writeFileSync(join(folder, 'd_v6.pkt'), LISTEN)
    const lines: string[] = []
    try {
      const result = runSuite(findScripts([folder]), {
        core: 'js',
        write: (line) => lines.push(line.replaceAll(folder, '')),
      })
      expect(result).toEqual({ passed: 2, failed: 2, unreadable: 1 })
    } finally {
      rmSync(folder, { recursive: true })
    }
    expect(lines[0]).toMatch(/^\/b\.pkt:6:1: unexpected end of file, expected/)
    expect(lines[1]).toBe('/c.pkt:5: at 0: the command ended with status 1')
    expect(lines.at(-1)).toBe('2 passed, 2 failed')
  })
})

describe('ICMP', () => {
  it('quotes the flow and ends an opening', () => {
    const text = `
0.0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0  fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0  connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0  > S 0:0(0) <...>
+0  < icmp unreachable port_unreachable [0:0(0)]
+0  getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0
`
    expect(run(text)).toEqual([])
    expect(run(text, { ipVersion: 'ipv6' })).toEqual([])
  })
})

describe('assertions', () => {
  it('see TCP_INFO', () => {
    expect(run(`${OPEN}+0 %{ assert tcpi_state == TCP_ESTABLISHED }%\n`)).toEqual([])
    expect(run(`${OPEN}+0 %{ assert tcpi_snd_cwnd == 1, tcpi_snd_cwnd }%\n`)[0]).toMatch(/10/)
  })
})

describe('what cannot be on the wire', () => {
  it.each([
    ['P. 1:65536(65535) ack 1 win 9', /65555 bytes are more than an IP packet has room for/],
    ['. 1:1(0) ack 1 win 9 <nop>', /the options take 1 bytes: pad them to a multiple of 4/],
    [`. 1:1(0) ack 1 win 9 <${Array(44).fill('nop').join()}>`, /a TCP header has room for 40/],
  ])('%.30s is refused', (packet, problem) => {
    expect(run(`${OPEN}+0 < ${packet}\n`)[0]).toMatch(problem)
    expect(run(`${OPEN}+0 < ${packet}\n`, { ipVersion: 'ipv6' })[0]).toMatch(problem)
  })
})

it('a flow label that the stack does not write is missed, on IPv6', () => {
  const text = OPEN.replace('> S.', '> (flowlabel 0x1) S.')
  expect(run(text, { ipVersion: 'ipv6' })[0]).toMatch(/flow label: the packet bears none/)
  expect(run(text)).toEqual([])
})
