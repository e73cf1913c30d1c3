import { describe, expect, it } from 'vitest'
import { PacketRing } from '../../ts/emulator/packet-ring.js'
import { SeededRandom } from '../../ts/random.js'

describe('PacketRing', () => {
  it('keeps every byte through wraps, growth, loans and clearing', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed)
      const ring = new PacketRing(256 * 1024)
      let model: Uint8Array[] = []
      let lent: { bytes: Uint8Array; offset: number; packet: Uint8Array }[] = []
      const check = (label: string) => {
        expect(ring.count, label).toBe(model.length)
        expect(ring.heldBytes, label).toBe(model.reduce((sum, packet) => sum + packet.length, 0))
        model.forEach((packet, i) => {
          const offset = ring.offset(i)
          expect(Buffer.compare(ring.bytes.subarray(offset, offset + packet.length), packet)).toBe(
            0,
          )
        })
        for (const { bytes, offset, packet } of lent) {
          expect(Buffer.compare(bytes.subarray(offset, offset + packet.length), packet)).toBe(0)
        }
      }
      for (let step = 0; step < 1500; step++) {
        const roll = random.below(100)
        if (roll < 55) {
          const packet = random.bytes(random.below(seed % 2 === 0 ? 3000 : 200))
          if (ring.push(packet, 0, packet.length, 0, false, step, step) >= 0) model.push(packet)
          else expect(ring.heldBytes + packet.length).toBeGreaterThan(100 * 1024)
        } else if (roll < 75) {
          const count = random.below(Math.min(model.length, 20) + 1)
          ring.release(count)
          model = model.slice(count)
          lent = []
        } else if (roll < 95) {
          ring.lent = random.below(Math.min(model.length, 20) + 1)
          lent = model.slice(0, ring.lent).map((packet, i) => ({
            bytes: ring.bytes,
            offset: ring.offset(i),
            packet,
          }))
        } else if (roll === 99) {
          expect(ring.clear()).toBe(model.length - ring.lent)
          model = model.slice(0, ring.lent)
        }
        if (step % 50 === 0 || roll === 99) check(`seed ${seed}, step ${step}`)
      }
    }
  })

  it('is full at its bound and has room again after a release', () => {
    const ring = new PacketRing(64 * 1024)
    const packet = new Uint8Array(1500)
    let count = 0
    while (ring.push(packet, 0, 1500, 0, false, 0, 0) >= 0) count++
    expect(count).toBe(Math.floor((64 * 1024) / 1504))
    ring.release(1)
    expect(ring.push(packet, 0, 1500, 0, false, 0, 0)).toBe(0)
  })
})
