import { describe, expect, it } from 'vitest'
import { RealClock } from '../../ts/clock.js'
import type { DirectionStats } from '../../ts/emulator/direction.js'
import { EmulatedNetwork } from '../../ts/emulator/network.js'
import { BATCH_PACKETS, type PacketBatch } from '../../ts/link/link.js'
import { frame, idOf, onePath, receiver, sendMany } from './harness.js'

const MBIT = 1_000_000

/** Every packet is delivered, dropped or in flight. */
function expectNothingLostTrackOf(stats: DirectionStats): void {
  expect(stats.packets + stats.added + stats.duplicated).toBe(
    stats.deliveredPackets +
      stats.droppedByQueue +
      stats.droppedByLoss +
      stats.droppedByCut +
      stats.droppedByMtu +
      stats.droppedByMiddlebox +
      stats.droppedByClose +
      stats.inFlightPackets,
  )
}

describe('a perfect wire', () => {
  it('delivers at once, but never inside send, in full batches and in order', () => {
    const { clock, path, atB, batchesAtB } = onePath()
    expect(sendMany(path.a, 150)).toBe(150)
    expect(atB).toEqual([])
    clock.runUntil(0)
    expect(batchesAtB).toEqual([BATCH_PACKETS, BATCH_PACKETS, 150 - 2 * BATCH_PACKETS])
    expect(atB.map((packet) => packet.id)).toEqual(Array.from({ length: 150 }, (_, i) => i))
    expect(atB.every((packet) => packet.at === 0)).toBe(true)
    expect(atB[7]!.bytes).toEqual(frame(7).bytes.slice(3, 1003))
    expect(path.stats.forward).toMatchObject({
      packets: 150,
      bytes: 150_000,
      deliveredPackets: 150,
      deliveredBytes: 150_000,
    })
  })

  it('copies: the frame may be used again at once', () => {
    const { clock, path, atB } = onePath()
    const reused = frame(1)
    path.a.send(reused)
    reused.bytes.fill(9)
    path.a.send(reused)
    clock.runUntil(0)
    expect(atB.map((packet) => packet.id)).toEqual([1, 0x09090909])
  })

  it('carries answers that a receiver sends while it receives', () => {
    const { clock, path, atA } = onePath({ delay: 5 })
    path.b.open((batch: PacketBatch) => {
      for (let i = 0; i < batch.count; i++) path.b.send(frame(100 + i))
    })
    sendMany(path.a, 3)
    clock.runUntil(100)
    expect(atA.map(({ id, at }) => [id, at])).toEqual([
      [100, 10],
      [101, 10],
      [102, 10],
    ])
  })
})

