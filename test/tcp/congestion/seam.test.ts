// What a congestion control is told and when, and what happens to one that breaks its word: over whole
// connections in virtual time, with neighbours that must not notice.

import { afterEach, describe, expect, it, vi } from 'vitest'
import type {
  CongestionEvent,
  MptcpCongestionAlgorithm,
  MptcpCongestionControl,
} from '../../../ts/tcp/congestion/congestion-control.js'
import { newReno } from '../../../ts/tcp/congestion/newreno.js'
import type { RateSample } from '../../../ts/tcp/rate.js'
import { BACKENDS } from '../../contract/cores.js'
import { established } from '../../harness/states.js'
import { type App, connectPair, finish, runToEnd, transfer, world } from '../../stack/world.js'

const MSS = 1448

/** NewReno that keeps what it was told. */
class Recorder implements MptcpCongestionControl {
  readonly samples: RateSample[] = []
  readonly events: [string, CongestionEvent][] = []
  readonly groups: [string, number][] = []
  readonly mss: number[] = []
  readonly #inner: MptcpCongestionControl

  constructor(mss: number) {
    this.#inner = newReno.create(mss)
    this.mss.push(mss)
  }

  get cwnd(): number {
    return this.#inner.cwnd
  }

  set cwnd(bytes: number) {
    this.#inner.cwnd = bytes
  }

  get ssthresh(): number {
    return this.#inner.ssthresh
  }

  set ssthresh(bytes: number) {
    this.#inner.ssthresh = bytes
  }

  acknowledged(event: CongestionEvent, sample: RateSample): void {
    this.events.push(['acknowledged', { ...event }])
    this.samples.push({ ...sample })
    this.#inner.acknowledged(event, sample)
  }

  lost(event: CongestionEvent): void {
    this.events.push(['lost', { ...event }])
    this.#inner.lost(event)
  }

  timedOut(event: CongestionEvent): void {
    this.events.push(['timedOut', { ...event }])
    this.#inner.timedOut(event)
  }

  sent(event: CongestionEvent): void {
    this.events.push(['sent', { ...event }])
  }

  setMss(mss: number): void {
    this.mss.push(mss)
  }

  join(group: readonly MptcpCongestionControl[]): void {
    expect(group).toContain(this)
    this.groups.push(['join', group.length])
  }

  leave(group: readonly MptcpCongestionControl[]): void {
    expect(group).not.toContain(this)
    this.groups.push(['leave', group.length])
  }
}

/** An algorithm, and all that it has made. */
function recorder(): MptcpCongestionAlgorithm & { made: Recorder[] } {
  const made: Recorder[] = []
  return {
    name: 'recorder',
    made,
    create(mss) {
      const control = new Recorder(mss)
      made.push(control)
      return control
    },
  }
}

/** What left, was acknowledged or lost, by name and bytes. */
const told = (control: Recorder): (string | number)[][] =>
  control.events.map(([name, { bytes }]) => [name, bytes])

