import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../ts/clock.js'
import { EmulatedNetwork } from '../../ts/emulator/network.js'
import { captureLink } from '../../ts/link/capture.js'

describe('captureLink', () => {
  it('tells of what is sent and received, not of what is refused, and changes nothing', () => {
    const clock = new VirtualClock()
    const path = new EmulatedNetwork({ clock }).path({
      name: 'p',
      a: { host: 'client', addresses: ['10.0.1.1'] },
      b: { host: 'server', addresses: ['10.0.1.2'] },
      delay: 1,
      queueBytes: 8,
    })
    const seen: [string, number[]][] = []
    const link = captureLink(path.a, (direction, bytes, offset, length) => {
      seen.push([direction, [...bytes.subarray(offset, offset + length)]])
    })
    expect(link).toMatchObject({ name: 'p', addresses: ['10.0.1.1'], caps: path.a.caps })
    const received: number[] = []
    const order: number[] = []
    link.open((batch) => {
      received.push(batch.count)
      order.push(seen.length)
    }, new Uint8Array(0))
    path.b.open(() => {})
    const frame = {
      bytes: new Uint8Array([0, 1, 2, 3, 4, 5, 0]),
      offset: 1,
      length: 5,
      gsoSize: 0,
      needsCsum: false,
    }
    expect(link.send(frame)).toBe(true)
    expect(link.send(frame)).toBe(false)
    path.b.send({ ...frame, length: 2 })
    path.b.send({ ...frame, length: 3 })
    clock.runUntil(5)
    link.flush()
    link.close()
    expect(seen).toEqual([
      ['out', [1, 2, 3, 4, 5]],
      ['in', [1, 2]],
      ['in', [1, 2, 3]],
    ])
    expect([received, order]).toEqual([[2], [3]])
    expect(link.send(frame)).toBe(false)
  })
})
