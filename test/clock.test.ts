import { describe, expect, it } from 'vitest'
import { RealClock, VirtualClock } from '../ts/clock.js'
import { SeededRandom, SystemRandom } from '../ts/random.js'

describe('VirtualClock', () => {
  it('runs timers by deadline, and ties in order of creation', () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    for (const [deadline, name] of [
      [5, 'a'],
      [3, 'b'],
      [5, 'c'],
      [1, 'd'],
      [3, 'e'],
    ] as const) {
      clock.at(deadline, () => seen.push(`${name}@${clock.now()}`))
    }
    clock.runUntil(4)
    expect(seen).toEqual(['d@1', 'b@3', 'e@3'])
    expect(clock.now()).toBe(4)
    expect(clock.nextDeadline()).toBe(5)
    clock.runUntil(5)
    expect(seen.slice(3)).toEqual(['a@5', 'c@5'])
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
    expect(clock.step()).toBe(false)
  })

  it('agrees with a sorted list over thousands of timers, a third of them cancelled', () => {
    const seed = 7
    const random = new SeededRandom(seed)
    const clock = new VirtualClock({ now: 100 })
    const seen: number[] = []
    const expected: { deadline: number; id: number }[] = []
    for (let id = 0; id < 5000; id++) {
      const deadline = 100 + random.below(500)
      const handle = clock.at(deadline, () => seen.push(id))
      if (random.below(3) === 0) clock.cancel(handle)
      else expected.push({ deadline, id })
    }
    clock.runUntil(1000)
    expected.sort((a, b) => a.deadline - b.deadline || a.id - b.id)
    expect(seen, `seed ${seed}`).toEqual(expected.map((timer) => timer.id))
  })

  it('runs soon callbacks, also those that they add, before time moves on', () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    clock.at(0, () => seen.push('timer'))
    clock.soon(() => {
      seen.push('first')
      clock.soon(() => seen.push('third'))
    })
    clock.soon(() => seen.push('second'))
    expect(clock.nextDeadline()).toBe(0)
    clock.runUntil(0)
    expect(seen).toEqual(['first', 'second', 'third', 'timer'])
  })

  it('fires a past deadline at once and never goes back', () => {
    const clock = new VirtualClock({ now: 50 })
    let at = -1
    clock.at(10, () => {
      at = clock.now()
    })
    expect(clock.nextDeadline()).toBe(50)
    clock.step()
    expect(at).toBe(50)
    clock.runUntil(20)
    expect(clock.now()).toBe(50)
  })

  it('runs while a condition holds, up to a limit', () => {
    const clock = new VirtualClock()
    let count = 0
    const tick = () => {
      count++
      clock.at(clock.now() + 10, tick)
    }
    clock.at(10, tick)
    expect(clock.runWhile(() => count < 3, 1000)).toBe(true)
    expect(clock.now()).toBe(30)
    expect(clock.runWhile(() => count < 1000, 100)).toBe(false)
    expect(clock.now()).toBe(130)
    expect(count).toBe(13)
    const idle = new VirtualClock()
    expect(idle.runWhile(() => true, 5)).toBe(false)
    expect(idle.now()).toBe(5)
  })

  it('cancels once, and neither after the timer ran nor twice does harm', () => {
    const clock = new VirtualClock()
    let ran = 0
    const first = clock.at(1, () => ran++)
    const second = clock.at(2, () => ran++)
    clock.cancel(second)
    clock.cancel(second)
    clock.runUntil(3)
    clock.cancel(first)
    expect(ran).toBe(1)
    clock.cancel(clock.at(Number.POSITIVE_INFINITY, () => ran++))
    clock.at(4, () => ran++)
    clock.runUntil(4)
    expect(ran).toBe(2)
  })

  it('does not grow when a far timer is armed anew at every turn', () => {
    const clock = new VirtualClock()
    let handle = clock.at(1e9, () => {})
    for (let i = 0; i < 200_000; i++) {
      clock.cancel(handle)
      handle = clock.at(1e9 + i, () => {})
    }
    expect(clock.nextDeadline()).toBe(1e9 + 199_999)
  })

  it('names an endless loop at one instant', () => {
    const clock = new VirtualClock({ now: 3, eventsPerInstant: 1000 })
    const loop = () => clock.soon(loop)
    loop()
    expect(() => clock.runUntil(4)).toThrow('1000 events ran at 3 ms and time never moved on')
    const timers = new VirtualClock({ eventsPerInstant: 1000 })
    const again = () => {
      timers.at(0, again)
    }
    again()
    expect(() => timers.runUntil(4)).toThrow('endless loop')
  })

  it('lets an error out and can go on; refuses to be run from within', () => {
    const clock = new VirtualClock()
    clock.soon(() => {
      throw new Error('from a callback')
    })
    clock.soon(() => clock.runUntil(10))
    expect(() => clock.step()).toThrow('from a callback')
    expect(() => clock.step()).toThrow('by one of its own callbacks')
    expect(clock.step()).toBe(false)
    expect(() => clock.at(Number.NaN, () => {})).toThrow(RangeError)
  })
})

