// The transmission control block: all the state of one subflow's TCP, RFC 9293 §3.3.1. Everything in
// it is a stream offset (SYN = 0, first byte = 1), a byte count or a time; `iss` and `irs` turn offsets
// into wire numbers at the edge. TCP knows nothing of MPTCP: what differs arrives as arguments.

import type { MptcpCore } from '../core/core.js'
import type { Counters } from '../counters.js'
import type { FastOpenOption } from '../wire/segment.js'
import { type Chrono, createChrono } from './chrono.js'
import type { MptcpCongestionControl } from './congestion/congestion-control.js'
import type { CongestionGroup } from './congestion/group.js'
import { newReno } from './congestion/newreno.js'
import { Fifo } from './fifo.js'
import { createDeliveryRate, type DeliveryRate, type Flight } from './rate.js'
import { createRtt, type Rtt } from './rtt.js'
import type { TcpSettings } from './settings.js'

/** RFC 9293 §3.3.2. */
export type TcpState =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT'

/**
 * Bytes queued for sending whose boundaries are kept: no segment straddles two chunks. To MPTCP a chunk
 * is a mapping; `dataOffset` is of its use only. The records are slices that this chunk owns.
 */
export interface Chunk {
  start: number
  end: number
  /** First of a chain of records that hold the bytes. */
  record: number
  dataOffset: number
  /** The chunk ends what the application wrote: PSH. */
  push: boolean
  /** For MPTCP: ones' complement sum of the payload, or -1 while it is not known. */
  sum: number
  /** For MPTCP: how the chunk is announced (plain data, MP_CAPABLE with data, infinite mapping …). */
  kind: number
}

export const SACKED = 1
export const LOST = 2
/** A retransmission of it is believed to be in the network. */
export const RETRANSMITTING = 4
/** It was retransmitted at least once: no round-trip sample (Karn). */
export const RETRANSMITTED = 8

/** A segment that is in flight. SYN and FIN take an offset each and ride in `flags`. */
export interface SentSegment {
  start: number
  end: number
  chunk: Chunk | null
  /** SYN or FIN, if the segment holds it. */
  control: number
  sentAt: number
  marks: number
  /** How the delivery stood when it was sent. */
  flight: Flight
}

/** What a SYN of a tcb says of Fast Open, and what became of it. */
export interface FastOpen {
  /** For our first SYN or SYN/ACK; null = no option. */
  option: FastOpenOption | null
  /** Bytes of data that our SYN carries. */
  dataBytes: number
  /** The peer's SYN was taken with its data: we may answer it before the handshake is done. */
  accepted: boolean
  /** All the data of the SYN, ours or the peer's, was taken. */
  dataTaken: boolean
}

export type AckOwed = 0 | 1 | 2
export const ACK_NONE = 0
export const ACK_DELAYED = 1
export const ACK_NOW = 2

export interface Tcb {
  readonly core: MptcpCore
  readonly counters: Counters
  state: TcpState
  /** Why the connection ended: ECONNRESET, ECONNREFUSED, ETIMEDOUT …; null while it has not. */
  error: string | null

  /** Initial sequence numbers on the wire: ours and the peer's. */
  iss: number
  irs: number
  /** Fast Open; null = the handshake has none of it. */
  fastOpen: FastOpen | null

  snd: {
    una: number
    nxt: number
    /** Right edge of what the peer lets us send (SND.UNA + SND.WND of the last update). */
    right: number
    /** Offset and ACK of the segment that the window was taken from (SND.WL1, SND.WL2). */
    wl1: number
    wl2: number
    /** Largest window ever offered, bytes (RFC 5961 §5, and SWS avoidance). */
    maxWindow: number
    /** The peer's window scale. */
    shift: number
    /** Payload of a full segment without MPTCP's options, bytes: changes with the path. */
    mss: number
    /** The MSS that the peer announced; 0 = it has not yet. */
    peerMss: number
    /** End of what is queued; the FIN, if any, comes there. */
    end: number
    /** Offset of our FIN; -1 = not closing. */
    fin: number
  }