describe.each(BACKENDS)('a congestion control, %s core', (core) => {
  it('is told of what leaves and what is acknowledged', () => {
    const congestion = recorder()
    const c = established({ core, mptcp: false, rttMs: 100, stack: { congestion } })
    const control = congestion.made.at(-1)!
    control.events.length = 0
    c.writes(3 * MSS)
    c.sendsAll()
    c.after(100)
    c.receives({ seq: 1, ack: 1 + 2 * MSS })
    expect(told(control)).toEqual([
      ['sent', MSS],
      ['sent', MSS],
      ['sent', MSS],
      ['acknowledged', 2 * MSS],
    ])
    const inflight = control.events.map(([, event]) => event.inflightBytes / MSS)
    expect(inflight).toEqual([0, 1, 2, 3])
    expect(control.events[3]![1]).toMatchObject({ rttMs: 100, una: 1 + 2 * MSS, nxt: 1 + 3 * MSS })
  })

  it('is told once of a loss and once of a timeout, and of each segment that goes again', () => {
    const congestion = recorder()
    const c = established({ core, mptcp: false, rttMs: 100, stack: { congestion } })
    const control = congestion.made.at(-1)!
    c.writes(6 * MSS)
    c.sendsAll()
    c.after(100)
    control.events.length = 0
    c.receives({ seq: 1, ack: 1, sack: [[1 + MSS, 1 + 4 * MSS]] })
    c.receives({ seq: 1, ack: 1, sack: [[1 + MSS, 1 + 6 * MSS]] })
    expect(told(control)).toEqual([
      ['lost', 0],
      ['acknowledged', 3 * MSS],
      ['sent', MSS],
      ['acknowledged', 2 * MSS],
    ])
    expect(control.events.every(([, event]) => !event.mayGrow)).toBe(true)
    control.events.length = 0
    c.after(5000)
    expect(told(control).filter(([name]) => name === 'timedOut')).toHaveLength(1)
    c.sendsAll()
  })

  it('gets a sample of the delivery rate with each ACK', () => {
    const congestion = recorder()
    const c = established({ core, mptcp: false, rttMs: 100, stack: { congestion } })
    const { samples } = congestion.made.at(-1)!
    // Four segments at once, acknowledged two by two, 10 ms apart: four in the 110 ms from the first one's start.
    c.writes(4 * MSS)
    c.sendsAll()
    c.after(100)
    samples.length = 0
    c.receives({ seq: 1, ack: 1 + 2 * MSS })
    c.after(10)
    c.receives({ seq: 1, ack: 1 + 4 * MSS })
    // The first turn sent all there was, well below cwnd.
    expect(samples.map((each) => [each.deliveredBytes, each.intervalMs])).toEqual([
      [2 * MSS, 100],
      [4 * MSS, 110],
    ])
    const [first, second] = samples as [RateSample, RateSample]
    expect(second.delivered - first.delivered).toBe(2 * MSS)
    expect(second.priorDelivered).toBe(first.priorDelivered)
  })

  it('a sample says whether there was too little to send', () => {
    const congestion = recorder()
    const c = established({ core, mptcp: false, rttMs: 100, stack: { congestion } })
    const { samples } = congestion.made.at(-1)!
    const ack = (bytes: number): boolean => {
      c.sendsAll()
      c.after(100)
      samples.length = 0
      c.receives({ seq: 1, ack: 1 + bytes * MSS })
      return samples.at(-1)!.isAppLimited
    }
    // The second one follows a turn that left cwnd unused; the ten behind it fill cwnd, and so do the next.
    c.writes(MSS)
    ack(1)
    c.writes(30 * MSS)
    expect(ack(11)).toBe(true)
    expect(ack(21)).toBe(false)
    c.sendsAll()
  })

  it('a sample tells what is lost, once', () => {
    const congestion = recorder()
    const c = established({ core, mptcp: false, rttMs: 100, stack: { congestion } })
    const { samples } = congestion.made.at(-1)!
    c.writes(6 * MSS)
    c.sendsAll()
    c.after(100)
    samples.length = 0
    c.receives({ seq: 1, ack: 1, sack: [[1 + MSS, 1 + 4 * MSS]] })
    c.receives({ seq: 1, ack: 1, sack: [[1 + MSS, 1 + 6 * MSS]] })
    expect(samples.map(({ lostBytes }) => lostBytes)).toEqual([MSS, 0])
    c.sendsAll()
  })

  it('is made once a subflow, with its MSS, and once when the stack opens', () => {
    const congestion = recorder()
    const w = world({ paths: [{}, {}], both: { core }, client: { congestion } })
    expect(congestion.made).toHaveLength(1)
    transfer(w, { up: 200_000, down: 0 })
    expect(congestion.made).toHaveLength(3)
    expect(congestion.made.map(({ mss }) => mss)).toEqual([[1460], [MSS], [MSS]])
    finish(w)
  })

  it('joins the group of its connection and leaves it', () => {
    const congestion = recorder()
    const w = world({ paths: [{}, {}], both: { core }, client: { congestion } })
    transfer(w, { up: 200_000, down: 0 })
    const [checked, first, second] = congestion.made as [Recorder, Recorder, Recorder]
    expect(checked.groups).toEqual([])
    expect([first.groups[0], second.groups[0]]).toEqual([
      ['join', 1],
      ['join', 2],
    ])
    const left = [first.groups.slice(1), second.groups.slice(1)].flat()
    expect(left.sort()).toEqual([
      ['leave', 0],
      ['leave', 1],
    ])
    finish(w)
  })

  it('sets cwnd in a recovery itself, if it says so', () => {
    const cwnd = 20 * MSS
    const congestion = {
      name: 'fixed',
      create: () => ({
        cwnd,
        ssthresh: Number.POSITIVE_INFINITY,
        ownsCwnd: true,
        acknowledged() {},
        lost() {},
        timedOut() {},
      }),
    }
    const c = established({ core, mptcp: false, rttMs: 100, stack: { congestion } })
    c.writes(10 * MSS)
    c.sendsAll()
    c.after(100)
    c.receives({ seq: 1, ack: 1, sack: [[1 + MSS, 1 + 6 * MSS]] })
    expect(c.subflow().tcb.recovery.phase).toBe('recovery')
    expect(c.subflow().tcb.congestion.cwnd).toBe(cwnd)
    c.receives({ seq: 1, ack: 1 + 10 * MSS })
    expect(c.subflow().tcb.congestion.cwnd).toBe(cwnd)
    c.sendsAll()
  })
})

