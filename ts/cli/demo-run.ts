// The transfer of the demo, and what is measured of it. Printing is left to demo-progress and -report.

import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RealClock } from '../clock.js'
import type { MptcpBackend } from '../core/load.js'
import type { Counters } from '../counters.js'
import { EmulatedNetwork } from '../emulator/network.js'
import type { EmulatedPath } from '../emulator/path.js'
import type { Link } from '../link/link.js'
import { SeededRandom } from '../random.js'
import type { MptcpConnectionInfo, MptcpSocket, MptcpSubflowInfo } from '../socket/mptcp-socket.js'
import { MptcpStack } from '../socket/mptcp-stack.js'
import { CaptureFile } from './capture-file.js'
import { Failure, oneLine, STATUS_FAILED, usageError } from './failure.js'

export interface DemoPath {
  /** Bit/s and milliseconds one way. */
  rate: number
  delay: number
}

export interface DemoRun {
  paths: readonly DemoPath[]
  file: string | undefined
  size: number
  seed: number
  cut: boolean
  core: MptcpBackend
  checksum: boolean
  pcap: string | undefined
  observe: DemoObserver | null
}

/** What can be looked at while it runs. */
export interface DemoView {
  readonly bytes: number
  readonly paths: readonly EmulatedPath[]
  readonly subflows: readonly MptcpSubflowInfo[]
  readonly info: MptcpConnectionInfo
  readonly cut: DemoCut | null
}

export interface DemoObserver {
  start(view: DemoView): void
  note(text: string): void
  stop(): void
}

export interface DemoCut {
  path: string
  /** Milliseconds after ESTABLISHED; `to` is null if the transfer was over before. */
  from: number
  to: number | null
}

export interface DemoPathReport {
  name: string
  rateMbit: number
  delayMs: number
  /** Bytes of IP packets: what the wire could carry from ESTABLISHED to the end, and what it did. */
  capacityBytes: number
  wireBytes: number
  subflow: MptcpSubflowInfo | null
}

export interface DemoReport {
  core: 'wasm' | 'js'
  checksum: boolean
  source: string
  seed: number
  bytesSent: number
  bytesReceived: number
  sha256Sent: string
  sha256Received: string
  whole: boolean
  /** From ESTABLISHED to the last DATA_ACK. */
  seconds: number
  mbitPerSecond: number
  capacityBytes: number
  /** Payload against capacity, whose bytes count headers: about 0.95 is the most there is. */
  ratio: number
  multipath: boolean
  fallbackReason: string | null
  retransmits: number
  /** Pieces of data sent again on another path than the one that lost or held them. */
  reinjections: number
  cut: DemoCut | null
  paths: DemoPathReport[]
  counters: { client: Counters; server: Counters }
}

const PORT = 5001
const QUEUE_MS = 100
const CUT_MS = 1500
/** The first path, on which the connection was opened and which carries more. */
const CUT_PATH = 0
const PIECE_BYTES = 64 * 1024

export async function runDemo(run: DemoRun): Promise<DemoReport> {
  const bytes = run.file === undefined ? run.size : sizeOf(run.file)
  const clock = new RealClock()
  const network = new EmulatedNetwork({ clock, seed: run.seed })
  const paths = run.paths.map(({ rate, delay }, i) =>
    network.path({
      name: `path${i + 1}`,
      a: { host: 'client', addresses: [`10.1.${i + 1}.2`] },
      b: { host: 'server', addresses: [`10.1.${i + 1}.1`] },
      rate,
      delay,
      queueMs: QUEUE_MS,
    }),
  )
  const capture = run.pcap === undefined ? null : new CaptureFile(run.pcap)
  const links: Link[] = network.links('client')
  const common = { core: run.core, clock, checksum: run.checksum }
  const client = await MptcpStack.open({
    links: capture === null ? links : links.map((link) => capture.tap(link)),
    ...common,
  })
  const server = await MptcpStack.open({ links: network.links('server'), ...common })
  try {
    const sent = createHash('sha256')
    const received = createHash('sha256')
    let bytesReceived = 0
    const arrival = new Promise<void>((resolve, reject) => {
      const listening = server.createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('data', (chunk: Buffer) => {
          bytesReceived += chunk.length
          received.update(chunk)
        })
        socket.on('end', () => socket.end())
        socket.on('error', reject)
        socket.on('close', resolve)
      })
      listening.on('error', reject)
      listening.listen({ port: PORT })
    })
    const socket = client.connect({ host: '10.1.1.1', port: PORT, allowHalfOpen: true })
    const cutter = new Cutter(run.cut ? paths[CUT_PATH]! : null, socket, bytes / 2)
    run.observe?.start({
      bytes,
      paths,
      get subflows() {
        return socket.subflows
      },
      get info() {
        return socket.info
      },
      get cut() {
        return cutter.cut
      },
    })
    cutter.onChange = (text) => run.observe?.note(text)
    const closed = new Promise<void>((resolve) => socket.on('close', resolve))
    socket.resume()
    const ended = [arrival, send(run, bytes, sent, socket), closed]
    await Promise.all(ended).catch((error) => {
      throw new Failure(STATUS_FAILED, oneLine(error))
    })
    run.observe?.stop()
    cutter.stop()
    await client.drained(1000)
    return report(run, { bytes, bytesReceived, client, server, paths, socket, cut: cutter.cut }, [
      sent.digest('hex'),
      received.digest('hex'),
    ])
  } finally {
    run.observe?.stop()
    client.close()
    server.close()
    network.close()
    capture?.close()
  }
}

