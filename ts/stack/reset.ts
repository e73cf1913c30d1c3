// RSTs for segments that belong to nothing, RFC 9293 §3.10.7.1: collected during input, sent at the end
// of the turn.

import { MP_TCPRST } from '../wire/mptcp-options.js'
import { ACK, FIN, RST, type Segment, SYN } from '../wire/segment.js'
import { noOptions } from '../wire/tcp-options.js'

export interface OwedReset {
  readonly link: number
  readonly segment: Segment
}

/** The RST that answers `arrived`; `reason` of MP_TCPRST, or null for none. */
export function resetFor(arrived: Segment, reason: number | null): Segment {
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