/** NewReno that turns bad after 20 ACKs. */
function turnsBad(how: (control: MptcpCongestionControl) => void): MptcpCongestionAlgorithm {
  return {
    name: 'turncoat',
    create(mss) {
      const control = newReno.create(mss)
      let acks = 0
      return Object.assign(Object.create(control), {
        cwnd: control.cwnd,
        ssthresh: control.ssthresh,
        acknowledged(this: MptcpCongestionControl, event: CongestionEvent) {
          if (event.mayGrow) this.cwnd += event.bytes
          if (++acks === 20) how(this)
        },
        lost(this: MptcpCongestionControl) {
          this.ssthresh = this.cwnd / 2
          this.cwnd = this.ssthresh
        },
        timedOut(this: MptcpCongestionControl) {
          this.cwnd = mss
        },
      }) as MptcpCongestionControl
    },
  }
}

const BAD: [string, (control: MptcpCongestionControl) => void][] = [
  [
    'throws',
    () => {
      throw new Error('out of ideas')
    },
  ],
  ['sets cwnd to NaN', (control) => Object.assign(control, { cwnd: Number.NaN })],
  ['sets cwnd below zero', (control) => Object.assign(control, { cwnd: -1 })],
  ['sets cwnd to Infinity', (control) => Object.assign(control, { cwnd: Infinity })],
  ['makes cwnd a text', (control) => Object.assign(control, { cwnd: '10000' })],
  ['sets ssthresh to NaN', (control) => Object.assign(control, { ssthresh: Number.NaN })],
  ['gives a pacing rate of 0', (control) => Object.assign(control, { pacingRate: 0 })],
  ['freezes itself', (control) => Object.freeze(control)],
]

