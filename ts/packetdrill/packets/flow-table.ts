// Which flow a packet belongs to, the script's or the stack's: by its addresses and ports as far as they are
// said, newest first, and by what the socket under test does: packetdrill tests one at a time.

import { type IpAddress, parseAddress, sameAddress } from '../../wire/address.js'
import { ACK, SYN } from '../../wire/tcp-flags.js'
import type { Endpoint, TcpPacket } from '../language/ast.js'
import type { Bindings } from './bindings.js'
import type { WirePacket } from './decode.js'
import { createFlow, type Flow, type FlowEnds, fitsFlow, type Place } from './flows.js'

const FIRST_PEER_PORT = 49_152
const NOT_SAID: Place = { address: null, port: 0 }

/** The ends of a flow of which the script says nothing. */
export interface UsualEnds {
  readonly local: IpAddress
  readonly remote: IpAddress
  /** The stack's, where it listens. */
  readonly bindPort: number
}

/** What packetdrill calls the socket under test. */
type UnderTest =
  | { readonly kind: 'none' | 'listening' }
  | { readonly kind: 'connecting'; readonly address: string; readonly port: number }
  | { readonly kind: 'flow'; readonly flow: Flow }

export class FlowTable {
  readonly #bindings: Bindings
  readonly #usual: UsualEnds
  /** Newest first. */
  readonly #flows: Flow[] = []
  #underTest: UnderTest = { kind: 'none' }
  #nextPort = FIRST_PEER_PORT

  constructor(bindings: Bindings, usual: UsualEnds) {
    this.#bindings = bindings
    this.#usual = usual
  }

  listens(): void {
    this.#underTest = { kind: 'listening' }
  }

  connects(address: string, port: number): void {
    this.#underTest = { kind: 'connecting', address, port }
  }

  /** For ICMP messages; null = there is none. */
  get newest(): Flow | null {
    return this.#flows[0] ?? null
  }

  #place(endpoint: Endpoint | null): Place {
    if (endpoint === null) return NOT_SAID
    switch (endpoint.kind) {
      case 'variable':
        return this.#bindings.places.get(endpoint.name) ?? NOT_SAID
      case 'port':
        return { address: null, port: endpoint.port }
      case 'address':
        return { address: parseAddress(endpoint.address), port: endpoint.port }
      default:
        return endpoint satisfies never
    }
  }

  /** The flow of a script's packet, made if the packet begins one; null = there is none for it. */
  ofScript(packet: TcpPacket): Flow | null {
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

  #create(ends: FlowEnds): Flow {
    return createFlow(this.#flows.length + 1, ends)
  }

  #add(flow: Flow): Flow {
    this.#flows.unshift(flow)
    this.#underTest = { kind: 'flow', flow }
    return flow
  }

  #passive(local: Place, remote: Place): Flow {
    const usual = this.#usual
    const flow = this.#create({
      local: local.address ?? usual.local,
      localPort: local.port || usual.bindPort,
      remote: remote.address ?? usual.remote,
      remotePort: remote.port || this.#nextPort++,
    })
    this.#bindings.peerAddress(null, flow.remote)
    return this.#add(flow)
  }

  #active(packet: TcpPacket, under: { address: string; port: number }): Flow {
    const usual = this.#usual
    const remote = parseAddress(under.address) ?? usual.remote
    const flow = this.#create({
      local: usual.local,
      localPort: 0,
      remote,
      remotePort: under.port,
    })
    flow.awaitsSyn = 'connect'
    flow.scriptIss = packet.sequence.start
    this.#bindings.peerAddress(null, remote)
    return this.#add(flow)
  }

  #join(packet: TcpPacket, inbound: boolean, local: Place, remote: Place): Flow {
    const usual = this.#usual
    const first = this.#flows[this.#flows.length - 1]
    if (!inbound) {
      const flow = this.#create({
        local: local.address ?? usual.local,
        localPort: 0,
        remote: remote.address ?? usual.remote,
        remotePort: remote.port,
      })
      flow.awaitsSyn = 'join'
      flow.connection = first?.connection ?? flow.id
      flow.scriptIss = packet.sequence.start
      return this.#add(flow)
    }
    // A name that nothing has bound yet is the next address of the script's side.
    const isNew = packet.tuple?.source?.kind === 'variable' && remote.address === null
    const address = isNew ? this.#bindings.peerAddress(null, null).address : remote.address
    const flow = this.#create({
      local: local.address ?? first?.local ?? usual.local,
      localPort: local.port || (first?.localPort ?? usual.bindPort),
      remote: address ?? usual.remote,
      remotePort: isNew || remote.port === 0 ? this.#nextPort++ : remote.port,
    })
    flow.connection = first?.connection ?? flow.id
    return this.#add(flow)
  }

  /** Names of the packet's ends that stood for nothing yet stand for the flow's from now on. */
  nameEnds(packet: TcpPacket, flow: Flow): void {
    const local: Place = { address: flow.local, port: flow.localPort }
    const remote: Place = { address: flow.remote, port: flow.remotePort }
    const inbound = packet.direction === 'inbound'
    this.#name(packet.tuple?.source ?? null, inbound ? remote : local)
    this.#name(packet.tuple?.destination ?? null, inbound ? local : remote)
  }

  #name(endpoint: Endpoint | null, place: Place): void {
    if (endpoint?.kind !== 'variable' || this.#bindings.places.has(endpoint.name)) return
    this.#bindings.places.set(endpoint.name, place)
  }

  /** The flow of a packet of the stack's, perhaps one that waits for this SYN; null = none of the script's. */
  ofWire(wire: WirePacket): Flow | null {
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
    this.#bindings.peerAddress(null, waiting.remote)
    return waiting
  }
}
