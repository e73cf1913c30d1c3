import { describe, expect, it } from 'vitest'
import { admitIcmp4, admitIcmp6, admitTcp4, admitTcp6 } from '../../../ts/link/raw/admission.js'
import { OwnAddresses } from '../../../ts/link/raw/own-addresses.js'
import { PortSet } from '../../../ts/link/raw/ports.js'
import { formatAddress, parseAddress } from '../../../ts/wire/address.js'
import { emitIp, headerSum, PROTOCOL_TCP, parseIp, pseudoHeaderSum } from '../../../ts/wire/ip.js'
import { writeChecksum, writePartialChecksum } from '../../../ts/wire/tcp.js'

const own4 = parseAddress('10.1.1.2')!
const peer4 = parseAddress('10.1.1.1')!
const own6 = parseAddress('fd01:1::2')!
const ports = new PortSet([40000])
const host = new OwnAddresses()
for (const text of ['10.1.1.2', '10.1.2.2', 'fd01:1::2']) host.add(parseAddress(text)!)
const AT = 8

/** An IP packet with a TCP header; `from` and `to` decide the family. */
function packet(from: string, to: string, sourcePort: number, destinationPort: number) {
  const bytes = new Uint8Array(256)
  const header = {
    source: parseAddress(from)!,
    destination: parseAddress(to)!,
    protocol: PROTOCOL_TCP,
    payloadLength: 20,
  }
  const tcp = AT + emitIp(bytes, AT, header)
  const view = new DataView(bytes.buffer)
  view.setUint16(tcp, sourcePort)
  view.setUint16(tcp + 2, destinationPort)
  return { bytes, tcp, length: tcp + 20 - AT }
}

describe('a raw IPv4 socket', () => {
  const { admit } = admitTcp4(host, ports)
  const verdict = (to: string, port: number) => {
    const { bytes, length } = packet('10.1.1.1', to, 5001, port)
    return admit(bytes, AT, length, '10.1.1.1')
  }

  it('takes TCP to our address and port', () => expect(verdict('10.1.1.2', 40000)).toBe(40))
  it('takes what is for an address of another path', () =>
    expect(verdict('10.1.2.2', 40000)).toBe(40))
  it('skips other addresses', () => expect(verdict('10.1.1.3', 40000)).toBe(0))
  it('skips other ports', () => expect(verdict('10.1.1.2', 40001)).toBe(0))

  it('finds the port behind IP options', () => {
    const { bytes } = packet('10.1.1.1', '10.1.1.2', 5001, 1)
    bytes[AT] = 0x46
    new DataView(bytes.buffer).setUint16(AT + 24 + 2, 40000)
    expect(admit(bytes, AT, 44, '10.1.1.1')).toBe(44)
  })

  it('skips what is too short', () => {
    const { bytes } = packet('10.1.1.1', '10.1.1.2', 5001, 40000)
    expect(admit(bytes, AT, 39, '10.1.1.1')).toBe(0)
  })
})

