// The writer against its own description, byte by byte, and against tshark, which at the same time
// reads our segments: a dissector that none of us wrote.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PcapngWriter } from '../../ts/capture/pcapng.js'
import { parseAddress } from '../../ts/wire/address.js'
import { headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import {
  ADD_ADDR,
  DSS,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  MP_TCPRST,
  type MptcpOption,
  REMOVE_ADDR,
} from '../../ts/wire/mptcp-options.js'
import { ACK, RST, SYN } from '../../ts/wire/segment.js'
import { writeChecksum } from '../../ts/wire/tcp.js'
import { noOptions } from '../../ts/wire/tcp-options.js'
import { emitPacket, HERE, hex, segmentFields, THERE } from '../wire/harness.js'

/** Collects what a writer writes. */
function recorder(): { writer: PcapngWriter; blocks: Uint8Array[] } {
  const blocks: Uint8Array[] = []
  return { writer: new PcapngWriter((bytes) => blocks.push(bytes)), blocks }
}

describe('blocks', () => {
  test('a section header comes first', () => {
    expect(recorder().blocks).toEqual([
      hex('0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000'),
    ])
  })

  test('an interface has a name, IP behind four bytes of family, and nanoseconds', () => {
    const { writer, blocks } = recorder()
    expect(writer.addInterface('eth0', 65535)).toBe(0)
    expect(writer.addInterface('wlan0', 0)).toBe(1)
    expect(blocks[1]).toEqual(
      hex(
        '01000000 28000000 0000 0000 03000100 0200 0400 65746830 0900 0100 09000000 00000000 28000000',
      ),
    )
    expect(blocks[2]?.length).toBe(44)
  })

  test('a packet has its time, both lengths, padding and direction', () => {
    const { writer, blocks } = recorder()
    writer.addInterface('eth0', 0)
    // 2^32 ns is 4294.967296 ms.
    writer.packet(0, 4294.967299, hex('ff 0102030405 ff'), 1, 5, 'out')
    expect(blocks[2]).toEqual(
      hex(`06000000 38000000 00000000 01000000 03000000 09000000 09000000
        02000000 0102030405 000000 0200 0400 02000000 00000000 38000000`),
    )
  })

  test('snaplen cuts what is kept, not what is told', () => {
    const { writer, blocks } = recorder()
    writer.addInterface('eth0', 4)
    writer.packet(0, 0, hex('0102030405'), 0, 5, 'in')
    expect(blocks[2]?.slice(20, 48)).toEqual(
      hex('08000000 09000000 02000000 01020304 0200 0400 01000000 00000000'),
    )
  })

  test('an interface that was never added is an error of our own', () => {
    const { writer } = recorder()
    expect(() => writer.packet(0, 0, hex('00'), 0, 1, 'in')).toThrow(RangeError)
  })

  test('a time of today keeps its microseconds', () => {
    const { writer, blocks } = recorder()
    writer.addInterface('eth0', 0)
    writer.packet(0, 1_763_829_000_123.25, hex('00'), 0, 1, 'in')
    const view = new DataView(blocks[2]!.buffer)
    const time = (BigInt(view.getUint32(12, true)) << 32n) | BigInt(view.getUint32(16, true))
    expect(time).toBe(1_763_829_000_123_250_000n)
  })
})

/** Whether a reader is here. It may be missing on someone's desk, but never in CI. */
function have(reader: 'tshark' | 'tcpdump'): boolean {
  if (spawnSync(reader, ['--version']).status === 0) return true
  if (process.env.CI) throw new Error(`${reader} is missing: CI has to have it`)
  console.warn(`SKIPPED: ${reader} is not installed, and does not read our captures`)
  return false
}

interface Told {
  packet: Uint8Array
  direction: 'in' | 'out'
}

/** What a reader prints of a capture with two paths, line by line. */
function printed(packets: Told[], reader: string, words: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'mptcp-pcapng-'))
  try {
    const blocks: Uint8Array[] = []
    const writer = new PcapngWriter((bytes) => blocks.push(bytes))
    writer.addInterface('eth0', 0)
    writer.addInterface('wlan0', 0)
    packets.forEach(({ packet, direction }, i) => {
      writer.packet(i % 2, 1_763_829_000_000.5 + i, packet, 0, packet.length, direction)
    })
    const file = join(folder, 'test.pcapng')
    writeFileSync(file, Buffer.concat(blocks))
    const run = spawnSync(reader, ['-r', file, '-n', ...words], { encoding: 'utf8' })
    expect(run.status, run.stderr).toBe(0)
    return run.stdout.trimEnd().split('\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** One row a packet: the fields, in order, as tshark prints them. */
function tshark(packets: Told[], fields: string[]): string[][] {
  const words = ['-T', 'fields', '-o', 'tcp.check_checksum:TRUE']
  const each = fields.flatMap((field) => ['-e', field])
  return printed(packets, 'tshark', [...words, ...each]).map((line) => line.split('\t'))
}

/** A packet with one MPTCP option beside timestamps, checksummed. */
function carrying(option: MptcpOption, flags: number, v6 = false): Uint8Array {
  const [source, destination] = v6
    ? [parseAddress('2001:db8::1')!, parseAddress('2001:db8::2')!]
    : [HERE, THERE]
  const options = { ...noOptions(), timestampValue: 1, timestampEcho: 2, mptcp: [option] }
  const segment = segmentFields({ options, flags, payloadLength: flags & SYN ? 0 : 3, ecn: 2 })
  const bytes = emitPacket(source, destination, segment)
  const ip = parseIp(bytes, 0, bytes.length)!
  const pseudo = pseudoHeaderSum(source, destination, 6, ip.payloadLength)
  writeChecksum(
    bytes,
    ip.payloadOffset,
    headerSum(bytes, ip.payloadOffset, ip.payloadLength, pseudo),
  )
  return bytes
}

const KEY = hex('0102030405060708')
const HMAC_8 = hex('a0a1a2a3a4a5a6a7')

/** Which numbers tshark prints in hex differs between its versions. */
function plain(field: string): string {
  return /^0x[0-9a-f]+$/.test(field) ? BigInt(field).toString() : field
}

/** As tshark prints 64 bits. */
function decimal(bytes: Uint8Array): string {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`).toString()
}

const MP_CAPABLE_SYN: MptcpOption = {
  subtype: MP_CAPABLE,
  version: 1,
  checksumRequired: true,
  extensibility: false,
  denyJoin: false,
  algorithms: 1,
  senderKey: null,
  receiverKey: null,
  dataLength: null,
  checksum: null,
}
const FULL_DSS: MptcpOption = {
  subtype: DSS,
  dataFin: true,
  dataAckBytes: 8,
  dataAckHigh: 1,
  dataAckLow: 2,
  dsnBytes: 8,
  dsnHigh: 3,
  dsnLow: 4,
  ssn: 5,
  length: 4,
  checksum: 0xbeef,
}

describe.runIf(have('tcpdump'))('tcpdump', () => {
  test('reads packets of both families on both interfaces', () => {
    const lines = printed(
      [
        { packet: carrying(MP_CAPABLE_SYN, SYN), direction: 'out' },
        { packet: carrying(FULL_DSS, ACK, true), direction: 'in' },
      ],
      'tcpdump',
      [],
    )
    expect(lines[0]).toMatch(/ IP 192\.0\.2\.1.*mptcp \d+ capable/)
    expect(lines[1]).toMatch(/ IP6 2001:db8::1.*mptcp \d+ dss/)
  })
})

describe.runIf(have('tshark'))('tshark', () => {
  test('reads packets, times, interfaces and directions, and finds every checksum right', () => {
    const packets: Told[] = [
      { packet: carrying(MP_CAPABLE_SYN, SYN), direction: 'out' },
      { packet: carrying(FULL_DSS, ACK, true), direction: 'in' },
    ]
    const fields = ['frame.time_epoch', 'frame.interface_name', 'frame.packet_flags_direction']
    const sums = ['tcp.checksum.status', 'ip.checksum.status', 'ip.dsfield.ecn', 'ipv6.tclass.ecn']
    const rows = tshark(packets, [...fields, 'frame.len', ...sums])
    const [first, second] = packets.map(({ packet }) => String(packet.length + 4))
    expect(rows).toEqual([
      // 1 = good; 2 = not checked, which is tshark's default for the IP header.
      ['1763829000.000500000', 'eth0', '0x00000002', first, '1', '2', '2', ''],
      ['1763829000.001500000', 'wlan0', '0x00000001', second, '1', '', '', '2'],
    ])
  })

  test('reads each of the nine subtypes as we wrote it', () => {
    const key = { senderKey: KEY, receiverKey: HMAC_8 }
    const addAddr = { subtype: ADD_ADDR, echo: false, addressId: 3, hmac: HMAC_8 } as const
    const join = { subtype: MP_JOIN, backup: true, addressId: 7, nonce: 0xc0ffee } as const
    const cases: [MptcpOption, number, Record<string, string>][] = [
      [MP_CAPABLE_SYN, SYN, { subtype: '0', version: '1', 'checksumreq.flags': '1' }],
      [
        { ...MP_CAPABLE_SYN, ...key, dataLength: 3, checksum: 0x1234 },
        ACK,
        {
          subtype: '0',
          sendkey: decimal(KEY),
          recvkey: decimal(HMAC_8),
          datalvllen: '3',
          checksum: String(0x1234),
        },
      ],
      [
        { ...join, phase: 'SYN', token: 0xdeadbeef },
        SYN,
        { subtype: '1', addrid: '7', recvtok: String(0xdeadbeef), sendrand: String(0xc0ffee) },
      ],
      [
        { ...join, phase: 'SYN/ACK', hmac: HMAC_8 },
        SYN | ACK,
        { subtype: '1', sendtrunchmac: decimal(HMAC_8), sendrand: String(0xc0ffee) },
      ],
      [
        { subtype: MP_JOIN, phase: 'ACK', hmac: new Uint8Array(20).fill(0xcd) },
        ACK,
        { subtype: '1', sendhmac: 'cd'.repeat(20) },
      ],
      [
        FULL_DSS,
        ACK,
        {
          subtype: '2',
          'datafin.flag': '1',
          rawdataack: '4294967298',
          rawdataseqno: '12884901892',
          subflowseqno: '5',
          datalvllen: '4',
          // tshark 4.0 shows no checksum of a DSS; test/wire/mptcp-options.test.ts has it in bytes.
        },
      ],
      [
        { ...addAddr, address: hex('c0000202'), port: 8080 },
        ACK,
        { subtype: '3', addrid: '3', ipv4: '192.0.2.2', port: '8080', echo: '0' },
      ],
      [
        // 30 bytes: the unpadded layout.
        { ...addAddr, address: hex('20010db8000000000000000000000003'), port: 8080 },
        ACK,
        {
          subtype: '3',
          ipv6: '2001:db8::3',
          port: '8080',
          addaddrtrunchmac: decimal(HMAC_8),
        },
      ],
      [
        { ...addAddr, echo: true, address: hex('c0000202'), port: null, hmac: null },
        ACK,
        { subtype: '3', addrid: '3', ipv4: '192.0.2.2', port: '', echo: '1' },
      ],
      [{ subtype: REMOVE_ADDR, addressIds: [1, 9] }, ACK, { subtype: '4', addrid: '1,9' }],
      [
        { subtype: MP_PRIO, backup: true, addressId: null },
        ACK,
        { subtype: '5', 'backup.flag': '1' },
      ],
      [
        { subtype: MP_FAIL, dsnHigh: 3, dsnLow: 4 },
        ACK,
        { subtype: '6', rawdataseqno: '12884901892' },
      ],
      [
        { subtype: MP_FASTCLOSE, receiverKey: KEY },
        ACK | RST,
        { subtype: '7', recvkey: decimal(KEY) },
      ],
      [{ subtype: MP_TCPRST, flags: 1, reason: 5 }, ACK | RST, { subtype: '8', rst_reason: '5' }],
    ]
    const names = [...new Set(cases.flatMap(([, , expected]) => Object.keys(expected)))]
    const packets = cases.map(([option, flags]) => ({
      packet: carrying(option, flags),
      direction: 'in' as const,
    }))
    const fields = names.map((name) => `tcp.options.mptcp.${name}`)
    const rows = tshark(packets, [...fields, 'tcp.checksum.status', '_ws.malformed'])
    expect(rows.length).toBe(cases.length)
    cases.forEach(([option, , expected], i) => {
      const row = rows[i]!
      const told = Object.fromEntries(names.map((name, column) => [name, plain(row[column]!)]))
      expect(told, JSON.stringify(option)).toMatchObject(expected)
      expect(row[names.length]).toBe('1')
      expect(row[names.length + 1] ?? '').toBe('')
    })
  })
})
