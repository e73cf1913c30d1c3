// One segment of a subflow onto the wire: its fields, its window, its options. RFC 9293 §3.1, RFC 8684 §3.
// What is sent and when is decided by output.ts and push.ts, the only ones that call this.

import { destroy } from '../tcp/close.js'
import { type Outgoing, segmentSent } from '../tcp/output.js'
import {
  ackSent,
  duplicateReported,
  hasSackRanges,
  raiseRight,
  sackRanges,
} from '../tcp/receive.js'
import { timestampNow } from '../tcp/tcb.js'
import { windowField } from '../tcp/window.js'
import { mptcpOptionLength } from '../wire/mptcp-options.js'
import { ACK, RST, type Segment, SYN } from '../wire/segment.js'
import { seqOf } from '../wire/seq.js'
import { noOptions } from '../wire/tcp-options.js'
import { type Connection, dataAck } from './connection.js'
import type { Context } from './context.js'
import { windowEdge } from './receive-queue.js'
import { ackOptions, dataOptions, resetOptions, synOptions } from './segment-options.js'
import type { Subflow } from './subflow.js'

/** Reused: a segment is on the wire before the next one is made. */
const options = noOptions()
const segment: Segment = {
  source: { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 },
  destination: { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 },
  sourcePort: 0,
  destinationPort: 0,
  sequence: 0,
  acknowledgment: 0,
  flags: 0,
  window: 0,
  urgentPointer: 0,
  ecn: 0,
  options,
  payloadOffset: 0,
  payloadLength: 0,
}
/** The RST that a subflow owes, after which nothing is left of it. */
export function emitReset(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  if (subflow.tcb.state !== 'CLOSED' && subflow.tcb.state !== 'SYN-SENT') {
    begin(context, connection, subflow, RST | ACK, subflow.tcb.snd.nxt, now)
    resetOptions(context, connection, subflow, options.mptcp)
    segment.window = 0
    context.counters.TcpOutRsts++
    context.transmit(subflow, segment, 0)
  }
  subflow.resetOwed = null
  subflow.pendingOptions.length = 0
  destroy(subflow.tcb)
}

/** Fills the segment's fields but for the MPTCP options. */
function begin(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  flags: number,
  offset: number,
  now: number,
): void {
  const { tcb } = subflow
  segment.source = subflow.path.address
  segment.destination = subflow.remote
  segment.sourcePort = subflow.localPort
  segment.destinationPort = subflow.remotePort
  segment.sequence = seqOf(offset, tcb.iss)
  segment.acknowledgment = flags & ACK ? seqOf(tcb.rcv.nxt, tcb.irs) : 0
  segment.flags = flags
  segment.payloadLength = 0
  segment.window = windowField(tcb, announceWindow(context, connection, subflow, flags), flags)
  options.mss = null
  options.windowScale = null
  options.sackPermitted = false
  options.sack = null
  options.timestampValue = null
  options.fastOpen = null
  // Measured: setting the length costs 30 ns more.
  while (options.mptcp.length > 0) options.mptcp.pop()
  if (tcb.timestamps.enabled) {
    options.timestampValue = timestampNow(tcb, now)
    options.timestampEcho = flags & ACK ? tcb.timestamps.recent : 0
  }
  if (flags & SYN) {
    options.mss = tcb.rcv.mss
    if (tcb.windowScaling) options.windowScale = tcb.rcv.shift
    options.sackPermitted = tcb.sackPermitted
  }
}

/**
 * The window to tell, in bytes from the DATA_ACK (in plain TCP: from the ACK), and what it means for
 * what this subflow may accept.
 */
function announceWindow(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  flags: number,
): number {
  const { rcv } = connection
  const { tcb } = subflow
  if (rcv.released) return 0
  const edge = windowEdge(context, connection)
  const from = dataAck(context, connection)
  const window = Math.max(0, edge - from)
  // What the field can say is what was promised: it is rounded down, and in a SYN has 16 bits.
  const field = windowField(tcb, window, flags)
  const told = field * (tcb.windowScaling && (flags & SYN) === 0 ? 1 << tcb.rcv.shift : 1)
  rcv.right = Math.max(rcv.right, from + told)
  const shared = rcv.right - from
  for (const other of connection.subflows) {
    raiseRight(other.tcb, other.tcb.rcv.nxt + shared)
  }
  return window
}

/** What TCP has given out: a handshake, data, a FIN. */
export function emit(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  outgoing: Outgoing,
  now: number,
): void {
  const { tcb } = subflow
  const { flags, offset, length, chunk } = outgoing
  begin(context, connection, subflow, flags, offset, now)
  let sum = 0
  if (chunk !== null && length > 0) {
    // The data of a SYN lies behind it.
    sum = context.gather(chunk.record, Math.max(0, offset - chunk.start), length)
    if (length === chunk.end - chunk.start) chunk.sum = sum
  }
  if (flags & SYN) {
    // As Linux: a SYN or SYN/ACK that goes again does without Fast Open, which may be what stopped it.
    if (!outgoing.retransmission) options.fastOpen = tcb.fastOpen?.option ?? null
    synOptions(context, connection, subflow, flags, options.mptcp)
  } else if (length > 0) dataOptions(context, connection, subflow, outgoing, options.mptcp)
  else ackOptions(context, connection, subflow, options.mptcp)
  segment.payloadLength = length
  segmentSent(tcb)
  if (!outgoing.retransmission) context.counters.TcpOutSegs++
  context.transmit(subflow, segment, sum)
  if (flags & ACK) ackSent(tcb)
}

/** A pure ACK. */
export function emitAck(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  const { tcb } = subflow
  begin(context, connection, subflow, ACK, tcb.snd.nxt, now)
  ackOptions(context, connection, subflow, options.mptcp)
  addSack(subflow)
  segmentSent(tcb)
  context.counters.TcpOutSegs++
  context.transmit(subflow, segment, 0)
  ackSent(tcb)
}

/**
 * A zero-window probe, or a keep-alive. Deviates: from RFC 9293 §3.8.6.1, which sends a byte of data; like Linux, an old
 * sequence number without data, which must be answered with an ACK just the same.
 */
export function emitProbe(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  now: number,
): void {
  const { tcb } = subflow
  begin(context, connection, subflow, ACK, tcb.snd.una - 1, now)
  ackOptions(context, connection, subflow, options.mptcp)
  segmentSent(tcb)
  context.counters.TcpOutSegs++
  context.transmit(subflow, segment, 0)
}

/** SACK blocks, as many as the options leave room for. */
function addSack(subflow: Subflow): void {
  const { tcb } = subflow
  if (!hasSackRanges(tcb)) return
  const used = (options.timestampValue === null ? 0 : 12) + mptcpBytes()
  const most = Math.min(4, Math.floor((40 - used - 4) / 8))
  if (most < 1) return
  const ranges = sackRanges(tcb, most)
  if (ranges.length > 0) options.sack = ranges.map((offset) => seqOf(offset, tcb.irs))
  duplicateReported(tcb)
}

/** Bytes of the MPTCP options now in the list, padded. */
function mptcpBytes(): number {
  let bytes = 0
  for (const option of options.mptcp) bytes += (mptcpOptionLength(option) + 3) & ~3
  return bytes
}
