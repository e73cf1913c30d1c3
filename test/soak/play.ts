// Plays one world of a soak in virtual time and tells what was wrong, if anything: a byte that differs, a loss
// that nobody was told of, an error that the world does not explain, a connection without an end, and what the
// two hosts still hold when all is over.

import type { CounterName } from '../../ts/counters.js'
import type { LocalPath } from '../../ts/mptcp/local-path.js'
import { MptcpBsd } from '../../ts/socket/bsd.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from '../../ts/socket/constants.js'
import { formatAddress } from '../../ts/wire/address.js'
import { randomBytes } from '../contract/cores.js'
import { addressOn, finish, type World, world } from '../stack/world.js'
import { Application } from './application.js'
import { Meddler } from './meddler.js'
import type { SoakChange, SoakCut, SoakPath, SoakTransfer, SoakWorld } from './random-world.js'

/** Longer than any transfer of a world at its worst, with the timers of a path that is cut backed off. */
const MAX_VIRTUAL_MS = 2 * 3_600_000
/**
 * From when on nothing befalls a world any more, a transfer has so long. Measured: of 2,600 transfers half took 0.5 s,
 * 99 in 100 below 17 s, and the longest, over a path that loses a fifth, 86.
 */
const LONGEST_AFTER_MS = 300_000
/** Bounded: what one world may cost. The largest honest one takes a tenth. */
const MAX_EVENTS = 1_000_000
const FIRST_PORT = 5000
const LITTLE_MTU = 1280
/** A host's next address on a path, counted from the one before. */
const ADDRESSES_BETWEEN = 20
/** What speaks of an error of our own, whatever the network did. */
const FAULTS: readonly CounterName[] = [
  'CongestionFault',
  'CoalesceKeyFault',
  'SchedulerFault',
  'PathManagerFault',
]
/** Bytes of all transfers are cut from this: a prime, so that what is misplaced is no copy. */
const BYTES = randomBytes(1_000_003, 1)
const BETWEEN_STREAMS = 70_001

export interface Outcome {
  /** What was wrong, in words that begin with its kind; null = nothing. */
  problem: string | null
  /** When the last application let go. */
  virtualMs: number
  bytes: number
}

interface Played {
  readonly port: number
  readonly listener: number
  readonly client: Application
  readonly server: Application
  /**
   * It may end before all is there, with an error that says so: its application gave up, no path that both
   * ends used was left for good, or a SYN cookie could be lost.
   */
  mayFail: boolean
}

/** `plant` may break something in the two hosts, for those who test the soak itself. */
export function play(soaked: SoakWorld, plant: (w: World) => void = () => {}): Outcome {
  const w = world({
    seed: soaked.seed,
    family: soaked.family,
    paths: soaked.paths.map(shapeOf),
    client: soaked.client,
    server: soaked.server,
  })
  plant(w)
  meddle(w, soaked)
  const client = new MptcpBsd(w.client)
  const server = new MptcpBsd(w.server)
  const played = soaked.transfers.map((transfer, i) =>
    begin(w, soaked, client, server, transfer, FIRST_PORT + i),
  )
  for (const cut of soaked.cuts) plan(w, cut, soaked, played)
  for (const change of soaked.changes) planChange(w, change, soaked, played)
  try {
    const isOver = runToEnd(w, played)
    const problem =
      firstOf(played, bytesOf) ??
      (isOver ? null : `no end: ${stateOf(played)}`) ??
      firstOf(played, (each) => (each.mayFail ? null : endOf(each))) ??
      firstOf(played, (each) =>
        each.mayFail || waitsForOthers(soaked, played) ? null : frozen(each, quietFrom(soaked)),
      ) ??
      held(w, client, server, played)
    return outcome(played, problem)
  } catch (error) {
    return outcome(played, `thrown: ${error instanceof Error ? error.stack : error}`)
  }
}

function outcome(played: Played[], problem: string | null): Outcome {
  const bytes = played.reduce((sum, each) => sum + each.client.received + each.server.received, 0)
  const virtualMs = Math.max(
    ...played.map(({ client, server }) => Math.max(client.closedAt, server.closedAt)),
  )
  return { problem, virtualMs, bytes }
}

/** From then on nothing befalls the world any more. */
function quietFrom({ cuts, changes, transfers }: SoakWorld): number {
  const befalls = [...cuts, ...changes].map(({ at, lastsMs }) => at + (lastsMs ?? 0))
  const wanted = transfers.map(
    ({ at, client, server }) => at + (client.lingersMs ?? 0) + (server.lingersMs ?? 0),
  )
  return Math.max(0, ...befalls, ...wanted)
}

/** What the emulator knows of. */
function shapeOf({ truncate: _t, replay: _r, inject: _i, ...shape }: SoakPath) {
  return shape
}

function meddle(w: World, { seed, paths }: SoakWorld): void {
  paths.forEach((path, i) => {
    if (!path.truncate && !path.replay && !path.inject) return
    const there = new Meddler(seed * 16 + i * 2, path)
    const back = new Meddler(seed * 16 + i * 2 + 1, path)
    w.paths[i]!.middlebox((direction, packet) =>
      (direction === 'a-to-b' ? there : back).box(packet),
    )
  })
}

