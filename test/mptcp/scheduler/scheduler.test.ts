// The seam to schedulers: what they are shown, what their answers do, and that none can harm a connection.

import { describe, expect, it, vi } from 'vitest'
import type {
  MptcpScheduled,
  MptcpScheduler,
  MptcpSchedulerAlgorithm,
  MptcpSchedulerData,
  MptcpSchedulerSubflow,
} from '../../../ts/mptcp/scheduler/scheduler.js'
import { BACKENDS } from '../../contract/cores.js'
import { connectPair, finish, runToEnd, subflowBytes, transfer, world } from '../../stack/world.js'

const PATHS = [
  { rate: 10e6, delay: 5 },
  { rate: 10e6, delay: 20 },
]

function algorithm(schedule: MptcpScheduler['schedule']): MptcpSchedulerAlgorithm {
  return { name: 'own', create: () => ({ schedule }) }
}

/** All to the first one that has room. */
const toFirst: MptcpScheduler['schedule'] = (subflows) =>
  subflows
    .filter((each) => each.usableBytes > 0)
    .slice(0, 1)
    .map((subflow) => ({ subflow, bytes: Number.POSITIVE_INFINITY }))

/** A copy of what was shown, which is valid during the call only. */
const copyOf = (view: MptcpSchedulerSubflow): MptcpSchedulerSubflow => ({
  id: view.id,
  srttMs: view.srttMs,
  rttVarianceMs: view.rttVarianceMs,
  minRttMs: view.minRttMs,
  cwndBytes: view.cwndBytes,
  inflightBytes: view.inflightBytes,
  queuedBytes: view.queuedBytes,
  usableBytes: view.usableBytes,
  mssBytes: view.mssBytes,
  deliveryRate: view.deliveryRate,
  pacingRate: view.pacingRate,
  retransmits: view.retransmits,
  backup: view.backup,
  stale: view.stale,
})