describe('a raw IPv6 socket', () => {
  it('puts the header back that the kernel took off', () => {
    const { admit, headroom } = admitTcp6(own6, host, ports)
    const { bytes, length } = packet('fd01:1::1', 'fd01:1::2', 5001, 40000)
    const without = bytes.slice()
    without.fill(0xee, AT, AT + headroom)
    expect(admit(without, AT, length - headroom, 'fd01:1::1')).toBe(length)
    expect(without).toEqual(bytes)
    const other = without.slice()
    admit(other, AT, length - headroom, 'fd01:1::77')
    expect(formatAddress(parseIp(other, AT, length)!.source)).toBe('fd01:1::77')
  })

  it.each(['fd01:1::2', 'fd01:2::2', 'fd01:3::2'])(
    'finds by the checksum that a packet was for %s',
    (to) => {
      const two = new OwnAddresses()
      for (const text of ['fd01:1::2', 'fd01:2::2']) two.add(parseAddress(text)!)
      const { admit, headroom } = admitTcp6(own6, two, ports)
      for (const partial of [false, true]) {
        const { bytes, tcp, length } = packet('fd01:1::1', to, 5001, 40000)
        const pseudo = pseudoHeaderSum(
          parseAddress('fd01:1::1')!,
          parseAddress(to)!,
          PROTOCOL_TCP,
          20,
        )
        if (partial) writePartialChecksum(bytes, tcp, pseudo)
        else writeChecksum(bytes, tcp, headerSum(bytes, tcp, 20, pseudo))
        const without = bytes.slice()
        without.fill(0xee, AT, AT + headroom)
        expect(admit(without, AT, length - headroom, 'fd01:1::1')).toBe(length)
        // One that is not ours stays the path's own, and fails its checksum in the stack.
        const found = formatAddress(parseIp(without, AT, length)!.destination)
        expect(found).toBe(to === 'fd01:3::2' ? 'fd01:1::2' : to)
      }
    },
  )

  it('skips other ports and sources that are no addresses', () => {
    const { admit } = admitTcp6(own6, host, ports)
    const wrongPort = packet('fd01:1::1', 'fd01:1::2', 5001, 40001)
    expect(admit(wrongPort.bytes, AT, 20, 'fd01:1::1')).toBe(0)
    const { bytes } = packet('fd01:1::1', 'fd01:1::2', 5001, 40000)
    expect(admit(bytes, AT, 20, '?')).toBe(0)
    // Nor is the failure remembered for the next.
    expect(admit(bytes, AT, 20, '?')).toBe(0)
    expect(admit(bytes, AT, 20, 'fd01:1::1')).toBe(60)
  })

  it('remembers only so many sources', () => {
    const { admit } = admitTcp6(own6, host, ports)
    for (let i = 0; i < 1000; i++) {
      const { bytes } = packet('fd01:1::1', 'fd01:1::2', 5001, 40000)
      const source = `fd01:1::${(i % 600).toString(16)}`
      expect(admit(bytes, AT, 20, source)).toBe(60)
      expect(parseIp(bytes, AT, 60)!.source).toEqual(parseAddress(source))
    }
  })
})

describe('ICMP errors', () => {
  /** An ICMP message in an IP packet that quotes one of ours. */
  function quoting(from: string, to: string, sourcePort: number) {
    const quoted = packet(from, to, sourcePort, 5001)
    const v4 = !from.includes(':')
    const bytes = new Uint8Array(256)
    const header = v4 ? 20 : 40
    if (v4) {
      const payloadLength = 8 + quoted.length
      emitIp(bytes, AT, { source: peer4, destination: own4, protocol: 1, payloadLength })
    }
    bytes.set(quoted.bytes.subarray(AT, AT + quoted.length), AT + header + 8)
    return { bytes, length: header + 8 + quoted.length }
  }

  it('are taken if they quote what we sent', () => {
    const { admit } = admitIcmp4(own4, ports)
    const verdict = (from: string, port: number, cut = 0) => {
      const { bytes, length } = quoting(from, '10.9.9.9', port)
      return admit(bytes, AT, length - cut, '10.1.1.1') > 0
    }
    expect(verdict('10.1.1.2', 40000)).toBe(true)
    expect(verdict('10.1.1.2', 40000, 12)).toBe(true)
    expect(verdict('10.1.1.2', 40000, 13)).toBe(false)
    expect(verdict('10.1.1.2', 40001)).toBe(false)
    expect(verdict('10.1.1.9', 40000)).toBe(false)
  })

  it('are taken over IPv6 too', () => {
    const { admit, headroom } = admitIcmp6(own6, ports)
    const verdict = (from: string, port: number) => {
      const { bytes, length } = quoting(from, 'fd09::9', port)
      const taken = admit(bytes, AT, length - headroom, 'fd01:1::1')
      return taken > 0 && parseIp(bytes, AT, taken)!.protocol === 58
    }
    expect(verdict('fd01:1::2', 40000)).toBe(true)
    expect(verdict('fd01:1::2', 40001)).toBe(false)
    expect(verdict('fd01:1::9', 40000)).toBe(false)
  })
})
