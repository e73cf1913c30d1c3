// The one way out: payload gathered into the send area, headers in front of it, the checksum, the link.

import type { MptcpCore } from '../core/core.js'
import { STAGING_SEND } from '../core/staging.js'
import type { Counters } from '../counters.js'
import type { Frame, Link } from '../link/link.js'
import type { TcpSettings } from '../tcp/settings.js'
import type { IpAddress } from '../wire/address.js'
import { DEFAULT_TTL, emitIp, fold, PROTOCOL_TCP, pseudoHeaderSum } from '../wire/ip.js'
import type { Segment } from '../wire/segment.js'
import { emitSegment, headerLength, writeChecksum, writePartialChecksum } from '../wire/tcp.js'

/** IPv6 header and the longest TCP header: the payload starts behind this room. */
const HEADROOM = 128
const PAYLOAD = STAGING_SEND + HEADROOM

export class Transmitter {
  readonly #core: MptcpCore
  readonly #counters: Counters
  readonly #frame: Frame
  #identification = 0

  constructor(core: MptcpCore, counters: Counters) {
    this.#core = core
    this.#counters = counters
    this.#frame = { bytes: core.u8, offset: 0, length: 0, gsoSize: 0, needsCsum: false }
  }

  gather(record: number, skip: number, length: number): number {
    return this.#core.kernel.mptcp_chain_copy(record, skip, length, PAYLOAD)
  }

  /** Sends `segment` with the payload gathered last; `gsoSize` 0 = one wire segment. */
  send(
    link: Link,
    source: IpAddress,
    destination: IpAddress,
    segment: Segment,
    payloadSum: number,
    mss: number,
    settings: TcpSettings | null = null,
  ): boolean {
    const { u8, kernel } = this.#core
    const header = headerLength(segment.options)
    const tcp = PAYLOAD - header
    const ipBytes = source.family === 4 ? 20 : 40
    const length = header + segment.payloadLength
    const four = source.family === 4
    const ttl = settings === null ? -1 : four ? settings.ttl : settings.hopLimit
    emitIp(u8, tcp - ipBytes, {
      source,
      destination,
      protocol: PROTOCOL_TCP,
      payloadLength: length,
      tos: settings === null ? 0 : four ? settings.tos : settings.trafficClass,
      ecn: segment.ecn,
      ttl: ttl < 0 ? DEFAULT_TTL : ttl,
      mayFragment: settings?.mayFragment ?? false,
      identification: four ? this.#nextIdentification() : 0,
    })
    emitSegment(u8, tcp, segment)
    const pseudo = pseudoHeaderSum(source, destination, PROTOCOL_TCP, length)
    const frame = this.#frame
    const cut = link.caps.tso > 0 && segment.payloadLength > mss
    frame.gsoSize = cut ? mss : 0
    frame.needsCsum = cut
    if (cut) writePartialChecksum(u8, tcp, fold(pseudo))
    else {
      const sum = kernel.mptcp_checksum(tcp, header, fold(pseudo + payloadSum))
      writeChecksum(u8, tcp, sum)
    }
    frame.offset = tcp - ipBytes
    frame.length = ipBytes + length
    this.#counters.IpOutRequests++
    const taken = link.send(frame)
    if (!taken) this.#counters.IpOutDiscards++
    return taken
  }

  #nextIdentification(): number {
    this.#identification = (this.#identification + 1) & 0xffff
    return this.#identification
  }
}
