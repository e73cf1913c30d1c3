// From a packet to its subflow: IP and TCP headers, the checksum, the 4-tuple, and the payload's copy into
// slots. What fits no subflow is handed back.

import { payloadSum } from '../core/records.js'
import { STAGING_RECEIVE, STAGING_RECEIVE_BYTES } from '../core/staging.js'
import type { Link, PacketBatch } from '../link/link.js'
import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import { readyToReceive } from '../mptcp/idle.js'
import { subflowSegment } from '../mptcp/input.js'
import { replyNow } from '../mptcp/output.js'
import { isNextInOrder, relieve } from '../mptcp/receive-queue.js'
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
import type { Demux, DemuxEntry } from './demux.js'
import { icmpArrives } from './icmp.js'

export interface ArrivalHooks {
  /** Something happened to the connection: it gets its turn. */
  changed(connection: Connection): void
  /** A segment with a right checksum that belongs to no subflow. True: now there is one for it. */
  stranger(segment: Segment, now: number): boolean
}

export class Arrivals {
  readonly #context: Context
  readonly #links: readonly Link[]
  readonly #demux: Demux
  readonly #hooks: ArrivalHooks
  readonly #faults = { tcp: 0, mptcp: 0 }
  #link = 0

  constructor(context: Context, links: readonly Link[], demux: Demux, hooks: ArrivalHooks) {
    this.#context = context
    this.#links = links
    this.#demux = demux
    this.#hooks = hooks
  }

  /** Index of the link that the packet at hand came by. */
  get link(): number {
    return this.#link
  }

  /** Takes every packet of a batch. */
  receive(batch: PacketBatch, link: number, now: number): void {
    const { core, counters } = this.#context
    this.#link = link
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
      this.#packet(offset, length, batch.needsCsum[i] === 1, now)
    }
  }

  #packet(offset: number, length: number, needsCsum: boolean, now: number): void {
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
        const entry = icmpArrives(this.#context, error, (local, localPort, remote, remotePort) =>
          this.#demux.find(local, localPort, remote, remotePort),
        )
        if (entry !== null) this.#hooks.changed(entry.connection)
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
    let entry = this.#find(segment)
    if (entry === undefined) {
      if (!this.#sumIsRight(ip, segment, needsCsum)) return
      if (!this.#hooks.stranger(segment, now)) return
      entry = this.#find(segment)
      if (entry === undefined) return
    }
    this.#segment(entry, ip, segment, needsCsum, now)
  }

  #find(segment: Segment): DemuxEntry | undefined {
    const { destination, destinationPort, source, sourcePort } = segment
    return this.#demux.find(destination, destinationPort, source, sourcePort)
  }

  /** A segment of a known subflow: its payload goes to slots while it is summed. */
  #segment(
    entry: DemuxEntry,
    ip: IpPacket,
    segment: Segment,
    needsCsum: boolean,
    now: number,
  ): void {
    const { connection, subflow } = entry
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
        if (!this.#sumIsRight(ip, segment, needsCsum)) return
        segment.payloadLength = 0
        segment.flags &= ~FIN
      } else {
        if (!this.#isRight(ip, segment, payloadSum(this.#context.core), needsCsum)) {
          kernel.mptcp_chain_free(chain)
          return
        }
      }
    } else if (!this.#sumIsRight(ip, segment, needsCsum)) return
    subflowSegment(this.#context, connection, subflow, segment, chain, now)
    this.#hooks.changed(connection)
    // Duplicate ACKs and every second segment's ACK leave at once, not at the end of the batch.
    replyNow(this.#context, connection, subflow, now)
  }

  #sumIsRight(ip: IpPacket, segment: Segment, needsCsum: boolean): boolean {
    const sum = this.#context.core.kernel.mptcp_checksum(
      segment.payloadOffset,
      segment.payloadLength,
      0,
    )
    return this.#isRight(ip, segment, sum, needsCsum)
  }

  #isRight(ip: IpPacket, segment: Segment, payloadSum: number, needsCsum: boolean): boolean {
    const { caps } = this.#links[this.#link]
    if (needsCsum && caps.checksum === 'flagged') return true
    const header = segment.payloadOffset - ip.payloadOffset
    const pseudo = pseudoHeaderSum(ip.source, ip.destination, PROTOCOL_TCP, ip.payloadLength)
    const { kernel } = this.#context.core
    let seed = pseudo + payloadSum
    seed = (seed & 0xffff) + (seed >>> 16)
    if (kernel.mptcp_checksum(ip.payloadOffset, header, seed) === 0xffff) return true
    // A local sender left the sum to its device: the field holds the pseudo-header's.
    if (caps.checksum === 'may-be-partial') {
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
