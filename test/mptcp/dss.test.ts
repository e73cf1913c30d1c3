// DSS, RFC 8684 §3.3: mappings in every relation to their bytes, numbers of both widths, checksums, what
// no mapping explains, and DATA_ACKs.

import { describe, expect, it } from 'vitest'
import { DSS, MP_FAIL, MP_TCPRST } from '../../ts/wire/mptcp-options.js'
import { BACKENDS } from '../contract/cores.js'
import type { Conversation } from '../harness/conversation.js'
import { dss, type Keys, pattern, type RelativeDss } from '../harness/peer.js'
import { established, joined } from '../harness/states.js'

/** A plain mapping of `length` bytes at data offset `dsn`. */
const map = (dsn: number, ssn: number, length: number): RelativeDss =>
  dss({ ack: 1, dsn, ssn, length })

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

function isReset(c: Conversation, reason: number): void {
  const said = c.sendsAll().at(-1)!
  expect(said.flags).toContain('R')
  expect(said.mptcp).toMatchObject([{ subtype: MP_TCPRST, reason }])
}

describe.each(BACKENDS)('mappings, %s core', (core) => {
  it('a mapping with its bytes passes them up and DATA_ACKs them', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ flags: '.', ack: 101, mptcp: [{ subtype: DSS, ack: 101 }] })
    c.reads(100)
  })

  it('a mapping ahead of its bytes waits for them', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [map(1, 1, 100)] })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [dss({ ack: 1 })] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.reads(100)
  })

  it('bytes ahead of their mapping are ACKed, and DATA_ACKed once the mapping comes', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [dss({ ack: 1 })] })
    c.sends({ ack: 101, mptcp: [{ ack: 1 }] })
    c.reads(0)
    c.receives({ seq: 101, ack: 1, mptcp: [map(1, 1, 100)] })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.reads(100)
    c.receives({ seq: 101, ack: 1, data: pattern(101, 10), mptcp: [map(101, 101, 10)] })
    c.sendsAll()
    expect(c.connection.rcv.finReached).toBe(false)
    c.reads(10)
  })

  it('a mapping spread over segments, repeated on each', () => {
    const c = established({ core })
    for (let i = 0; i < 4; i++) {
      const seq = 1 + i * 1000
      c.receives({ seq, ack: 1, data: 1000, mptcp: [map(1, 1, 4000)] })
      c.sends({ ack: seq + 1000, mptcp: [{ ack: seq + 1000 }] })
    }
    c.reads(4000)
    expect(c.subflow().mappings.list).toHaveLength(0)
  })

  it('a mapping spread over segments, on the first only', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 1000, mptcp: [map(1, 1, 3000)] })
    c.receives({ seq: 1001, ack: 1, data: 1000 })
    c.receives({ seq: 2001, ack: 1, data: 1000 })
    c.sendsAll()
    c.reads(3000)
  })

  it('two mappings that meet inside one segment', () => {
    const c = established({ core })
    const mptcp = [map(1, 1, 60)]
    c.receives({ seq: 1, ack: 1, mptcp: [map(61, 61, 40)] })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp })
    c.sends({ ack: 101, mptcp: [{ ack: 101 }] })
    c.reads(100)
  })

  it('a mapping of data that is out of order waits for what comes before it', () => {
    const c = established({ core })
    const peer = joined(c)
    const later = { ack: 1, mptcp: [map(101, 1, 100)], data: pattern(101, 100) }
    c.receives({ seq: 1, ...later }, peer)
    c.sends({ peer, ack: 101, mptcp: [{ ack: 1 }] })
    c.reads(0)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ peer: c.peer, ack: 101, mptcp: [{ ack: 201 }] })
    c.reads(200)
  })

  it('data that came on another subflow already is dropped and counted', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ peer: c.peer })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] }, peer)
    c.sends({ peer, ack: 101, mptcp: [{ ack: 101 }] })
    expect(c.stack.counters.DuplicateData).toBe(1)
    c.reads(100)
  })

  it('a mapping that says something else of the same bytes resets the subflow', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [map(1, 1, 100)] })
    c.receives({ seq: 1, ack: 1, mptcp: [map(51, 1, 100)] })
    isReset(c, 1)
    expect(c.stack.counters.DSSNotMatching).toBe(1)
  })

  it('a mapping that overlaps another resets the subflow', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, mptcp: [map(1, 1, 100)] })
    c.receives({ seq: 1, ack: 1, mptcp: [map(51, 51, 100)] })
    isReset(c, 1)
  })

  it('a mapping of bytes passed up long ago changes nothing', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ ack: 101 })
    c.receives({ seq: 101, ack: 1, mptcp: [map(7001, 1, 100)] })
    expect(c.connection.error).toBeNull()
    c.reads(100)
  })

  it('4-byte DSNs and DATA_ACKs do as well, and are answered in kind', () => {
    const c = established({ core })
    const short = dss({ ack: 1, ackBytes: 4, dsn: 1, dsnBytes: 4, ssn: 1, length: 100 })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [short] })
    c.sends({ ack: 101, mptcp: [{ ack: 101, ackBytes: 4 }] })
    c.reads(100)
    c.writes(50)
    c.sends({ length: 50 })
    c.receives({ seq: 101, ack: 51, mptcp: [dss({ ack: 51, ackBytes: 4 })] })
    expect(c.connection.snd.una).toBe(51)
  })

  it('an 8-byte DSN is answered with an 8-byte DATA_ACK', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(1, 1, 100)] })
    c.sends({ mptcp: [{ ack: 101, ackBytes: 8 }] })
  })

  it('data beyond the data-level window is dropped and counted, and the connection lives', () => {
    const c = established({ core })
    c.receives({ seq: 1, ack: 1, data: 100, mptcp: [map(50_000_000, 1, 100)] })
    c.sends({ ack: 101, mptcp: [{ ack: 1 }] })
    expect(c.stack.counters.NoDSSInWindow).toBeGreaterThan(0)
    c.reads(0)
    c.receives({ seq: 101, ack: 1, data: pattern(1, 100), mptcp: [map(1, 101, 100)] })
    c.sends({ ack: 201, mptcp: [{ ack: 101 }] })
    c.reads(100)
  })

  it('where there are other subflows, data without any option, unmapped, resets its subflow at once', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, data: pattern(1, 10), mptcp: [map(1, 1, 10)] })
    c.sendsAll()
    c.receives({ seq: 11, ack: 1, data: 10 })
    c.sends({ flags: 'R.', mptcp: [{ subtype: MP_TCPRST, reason: 6 }] })
    c.receives({ seq: 1, ack: 1, data: pattern(11, 10), mptcp: [map(11, 1, 10)] }, peer)
    c.sends({ peer, mptcp: [{ ack: 21 }] })
    c.reads(20)
  })

  it('data in order beyond the shared edge is taken: TCP has let it in', () => {
    const c = established({ core, stack: { receiveBufferBytes: 4096 } })
    const peer = joined(c)
    c.sendsAll()
    const room = c.connection.rcv.right - 1
    c.receives({ seq: 1, ack: 1, data: pattern(1, room), mptcp: [map(1, 1, room)] })
    expect(c.sendsAll().at(-1)).toMatchObject({ mptcp: [{ ack: room + 1 }] })
    // The other subflow was told the same window, before the first one used it up.
    const more = pattern(room + 1, 100)
    c.receives({ seq: 1, ack: 1, data: more, mptcp: [map(room + 1, 1, 100)] }, peer)
    expect(c.sendsAll().at(-1)).toMatchObject({ mptcp: [{ ack: room + 101 }] })
    expect(c.stack.counters.NoDSSInWindow).toBe(0)
    c.reads(room + 100)
  })

  it('a DSN before the first byte, or out of all reach, is dropped and counted', () => {
    for (const dsn of [-5, 0, 2 ** 52, 2 ** 53]) {
      const c = established({ core })
      c.receives({ seq: 1, ack: 1, data: 10, mptcp: [map(dsn, 1, 10)] })
      expect(c.stack.counters.NoDSSInWindow).toBe(1)
      c.sends({ ack: 11, mptcp: [{ ack: 1 }] })
      c.reads(0)
    }
  })

  it('bytes without mapping are held for one receive window, then the subflow is reset', () => {
    const c = established({ core, stack: { receiveBufferBytes: 8192 } })
    c.receives({ seq: 1, ack: 1, mptcp: [map(20_001, 20_001, 10)] })
    for (let seq = 1; seq < 8000; seq += 1000) {
      c.receives({ seq, ack: 1, data: 1000 })
      expect(c.sendsAll().some((said) => said.flags.includes('R'))).toBe(false)
    }
    c.receives({ seq: 8001, ack: 1, data: 192 })
    isReset(c, 6)
    expect(c.stack.counters.UnmappedReset).toBe(1)
  })

  it('a DATA_ACK of what was never sent is ignored', () => {
    const c = established({ core })
    c.writes(100)
    c.sends({ length: 100 })
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 5000 })] })
    expect(c.connection.snd.una).toBe(1)
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 101 })] })
    expect(c.connection.snd.una).toBe(101)
  })

  it('a subflow ACK alone frees nothing at the data level: the data goes again in time', () => {
    const c = established({ core })
    c.writes(100)
    c.sends({ seq: 1, length: 100, mptcp: [{ dsn: 1, ssn: 1, length: 100 }] })
    c.receives({ seq: 1, ack: 101, mptcp: [dss({ ack: 1 })] })
    expect(c.connection.snd.una).toBe(1)
    c.after(3000)
    const [again] = c.sendsAll()
    expect(again).toMatchObject({ seq: 101, length: 100, mptcp: [{ dsn: 1, ssn: 101 }] })
  })

  it('what leaves has a mapping that says where it belongs, also when it is sent again', () => {
    const c = established({ core })
    c.connection.snd.noDelay = true
    c.writes(3000)
    // Payload of a full segment beside timestamps and a DSS with two 8-byte numbers.
    c.sends({ seq: 1, length: 1420, mptcp: [{ dsn: 1, dsnBytes: 8, ssn: 1 }] })
    c.sends({ seq: 1421, length: 1420 })
    c.sends({ seq: 2841, length: 160 })
    c.receives({ seq: 1, ack: 1421, mptcp: [dss({ ack: 1421 })] })
    c.after(1100)
    const again = c.sendsAll()[0]!
    const option = again.mptcp[0] as RelativeDss
    expect(again.seq).toBe(1421)
    expect(option.dsn! - option.ssn).toBe(0)
    expect(option.ssn + option.length).toBeGreaterThanOrEqual(again.seq + again.length)
  })

  it('the window counts from the DATA_ACK, whichever subflow tells it', () => {
    const c = established({ core })
    const peer = joined(c)
    c.receives({ seq: 1, ack: 1, window: 4096, mptcp: [dss({ ack: 1 })] }, peer)
    const { right } = c.connection.snd
    c.receives({ seq: 1, ack: 1, window: 128 * 1024, mptcp: [dss({ ack: 1 })] }, peer)
    expect(c.connection.snd.right).toBe(1 + 128 * 1024)
    expect(right).toBeLessThan(128 * 1024)
  })
})

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
