// What the command says of wrong use: one line that names what was wrong, exit status 2, nothing on
// stdout, no stack trace.

import { describe, expect, it } from 'vitest'
import { mptcp } from './cli.js'

const CASES: [string, RegExp][] = [
  ['', /which subcommand: demo, nc, bench/],
  ['frobnicate', /no subcommand 'frobnicate'/],
  ['--frobnicate', /unknown option '--frobnicate'/],
  ['demo --frobnicate', /unknown option '--frobnicate'/],
  ['demo one two', /too many arguments/],
  ['demo /no/such/file', /cannot read \/no\/such\/file/],
  ['demo /', /\/ is not a file/],
  ['demo --path 20', /--path .* like 20,60/],
  ['demo --path 20,x', /--path .* like 20,60/],
  ['demo --path 20,60', /two paths/],
  ['demo --size 0', /--size .* whole number/],
  ['demo --core fast', /--core .* auto, wasm, js/],
  ['demo --pcap /no/such/file', /cannot write \/no\/such\/file/],
  ['bench --time soon', /--time .* whole number/],
  ['nc', /which \[HOST\] PORT/],
  ['nc 5001', /which HOST/],
  ['nc host port', /'port' is not a port/],
  ['nc host 65536', /'65536' is not a port/],
  ['nc host 1 more', /'more' is too much/],
  ['nc -k host 1', /-k needs -l/],
  ['nc -l here 1 --path lo', /'here' is not an IP address/],
  ['nc 127.0.0.1 1', /--link raw needs --path/],
  ['nc 127.0.0.1 1 --link udp', /--link udp is not built yet/],
  ['nc 127.0.0.1 1 --link tun', /--link tun is not built yet/],
  ['nc 127.0.0.1 1 --link pigeon', /--link .* raw, kernel/],
  ['nc 127.0.0.1 1 --path nodev0', /no network device 'nodev0'/],
  ['nc 127.0.0.1 1 --path lo=10.254.9.9', /lo has no address 10\.254\.9\.9/],
  ['nc 127.0.0.1 1 --path lo=here', /'here' is not an IP address/],
  ['nc 127.0.0.1 1 --path lo@there', /'there' is not an IP address/],
  ['nc 127.0.0.1 1 --path lo,fast', /no flag 'fast'/],
  ['nc 127.0.0.1 1 --path lo,signal,fullmesh', /signal and fullmesh of --path exclude each other/],
  ['nc 127.0.0.1 1 --path lo --scheduler round-robin', /scheduler 'round-robin' is not built/],
  [
    'nc 127.0.0.1 1 --path lo --cc vegas',
    /congestion control 'vegas' is not built.*newreno.*cubic/,
  ],
  ['nc 127.0.0.1 1 --path lo --timeout never', /--timeout .* whole number/],
  ['nc 127.0.0.1 1 --link kernel --checksum', /--checksum is for our own stack/],
  ['nc 127.0.0.1 1 --link kernel --pcap file', /--pcap is for our own stack/],
  ['nc 127.0.0.1 1 --link kernel --path lo@127.0.0.2', /leaves gateways to the host/],
  ['nc no-such-host.invalid 1 --link kernel', /cannot find the host 'no-such-host.invalid'/],
]

describe.concurrent('wrong use', () => {
  it.each(CASES)('mptcp %s', async (line, expected) => {
    const words = line.split(' ').filter((word) => word !== '')
    const { status, stdout, stderr } = await mptcp(words)
    expect({ status, stdout, lines: stderr.split('\n').length - 1 }, stderr).toEqual({
      status: 2,
      stdout: '',
      lines: 1,
    })
    expect(stderr).toMatch(/^mptcp: /)
    expect(stderr).toMatch(expected)
  })

  it('a connection that is refused is exit status 1', async () => {
    const { status, stderr } = await mptcp(['nc', '127.0.0.1', '1', '--link', 'kernel'])
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'mptcp: 127.0.0.1 port 1 refused the connection: does anything listen there?\n',
    })
  })

  it.each([['--help'], ['demo --help'], ['nc --help'], ['bench --help']])(
    '%s is none',
    async (line) => {
      const { status, stdout, stderr } = await mptcp(line.split(' '))
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toMatch(/^Usage: mptcp/)
    },
  )

  it('--version tells the version of the package', async () => {
    expect((await mptcp(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