function sizeOf(file: string): number {
  try {
    const stats = statSync(file)
    if (!stats.isFile()) throw usageError(`${file} is not a file`)
    return stats.size
  } catch (error) {
    if (error instanceof Failure) throw error
    throw usageError(`cannot read ${file}: ${oneLine(error)}`)
  }
}

async function send(
  run: DemoRun,
  bytes: number,
  hash: { update(chunk: Buffer): unknown },
  socket: MptcpSocket,
): Promise<void> {
  const source =
    run.file === undefined ? Readable.from(generated(run.seed, bytes)) : createReadStream(run.file)
  const hashed = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  await pipeline(source, hashed, socket, { end: true })
}

function* generated(seed: number, bytes: number): Generator<Buffer> {
  const random = new SeededRandom(seed)
  for (let left = bytes; left > 0; left -= PIECE_BYTES) {
    yield Buffer.from(random.bytes(Math.min(left, PIECE_BYTES)))
  }
}

/** Cuts a path when half is acknowledged, and heals it. */
class Cutter {
  cut: DemoCut | null = null
  onChange: (text: string) => void = () => {}
  readonly #path: EmulatedPath | null
  #timer: NodeJS.Timeout | undefined

  constructor(path: EmulatedPath | null, socket: MptcpSocket, half: number) {
    this.#path = path
    if (path === null) return
    this.#timer = setInterval(() => {
      const { bytesSent, establishedAt } = socket.info
      if (bytesSent < half || establishedAt === null) return
      clearInterval(this.#timer)
      this.cut = { path: path.name, from: performance.now() - establishedAt, to: null }
      path.cut()
      this.onChange(`${path.name} is cut`)
      this.#timer = setTimeout(() => this.#heal(path, establishedAt), CUT_MS)
    }, 5)
  }

  #heal(path: EmulatedPath, establishedAt: number): void {
    path.heal()
    if (this.cut !== null) this.cut.to = performance.now() - establishedAt
    this.onChange(`${path.name} is whole again`)
  }

  stop(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#timer)
    this.#path?.heal()
  }
}

interface Outcome {
  bytes: number
  bytesReceived: number
  client: MptcpStack
  server: MptcpStack
  paths: readonly EmulatedPath[]
  socket: MptcpSocket
  cut: DemoCut | null
}

function report(run: DemoRun, outcome: Outcome, [sent, received]: [string, string]): DemoReport {
  const { socket, paths, client, server, bytes, bytesReceived } = outcome
  const { info, subflows } = socket
  const from = info.establishedAt ?? 0
  const to = info.dataAckedAt ?? from
  const seconds = (to - from) / 1000
  const pathReports = paths.map((path, i) => ({
    name: path.name,
    rateMbit: run.paths[i]!.rate / 1e6,
    delayMs: run.paths[i]!.delay,
    capacityBytes: Math.round(path.capacityBytes(from, to)),
    wireBytes: path.stats.forward.deliveredBytes,
    subflow: subflows.find(({ local }) => local.startsWith(`${path.a.addresses[0]}:`)) ?? null,
  }))
  const capacityBytes = pathReports.reduce((sum, each) => sum + each.capacityBytes, 0)
  return {
    core: client.backend,
    checksum: info.checksum,
    source: run.file ?? 'generated',
    seed: run.seed,
    bytesSent: bytes,
    bytesReceived,
    sha256Sent: sent,
    sha256Received: received,
    whole: sent === received && bytes === bytesReceived,
    seconds,
    mbitPerSecond: seconds > 0 ? (bytesReceived * 8) / seconds / 1e6 : 0,
    capacityBytes,
    ratio: capacityBytes > 0 ? bytesReceived / capacityBytes : 0,
    multipath: info.multipath,
    fallbackReason: info.fallbackReason,
    retransmits: subflows.reduce((sum, each) => sum + each.retransmits, 0),
    reinjections: client.counters.MPTCPRetrans,
    cut: outcome.cut,
    paths: pathReports,
    counters: { client: client.counters, server: server.counters },
  }
}
