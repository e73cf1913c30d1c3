// The script's packets: which flow each belongs to, those that go in made and injected, those that come
// out taken in order and compared.

import { formatAddress, parseAddress, sameAddress } from '../../wire/address.js'
import { ACK, FIN, PSH, SYN } from '../../wire/tcp-flags.js'
import type { SentPacket } from '../host/device.js'
import type { Host } from '../host/host.js'
import type { Endpoint, MptcpOptionNode, TcpOption, TcpPacket } from '../language/ast.js'
import { Bindings } from '../packets/bindings.js'
import { comparePackets } from '../packets/compare.js'
import { bindFrom } from '../packets/compare-mptcp.js'
import { decodePacket, readWire, type WirePacket } from '../packets/decode.js'
import { encodePacket } from '../packets/encode.js'
import { createFlow, type Flow, fitsFlow, type Place } from '../packets/flows.js'
import { printFlags } from '../print/packet.js'
import { printUsecs } from '../print/time.js'
import { NODE_HASHES } from './hashes.js'
import type { Due, Timeline } from './timeline.js'

/** How much longer than the script says a packet is waited for. */
const PATIENCE_USECS = 2_000_000
/** Where `*` gives up: a stack that will ever send has done so. */
const LONGEST_USECS = 3_600_000_000
const FIRST_PEER_PORT = 49_152
const NOT_SAID: Place = { address: null, port: 0 }

/** What was wrong with a packet. */
export interface PacketProblem {
  readonly message: string
  readonly expected: TcpPacket
  readonly actual: TcpPacket | null
  readonly actualUsecs: number
}

/** What packetdrill calls the socket under test. */
type UnderTest =
  | { readonly kind: 'none' | 'listening' }
  | { readonly kind: 'connecting'; readonly address: string; readonly port: number }
  | { readonly kind: 'flow'; readonly flow: Flow }

interface Taken {
  readonly wire: WirePacket
  readonly flow: Flow
  readonly at: number
}

export class PacketPlayer {
  readonly bindings = new Bindings(NODE_HASHES)
  readonly #host: Host
  readonly #timeline: Timeline
  /** Newest first. */
  readonly #flows: Flow[] = []
  #underTest: UnderTest = { kind: 'none' }
  #nextPort = FIRST_PEER_PORT
  /** The last packet that belonged to no flow of the script's: often the one that was to come. */
  #passedOver: string | null = null

  constructor(host: Host, timeline: Timeline) {
    this.#host = host
    this.#timeline = timeline
  }

  listens(): void {
    this.#underTest = { kind: 'listening' }
  }

  connects(address: string, port: number): void {
    this.#underTest = { kind: 'connecting', address, port }
  }

  /** Keys and addresses that the script itself gives a value hold from its beginning. */
  collect(options: readonly TcpOption[]): void {
    for (const option of options) {
      if (option.kind === 'mpcapable') {
        for (const { name, value } of option.keys) {
          if (value !== null) this.bindings.giveKey(name, value)
        }
      } else if (option.kind === 'mp_fastclose' && option.key !== null) {
        if (option.key.value !== null) this.bindings.giveKey(option.key.name, option.key.value)
      } else if (option.kind === 'add_address' && option.address.value !== null) {
        const address = parseAddress(option.address.value)
        this.bindings.places.set(option.address.name, { address, port: option.port ?? 0 })
      }
    }
  }

  /** The newest flow, for ICMP messages; null = there is none. */
  get newestFlow(): Flow | null {
    return this.#flows[0] ?? null
  }

  // ---------------------------------------------------------------- which flow

