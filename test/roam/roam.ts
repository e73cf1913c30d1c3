// One transfer between a host of ours and a peer while the host's network changes under it, and what the
// receiver saw: every byte, and its pauses, each laid to what had happened before it.

import type { BedProcess } from '../harness/bed-process.js'
import { KERNEL_PEER, needBuild, RAW_PEER } from '../harness/built.js'
import { type Family, RoamNet } from './net.js'

export interface RoamOptions {
  /** Of the whole transfer; what happens takes its share of it. */
  seconds: number
  /** Whether the host that roams sends or receives. */
  way: 'up' | 'down'
  /** Who is at the other end. */
  peer: 'kernel' | 'ours'
  family: Family
}

export interface Step {
  readonly name: string
  /** Share of the whole at which it begins, and how long it lasts. */
  readonly at: number
  readonly lasts: number
  /** Whether nothing can pass while it lasts. */
  readonly stopsAll: boolean
  begin(net: RoamNet, ours: BedProcess): Promise<void>
  end(net: RoamNet, ours: BedProcess): Promise<void>
}

export interface StepResult {
  readonly name: string
  /** The longest pause that began before the next step, in milliseconds. */
  readonly pauseMs: number
  readonly mostMs: number
}

export interface RoamResult {
  readonly bytes: number
  readonly steps: StepResult[]
  /** What was wrong, the pauses included; empty = nothing. */
  readonly problems: string[]
}

/** Beyond what the paths explain. */
const GRACE_MS = 2000
/** Pauses below this are the receiver's own business. */
const SHORTEST_GAP_MS = 100
const PORT = 5001
/** Never sent whole: the sender is told to stop. */
const ENDLESS = 1e12
/** For the end of a transfer of which nothing is in the way any more. */
const END_MS = 30_000
const MINUTE = 60

const nothing = async (): Promise<void> => {}

/** In seconds of a minute. */
function step(
  at: number,
  lasts: number,
  name: string,
  begin: Step['begin'],
  end: Step['end'] = nothing,
  stopsAll = false,
): Step {
  return { name, at: at / MINUTE, lasts: lasts / MINUTE, begin, end, stopsAll }
}

export const STEPS: readonly Step[] = [
  step(
    3,
    3,
    'device down and up',
    (net) => net.deviceDown(1),
    (net) => net.deviceUp(1),
  ),
  step(
    9,
    3,
    'device deleted and made anew',
    (net) => net.deleteDevice(2),
    (net) => net.makeDevice(2),
  ),
  step(15, 0, 'address changed', (net) => net.changeAddress(1)),
  step(
    18,
    3,
    'route lost and back',
    (net) => net.loseRoute(2),
    (net) => net.restoreRoute(2),
  ),
  step(24, 0, 'gateway changed', (net) => net.changeGateway(1)),
  step(
    27,
    3,
    'MTU 1500 to 1280 to 1500',
    (net) => net.setMtu(1, 1280),
    (net) => net.setMtu(1, 1500),
  ),
  step(
    33,
    10,
    'both paths gone',
    (net) => net.pullBoth(),
    (net) => net.plugBoth(),
    true,
  ),
  step(
    46,
    10,
    'process stopped',
    async (_net, ours) => ours.kill('SIGSTOP'),
    async (_net, ours) => ours.kill('SIGCONT'),
    true,
  ),
]

const sleepUntil = (time: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())))

export async function roam(
  options: RoamOptions,
  steps: readonly Step[] = STEPS,
): Promise<RoamResult> {
  needBuild('socket/kernel.js', 'socket/mptcp-stack.js', 'link/raw.js')
  const net = await RoamNet.create(options.family)
  try {
    return await transfer(net, options, steps)
  } finally {
    await net.destroy()
  }
}

