// From a packet to its subflow: IP and TCP headers, the checksum, the 4-tuple, and the payload's copy into
// slots. What fits no subflow is handed back.

import { payloadSum } from '../core/records.js'
import { STAGING_RECEIVE, STAGING_RECEIVE_BYTES } from '../core/staging.js'
import type { Link, LinkCapabilities, PacketBatch } from '../link/link.js'
import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import { readyToReceive } from '../mptcp/idle.js'
import { subflowSegment } from '../mptcp/input.js'
import { replyNow } from '../mptcp/output.js'
import { isNextInOrder, relieve } from '../mptcp/receive-queue.js'
import type { Subflow } from '../mptcp/subflow.js'
import { sequenceOffset } from '../tcp/input.js'
import { type IpAddress, sameAddress } from '../wire/address.js'
import { parseIcmp } from '../wire/icmp.js'
import {
  type IpPacket,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  parseIp,
  pseudoHeaderSum,
} from '../wire/ip.js'
import { FIN, type Segment } from '../wire/segment.js'
import { parseSegment, readChecksum } from '../wire/tcp.js'
import type { Agenda } from './agenda.js'
import type { Demux, DemuxEntry } from './demux.js'
import { icmpArrives } from './icmp.js'
import type { PassiveOpener } from './passive-open.js'
import type { Replies } from './replies.js'
import type { TimeWaits } from './time-waits.js'

/** How far a packet's TCP checksum counts; `unfinished`: its sender left it to a device. */
type Trust = LinkCapabilities['checksum'] | 'unfinished'

function trustOf({ checksum }: LinkCapabilities, needsCsum: boolean): Trust {
  return checksum === 'flagged' && needsCsum ? 'unfinished' : checksum
}

/** A subflow in the demux. Bounded by the subflows that exist; those of strangers by the listeners' backlogs. */
export interface BoundSubflow extends DemuxEntry<BoundSubflow> {
  readonly connection: Connection
  readonly subflow: Subflow
}

export class Arrivals {
  readonly #context: Context
  readonly #links: readonly Link[]
  readonly #demux: Demux<BoundSubflow>
  readonly #timeWaits: TimeWaits
  readonly #passive: PassiveOpener
  readonly #agenda: Agenda
  readonly #replies: Replies
  readonly #faults = { tcp: 0, mptcp: 0 }

  constructor(
    context: Context,
    links: readonly Link[],
    known: { demux: Demux<BoundSubflow>; timeWaits: TimeWaits },
    passive: PassiveOpener,
    agenda: Agenda,
    replies: Replies,
  ) {
    this.#context = context
    this.#links = links
    this.#demux = known.demux
    this.#timeWaits = known.timeWaits
    this.#passive = passive
    this.#agenda = agenda
    this.#replies = replies
  }

  /** Takes every packet of a batch. */
  receive(batch: PacketBatch, link: number, now: number): void {
    const { core, counters } = this.#context
    const { caps } = this.#links[link]
    const shared = batch.bytes.buffer === core.memory
    for (let i = 0; i < batch.count; i++) {
      counters.IpInReceives++
      const length = batch.length[i]
      let offset = batch.offset[i] + (shared ? batch.bytes.byteOffset : 0)
      if (!shared) {
        if (length > STAGING_RECEIVE_BYTES) {
          counters.IpInHdrErrors++
          continue
        }
        core.u8.set(
          batch.bytes.subarray(batch.offset[i], batch.offset[i] + length),
          STAGING_RECEIVE,
        )
        offset = STAGING_RECEIVE
      }
      this.#packet(offset, length, link, trustOf(caps, batch.needsCsum[i] === 1), now)
    }
  }