describe('rate, delay and queue', () => {
  it('spaces packets by their size at the rate, then adds the delay', () => {
    // 1000 bytes at 8 Mbit/s take 1 ms.
    const { clock, path, atB } = onePath({ rate: 8 * MBIT, delay: 20 })
    sendMany(path.a, 3)
    clock.runUntil(1.5)
    path.a.send(frame(3, 500))
    clock.runUntil(50)
    path.a.send(frame(4, 100))
    clock.runUntil(100)
    expect(atB.map((packet) => packet.at)).toEqual([21, 22, 23, 23.5, 70.1])
  })

  it('drops what comes on top of a full queue, to the byte, and says so', () => {
    const { clock, path, atB } = onePath({ rate: 8 * MBIT, queueBytes: 5000 })
    expect(sendMany(path.a, 20)).toBe(5)
    expect(path.stats.forward).toMatchObject({ droppedByQueue: 15, queuedBytes: 5000 })
    clock.runUntil(2.5)
    expect(path.stats.forward.queuedBytes).toBe(2500)
    expect([path.a.send(frame(20)), path.a.send(frame(21)), path.a.send(frame(22))]).toEqual([
      true,
      true,
      false,
    ])
    clock.runUntil(100)
    expect(atB.map((packet) => packet.id)).toEqual([0, 1, 2, 3, 4, 20, 21])
    expectNothingLostTrackOf(path.stats.forward)
  })

  it('takes queueMs as what drains in that time, and one packet on an idle path anyway', () => {
    const { clock, path } = onePath({ rate: 8 * MBIT, queueMs: 10 })
    expect(sendMany(path.a, 20)).toBe(10)
    path.set({ rate: 80 * MBIT })
    expect(path.shape('a-to-b').queueBytes).toBe(100_000)
    path.set({ queueBytes: 0 })
    expect(path.a.send(frame(0))).toBe(false)
    clock.runUntil(100)
    expect([path.a.send(frame(0)), path.a.send(frame(1))]).toEqual([true, false])
  })

  it('bounds the bytes in flight at an infinite rate too', () => {
    const { clock, path, atB } = onePath({ delay: 10, queueBytes: 3000 })
    expect(sendMany(path.a, 5)).toBe(3)
    clock.runUntil(10)
    expect(sendMany(path.a, 5)).toBe(3)
    clock.runUntil(20)
    expect(atB.length).toBe(6)
  })

  it('never holds more than its memory, however long the path', () => {
    const { path } = onePath({ delay: 1e6, queueBytes: 1e12, mtu: 65535 })
    const taken = sendMany(path.a, 1100, 65535)
    expect(taken).toBeGreaterThan(1000)
    expect(taken).toBeLessThanOrEqual(1024)
    expect(path.stats.forward.droppedByQueue).toBe(1100 - taken)
    path.close()
  })

  it('lets each direction have a shape of its own', () => {
    const { clock, path, atA, atB } = onePath({
      rate: 8 * MBIT,
      delay: 10,
      backward: { rate: 80 * MBIT, delay: 1 },
    })
    path.a.send(frame(0))
    path.b.send(frame(0))
    clock.runUntil(100)
    expect([atB[0]!.at, atA[0]!.at]).toEqual([11, 1.1])
  })

  it('applies a new rate to what waits and keeps the order when the delay shrinks', () => {
    const { clock, path, atB } = onePath({ rate: 8 * MBIT, delay: 10 })
    sendMany(path.a, 4)
    clock.runUntil(1)
    // Packets 1 to 3 had 1, 2 and 3 ms to go; at half the rate they have twice that.
    path.set({ rate: 4 * MBIT, delay: 2 })
    expect(path.stats.forward.queuedBytes).toBe(3000)
    path.a.send(frame(4))
    clock.runUntil(100)
    expect(atB.map(({ id, at }) => [id, at])).toEqual([
      [0, 11],
      [1, 13],
      [2, 15],
      [3, 17],
      [4, 17],
    ])
    path.set({ forward: { rate: Number.POSITIVE_INFINITY } })
    path.a.send(frame(5))
    clock.runUntil(102)
    expect(atB[5]!.at).toBe(102)
  })

  it('holds a delivery for coalesceMs and hands over what came meanwhile', () => {
    const { clock, path, atB, batchesAtB } = onePath({ rate: 80 * MBIT, coalesceMs: 1 })
    sendMany(path.a, 15)
    clock.runUntil(100)
    expect(batchesAtB).toEqual([11, 4])
    expect([atB[0]!.at, atB[11]!.at]).toEqual([1.1, 2.2])
  })
})