function plan(w: World, cut: SoakCut, soaked: SoakWorld, played: readonly Played[]): void {
  const { at, lastsMs, path, direction } = cut
  const paths = w.paths.filter((_each, i) => path === null || path === i)
  w.clock.at(at, () => {
    for (const each of paths) each.cut(direction)
    if (lastsMs !== null) return
    for (const each of played) each.mayFail ||= isExcused(w, soaked, each)
  })
  if (lastsMs === null) return
  w.clock.at(at + lastsMs, () => {
    for (const each of paths) if (!isGone(w, soaked, w.paths.indexOf(each))) each.heal(direction)
  })
}

function planChange(
  w: World,
  { at, lastsMs, path, host, kind }: SoakChange,
  soaked: SoakWorld,
  played: readonly Played[],
): void {
  const { a, b } = w.paths[path]!
  const link = host === 'client' ? a : b
  let { mtu } = link.caps
  w.clock.at(at, () => {
    if (kind === 'device') link.down()
    if (kind === 'mtu') {
      mtu = link.caps.mtu
      link.setMtu(Math.min(mtu, LITTLE_MTU))
    }
    if (kind !== 'address') return
    for (const address of link.addresses.slice()) link.removeAddress(address)
    for (const each of played) each.mayFail ||= diesWithAddress(w, soaked, each, host)
  })
  w.clock.at(at + lastsMs, () => {
    if (kind === 'device') link.up()
    if (kind === 'mtu') link.setMtu(mtu)
    if (kind !== 'address') return
    const end = (host === 'client' ? 1 : 2) + ADDRESSES_BETWEEN * (1 + Math.floor(at % 7))
    link.addAddress(addressOn(path + 1, end, soaked.family))
  })
}

/** Where no other subflow stands, only a client can come again from its next address; in plain TCP nobody can. */
function diesWithAddress(w: World, soaked: SoakWorld, each: Played, host: string): boolean {
  if (!isExcused(w, soaked, each)) return false
  const { client, server } = each
  if (client.error !== null || server.error !== null) return false
  const ends = [client.connection, server.connection]
  // Before the other has proved that it has the keys, none may be joined (RFC 8684 §3.1).
  const isStanding = ends.every(
    (end) => end?.mode === 'mptcp' && end.state === 'M_ESTAB' && end.fullyEstablished,
  )
  // The server cannot hear which of its subflows are gone: one more may be too many.
  const { allowJoinInitialAddress = true, maxSubflows = Number.POSITIVE_INFINITY } = soaked.server
  const isFull = (server.connection?.subflows.length ?? 0) >= maxSubflows
  return host !== 'client' || !isStanding || !allowJoinInitialAddress || isFull
}

/** Whether a path is, by now, cut for good; one way is enough, since what is not acknowledged is lost. */
function isGone(w: World, { cuts }: SoakWorld, index: number): boolean {
  return cuts.some(
    ({ at, lastsMs, path }) =>
      lastsMs === null && at <= w.clock.now() && (path === null || path === index),
  )
}

/** Nothing was wrong before, and no subflow stands whose packets have a way there and back. */
function isExcused(w: World, soaked: SoakWorld, { client, server }: Played): boolean {
  if (client.error !== null || server.error !== null) return false
  const stands = (app: Application, localPort: 'localPort' | 'remotePort') =>
    new Set(
      (app.connection?.subflows ?? [])
        .filter((each) => each.tcb.state === 'ESTABLISHED' && !isGone(w, soaked, each.path.link))
        .filter((each) => owns(w, app === client ? 'a' : 'b', each.path))
        .map((each) => each[localPort]),
    )
  const known = stands(server, 'remotePort')
  return ![...stands(client, 'localPort')].some((port) => known.has(port))
}

/** Whether the address that a subflow comes from is still its host's. */
function owns(w: World, end: 'a' | 'b', { link, address }: LocalPath): boolean {
  return w.paths[link]![end].addresses.includes(formatAddress(address))
}

/** A server that keeps nothing of a SYN resets what comes before the ACK that brings its cookie back. */
function losesCookies({ paths, server, cuts, changes }: SoakWorld): boolean {
  const { loss, reorder, corrupt, truncate } = paths[0]!
  const isPerfect = !loss && !reorder && !corrupt && !truncate && cuts.length + changes.length === 0
  return server.synCookies === 2 && !isPerfect
}