  #packet(offset: number, length: number, link: number, trust: Trust, now: number): void {
    const { counters } = this.#context
    const ip = parseIp(this.#context.core.u8, offset, length)
    if (ip === null) {
      counters.IpInHdrErrors++
      return
    }
    if (!this.#isOurs(ip.destination)) {
      counters.IpInAddrErrors++
      return
    }
    if (ip.protocol === PROTOCOL_ICMP || ip.protocol === PROTOCOL_ICMPV6) {
      const error = parseIcmp(this.#context.core.u8, ip)
      if (error === null) counters.IcmpInIgnored++
      else {
        const { source, sourcePort, destination, destinationPort } = error.quoted
        const about = this.#demux.find(source, sourcePort, destination, destinationPort)
        if (about === undefined) counters.IcmpInIgnored++
        else if (icmpArrives(this.#context, error, about.subflow))
          this.#agenda.mark(about.connection)
      }
      return
    }
    if (ip.protocol !== PROTOCOL_TCP) {
      counters.IpInUnknownProtos++
      return
    }
    counters.TcpInSegs++
    const segment = parseSegment(this.#context.core.u8, ip, this.#faults)
    if (segment === null) {
      counters.TcpInErrs++
      return
    }
    if (this.#faults.tcp > 0 || this.#faults.mptcp > 0) {
      counters.TcpBadOptions += this.#faults.tcp
      counters.MptcpBadOptions += this.#faults.mptcp
      this.#faults.tcp = 0
      this.#faults.mptcp = 0
    }
    const bound = this.#demux.findFor(segment) ?? this.#stranger(ip, segment, link, trust, now)
    if (bound !== undefined) this.#segment(bound, ip, segment, trust, now)
  }

  /** A segment of no subflow; the one that it opens, and is for. */
  #stranger(
    ip: IpPacket,
    segment: Segment,
    link: number,
    trust: Trust,
    now: number,
  ): BoundSubflow | undefined {
    if (!this.#sumIsRight(ip, segment, trust)) return undefined
    if (this.#timeWaits.arrives(segment, this.#replies, now)) return undefined
    if (!this.#passive.stranger(segment, link, now)) return undefined
    return this.#demux.findFor(segment)
  }

  /** A segment of a known subflow: its payload goes to slots while it is summed. */
  #segment(
    { connection, subflow }: BoundSubflow,
    ip: IpPacket,
    segment: Segment,
    trust: Trust,
    now: number,
  ): void {
    let chain = 0
    if (segment.payloadLength > 0 && !connection.rcv.released) {
      const { kernel } = this.#context.core
      const offset = sequenceOffset(subflow.tcb, segment)
      const privileged = isNextInOrder(this.#context, connection, subflow, segment, offset) ? 1 : 0
      const isReady = readyToReceive(this.#context, connection, subflow)
      const take = (): number =>
        kernel.mptcp_payload_take(
          connection.rcv.account,
          privileged,
          segment.payloadOffset,
          segment.payloadLength,
          offset,
          0,
          0,
          0,
        )
      if (isReady) chain = take()
      if (isReady && chain === 0 && relieve(this.#context, connection)) chain = take()
      if (chain === 0) {
        this.#context.counters.TcpExtTCPRcvQDrop++
        // The ACK that it carries may be what frees memory: that much is still used.
        if (!this.#sumIsRight(ip, segment, trust)) return
        segment.payloadLength = 0
        segment.flags &= ~FIN
      } else {
        if (!this.#isRight(ip, segment, payloadSum(this.#context.core), trust)) {
          kernel.mptcp_chain_free(chain)
          return
        }
      }
    } else if (!this.#sumIsRight(ip, segment, trust)) return
    subflowSegment(this.#context, connection, subflow, segment, chain, now)
    this.#agenda.mark(connection)
    // Duplicate ACKs and every second segment's ACK leave at once, not at the end of the batch.
    replyNow(this.#context, connection, subflow, now)
  }

  #sumIsRight(ip: IpPacket, segment: Segment, trust: Trust): boolean {
    const sum = this.#context.core.kernel.mptcp_checksum(
      segment.payloadOffset,
      segment.payloadLength,
      0,
    )
    return this.#isRight(ip, segment, sum, trust)
  }

  #isRight(ip: IpPacket, segment: Segment, payloadSum: number, trust: Trust): boolean {
    if (trust === 'unfinished') return true
    const header = segment.payloadOffset - ip.payloadOffset
    const pseudo = pseudoHeaderSum(ip.source, ip.destination, PROTOCOL_TCP, ip.payloadLength)
    const { kernel } = this.#context.core
    let seed = pseudo + payloadSum
    seed = (seed & 0xffff) + (seed >>> 16)
    if (kernel.mptcp_checksum(ip.payloadOffset, header, seed) === 0xffff) return true
    // A local sender left the sum to its device: the field holds the pseudo-header's.
    if (trust === 'may-be-partial') {
      if (readChecksum(this.#context.core.u8, ip.payloadOffset) === pseudo) return true
    }
    this.#context.counters.TcpInCsumErrors++
    return false
  }

  #isOurs(address: IpAddress): boolean {
    for (const path of this.#context.paths) if (sameAddress(path.address, address)) return true
    return false
  }
}