describe('impairments', () => {
  const shape = { rate: 80 * MBIT, delay: 10, queueBytes: 1e9 }

  it('loses packets at its probability, the same ones for the same seed', () => {
    const run = (seed: number) => {
      const { clock, path, atB } = onePath({ ...shape, loss: 0.1 }, seed)
      sendMany(path.a, 5000)
      clock.runUntil(10_000)
      expectNothingLostTrackOf(path.stats.forward)
      expect(path.stats.forward.droppedByLoss).toBe(5000 - atB.length)
      return atB.map(({ id, at }) => [id, at])
    }
    const first = run(1)
    // Six standard deviations are 127.
    expect(Math.abs(first.length - 4500)).toBeLessThan(127)
    expect(run(1)).toEqual(first)
    expect(run(2)).not.toEqual(first)
    // Lost on the wire, after they took their share of the rate.
    expect(first.every(([id, at]) => Math.abs(at! - (10 + (id! + 1) * 0.1)) < 1e-6)).toBe(true)
  })

  it('is not changed by what happens on another path or the other way', () => {
    const run = (isBusy: boolean) => {
      const { clock, network, path, atB } = onePath({ ...shape, loss: 0.3 })
      const other = network.path({
        name: 'q',
        a: { host: 'client', addresses: [] },
        b: { host: 'server', addresses: [] },
        loss: 0.5,
      })
      for (let id = 0; id < 200; id++) {
        path.a.send(frame(id))
        if (isBusy) other.a.send(frame(id))
        if (isBusy) path.b.send(frame(id))
      }
      clock.runUntil(1000)
      return atB.map((packet) => packet.id)
    }
    expect(run(true)).toEqual(run(false))
  })

  it('lets others overtake the packets that it holds back, and keeps order without', () => {
    const { clock, path, atB } = onePath({ ...shape, reorder: 0.1, reorderDelay: 2 })
    sendMany(path.a, 1000)
    clock.runUntil(10_000)
    const { reordered } = path.stats.forward
    expect(reordered).toBeGreaterThan(50)
    expect(atB.length).toBe(1000)
    const late = atB.filter((packet, i) => atB.slice(0, i).some((other) => other.id > packet.id))
    // The last of them may have nobody behind to overtake them.
    expect(late.length).toBeGreaterThan(reordered - 10)
    expect(late.length).toBeLessThanOrEqual(reordered)
    for (const { id, at } of late) expect(at).toBeCloseTo(12 + (id + 1) * 0.1, 6)
    expect(atB.every((packet) => packet.bytes[999] === (packet.id & 255))).toBe(true)
  })

  it('duplicates and corrupts: one bit, in that packet only', () => {
    const { clock, path, atB } = onePath({ ...shape, duplicate: 0.2, corrupt: 0.2 })
    const sent = frame(0x55555555)
    for (let i = 0; i < 1000; i++) path.a.send(sent)
    clock.runUntil(10_000)
    const { duplicated, corrupted } = path.stats.forward
    expect(atB.length).toBe(1000 + duplicated)
    expect(Math.abs(duplicated - 200)).toBeLessThan(76)
    const original = sent.bytes.subarray(3, 1003)
    let flipped = 0
    for (const { bytes } of atB) {
      let bits = 0
      for (let i = 0; i < bytes.length; i++) {
        for (let difference = bytes[i]! ^ original[i]!; difference > 0; difference >>= 1) {
          bits += difference & 1
        }
      }
      expect(bits).toBeLessThanOrEqual(1)
      flipped += bits
    }
    expect(flipped).toBe(corrupted)
    expectNothingLostTrackOf(path.stats.forward)
  })

  it('repeats bit for bit with everything on', () => {
    const run = () => {
      const { clock, path, atA, atB } = onePath(
        {
          rate: 20 * MBIT,
          delay: 7,
          queueMs: 30,
          loss: 0.02,
          reorder: 0.05,
          duplicate: 0.03,
          corrupt: 0.02,
          coalesceMs: 0.3,
        },
        42,
      )
      path.b.open((batch: PacketBatch) => {
        for (let i = 0; i < batch.count; i++) path.b.send(frame(clock.now() * 1000, 60))
      })
      let id = 0
      const tick = () => {
        for (let i = 0; i < 5; i++) path.a.send(frame(id++, 40 + ((id * 37) % 1400)))
        if (id < 2000) clock.at(clock.now() + 1, tick)
        if (id === 500) path.cut()
        if (id === 550) path.heal()
        if (id === 1000) path.set({ rate: 40 * MBIT, delay: 3 })
      }
      clock.soon(tick)
      clock.runUntil(5000)
      expectNothingLostTrackOf(path.stats.forward)
      expectNothingLostTrackOf(path.stats.backward)
      return { atA, atB, stats: path.stats }
    }
    const first = run()
    expect(first.atA.length).toBeGreaterThan(1000)
    expect(run()).toEqual(first)
  })
})