describe('RealClock', () => {
  it('never fires early, in order, and not when cancelled', async () => {
    const clock = new RealClock()
    const start = clock.now()
    const seen: string[] = []
    const early: number[] = []
    const far = clock.at(start + 2 ** 40, () => seen.push('far'))
    const never = clock.at(Number.POSITIVE_INFINITY, () => seen.push('never'))
    const gone = clock.at(start + 2, () => seen.push('cancelled'))
    await new Promise<void>((resolve) => {
      // Far enough that a machine that is busy gets to what is due at once before.
      clock.at(start + 112.25, () => {
        early.push(start + 112.25 - clock.now())
        seen.push('later')
        resolve()
      })
      clock.at(start + 103.5, () => {
        early.push(start + 103.5 - clock.now())
        seen.push('sooner')
      })
      clock.at(start - 1, () => seen.push('past'))
      clock.soon(() => seen.push('soon'))
      clock.cancel(gone)
    })
    clock.cancel(far)
    clock.cancel(never)
    expect(seen.slice(0, 2).sort()).toEqual(['past', 'soon'])
    expect(seen.slice(2)).toEqual(['sooner', 'later'])
    expect(Math.max(...early)).toBeLessThanOrEqual(0)
  })

  it('keeps the process alive unless told not to', () => {
    const held = new RealClock().at(performance.now() + 1e6, () => {}) as unknown as {
      timeout: NodeJS.Timeout
    }
    const free = new RealClock({ ref: false }).at(performance.now() + 1e6, () => {}) as unknown as {
      timeout: NodeJS.Timeout
    }
    expect([held.timeout.hasRef(), free.timeout.hasRef()]).toEqual([true, false])
    clearTimeout(held.timeout)
    clearTimeout(free.timeout)
  })
})

describe('Random', () => {
  it('repeats by seed, and differs between neighbouring seeds', () => {
    const draw = (seed: number) => {
      const random = new SeededRandom(seed)
      return [random.uint32(), random.float(), random.below(1000), ...random.bytes(5)]
    }
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  for (const [name, random] of [
    ['SeededRandom', new SeededRandom(99)],
    ['SystemRandom', new SystemRandom()],
  ] as const) {
    it(`${name} is roughly uniform and within its bounds`, () => {
      const buckets = new Array(6).fill(0)
      let sum = 0
      for (let i = 0; i < 60_000; i++) {
        buckets[random.below(6)]++
        sum += random.float()
      }
      // Six standard deviations: about 550 for a bucket, 0.007 for the mean.
      for (const bucket of buckets) expect(Math.abs(bucket - 10_000)).toBeLessThan(550)
      expect(Math.abs(sum / 60_000 - 0.5)).toBeLessThan(0.0075)
      expect(random.bytes(0).length).toBe(0)
      expect(random.bytes(5000).length).toBe(5000)
      expect(random.bytes(8)).not.toEqual(random.bytes(8))
      expect(() => random.below(0)).toThrow(RangeError)
      expect(random.below(1)).toBe(0)
    })
  }
})
