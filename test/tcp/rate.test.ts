// The delivery rate as TCP_INFO tells it, against the rate of the path that it was measured on.

import { describe, expect, it } from 'vitest'
import { tcpInfo } from '../../ts/socket/tcp-info.js'
import { BACKENDS } from '../contract/cores.js'
import { connectPair, finish, runToEnd, world } from '../stack/world.js'

describe.each(BACKENDS)('the delivery rate, %s core', (core) => {
  it.each([
    [5e6, 10],
    [20e6, 40],
  ])('is that of a path of %d bit/s and %d ms', (rate, delay) => {
    // A queue that never overflows: in a recovery less is sent, and less is what the samples say.
    const w = world({ paths: [{ rate, delay, queueMs: 10_000 }], both: { core } })
    const pair = connectPair(w, { up: 3_000_000, down: 0, plain: true })
    w.clock.runWhile(
      () => (pair.client.connection.subflows[0]?.tcb.snd.una ?? 0) < 2_000_000,
      60_000,
    )
    const info = tcpInfo(pair.client.connection.subflows[0]!, w.clock.now())
    // 1,448 bytes of payload in a packet of 1,500.
    const share = (8 * info.tcpi_delivery_rate!) / (rate * (1448 / 1500))
    expect(share).toBeGreaterThan(0.95)
    expect(share).toBeLessThan(1.02)
    expect(info.tcpi_delivery_rate_app_limited).toBe(0)
    // cwnd in a smoothed round trip, and a fifth more.
    const cwndRate = (1e6 * info.tcpi_snd_cwnd! * 1448) / info.tcpi_rtt!
    expect(info.tcpi_pacing_rate! / cwndRate).toBeGreaterThan(1.15)
    expect(info.tcpi_pacing_rate! / cwndRate).toBeLessThan(2.05)
    runToEnd(w, pair)
    finish(w)
  })
})