describe('a congestion control that breaks its word', () => {
  const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  afterEach(() => warning.mockClear())

  it.each(BAD)('%s: the default goes on, said once, and neighbours with it', (_name, how) => {
    const w = world({
      paths: [{ loss: 0.01 }, { loss: 0.01 }],
      client: { congestion: turnsBad(how) },
    })
    const pairs = [5000, 5001, 5002].map((port) =>
      connectPair(w, { up: 400_000, down: 100_000, port }),
    )
    const algorithms = (app: App): string => app.connection.congestion.algorithm.name
    expect(pairs.map(({ client }) => algorithms(client))).toEqual(Array(3).fill('turncoat'))
    for (const pair of pairs) {
      runToEnd(w, pair)
      pair.client.check()
      pair.server.check()
    }
    expect(pairs.map(({ client }) => algorithms(client))).toEqual(Array(3).fill('newreno'))
    // Once a connection, whatever its subflows.
    expect(w.client.counters.CongestionFault).toBe(3)
    expect(warning).toHaveBeenCalledTimes(1)
    expect(String(warning.mock.calls[0]![0])).toMatch(/'turncoat' is replaced by newreno/)
    finish(w)
  })

  it('makes nothing sensible for a subflow, after it did when the stack opened', () => {
    let made = 0
    const congestion = {
      name: 'once',
      create: (mss: number) => (made++ === 0 ? newReno.create(mss) : (null as never)),
    }
    const w = world({ client: { congestion } })
    transfer(w, { up: 300_000, down: 0 })
    expect(w.client.counters.CongestionFault).toBe(1)
    finish(w)
  })

  it('goes on from the last window that made sense', () => {
    const c = established({
      mptcp: false,
      rttMs: 100,
      stack: {
        congestion: {
          name: 'jump',
          create: () => ({
            cwnd: 7 * MSS,
            ssthresh: 5 * MSS,
            acknowledged() {
              throw new Error('no')
            },
            lost() {},
            timedOut() {},
          }),
        },
      },
    })
    c.writes(MSS)
    c.sendsAll()
    c.after(100)
    c.receives({ seq: 1, ack: 1 + MSS })
    const { cwnd, ssthresh } = c.subflow().tcb.congestion
    expect([cwnd, ssthresh]).toEqual([7 * MSS, 5 * MSS])
  })
})

describe('opening a stack', () => {
  const good = newReno.create(MSS)
  it.each<[string, unknown, RegExp]>([
    [
      'a name that there is not',
      'vegas',
      /no congestion control 'vegas'; there is: newreno, reno, cubic/,
    ],
    ['a function, as it once was', (mss: number) => newReno.create(mss), /not a function/],
    ['null', null, /\{ name, create\(mss\) \}/],
    ['no name', { create: newReno.create }, /it has no name/],
    ['nothing that makes one', { name: 'x' }, /lacks the function create\(mss\)/],
    ['one that makes nothing', { name: 'x', create: () => undefined }, /must make an object/],
    [
      'one that makes what lacks a function',
      { name: 'x', create: () => ({ cwnd: 1, ssthresh: 1, acknowledged() {}, timedOut() {} }) },
      /lacks the function lost\(event\)/,
    ],
    [
      'one that makes a window of NaN',
      { name: 'x', create: () => ({ ...BARE, cwnd: Number.NaN }) },
      /cwnd must be a number of bytes, not NaN/,
    ],
    [
      'one with a join that is no function',
      { name: 'x', create: () => ({ ...BARE, join: 1 }) },
      /a join that is no function/,
    ],
    [
      'one that throws',
      {
        name: 'x',
        create: () => {
          throw new Error('not today')
        },
      },
      /not today/,
    ],
  ])('with %s is refused', (_name, congestion, message) => {
    expect(good.cwnd).toBe(10 * MSS)
    const open = () => world({ client: { congestion: congestion as never } })
    expect(open).toThrow(expect.objectContaining({ code: 'ERR_MPTCP_OPTION' }))
    expect(open).toThrow(message)
  })

  it.each(['newreno', 'reno', 'cubic'])("takes the name '%s'", (congestion) => {
    const w = world({ both: { congestion } })
    transfer(w, { up: 300_000, down: 0 })
    finish(w)
  })
})

const BARE = {
  cwnd: 10_000,
  ssthresh: Number.POSITIVE_INFINITY,
  acknowledged() {},
  lost() {},
  timedOut() {},
}
