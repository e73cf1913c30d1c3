// NewReno's and CUBIC's windows by themselves, event by event: RFC 5681, RFC 3465, RFC 9438.

import { describe, expect, it } from 'vitest'
import type {
  CongestionEvent,
  MptcpCongestionControl,
} from '../../../ts/tcp/congestion/congestion-control.js'
import { cubic } from '../../../ts/tcp/congestion/cubic.js'
import { CONGESTION_CONTROLS } from '../../../ts/tcp/congestion/names.js'
import { newReno } from '../../../ts/tcp/congestion/newreno.js'
import type { RateSample } from '../../../ts/tcp/rate.js'

const MSS = 1000

const SAMPLE: RateSample = {
  deliveredBytes: 0,
  intervalMs: 0,
  isAppLimited: false,
  lostBytes: 0,
  delivered: 0,
  priorDelivered: 0,
}

const event = (given: Partial<CongestionEvent>): CongestionEvent => ({
  now: 0,
  bytes: 0,
  inflightBytes: 0,
  mss: MSS,
  srttMs: 100,
  minRttMs: 100,
  rttMs: 100,
  mayGrow: true,
  isAppLimited: false,
  una: 1,
  nxt: 1,
  ...given,
})

/** Acknowledges whole windows, one each 100 ms from `from` on; returns cwnd in segments after each. */
function rounds(control: MptcpCongestionControl, count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => {
    const now = from + 100 * i
    for (let left = control.cwnd; left > 0; left -= MSS) {
      control.acknowledged(event({ now, bytes: Math.min(left, MSS) }), SAMPLE)
    }
    return control.cwnd / MSS
  })
}

describe.each([...CONGESTION_CONTROLS])('%s', (_name, algorithm) => {
  it('begins with ten segments and doubles them in a round trip', () => {
    const control = algorithm.create(MSS)
    expect(control.cwnd).toBe(10 * MSS)
    expect(control.ssthresh).toBe(Number.POSITIVE_INFINITY)
    expect(rounds(control, 3)).toEqual([20, 40, 80])
  })

  it('does not grow by what may not grow it', () => {
    const control = algorithm.create(MSS)
    control.acknowledged(event({ bytes: 5 * MSS, mayGrow: false }), SAMPLE)
    expect(control.cwnd).toBe(10 * MSS)
  })

  it('begins with one segment after a timeout', () => {
    const control = algorithm.create(MSS)
    rounds(control, 3)
    control.timedOut(event({ inflightBytes: 80 * MSS }))
    expect(control.cwnd).toBe(MSS)
    expect(control.ssthresh).toBeGreaterThanOrEqual(40 * MSS)
    expect(control.ssthresh).toBeLessThan(80 * MSS)
  })

  it('keeps two segments, however small the window was', () => {
    const control = algorithm.create(MSS)
    control.timedOut(event({ inflightBytes: MSS }))
    control.lost(event({ inflightBytes: MSS }))
    expect(control.ssthresh).toBe(2 * MSS)
  })
})

describe('NewReno', () => {
  it('halves what is in flight, and then adds a segment a round trip', () => {
    const control = newReno.create(MSS)
    rounds(control, 2)
    control.lost(event({ inflightBytes: 30 * MSS }))
    expect([control.cwnd, control.ssthresh]).toEqual([15 * MSS, 15 * MSS])
    expect(rounds(control, 3)).toEqual([16, 17, 18])
  })

  it('takes at most two segments of one ACK in slow start', () => {
    const control = newReno.create(MSS)
    control.acknowledged(event({ bytes: 8 * MSS }), SAMPLE)
    expect(control.cwnd).toBe(12 * MSS)
  })
})

describe('CUBIC', () => {
  it('keeps seven tenths at a loss', () => {
    const control = cubic.create(MSS)
    control.cwnd = 100 * MSS
    control.lost(event({ inflightBytes: 100 * MSS }))
    expect([control.cwnd, control.ssthresh]).toEqual([70 * MSS, 70 * MSS])
  })

  it('is back at its window after K seconds, flat there and steep behind', () => {
    const control = cubic.create(MSS)
    control.cwnd = 1000 * MSS
    control.lost(event({ inflightBytes: 1000 * MSS }))
    // RFC 9438 §4.2: K = cbrt((W_max - cwnd) / C) = cbrt(300 / 0.4) = 9.09 s.
    const windows = rounds(control, 200)
    const at = (seconds: number): number => windows[Math.round(10 * seconds)]!
    expect(at(9.1)).toBeGreaterThan(985)
    expect(at(9.1)).toBeLessThan(1005)
    const [early, flat, late] = [at(1) - at(0), at(9.5) - at(8.5), at(18) - at(17)]
    expect(flat).toBeLessThan(early / 10)
    expect(flat).toBeLessThan(late / 10)
  })

  it('aims below the last maximum when the window shrinks again (§4.7)', () => {
    const control = cubic.create(MSS)
    control.cwnd = 1000 * MSS
    control.lost(event({}))
    control.cwnd = 900 * MSS
    control.lost(event({}))
    // W_max = 900 * (1 + 0.7) / 2 = 765, reached after K = cbrt((765 - 630) / 0.4) = 6.96 s.
    const windows = rounds(control, 80)
    expect(windows[70]).toBeGreaterThan(760)
    expect(windows[70]).toBeLessThan(770)
  })

  it('is never below a Reno of the same decrease, where the cubic is flat (§4.3)', () => {
    const control = cubic.create(MSS)
    control.cwnd = 10 * MSS
    control.lost(event({}))
    // Reno adds 3 (1 - 0.7) / (1 + 0.7) = 0.53 a round trip; cubic alone would be at 10 + 0.4 (4 - 1.96)^3 = 13.4.
    const after = rounds(control, 40).at(-1)!
    expect(after).toBeGreaterThan(7 + 39 * 0.52)
    expect(after).toBeLessThan(7 + 41 * 0.54)
  })
})
