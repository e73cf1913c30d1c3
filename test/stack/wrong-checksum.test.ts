// A box that spoils the DSS checksum of one mapping, RFC 8684 §3.7: alone the connection goes on as plain
// TCP, with another subflow only the spoiled one ends. The bytes themselves are left as they were, so
// every one must arrive in either case.

import { describe, expect, it } from 'vitest'
import { headerSum, parseIp, pseudoHeaderSum } from '../../ts/wire/ip.js'
import { DSS } from '../../ts/wire/mptcp-options.js'
import { emitSegment, parseSegment, writeChecksum } from '../../ts/wire/tcp.js'
import { BACKENDS } from '../contract/cores.js'
import { finish, transfer, type World, world } from './world.js'

/** Spoils the checksum of the `nth` data packet that goes `direction` on the first path. */
function spoil(w: World, direction: 'a-to-b' | 'b-to-a', nth: number): () => boolean {
  let seen = 0
  w.paths[0]!.middlebox((way, packet) => {
    if (way !== direction) return packet
    const ip = parseIp(packet, 0, packet.length)!
    const segment = parseSegment(packet, ip)!
    const dss = segment.options.mptcp.find((option) => option.subtype === DSS)
    if (segment.payloadLength === 0 || dss?.subtype !== DSS || dss.checksum === null) return packet
    if (++seen !== nth) return packet
    dss.checksum ^= 0x5555
    emitSegment(packet, ip.payloadOffset, segment)
    const pseudo = pseudoHeaderSum(ip.source, ip.destination, 6, ip.payloadLength)
    writeChecksum(
      packet,
      ip.payloadOffset,
      headerSum(packet, ip.payloadOffset, ip.payloadLength, pseudo),
    )
    return packet
  })
  return () => seen >= nth
}

const slow = { rate: 10e6, delay: 10 }

describe.each(BACKENDS)('a wrong DSS checksum, %s core', (core) => {
  it.each([
    ['of the opener', 'a-to-b', 1],
    ['of the opener, in the middle', 'a-to-b', 40],
    ['of the accepting side', 'b-to-a', 20],
  ] as const)(
    '%s, on the only subflow, makes it plain TCP, and nothing is lost',
    (_name, way, nth) => {
      const w = world({ seed: 5, paths: [slow], both: { core, checksum: true } })
      const wasSpoiled = spoil(w, way, nth)
      const pair = transfer(w, { up: 200_000, down: 200_000 })
      expect(wasSpoiled()).toBe(true)
      const receiver = way === 'a-to-b' ? w.server : w.client
      const sender = way === 'a-to-b' ? w.client : w.server
      expect(receiver.counters.DataCsumErr).toBe(1)
      expect(receiver.counters.MPFailTx).toBe(1)
      expect(sender.counters.MPFailRx).toBe(1)
      expect(sender.counters.InfiniteMapTx).toBe(1)
      for (const app of [pair.client, pair.server]) {
        expect(app.connection.mode).toBe('fallback')
        expect(app.connection.fallbackReason).toBe('DSSCorruptionFallback')
      }
      finish(w)
    },
  )

  it('where another subflow works, only that one ends', () => {
    const w = world({ seed: 6, paths: [slow, slow], both: { core, checksum: true } })
    const wasSpoiled = spoil(w, 'a-to-b', 40)
    const { client } = transfer(w, { up: 1_000_000, down: 1000 })
    expect(wasSpoiled()).toBe(true)
    expect(w.server.counters.DSSCorruptionReset).toBe(1)
    expect(w.client.counters.MPFailRx).toBe(1)
    expect(client.connection.mode).toBe('mptcp')
    finish(w)
  })

  it('in the last data before the end loses nothing either', () => {
    const w = world({ seed: 7, paths: [slow], both: { core, checksum: true } })
    spoil(w, 'a-to-b', 2)
    transfer(w, { up: 3000, down: 0 })
    expect(w.server.counters.DataCsumErr).toBe(1)
    finish(w)
  })
})