  rcv: {
    /** The core's ofo queue, in subflow offsets; 0 while no text lies in one. */
    queue: number
    /** No text is taken or passed up any more: closed, or in TIME-WAIT. */
    released: boolean
    /** The next byte expected (FIN included). */
    nxt: number
    /** Right edge of what may be accepted. */
    right: number
    /** Our window scale. */
    shift: number
    /** The MSS that we announced. */
    mss: number
    /** Offset of the peer's FIN; -1 = not come. */
    fin: number
    /** Starts of the runs that changed last, most recent first, for SACK (RFC 2018 §4). */
    recentRuns: number[]
    /** D-SACK to report once (RFC 2883), [left, right) or empty when left = right. */
    duplicateLeft: number
    duplicateRight: number
  }

  /** Scale was offered and accepted by both. */
  windowScaling: boolean
  sackPermitted: boolean
  timestamps: {
    enabled: boolean
    /** Added to the clock for TSval, so that it tells nothing of the host's uptime. */
    base: number
    recent: number
    /** When `recent` was taken (PAWS: 24 days). */
    recentAt: number
    /** RCV.NXT of the last ACK sent (RFC 7323 §4.3). */
    lastAckSent: number
  }

  /** Chunks not yet wholly acknowledged, in order. */
  readonly chunks: Fifo<Chunk>
  /** Segments in flight, in order. */
  readonly sent: Fifo<SentSegment>
  rtt: Rtt
  rate: DeliveryRate
  congestion: MptcpCongestionControl
  readonly congestionGroup: CongestionGroup
  /** Whether cwnd was what stopped the sender, within the last window of data. */
  cwndLimited: boolean
  /** How much of cwnd is used (RFC 7661): in slow start half of it must be, for it to grow. */
  cwndUse: {
    /** Most bytes outstanding in this window of data, and SND.NXT when the window began. */
    most: number
    since: number
    /** When data last went, or when cwnd was last cut for having been idle. */
    idleSince: number
  }

  recovery: {
    phase: 'open' | 'recovery' | 'loss'
    /** SND.NXT when the phase began: an ACK of it ends the phase. */
    point: number
    sackedBytes: number
    sackedSegments: number
    lostBytes: number
    retransmitBytes: number
    /** Duplicate ACKs in a row, without SACK. */
    duplicateAcks: number
    /** Proportional rate reduction (RFC 9937): cwnd before, and bytes delivered and sent since then. */
    priorCwnd: number
    delivered: number
    sent: number
    /** Where to look for the next lost segment. */
    scan: number
    /** RACK (RFC 8985): the newest transmission known to have arrived. */
    rackSentAt: number
    rackEnd: number
    /** The round trip of the transmission that arrived last. */
    rackRttMs: number
    reorderingSeen: boolean
    /** By how much at most, segments; from Linux's assumption on. */
    reorderingSegments: number
    /** Highest offset SACKed or acknowledged; and the same before the ACK that is being taken. */
    highestDelivered: number
    deliveredBefore: number
  }

  ack: {
    owed: AckOwed
    /** Payload bytes received since the last ACK was sent. */
    unacked: number
    /** ACKs still sent at once, at the start of a connection. */
    quick: number
    /** Data has come since the handshake: only then is an ACK ever delayed. */
    mayWait: boolean
    /** Data has answered data: an ACK waits for the answer, at the start too (Linux's pingpong mode). */
    interactive: boolean
    /** Last time that a challenge or out-of-window ACK was sent. */
    lastChallenge: number
  }
  /** A zero-window probe is to be sent. */
  probe: boolean
  /** The user's settings, shared with the other subflows of the connection. */
  readonly settings: TcpSettings
  keepAlive: {
    /** When the last one was sent. */
    sentAt: number
    /** Sent since the peer was last heard of. */
    unanswered: number
    owed: boolean
  }

  readonly chrono: Chrono

  /** Deadlines; Infinity = not armed. */
  timers: {
    retransmit: number
    delayedAck: number
    /** RACK's reordering timer. */
    reorder: number
    /** Gives the connection up while it is being opened. */
    open: number
    /** When the peer was last heard of. */
    heardAt: number
    /** Since when what is in flight has waited for an ACK of anything new. */
    waitingSince: number
  }