describe('cut and heal', () => {
  it('loses what is in flight and what is sent, silently, until healed', () => {
    const { clock, path, atA, atB } = onePath({ rate: 8 * MBIT, delay: 10 })
    sendMany(path.a, 5)
    path.b.send(frame(0))
    clock.runUntil(12.5)
    path.cut()
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
    expect(path.a.send(frame(5))).toBe(true)
    clock.runUntil(100)
    path.heal()
    path.a.send(frame(6))
    clock.runUntil(200)
    expect(atB.map(({ id, at }) => [id, at])).toEqual([
      [0, 11],
      [1, 12],
      [6, 111],
    ])
    expect(atA.length).toBe(1)
    expect(path.stats.forward.droppedByCut).toBe(4)
  })

  it('can be one way only', () => {
    const { clock, path, atA, atB } = onePath()
    path.cut('a-to-b')
    path.a.send(frame(0))
    path.b.send(frame(0))
    clock.runUntil(10)
    expect([atA.length, atB.length]).toEqual([1, 0])
  })

  it('from within a receiver keeps the batch in hand and loses the rest', () => {
    const { clock, path } = onePath({ delay: 1 })
    const seen: number[] = []
    path.b.open((batch: PacketBatch) => {
      path.cut()
      for (let i = 0; i < batch.count; i++) seen.push(idOf(batch.bytes.subarray(batch.offset[i]!)))
    })
    sendMany(path.a, BATCH_PACKETS + 10)
    clock.runUntil(10)
    expect(seen).toEqual(Array.from({ length: BATCH_PACKETS }, (_, i) => i))
    expect(path.stats.forward).toMatchObject({ droppedByCut: 10, inFlightPackets: 0 })
  })
})

describe('capacity', () => {
  it('is the integral of the rate, without cuts, for any span', () => {
    const { clock, path } = onePath({ rate: 8 * MBIT, backward: { rate: 80 * MBIT } })
    clock.runUntil(100)
    path.cut()
    clock.runUntil(150)
    path.set({ forward: { rate: 16 * MBIT } })
    clock.runUntil(200)
    path.heal()
    clock.runUntil(300)
    expect(path.capacityBytes(0, 100)).toBe(100_000)
    expect(path.capacityBytes(0, 300)).toBe(100_000 + 200_000)
    expect(path.capacityBytes(50, 250)).toBe(50_000 + 100_000)
    expect(path.capacityBytes(-100, 0)).toBe(0)
    expect(path.capacityBytes(300, 310)).toBe(20_000)
    expect(path.capacityBytes(0, 300, 'b-to-a')).toBe(2_000_000)
  })

  it('is what a sender that never pauses gets through', () => {
    const { clock, path, atB } = onePath({ rate: 8 * MBIT, queueBytes: 10_000 })
    const tick = () => {
      sendMany(path.a, 12)
      clock.at(clock.now() + 1, tick)
    }
    tick()
    clock.runUntil(500)
    expect(path.capacityBytes(0, 500)).toBe(atB.length * 1000)
  })

  it('is infinite where the rate is, and not where the path was cut', () => {
    const { clock, path } = onePath()
    path.cut()
    clock.runUntil(10)
    path.heal()
    expect(path.capacityBytes(0, 10)).toBe(0)
    expect(path.capacityBytes(0, 11)).toBe(Number.POSITIVE_INFINITY)
    expect(path.capacityBytes(10, 10)).toBe(0)
  })
})

describe('a middlebox', () => {
  it('changes, drops and multiplies, each way, on copies of its own', () => {
    const { clock, path, atA, atB } = onePath()
    path.middlebox((direction, packet) => {
      if (direction === 'b-to-a') return packet
      const id = idOf(packet)
      if (id === 0) return null
      if (id === 1) return [packet.slice(0, 20), packet.slice(0, 30), packet.slice(0, 40)]
      packet[4] = 0xee
      return packet
    })
    const last = frame(2)
    path.a.send(frame(0))
    path.a.send(frame(1))
    path.a.send(last)
    path.b.send(frame(3))
    clock.runUntil(0)
    expect(atB.map((packet) => packet.length)).toEqual([20, 30, 40, 1000])
    expect([atB[3]!.bytes[4], last.bytes[7]]).toEqual([0xee, 2])
    expect(atA.length).toBe(1)
    expectNothingLostTrackOf(path.stats.forward)
    path.middlebox(null)
    path.inject('a-to-b', frame(9).bytes.slice(3, 103))
    path.a.send(frame(0))
    clock.runUntil(1)
    expect(atB.slice(4).map((packet) => packet.id)).toEqual([9, 0])
    expectNothingLostTrackOf(path.stats.forward)
  })
})