/** Listens at once, and connects when it is time. */
function begin(
  w: World,
  soaked: SoakWorld,
  client: MptcpBsd,
  server: MptcpBsd,
  transfer: SoakTransfer,
  port: number,
): Played {
  const { family } = soaked
  const start = ((w.seed % 97) + port) * BETWEEN_STREAMS
  const up = slice(start, transfer.client.bytes)
  const down = slice(start + BETWEEN_STREAMS / 2, transfer.server.bytes)
  const connecting = new Application(client, transfer.client, up, down)
  const accepting = new Application(server, transfer.server, down, up)
  const kind = family === 4 ? C.AF_INET : C.AF_INET6
  const protocol = transfer.plain ? C.IPPROTO_TCP : C.IPPROTO_MPTCP
  const listener = server.socket(kind, C.SOCK_STREAM, protocol)
  must(server.bind(listener, { address: '', port }))
  must(server.listen(listener, 4))
  server.watch(listener, () => {
    const fd = server.accept(listener)
    if (fd < 0) return
    // One connection is expected.
    if (accepting.began) server.close(fd)
    else accepting.begin(fd)
  })
  const mayFail =
    [transfer.client, transfer.server].some((end) => end.abortsAfterMs !== undefined) ||
    losesCookies(soaked)
  const begun = { port, listener, client: connecting, server: accepting, mayFail }
  w.clock.at(transfer.at, () => {
    const fd = client.socket(kind, C.SOCK_STREAM, protocol)
    const result = client.connect(fd, { address: addressOn(1, 2, family), port })
    connecting.begin(fd, result === -E.EINPROGRESS ? 0 : result)
    // A host that has no address at all reaches nobody.
    begun.mayFail ||= w.paths.every(({ a }) => a.addresses.length === 0)
  })
  return begun
}

function must(result: number): void {
  if (result < 0) throw new Error(`a listener: ${result}`)
}

function slice(start: number, length: number): Uint8Array {
  const from = Math.floor(start) % (BYTES.length - 200_000)
  return BYTES.subarray(from, from + length)
}

/** False: it did not end within the time, or the events, that a world may take. */
function runToEnd(w: World, played: readonly Played[]): boolean {
  let events = 0
  const isOpen = (each: Application): boolean => each.began && !each.closed
  const goesOn = (): boolean =>
    ++events < MAX_EVENTS && played.some(({ client, server }) => !client.closed || isOpen(server))
  const ended = w.clock.runWhile(goesOn, MAX_VIRTUAL_MS)
  if (events >= MAX_EVENTS) return false
  if (!ended) {
    // Whose peer is gone without a word and who has nothing to say to it waits for ever, as in all of TCP.
    for (const each of played.filter(({ mayFail }) => mayFail)) {
      for (const end of [each.client, each.server]) if (isOpen(end) && end.onlyWaits) end.abort()
    }
  }
  // What is still on its way to a listener has its end too.
  w.clock.runUntil(w.clock.now() + MAX_VIRTUAL_MS)
  return played.every(({ client, server }) => client.closed && !isOpen(server))
}

function firstOf(played: Played[], look: (each: Played) => string | null): string | null {
  for (const each of played) {
    const problem = look(each)
    if (problem !== null) return problem
  }
  return null
}

function sidesOf({ client, server }: Played): [name: string, me: Application, peer: Application][] {
  return [
    ['client', client, server],
    ['server', server, client],
  ]
}

/** Bytes that are wrong are wrong in every world, and so is an end that comes too early without an error. */
function bytesOf(each: Played): string | null {
  for (const [name, me] of sidesOf(each)) {
    if (me.wrongAt >= 0)
      return `wrong byte: the ${name} at offset ${me.wrongAt}: ${stateOf([each])}`
    if (me.ended && !me.isWhole) return `silent loss: the ${name}: ${stateOf([each])}`
  }
  return null
}

/** All is there, or whoever lacks something was told. */
function endOf(each: Played): string | null {
  for (const [name, me] of sidesOf(each)) {
    if (me.error !== null) return `error ${me.error}: the ${name}: ${stateOf([each])}`
    if (!me.isWhole) return `not whole: the ${name}: ${stateOf([each])}`
  }
  return null
}

/** Where few may have data at a time, one whose path has died keeps the others from theirs until it is given up. */
function waitsForOthers({ client, server }: SoakWorld, played: readonly Played[]): boolean {
  const isNarrow = [client, server].some((end) => end.maxActiveConnections !== undefined)
  return isNarrow && played.some(({ mayFail }) => mayFail)
}

/** Nothing was lost, but for a long time nothing went on either. */
function frozen(each: Played, quietFrom: number): string | null {
  const late = Math.max(each.client.closedAt, each.server.closedAt) - quietFrom
  return late < LONGEST_AFTER_MS ? null : `frozen: ${Math.round(late)} ms more: ${stateOf([each])}`
}

function stateOf(played: Played[]): string {
  return played
    .map(({ port, client, server }) =>
      [
        `port ${port}: client ${client.describe()}`,
        `server ${server.began ? server.describe() : 'never asked'}`,
      ].join('; '),
    )
    .join(' / ')
}

/** TIME-WAIT passes; then nothing may be left of anything, the listeners' sockets included. */
function held(w: World, client: MptcpBsd, server: MptcpBsd, played: Played[]): string | null {
  for (const { stack } of [client, server]) {
    const fault = FAULTS.find((name) => stack.counters[name] > 0)
    if (fault !== undefined) return `fault: ${fault}`
  }
  for (const { listener } of played) server.close(listener)
  if (client.size + server.size > 0) {
    return `descriptors left: client ${client.size}, server ${server.size}`
  }
  try {
    finish(w)
    return null
  } catch (error) {
    return `left behind: ${error instanceof Error ? error.message : error}`
  }
}