  stats: {
    bytesSent: number
    bytesReceived: number
    segmentsSent: number
    segmentsReceived: number
    retransmits: number
    bytesRetransmitted: number
    /** Segments that the peer has told it has, the SYN among them. */
    delivered: number
    /** Segments with payload, and when the last of them went or came; before that, when it opened. */
    dataSegmentsSent: number
    dataSegmentsReceived: number
    dataSentAt: number
    dataReceivedAt: number
  }
}

export interface TcbOptions {
  core: MptcpCore
  counters: Counters
  iss: number
  timestampBase: number
  /** Payload of a full segment by the path's MTU, before TCP options, bytes. */
  pathMss: number
  receiveShift: number
  /** First receive window, bytes. */
  receiveWindow: number
  congestion: CongestionGroup
  timestamps: boolean
  sack: boolean
  windowScaling: boolean
  settings: TcpSettings
  /** Longest retransmission timeout. */
  maxRtoMs: number
}

/** ACKs sent at once at the start, while the peer is in slow start (Linux's quick ACKs). */
export const QUICK_ACKS = 16

export function createTcb(options: TcbOptions): Tcb {
  return {
    core: options.core,
    counters: options.counters,
    state: 'CLOSED',
    error: null,
    iss: options.iss,
    irs: 0,
    fastOpen: null,
    snd: {
      una: 0,
      nxt: 0,
      right: 0,
      wl1: 0,
      wl2: 0,
      maxWindow: 0,
      shift: 0,
      mss: options.pathMss,
      peerMss: 0,
      end: 1,
      fin: -1,
    },
    rcv: {
      queue: 0,
      released: false,
      nxt: 0,
      right: options.receiveWindow + 1,
      shift: options.receiveShift,
      mss: options.pathMss,
      fin: -1,
      recentRuns: [],
      duplicateLeft: 0,
      duplicateRight: 0,
    },
    windowScaling: options.windowScaling,
    sackPermitted: options.sack,
    timestamps: {
      enabled: options.timestamps,
      base: options.timestampBase,
      recent: 0,
      recentAt: 0,
      lastAckSent: 0,
    },
    chunks: new Fifo<Chunk>(),
    sent: new Fifo<SentSegment>(),
    rtt: createRtt(options.maxRtoMs),
    rate: createDeliveryRate(),
    // Until the MSS is known: the window of a SYN and what it carries.
    congestion: newReno.create(options.pathMss),
    congestionGroup: options.congestion,
    cwndLimited: false,
    cwndUse: { most: 0, since: 0, idleSince: 0 },
    recovery: {
      phase: 'open',
      point: 0,
      sackedBytes: 0,
      sackedSegments: 0,
      lostBytes: 0,
      retransmitBytes: 0,
      duplicateAcks: 0,
      priorCwnd: 0,
      delivered: 0,
      sent: 0,
      scan: 0,
      rackSentAt: Number.NEGATIVE_INFINITY,
      rackEnd: 0,
      rackRttMs: 0,
      reorderingSeen: false,
      reorderingSegments: 3,
      highestDelivered: 0,
      deliveredBefore: 0,
    },
    ack: {
      owed: ACK_NONE,
      unacked: 0,
      quick: QUICK_ACKS,
      mayWait: false,
      interactive: false,
      lastChallenge: Number.NEGATIVE_INFINITY,
    },
    probe: false,
    settings: options.settings,
    chrono: createChrono(),
    keepAlive: { sentAt: Number.NEGATIVE_INFINITY, unanswered: 0, owed: false },
    timers: {
      retransmit: Number.POSITIVE_INFINITY,
      delayedAck: Number.POSITIVE_INFINITY,
      reorder: Number.POSITIVE_INFINITY,
      open: Number.POSITIVE_INFINITY,
      heardAt: 0,
      waitingSince: 0,
    },
    stats: {
      bytesSent: 0,
      bytesReceived: 0,
      segmentsSent: 0,
      segmentsReceived: 0,
      retransmits: 0,
      bytesRetransmitted: 0,
      delivered: 0,
      dataSegmentsSent: 0,
      dataSegmentsReceived: 0,
      dataSentAt: 0,
      dataReceivedAt: 0,
    },
  }
}

/** TSval of a segment sent now: milliseconds, 32 bits (RFC 7323 §5.4). */
export function timestampNow(tcb: Tcb, now: number): number {
  return (Math.floor(now) + tcb.timestamps.base) >>> 0
}