describe('links', () => {
  it('say what they can, refuse what is too large, and pass super-segments if asked to', () => {
    const plain = onePath({ mtu: 1400 })
    expect(plain.path.a.caps).toEqual({ mtu: 1400, maxReceive: 1400, tso: 0, checksum: 'verify' })
    expect(plain.path.a.send(frame(0, 1400))).toBe(true)
    expect(plain.path.a.send(frame(0, 1401))).toBe(false)
    expect(plain.path.a.send(frame(0, 3000, 1000))).toBe(false)
    expect(plain.path.stats.forward.droppedByMtu).toBe(2)

    // 40 bytes of headers and 3 segments of 1000: two more headers on the wire, 3.12 ms.
    const { clock, path, atB } = onePath({ tso: true, checksum: 'flagged', rate: 8 * MBIT })
    expect(path.b.caps).toEqual({ mtu: 1500, maxReceive: 65535, tso: 65535, checksum: 'flagged' })
    const large = frame(0, 3040, 1000)
    large.bytes[large.offset] = 0x45
    large.bytes[large.offset + 32] = 0x50
    path.a.send({ ...large, needsCsum: true })
    clock.runUntil(100)
    expect(atB).toMatchObject([{ at: 3.12, length: 3040, gsoSize: 1000, needsCsum: 1 }])
  })

  it('do not hear of a path that narrows further on', () => {
    const { clock, path, atB } = onePath()
    path.set({ mtu: 1280 })
    expect([path.a.caps.mtu, path.a.send(frame(0, 1281)), path.a.send(frame(1, 1280))]).toEqual([
      1500,
      true,
      true,
    ])
    clock.runUntil(1)
    expect(atB.map((packet) => packet.id)).toEqual([1])
  })

  it('stop when closed, leave no timer behind, and may be opened again', () => {
    const { clock, path, atA, atB } = onePath({ delay: 10 })
    path.a.send(frame(0))
    path.b.send(frame(0))
    path.a.close()
    expect(path.a.send(frame(1))).toBe(false)
    clock.runUntil(20)
    // The FIN or RST that a host sent last still gets through.
    expect([atA.length, atB.length]).toEqual([0, 1])
    path.b.send(frame(2))
    clock.runUntil(40)
    expect(path.stats.backward.droppedByClose).toBe(2)
    path.b.send(frame(3))
    path.b.close()
    expect(clock.nextDeadline()).toBe(50)
    path.a.close()
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
    const again = receiver(clock, path.a)
    path.b.open(() => {})
    path.b.send(frame(4))
    clock.runUntil(100)
    expect(again.packets.map((packet) => packet.id)).toEqual([4])
  })

  it('go on after a receiver that threw', () => {
    const { clock, path } = onePath({ delay: 1 })
    let calls = 0
    path.b.open(() => {
      calls++
      if (calls === 1) throw new Error('from the receiver')
    })
    sendMany(path.a, BATCH_PACKETS + 1)
    expect(() => clock.runUntil(5)).toThrow('from the receiver')
    clock.runUntil(5)
    expect(calls).toBe(2)
    expect(path.stats.forward.inFlightPackets).toBe(0)
  })
})