describe.each(BACKENDS)('a scheduler, %s core', (core) => {
  it('is shown every subflow that works, full ones and backups too, and the data that waits', () => {
    const asked: { subflows: MptcpSchedulerSubflow[]; data: MptcpSchedulerData }[] = []
    const w = world({
      paths: PATHS,
      both: { core },
      client: {
        endpoints: [{ address: '10.0.2.1', subflow: true, backup: true }],
        maxAddAddrAccepted: 0,
        scheduler: algorithm((subflows, data) => {
          asked.push({ subflows: subflows.map(copyOf), data: { ...data } })
          return toFirst(subflows, data)
        }),
      },
    })
    transfer(w, { up: 2_000_000, down: 0 })
    const both = asked.filter(({ subflows }) => subflows.length === 2)
    expect(both.length).toBeGreaterThan(50)
    expect(both.every(({ subflows }) => subflows[1]!.backup && !subflows[0]!.backup)).toBe(true)
    expect(both.some(({ subflows }) => subflows[0]!.usableBytes === 0)).toBe(true)
    const { subflows, data } = both.at(-1)!
    expect(subflows[0]).toMatchObject({ id: 0, stale: false, mssBytes: 1448 })
    expect(subflows[0]!.srttMs).toBeGreaterThan(10)
    expect(subflows[0]!.minRttMs).toBeGreaterThanOrEqual(10)
    expect(subflows[0]!.deliveryRate).toBeGreaterThan(100_000)
    expect(subflows[0]!.pacingRate).toBeGreaterThan(100_000)
    // The queue of the path was overrun in slow start.
    expect(subflows[0]!.retransmits).toBeGreaterThan(0)
    expect(subflows[0]!.retransmits).toBeLessThanOrEqual(w.client.counters.TcpRetransSegs)
    expect(data).toMatchObject({ again: false, from: -1 })
    for (const { data } of asked) {
      expect(data.bytes).toBeLessThanOrEqual(data.windowBytes)
      expect(data.windowBytes).toBeLessThanOrEqual(data.unsentBytes)
      expect(data.offset - 1 + data.unsentBytes).toBeLessThanOrEqual(2_000_000)
    }
    finish(w)
  })

  it('says how much: a segment each in turn', () => {
    let last = 1
    const w = world({
      paths: PATHS.slice(0, 1).concat(PATHS[0]!),
      both: { core },
      client: {
        scheduler: algorithm((subflows) => {
          const subflow = subflows.find((each) => each.id !== last && each.usableBytes > 0)
          if (subflow === undefined) return []
          last = subflow.id
          return subflows.length < 2 ? [] : [{ subflow, bytes: subflow.mssBytes }]
        }),
      },
    })
    const { client } = transfer(w, { up: 1_000_000, down: 0 })
    const [a, b] = subflowBytes(client)
    expect(Math.abs(a! - b!)).toBeLessThan(0.02 * 1_000_000)
    finish(w)
  })

  it('says how much: less than a segment each, and no round trip passes between them', () => {
    const w = world({
      paths: PATHS,
      both: { core },
      client: {
        scheduler: algorithm((subflows) =>
          subflows
            .filter((each) => each.usableBytes > 0)
            .slice(0, 1)
            .map((subflow) => ({ subflow, bytes: 500 })),
        ),
      },
    })
    transfer(w, { up: 100_000, down: 0 })
    expect(w.clock.now()).toBeLessThan(1000)
    finish(w)
  })

  it.each([1500.7, 40_000.3])('gives fractions of a byte (%s): whole ones go', (bytes) => {
    const w = world({
      paths: PATHS,
      both: { core },
      client: {
        scheduler: algorithm((subflows) =>
          subflows
            .filter((each) => each.usableBytes > 0)
            .slice(0, 1)
            .map((subflow) => ({ subflow, bytes })),
        ),
      },
    })
    transfer(w, { up: 300_000, down: 0 })
    expect(w.client.counters.SchedulerFault).toBe(0)
    finish(w)
  })

  it('names two: the data goes on both, and arrives once', () => {
    const w = world({
      paths: PATHS,
      both: { core },
      client: {
        scheduler: algorithm((subflows) =>
          subflows.map((subflow) => ({ subflow, bytes: Number.POSITIVE_INFINITY })),
        ),
      },
    })
    const { client, server } = transfer(w, { up: 2_000_000, down: 1000 })
    const [a, b] = subflowBytes(client)
    expect(a! + b!).toBeGreaterThan(3_500_000)
    expect(server.received).toBe(2_000_000)
    expect(w.server.counters.DuplicateData).toBeGreaterThan(50)
    finish(w)
  })

  it('may wait, for as long as something is in flight', () => {
    let asked = 0
    const w = world({
      both: { core },
      client: {
        scheduler: algorithm((subflows, data) =>
          asked++ % 2 === 1 && subflows[0]!.inflightBytes > 0 ? [] : toFirst(subflows, data),
        ),
      },
    })
    transfer(w, { up: 200_000, down: 0 })
    expect(w.client.counters.SchedulerFault).toBe(0)
    finish(w)
  })

  const wrong: [string, (subflows: readonly MptcpSchedulerSubflow[]) => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('not today')
      },
    ],
    ['answers nothing at all', () => undefined],
    ['names a subflow of its own making', () => [{ subflow: { id: 0 }, bytes: 1 }]],
    ['names one twice', (subflows) => [0, 0].map((i) => ({ subflow: subflows[i], bytes: 1000 }))],
    ['gives what is no number', (subflows) => [{ subflow: subflows[0], bytes: Number.NaN }]],
    ['gives less than nothing', (subflows) => [{ subflow: subflows[0], bytes: -1 }]],
    ['gives a BigInt', (subflows) => [{ subflow: subflows[0], bytes: 5n }]],
    ['gives a symbol', (subflows) => [{ subflow: subflows[0], bytes: Symbol('bytes') }]],
    [
      'answers what throws when it is read',
      () => [
        {
          get subflow() {
            throw new Error('not now')
          },
        },
      ],
    ],
    [
      'throws what is no text',
      () => {
        throw Object.create(null)
      },
    ],
    [
      'throws nothing',
      () => {
        throw null
      },
    ],
    ['gives what is no answer', () => [null]],
    ['gives nothing, ever', () => []],
  ]
  it.each(wrong)('that %s is replaced for its connection, said once, counted', (_, answer) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    let made = 0
    const w = world({
      paths: PATHS,
      both: { core },
      client: {
        scheduler: {
          name: 'own',
          // That of the second connection is in order; the first one made is a trial.
          create: () => ({
            schedule: ++made === 2 ? (answer as MptcpScheduler['schedule']) : toFirst,
          }),
        },
      },
    })
    const first = connectPair(w, { up: 50_000, down: 100, port: 5000 })
    const second = connectPair(w, { up: 50_000, down: 100, port: 5001 })
    runToEnd(w, first)
    runToEnd(w, second)
    for (const pair of [first, second]) {
      pair.client.check()
      pair.server.check()
    }
    expect(w.client.counters.SchedulerFault).toBe(1)
    expect(warn).toHaveBeenCalledTimes(1)
    warn.mockRestore()
    finish(w)
  })

  it('cannot make plain TCP say anything twice', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const w = world({
      both: { core },
      client: {
        scheduler: algorithm((subflows, data) =>
          [0, 0].flatMap(() => [...toFirst(subflows, data)]),
        ),
      },
    })
    const pair = connectPair(w, { up: 50_000, down: 100, plain: true })
    runToEnd(w, pair)
    pair.server.check()
    warn.mockRestore()
    finish(w)
  })

  it('whose making throws later is replaced as well', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    let made = 0
    const create = (): MptcpScheduler => {
      if (++made > 1) throw new Error('no more')
      return { schedule: toFirst }
    }
    const w = world({ both: { core }, client: { scheduler: { name: 'own', create } } })
    transfer(w, { up: 50_000, down: 0 })
    expect(w.client.counters.SchedulerFault).toBe(1)
    warn.mockRestore()
    finish(w)
  })
})

describe('a scheduler is checked when a stack opens', () => {
  const cases: [string, unknown, RegExp][] = [
    ['a name that there is not', 'fastest', /no scheduler 'fastest'; there is: lowest-rtt/],
    ['a function', () => null, /\{ name, create\(\) \}, not a function/],
    ['no name', { create: () => ({ schedule: toFirst }) }, /it has no name/],
    ['no create', { name: 'x' }, /lacks the function create/],
    ['what lacks schedule', { name: 'x', create: () => ({}) }, /lacks the function schedule/],
  ]
  it.each(cases)('%s', (_, scheduler, message) => {
    const given = scheduler as MptcpSchedulerAlgorithm
    expect(() => world({ client: { scheduler: given } })).toThrow(
      expect.objectContaining({
        code: 'ERR_MPTCP_OPTION',
        message: expect.stringMatching(message),
      }),
    )
  })
})

// The types are what a user sees.
const _typed: readonly MptcpScheduled[] = []
void _typed
