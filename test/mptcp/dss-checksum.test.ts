// DSS checksums, RFC 8684 §3.3.1, and what a wrong one leads to: MP_FAIL, §3.7.

import { describe, expect, it } from 'vitest'
import { MP_FAIL } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import type { Conversation } from '../harness/conversation.js'
import { dss, type Keys, pattern, type RelativeDss } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'
import { isReset, map } from './mappings.js'

/** The DSS checksum of a mapping, RFC 8684 §3.3.1. */
function checksumOf(keys: Keys, m: RelativeDss, data: Uint8Array): number {
  const idsn = (BigInt(keys.peer.idsnHigh) << 32n) | BigInt(keys.peer.idsnLow)
  const bytes = Buffer.alloc(16 + data.length + (data.length & 1))
  bytes.writeBigUInt64BE(BigInt.asUintN(64, idsn + BigInt(m.dsn!)), 0)
  bytes.writeUInt32BE(m.ssn, 8)
  bytes.writeUInt16BE(m.length, 12)
  Buffer.from(data).copy(bytes, 16)
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

describe.each(BACKENDS)('DSS checksums, %s core', (core) => {
  const withChecksums = { core, checksum: true }
  const summed = (c: Conversation, m: RelativeDss, data: Uint8Array): RelativeDss => ({
    ...m,
    checksum: checksumOf(c.keys, m, data),
  })

  it('a mapping with the right checksum is passed up, of odd length as well', () => {
    const c = established(withChecksums)
    let at = 1
    for (const length of [100, 33, 1, 1000, 257]) {
      const data = pattern(at, length)
      c.receives({ seq: at, ack: 1, data, mptcp: [summed(c, map(at, at, length), data)] })
      at += length
      c.sends({ ack: at, mptcp: [{ ack: at }] })
    }
    c.reads(at - 1)
    expect(c.stack.counters.DataCsumErr).toBe(0)
  })

  it('a mapping is neither passed up nor DATA_ACKed before it is whole', () => {
    const c = established(withChecksums)
    const option = summed(c, map(1, 1, 2001), pattern(1, 2001))
    c.receives({ seq: 1, ack: 1, data: 1001, mptcp: [option] })
    c.sends({ ack: 1002, mptcp: [{ ack: 1 }] })
    c.reads(0)
    c.receives({ seq: 1002, ack: 1, data: 1000, mptcp: [option] })
    c.sends({ ack: 2002, mptcp: [{ ack: 2002 }] })
    c.reads(2001)
  })

  it('a mapping that the window cuts, since nothing was read yet, waits for the rest', () => {
    const c = established({ ...withChecksums, stack: { receiveBufferBytes: 4096 } })
    for (const at of [1, 1421]) {
      const data = pattern(at, 1420)
      c.receives({ seq: at, ack: 1, data, mptcp: [summed(c, map(at, at, 1420), data)] })
      c.sends({ ack: at + 1420 })
    }
    // What came already comes again, as where a path's timer fires late: 1,256 bytes of it fit.
    const again = pattern(1421, 1420)
    const option = summed(c, map(1421, 2841, 1420), again)
    c.receives({ seq: 2841, ack: 1, data: again, mptcp: [option] })
    c.sends({ ack: 4097, mptcp: [{ ack: 2841 }] })
    c.reads(2840)
    c.sends({ ack: 4097, mptcp: [{ ack: 2841 }] })
    c.receives({ seq: 4097, ack: 1, data: again.subarray(1256), mptcp: [option] })
    c.sends({ ack: 4261, mptcp: [{ ack: 2841 }] })
    expect(c.stack.counters.DataCsumTooLong).toBe(0)
    expect(c.stack.counters.MPRstTx).toBe(0)
  })

  it('a mapping under way may be repeated with the DATA_FIN added, its checksum with it, as Linux does', () => {
    const c = established(withChecksums)
    const data = pattern(1, 2000)
    const plain = summed(c, map(1, 1, 2000), data)
    const ended = summed(c, { ...map(1, 1, 2001), fin: true }, data)
    c.receives({ seq: 1, ack: 1, data: 1000, mptcp: [plain] })
    c.sends({ ack: 1001, mptcp: [{ ack: 1 }] })
    c.receives({ seq: 1001, ack: 1, data: 1000, mptcp: [ended] })
    c.sends({ ack: 2001, mptcp: [{ ack: 2001 }] })
    c.sends({ ack: 2001, mptcp: [{ ack: 2002 }] })
    c.reads(2000)
    expect(c.stack.counters.DSSNotMatching).toBe(0)
  })

  it('a mapping of bytes passed up already, and of more, cannot be summed: it resets the subflow', () => {
    const c = established(withChecksums)
    const first = pattern(1, 100)
    c.receives({ seq: 1, ack: 1, data: first, mptcp: [summed(c, map(1, 1, 100), first)] })
    c.sendsAll()
    c.reads(100)
    const more = summed(c, map(51, 51, 100), pattern(51, 100))
    c.receives({ seq: 101, ack: 1, data: pattern(101, 50), mptcp: [more] })
    isReset(c, 1)
  })

  it('with another subflow a wrong checksum resets this one, with MP_FAIL', () => {
    const c = established(withChecksums)
    const peer = joined(c)
    const option = { ...map(1, 1, 100), checksum: 0x1111 }
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [option] }, peer)
    const said = c.sendsAll().at(-1)!
    expect(said.peer).toBe(peer)
    expect(said.flags).toContain('R')
    expect(said.mptcp.some((each) => each.subtype === MP_FAIL)).toBe(true)
    expect(c.stack.counters.DataCsumErr).toBe(1)
    expect(c.connection.mode).toBe('mptcp')
    c.reads(0)
  })

  it('alone, a wrong checksum is answered with MP_FAIL on an ACK, and the bytes stay (§3.7)', () => {
    const c = established(withChecksums)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [{ ...map(1, 1, 100), checksum: 0x1111 }] })
    const said = c.sendsAll().at(-1)!
    expect(said.flags).toBe('.')
    expect(said.mptcp.some((each) => each.subtype === MP_FAIL)).toBe(true)
    expect(c.connection.error).toBeNull()
    c.reads(0)
    // The sender goes on with an infinite mapping from the failed byte on.
    const infinite = dss({ ack: 1, dsn: 1, ssn: 1, length: 0, checksum: 0 })
    c.receives({ seq: 101, ack: 1, data: 50, mptcp: [infinite] })
    c.sendsAll()
    c.reads(150)
    expect(c.connection.fallbackReason).toBe('DSSCorruptionFallback')
  })

  it('once both have said MP_FAIL, what was kept is DATA_ACKed, until the infinite mapping comes', () => {
    const c = established(withChecksums)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [{ ...map(1, 1, 100), checksum: 0x1111 }] })
    c.sendsAll()
    const answer = { subtype: MP_FAIL, dsnHigh: 0, dsnLow: 0 } as const
    c.receives({ seq: 101, ack: 1, mptcp: [answer] })
    c.sends({ flags: '.', ack: 101, mptcp: [{ ack: 101 }] })
    c.reads(100)
    const infinite = dss({ ack: 1, dsn: 101, ssn: 101, length: 0, checksum: 0 })
    c.receives({ seq: 101, ack: 1, data: pattern(101, 50), mptcp: [infinite] })
    c.reads(50)
    expect(c.connection.fallbackReason).toBe('DSSCorruptionFallback')
    expect(c.stack.counters).toMatchObject({ MPFailTx: 1, MPFailRx: 1, InfiniteMapRx: 1 })
  })

  it('and an ACK of new data without options says that the peer is plain TCP already', () => {
    const c = established(withChecksums)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [{ ...map(1, 1, 100), checksum: 0x1111 }] })
    c.receives({ seq: 101, ack: 1, mptcp: [{ subtype: MP_FAIL, dsnHigh: 0, dsnLow: 0 }] })
    c.reads(100)
    c.writes(30)
    c.sendsAll()
    c.receives({ seq: 101, ack: 31 })
    expect(c.connection).toMatchObject({
      mode: 'fallback',
      fallbackReason: 'DSSCorruptionFallback',
      snd: { una: 31 },
    })
  })

  it('a mapping behind the MP_FAIL that made it plain TCP maps nothing any more', () => {
    const c = established({ ...withChecksums, timestamps: false })
    c.writes(100)
    c.sendsAll()
    const fail = { subtype: MP_FAIL, dsnHigh: 0, dsnLow: 0 } as const
    const beside = dss({ dsn: 1, ssn: 1, length: 50, checksum: 0x1111 })
    c.receives({ seq: 1, ack: 101, data: 50, mptcp: [fail, beside] })
    c.receives({ seq: 51, ack: 101, data: pattern(51, 50) })
    expect(c.sendsAll().map((each) => each.flags)).not.toContain('R.')
    c.reads(100)
    expect(c.connection).toMatchObject({ mode: 'fallback', snd: { una: 101 } })
  })

  it('a failed subflow that ends once there is another is reset, and the other goes on', () => {
    const c = established(withChecksums)
    const [first] = c.peers
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [{ ...map(1, 1, 100), checksum: 0x1111 }] })
    c.sendsAll()
    const other = joined(c)
    c.receives({ flags: 'F.', seq: 101, ack: 1 }, first)
    isReset(c, 6)
    expect(c.connection).toMatchObject({ mode: 'mptcp', state: 'M_ESTAB' })
    c.reads(0)
    c.receives(
      { seq: 1, ack: 1, data: 100, mptcp: [summed(c, map(1, 1, 100), pattern(1, 100))] },
      other,
    )
    c.reads(100)
  })

  it('so is one that is plain TCP to its peer', () => {
    const c = established(withChecksums)
    const [first] = c.peers
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [{ ...map(1, 1, 100), checksum: 0x1111 }] })
    c.receives({ seq: 101, ack: 1, mptcp: [{ subtype: MP_FAIL, dsnHigh: 0, dsnLow: 0 }] })
    c.reads(100)
    c.writes(30)
    c.sendsAll()
    joined(c)
    c.receives({ seq: 101, ack: 31 }, first)
    isReset(c, 6)
    expect(c.connection).toMatchObject({ mode: 'mptcp', state: 'M_ESTAB' })
  })

  it('a MP_FAIL that is never answered ends the subflow', () => {
    const c = established(withChecksums)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [{ ...map(1, 1, 100), checksum: 0x1111 }] })
    c.sendsAll()
    c.after(121_000)
    expect(c.sendsAll().at(-1)!.flags).toContain('R')
    expect(c.connection.subflows).toHaveLength(0)
    c.reads(0)
  })

  it('a mapping without checksum, where they were agreed on, resets the subflow', () => {
    const c = established(withChecksums)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    isReset(c, 1)
  })

  it('what leaves bears a checksum that is right', () => {
    const c = established(withChecksums)
    c.writes(333)
    const said = c.sends({ seq: 1, length: 333 })
    const option = said.mptcp[0] as RelativeDss
    const own = { peer: c.keys.stack!, stack: c.keys.peer }
    expect(option.checksum).toBe(checksumOf(own, option, said.data))
  })
})