describe('a network', () => {
  it('knows the links of each of several hosts', () => {
    const { clock, network, path } = onePath()
    const second = network.path({
      name: 'second',
      a: { host: 'client', addresses: ['10.0.2.1', 'fd00::1'] },
      b: { host: 'other', addresses: ['10.0.2.2'] },
    })
    expect(network.hosts()).toEqual(['client', 'server', 'other'])
    expect(network.links('client')).toEqual([path.a, second.a])
    expect(network.links('other')).toEqual([second.b])
    expect(network.links('nobody')).toEqual([])
    expect(second.a.addresses).toEqual(['10.0.2.1', 'fd00::1'])
    expect(second.a.name).toBe('second')
    const atOther = receiver(clock, second.b)
    second.a.send(frame(1))
    path.a.send(frame(2))
    clock.runUntil(0)
    expect(atOther.packets.map((packet) => packet.id)).toEqual([1])
  })

  it('refuses an impossible shape by name', () => {
    expect(() => onePath({ loss: 1.5 })).toThrow('path p: loss is 1.5, not a number from 0 to 1')
    expect(() => onePath({ rate: 0 })).toThrow(RangeError)
    expect(() => onePath({ delay: Number.NaN })).toThrow(RangeError)
    expect(() => onePath({ queueBytes: 1, queueMs: 1 })).toThrow('exclude each other')
    const { path } = onePath({ delay: 3 })
    expect(() => path.set({ delay: 5, backward: { mtu: 5 } })).toThrow('mtu is 5')
    expect(path.shape('a-to-b').delay).toBe(3)
    path.set({ delay: undefined, loss: 0.5 })
    expect(path.shape('b-to-a')).toMatchObject({ delay: 3, loss: 0.5 })
  })

  it('works in real time', async () => {
    const clock = new RealClock()
    const network = new EmulatedNetwork({ clock })
    const path = network.path({
      name: 'real',
      a: { host: 'client', addresses: ['10.0.1.1'] },
      b: { host: 'server', addresses: ['10.0.1.2'] },
      rate: 80 * MBIT,
      delay: 5,
    })
    const atB = receiver(clock, path.b)
    const start = clock.now()
    sendMany(path.a, 40)
    await new Promise<void>((resolve) => {
      const check = () =>
        atB.packets.length < 40 && clock.now() < start + 5000
          ? clock.at(clock.now() + 1, check)
          : resolve()
      check()
    })
    network.close()
    expect(atB.packets.map((packet) => packet.id)).toEqual(Array.from({ length: 40 }, (_, i) => i))
    // Never early: 0.1 ms for each packet, then the delay; the rounding of doubles aside.
    atB.packets.forEach(({ at }, i) => {
      expect(at - start).toBeGreaterThanOrEqual(5 + (i + 1) * 0.1 - 1e-6)
    })
  })
})

describe("a host's own device", () => {
  it('loses what comes and goes while it is down, and says so in an event of its own', () => {
    const { clock, path, atB } = onePath({ delay: 5 })
    const told: string[] = []
    path.b.watch(({ type }) => told.push(type))
    sendMany(path.a, 3)
    path.b.down()
    expect(told).toEqual([])
    clock.runUntil(10)
    expect(sendMany(path.b, 1)).toBe(0)
    path.b.up()
    sendMany(path.a, 2)
    clock.runUntil(20)
    expect(atB).toHaveLength(2)
    expect(told).toEqual(['down', 'up'])
    expectNothingLostTrackOf(path.stats.forward)
  })

  it('says of its addresses and its MTU what has changed, once', () => {
    const { clock, path } = onePath()
    const told: unknown[] = []
    path.a.watch((change) => told.push(change))
    const [first] = path.a.addresses
    path.a.addAddress('10.0.1.9')
    path.a.addAddress('10.0.1.9')
    path.a.removeAddress(first!)
    path.a.setMtu(1280)
    path.a.setMtu(1280)
    clock.runUntil(1)
    expect(told).toEqual([
      { type: 'address-added', address: '10.0.1.9' },
      { type: 'address-removed', address: first },
      { type: 'mtu' },
    ])
    expect(path.a.addresses).toEqual(['10.0.1.9'])
    expect(path.a.caps.mtu).toBe(1280)
    expect(() => path.a.setMtu(1.5)).toThrow(RangeError)
  })
})