async function transfer(
  net: RoamNet,
  { seconds, way, peer }: RoamOptions,
  steps: readonly Step[],
): Promise<RoamResult> {
  const deadline = seconds * 1000 + 2 * END_MS
  const sends = ['--send', String(ENDLESS), '--seed', '1', '--end', 'told']
  const receives = ['--expect', '1', '--end', 'received', '--gaps', String(SHORTEST_GAP_MS)]
  const words = way === 'up' ? { ours: sends, peer: receives } : { ours: receives, peer: sends }
  const listens = ['server', '--port', String(PORT), ...words.peer]
  const other = net.spawn(
    'peer',
    peer === 'kernel'
      ? [KERNEL_PEER, ...listens, '--host', net.family === 4 ? '0.0.0.0' : '::']
      : [RAW_PEER, ...listens, '--path', 'p1'],
    deadline,
  )
  await other.event('listening', 20_000)
  const to = ['--host', net.peerAddress, '--port', String(PORT)]
  const ours = net.spawn(
    'host',
    [RAW_PEER, 'client', '--path', 'u1', '--path', 'u2', ...to, ...words.ours],
    deadline,
  )
  await Promise.all([ours.event('connected', 20_000), other.event('connected', 20_000)])
  const [sender, receiver] = way === 'up' ? [ours, other] : [other, ours]

  const begins: number[] = []
  const start = performance.now()
  // What stops all is followed by nothing else for as long as the transfer may take to go on.
  let quietUntil = 0
  for (const each of steps) {
    await sleepUntil(Math.max(start + each.at * seconds * 1000, quietUntil))
    const began = performance.now()
    begins.push(performance.timeOrigin + began)
    await each.begin(net, ours)
    await sleepUntil(began + each.lasts * seconds * 1000)
    await each.end(net, ours)
    if (each.stopsAll) quietUntil = performance.now() + GRACE_MS
  }
  await sleepUntil(Math.max(start + seconds * 1000, quietUntil))
  sender.write('stop\n')
  const problems = await endOf(ours, other, sender, receiver)
  const gaps = await gapsOf(receiver)
  const results = steps.map((each, i): StepResult => {
    const [from, to] = [begins[i]!, begins[i + 1] ?? Number.POSITIVE_INFINITY]
    const explained = each.stopsAll ? each.lasts * seconds * 1000 : 0
    return {
      name: each.name,
      pauseMs: longest(gaps, from, to),
      mostMs: explained + GRACE_MS,
    }
  })
  for (const { name, pauseMs, mostMs } of results) {
    if (pauseMs > mostMs) problems.push(`${name}: a pause of ${Math.round(pauseMs)} ms`)
  }
  const last = receiver.events().findLast(({ event }) => event === 'closed')
  return { bytes: Number(last?.bytesReceived ?? 0), steps: results, problems }
}

interface Gap {
  readonly ms: number
  readonly endedAt: number
}

/** The pauses so far; where the transfer did not end, the one that it is in, too. */
async function gapsOf(receiver: BedProcess): Promise<Gap[]> {
  const events = receiver.events()
  const gaps = events.filter(({ event }) => event === 'gap') as unknown as Gap[]
  if (events.some(({ event }) => event === 'closed')) return gaps
  receiver.write('info\n')
  try {
    const arrivedAt = Number((await receiver.event('info', 2000)).arrivedAt)
    const endedAt = performance.timeOrigin + performance.now()
    return [...gaps, { ms: endedAt - arrivedAt, endedAt }]
  } catch {
    // It has died, which its end tells.
    return gaps
  }
}

/** Of those that began within a time. */
function longest(gaps: readonly Gap[], from: number, to: number): number {
  const begun = gaps.filter(({ ms, endedAt }) => {
    const began = endedAt - ms
    return began + SHORTEST_GAP_MS >= from && began < to - SHORTEST_GAP_MS
  })
  return Math.max(0, ...begun.map(({ ms }) => ms))
}

/** Both ends end, and the receiver has what the sender sent. */
async function endOf(
  ours: BedProcess,
  other: BedProcess,
  sender: BedProcess,
  receiver: BedProcess,
): Promise<string[]> {
  const problems: string[] = []
  try {
    const [sent, got] = await Promise.all(
      [sender, receiver].map((each) => each.event('closed', END_MS)),
    )
    if (Number(got!.mismatchAt) >= 0) problems.push(`wrong byte at ${got!.mismatchAt}`)
    if (got!.sha256 !== sent!.sentSha256) {
      problems.push(`${got!.bytesReceived} bytes came of ${sent!.bytesSent}`)
    }
    for (const [name, end] of [
      ['the host', ours],
      ['the peer', other],
    ] as const) {
      const { status, signal, stderr } = await end.ended
      if (status !== 0) problems.push(`${name} ended with ${signal ?? status}: ${stderr.trim()}`)
      const finished = end.events().find(({ event }) => event === 'finished')
      if (finished && (!finished.drained || finished.liveSlots !== 0)) {
        const { drained, liveSlots } = finished
        problems.push(`${name} holds ${JSON.stringify({ drained, liveSlots })}`)
      }
    }
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  }
  for (const end of [ours, other]) {
    const said = end.events().filter(({ event }) => event === 'error')
    problems.push(...said.map(({ code, message }) => `error ${code}: ${message}`))
  }
  return problems
}
