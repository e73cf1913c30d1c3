// Answers to segments of which nothing is kept: RSTs for what belongs to nothing (RFC 9293 §3.10.7.1), SYN
// cookies, ACKs of TIME-WAIT. Collected during input, sent with the turn.

import type { TcpSettings } from '../tcp/settings.js'
import { MP_TCPRST } from '../wire/mptcp-options.js'
import { ACK, FIN, RST, type Segment, SYN } from '../wire/segment.js'
import { noOptions } from '../wire/tcp-options.js'

/** Bounded: answers owed at a time, two for each packet of a batch; what comes beyond is not answered. */
const MAX_REPLIES = 128

export interface Reply {
  /** Index of the link that it leaves by. */
  readonly link: number
  readonly segment: Segment
  /** Those of the connection that it speaks for; null = of none. */
  readonly settings: TcpSettings | null
}

export class Replies {
  #owed: Reply[] = []

  /** Answer with this segment. */
  owe(link: number, segment: Segment, settings: TcpSettings | null = null): void {
    if (this.#owed.length < MAX_REPLIES) this.#owed.push({ link, segment, settings })
  }

  /** Answer `arrived` with a RST; `reason` of its MP_TCPRST, or null for none. */
  oweReset(link: number, arrived: Segment, reason: number | null): void {
    this.owe(link, resetFor(arrived, reason))
  }

  /** Those owed, in the order in which they came to be; none is owed any more. */
  take(): readonly Reply[] {
    const owed = this.#owed
    if (owed.length > 0) this.#owed = []
    return owed
  }
}

function resetFor(arrived: Segment, reason: number | null): Segment {
  const options = noOptions()
  if (reason !== null) options.mptcp.push({ subtype: MP_TCPRST, flags: 0, reason })
  const length =
    arrived.payloadLength + (arrived.flags & SYN ? 1 : 0) + (arrived.flags & FIN ? 1 : 0)
  const withAck = (arrived.flags & ACK) === 0
  return {
    source: arrived.destination,
    destination: arrived.source,
    sourcePort: arrived.destinationPort,
    destinationPort: arrived.sourcePort,
    sequence: withAck ? 0 : arrived.acknowledgment,
    acknowledgment: withAck ? (arrived.sequence + length) >>> 0 : 0,
    flags: withAck ? RST | ACK : RST,
    window: 0,
    urgentPointer: 0,
    ecn: 0,
    options,
    payloadOffset: 0,
    payloadLength: 0,
  }
}