  #place(endpoint: Endpoint | null): Place {
    if (endpoint === null) return NOT_SAID
    switch (endpoint.kind) {
      case 'variable':
        return this.bindings.places.get(endpoint.name) ?? NOT_SAID
      case 'port':
        return { address: null, port: endpoint.port }
      case 'address':
        return { address: parseAddress(endpoint.address), port: endpoint.port }
      default:
        return endpoint satisfies never
    }
  }

  /** The flow of a script's packet, made if the packet begins one; null = there is none for it. */
  #flowFor(packet: TcpPacket): Flow | null {
    const inbound = packet.direction === 'inbound'
    const source = this.#place(packet.tuple?.source ?? null)
    const destination = this.#place(packet.tuple?.destination ?? null)
    const local = inbound ? destination : source
    const remote = inbound ? source : destination
    const isFirstSyn = (packet.flags.bits & (SYN | ACK)) === SYN
    const under = this.#underTest
    if (isFirstSyn) {
      const joins = (packet.options ?? []).some((option) => option.kind === 'mp_join_syn')
      if (inbound && (under.kind === 'none' || under.kind === 'listening')) {
        return this.#passive(local, remote)
      }
      if (!inbound && under.kind === 'connecting') return this.#active(packet, under)
      if (joins && under.kind !== 'none') return this.#join(packet, inbound, local, remote)
    }
    const fitting = this.#flows.find((flow) => fitsFlow(flow, local, remote))
    if (fitting !== undefined) {
      this.#underTest = { kind: 'flow', flow: fitting }
      return fitting
    }
    const namesPort = local.port !== 0 || remote.port !== 0
    return namesPort && under.kind === 'flow' ? under.flow : null
  }

  #add(flow: Flow): Flow {
    this.#flows.unshift(flow)
    this.#underTest = { kind: 'flow', flow }
    return flow
  }

  #passive(local: Place, remote: Place): Flow {
    const { settings } = this.#host
    const flow = createFlow(
      local.address ?? settings.local,
      local.port || settings.bindPort,
      remote.address ?? settings.remote,
      remote.port || this.#nextPort++,
    )
    this.bindings.peerAddress(null, flow.remote)
    return this.#add(flow)
  }

  #active(packet: TcpPacket, under: { address: string; port: number }): Flow {
    const { settings } = this.#host
    const remote = parseAddress(under.address) ?? settings.remote
    const flow = createFlow(settings.local, 0, remote, under.port)
    flow.awaitsSyn = 'connect'
    flow.scriptIss = packet.sequence.start
    this.bindings.peerAddress(null, remote)
    return this.#add(flow)
  }

  #join(packet: TcpPacket, inbound: boolean, local: Place, remote: Place): Flow {
    const { settings } = this.#host
    const first = this.#flows[this.#flows.length - 1]
    if (!inbound) {
      const flow = createFlow(
        local.address ?? settings.local,
        0,
        remote.address ?? settings.remote,
        remote.port,
      )
      flow.awaitsSyn = 'join'
      flow.connection = first?.connection ?? flow.id
      flow.scriptIss = packet.sequence.start
      return this.#add(flow)
    }
    // A name that nothing has bound yet is the next address of the script's side.
    const isNew = packet.tuple?.source?.kind === 'variable' && remote.address === null
    const address = isNew ? this.bindings.peerAddress(null, null).address : remote.address
    const flow = createFlow(
      local.address ?? first?.local ?? settings.local,
      local.port || (first?.localPort ?? settings.bindPort),
      address ?? settings.remote,
      isNew || remote.port === 0 ? this.#nextPort++ : remote.port,
    )
    flow.connection = first?.connection ?? flow.id
    return this.#add(flow)
  }

  /** Names of the packet's ends that stood for nothing yet stand for the flow's from now on. */
  #nameEnds(packet: TcpPacket, flow: Flow): void {
    const local: Place = { address: flow.local, port: flow.localPort }
    const remote: Place = { address: flow.remote, port: flow.remotePort }
    const inbound = packet.direction === 'inbound'
    this.#name(packet.tuple?.source ?? null, inbound ? remote : local)
    this.#name(packet.tuple?.destination ?? null, inbound ? local : remote)
  }

  #name(endpoint: Endpoint | null, place: Place): void {
    if (endpoint?.kind !== 'variable' || this.bindings.places.has(endpoint.name)) return
    this.bindings.places.set(endpoint.name, place)
  }

  // ---------------------------------------------------------------- in

  /** Injects a packet of the script; null = done, else what is wrong with it. */
  inject(packet: TcpPacket): string | null {
    const flow = this.#flowFor(packet)
    if (flow === null) return 'no flow of this script fits the packet'
    const { bits } = packet.flags
    if (flow.localPort === 0) return 'the stack has not sent the SYN of this flow yet'
    // The first SYN tells the peer's ISN; a later one is only a stray segment.
    if ((bits & SYN) !== 0 && !flow.isIrsKnown) {
      flow.isIrsKnown = true
      flow.irs = packet.sequence.start
    }
    const bytes = encodePacket({
      packet,
      flow,
      bindings: this.bindings,
      tsEcrScaled: this.#host.settings.tsEcrScaled,
    })
    this.#nameEnds(packet, flow)
    this.#host.device.inject(bytes)
    return null
  }

  // ---------------------------------------------------------------- out

  /** Waits for the packet that the script expects and compares it; null = it is right. */
  expect(packet: TcpPacket, due: Due | null): PacketProblem | null {
    const flow = this.#flowFor(packet)
    const now = this.#timeline.nowUsecs
    const problem = (message: string, actual: TcpPacket | null, at = now): PacketProblem => ({
      message: this.#passedOver === null ? message : `${message} (${this.#passedOver})`,
      expected: packet,
      actual,
      actualUsecs: at,
    })
    if (flow === null) return problem('no flow of this script fits the packet', null)
    const limit = due === null ? now + LONGEST_USECS : Math.max(now, due.endUsecs) + PATIENCE_USECS
    const first = this.#take(limit, flow)
    if (first === null) return problem('the stack has sent nothing more', null, limit)
    const at = this.#timeline.usecsOf(first.at)
    if (first.flow !== flow) {
      const actual = decodePacket(first.wire, first.flow, this.bindings)
      const { local, localPort, remote, remotePort } = first.flow
      const ends = `${formatAddress(local)} ${localPort} > ${formatAddress(remote)} ${remotePort}`
      return problem(`the stack sent a packet on another flow, ${ends}`, actual, at)
    }
    const wire = this.#gather(packet, first, limit)
    this.#learnIsn(packet, wire, flow)
    bindFrom(packet, decodePacket(wire, flow, this.bindings), this.bindings)
    const actual = decodePacket(wire, flow, this.bindings)
    this.#learn(packet, actual, flow)
    const difference = comparePackets({
      expected: packet,
      actual,
      wire,
      flow,
      bindings: this.bindings,
      tsTickUsecs: this.#host.settings.tsTickUsecs,
      tsToleranceUsecs: Math.max(
        this.#host.settings.toleranceUsecs,
        (this.#host.settings.tolerancePercent / 100) * at,
      ),
    })
    if (difference !== null) return problem(difference, shown(actual, packet), at)
    const late = this.#timeline.check(due, at, 'the packet was')
    if (late !== null) return problem(late, shown(actual, packet), at)
    this.#nameEnds(packet, flow)
    this.#nameAnnounced(packet, actual, wire)
    return null
  }

  /**
   * The next packet on a flow of the script's; those on others, and those of a connection that the script
   * has left for another, do not count, as in packetdrill.
   */
  #take(limitUsecs: number, expected: Flow): Taken | null {
    const { sent } = this.#host.device
    for (;;) {
      if (!this.#timeline.advance(limitUsecs, () => sent.length > 0)) return null
      const packet = sent.shift() as SentPacket
      const wire = readWire(packet.bytes)
      const flow = wire === null ? null : this.#flowOf(wire)
      const isOther = flow !== null && flow.connection < expected.connection
      if (wire !== null && flow !== null && !isOther) return { wire, flow, at: packet.at }
      if (wire !== null) this.#passedOver = this.#describeStray(wire, packet)
    }
  }

  #describeStray(wire: WirePacket, packet: SentPacket): string {
    const at = printUsecs(this.#timeline.usecsOf(packet.at))
    const to = `${formatAddress(wire.ip.destination)} port ${wire.destinationPort}`
    return `at ${at} the stack sent ${printFlags(wire.flags)} to ${to}, on no flow of the script's`
  }

  #flowOf(wire: WirePacket): Flow | null {
    const known = this.#flows.find(
      (flow) =>
        flow.awaitsSyn === null &&
        flow.localPort === wire.sourcePort &&
        flow.remotePort === wire.destinationPort &&
        sameAddress(flow.local, wire.ip.source) &&
        sameAddress(flow.remote, wire.ip.destination),
    )
    if (known !== undefined) return known
    if ((wire.flags & (SYN | ACK)) !== SYN) return null
    const waiting = this.#flows.find((flow) => flow.awaitsSyn !== null)
    if (waiting === undefined) return null
    const { ip } = wire
    const isThere =
      sameAddress(waiting.remote, ip.destination) &&
      (waiting.remotePort === 0 || waiting.remotePort === wire.destinationPort)
    if (waiting.awaitsSyn === 'connect' && !isThere) return null
    waiting.awaitsSyn = null
    waiting.local = ip.source
    waiting.localPort = wire.sourcePort
    waiting.remote = ip.destination
    waiting.remotePort = wire.destinationPort
    this.bindings.peerAddress(null, waiting.remote)
    return waiting
  }

  /** Several packets of the stack's for one of the script's: their payload together. */
  #gather(packet: TcpPacket, first: Taken, limitUsecs: number): WirePacket {
    let { wire } = first
    const { strictSegments } = this.#host.settings
    const wanted = packet.sequence.length
    while (!strictSegments && wire.payload.length > 0 && wire.payload.length < wanted) {
      const { sent } = this.#host.device
      if (!this.#timeline.advance(limitUsecs, () => sent.length > 0)) break
      const next = readWire(sent[0]!.bytes)
      const end = (wire.sequence + wire.payload.length) >>> 0
      const isNext = next !== null && next.sequence === end && next.sourcePort === wire.sourcePort
      if (!isNext || next.payload.length === 0) break
      sent.shift()
      wire = {
        ...wire,
        flags: (wire.flags & ~PSH) | (next.flags & (PSH | FIN)),
        payload: Buffer.concat([wire.payload, next.payload]),
      }
    }
    return wire
  }

  #learnIsn(packet: TcpPacket, wire: WirePacket, flow: Flow): void {
    if ((wire.flags & SYN) === 0 || flow.isIssKnown) return
    flow.isIssKnown = true
    flow.liveIss = wire.sequence
    flow.scriptIss = packet.sequence.start
  }

  /** What later packets of the script refer to: timestamps, nonces, how far the data has gone. */
  #learn(expected: TcpPacket, actual: TcpPacket, flow: Flow): void {
    const wanted = expected.options?.find((option) => option.kind === 'TS')
    const live = actual.options?.find((option) => option.kind === 'TS')
    if (wanted?.kind === 'TS' && live?.kind === 'TS') {
      flow.timestamps.set(wanted.value, live.value)
      flow.firstTimestamp ??= { script: wanted.value, live: live.value }
    }
    for (const option of actual.options ?? []) this.#learnOption(option, flow)
  }

  #learnOption(option: TcpOption, flow: Flow): void {
    const { bindings } = this
    if (option.kind === 'mp_join_syn' || option.kind === 'mp_join_syn_ack') {
      flow.stackNonce = option.nonce ?? 0
    } else if (option.kind === 'mpcapable' && option.dataLength !== null) {
      bindings.stackSent = BigInt(1 + option.dataLength)
    } else if (option.kind === 'dss') this.#learnDss(option)
  }

  #learnDss(option: Extract<MptcpOptionNode, { kind: 'dss' }>): void {
    const value = option.dsn?.value ?? null
    if (value === null) return
    const end = this.bindings.value(value) + BigInt(option.dataLength ?? 0)
    if (end > this.bindings.stackSent && end < 1n << 40n) this.bindings.stackSent = end
  }

  /** `addr[x]` in an ADD_ADDR of the stack's stands for that address, at the port it implies. */
  #nameAnnounced(expected: TcpPacket, actual: TcpPacket, wire: WirePacket): void {
    for (const option of expected.options ?? []) {
      if (option.kind !== 'add_address') continue
      const live = actual.options?.find((each) => each.kind === 'add_address')
      if (live?.kind !== 'add_address' || live.address.value === null) continue
      const implied = live.echo ? wire.destinationPort : wire.sourcePort
      this.bindings.places.set(option.address.name, {
        address: parseAddress(live.address.value),
        port: live.port ?? implied,
      })
    }
  }
}

/** The live packet as the report shows it: what the script did not write is left out there too. */
function shown(actual: TcpPacket, expected: TcpPacket): TcpPacket {
  return {
    ...actual,
    tuple: expected.tuple,
    window: expected.window === null ? null : actual.window,
  }
}
