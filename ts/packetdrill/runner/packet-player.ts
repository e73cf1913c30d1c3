// The script's packets: those that go in made and injected, those that come out taken in order and compared.

import { formatAddress, parseAddress } from '../../wire/address.js'
import { FIN, PSH, SYN } from '../../wire/tcp-flags.js'
import type { SentPacket } from '../host/device.js'
import type { Host } from '../host/host.js'
import type { MptcpOptionNode, TcpOption, TcpPacket } from '../language/ast.js'
import type { Bindings } from '../packets/bindings.js'
import { comparePackets } from '../packets/compare.js'
import { bindFrom } from '../packets/compare-mptcp.js'
import { decodePacket, readWire, type WirePacket } from '../packets/decode.js'
import { encodePacket } from '../packets/encode.js'
import { FlowTable } from '../packets/flow-table.js'
import type { Flow } from '../packets/flows.js'
import { printFlags } from '../print/packet.js'
import { printUsecs } from '../print/time.js'
import type { Due, Timeline } from './timeline.js'

/** How much longer than the script says a packet is waited for. */
const PATIENCE_USECS = 2_000_000
/** Where `*` gives up: a stack that will ever send has done so. */
const LONGEST_USECS = 3_600_000_000

/** What was wrong with a packet. */
export interface PacketProblem {
  readonly message: string
  readonly expected: TcpPacket
  readonly actual: TcpPacket | null
  readonly actualUsecs: number
}

interface Taken {
  readonly wire: WirePacket
  readonly flow: Flow
  readonly at: number
}

export class PacketPlayer {
  readonly flows: FlowTable
  readonly #bindings: Bindings
  readonly #host: Host
  readonly #timeline: Timeline
  /** The last packet that belonged to no flow of the script's: often the one that was to come. */
  #passedOver: string | null = null

  constructor(host: Host, timeline: Timeline, bindings: Bindings) {
    this.#host = host
    this.#timeline = timeline
    this.#bindings = bindings
    this.flows = new FlowTable(bindings, host.settings)
  }

  // ---------------------------------------------------------------- in

  /** Injects a packet of the script; null = done, else what is wrong with it. */
  inject(packet: TcpPacket): string | null {
    const flow = this.flows.ofScript(packet)
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
      bindings: this.#bindings,
      tsEcrScaled: this.#host.settings.tsEcrScaled,
    })
    this.flows.nameEnds(packet, flow)
    this.#host.device.inject(bytes)
    return null
  }

  // ---------------------------------------------------------------- out

  /** Waits for the packet that the script expects and compares it; null = it is right. */
  expect(packet: TcpPacket, due: Due | null): PacketProblem | null {
    const flow = this.flows.ofScript(packet)
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
      const actual = decodePacket(first.wire, first.flow, this.#bindings)
      const { local, localPort, remote, remotePort } = first.flow
      const ends = `${formatAddress(local)} ${localPort} > ${formatAddress(remote)} ${remotePort}`
      return problem(`the stack sent a packet on another flow, ${ends}`, actual, at)
    }
    const wire = this.#gather(packet, first, limit)
    this.#learnIsn(packet, wire, flow)
    bindFrom(packet, decodePacket(wire, flow, this.#bindings), this.#bindings)
    const actual = decodePacket(wire, flow, this.#bindings)
    this.#learn(packet, actual, flow)
    const difference = comparePackets({
      expected: packet,
      actual,
      wire,
      flow,
      bindings: this.#bindings,
      tsTickUsecs: this.#host.settings.tsTickUsecs,
      tsToleranceUsecs: Math.max(
        this.#host.settings.toleranceUsecs,
        (this.#host.settings.tolerancePercent / 100) * at,
      ),
    })
    if (difference !== null) return problem(difference, shown(actual, packet), at)
    const late = this.#timeline.check(due, at, 'the packet was')
    if (late !== null) return problem(late, shown(actual, packet), at)
    this.flows.nameEnds(packet, flow)
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
      const flow = wire === null ? null : this.flows.ofWire(wire)
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
    const bindings = this.#bindings
    if (option.kind === 'mp_join_syn' || option.kind === 'mp_join_syn_ack') {
      flow.stackNonce = option.nonce ?? 0
    } else if (option.kind === 'mpcapable' && option.dataLength !== null) {
      bindings.stackSent = BigInt(1 + option.dataLength)
    } else if (option.kind === 'dss') this.#learnDss(option)
  }

  #learnDss(option: Extract<MptcpOptionNode, { kind: 'dss' }>): void {
    const value = option.dsn?.value ?? null
    if (value === null) return
    const end = this.#bindings.value(value) + BigInt(option.dataLength ?? 0)
    if (end > this.#bindings.stackSent && end < 1n << 40n) this.#bindings.stackSent = end
  }

  /** `addr[x]` in an ADD_ADDR of the stack's stands for that address, at the port it implies. */
  #nameAnnounced(expected: TcpPacket, actual: TcpPacket, wire: WirePacket): void {
    for (const option of expected.options ?? []) {
      if (option.kind !== 'add_address') continue
      const live = actual.options?.find((each) => each.kind === 'add_address')
      if (live?.kind !== 'add_address' || live.address.value === null) continue
      const implied = live.echo ? wire.destinationPort : wire.sourcePort
      this.#bindings.places.set(option.address.name, {
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
