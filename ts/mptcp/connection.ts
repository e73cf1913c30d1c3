// One connection: the data level that the application sees, and its subflows. Data offsets are plain
// numbers (IDSN = 0, first byte = 1). A plain TCP connection is this with one subflow and an infinite
// mapping from byte 1.

import type { MptcpCore } from '../core/core.js'
import { queueEnd, queueHead } from '../core/records.js'
import type { CongestionGroup } from '../tcp/congestion/group.js'
import type { Fifo } from '../tcp/fifo.js'
import type { TcpSettings } from '../tcp/settings.js'
import type { IpAddress } from '../wire/address.js'
import type { PathManagerState } from './path-manager/path-state.js'
import type { MptcpScheduler } from './scheduler/scheduler.js'
import type { Subflow } from './subflow.js'

/** RFC 8684 Appendix C. */
export type MptcpState =
  | 'M_CLOSED'
  | 'M_INIT'
  | 'M_ESTAB'
  | 'M_FIN_WAIT_1'
  | 'M_FIN_WAIT_2'
  | 'M_CLOSE_WAIT'
  | 'M_CLOSING'
  | 'M_LAST_ACK'
  | 'M_TIME_WAIT'

/** AF_INET has the first, AF_INET6 the last unless it is IPV6_V6ONLY. */
export type AddressFamilies = 'ipv4' | 'ipv6' | 'both'

/** What the application is told after a turn, as bits. */
export const EVENT_ESTABLISHED = 1
export const EVENT_READABLE = 2
export const EVENT_WRITABLE = 4
export const EVENT_END = 8
export const EVENT_CLOSED = 16
export const EVENT_SUBFLOWS = 32

/** Told once a turn what happened to a connection: EVENT_* bits. */
export type Notify = (events: number) => void

/** [start, end) of data to be sent again, on another subflow than the one it was lost on. */
export interface Reinjection {
  start: number
  end: number
  from: Subflow | null
}

/** What is remembered of a subflow that is gone. */
export interface SubflowRecord {
  id: number
  local: string
  remote: string
  state: string
  bytesSent: number
  bytesReceived: number
  rttMs: number
  cwndBytes: number
  retransmits: number
  backup: boolean
}

export interface Connection {
  readonly id: number
  readonly role: 'client' | 'server'
  state: MptcpState
  /** `undecided` until the handshake has said. */
  mode: 'undecided' | 'mptcp' | 'fallback'
  /** Which rule of RFC 8684 §3.7 made it fall back; null while it has not. */
  fallbackReason: string | null
  /** ECONNRESET, ETIMEDOUT …; null while all is well. */
  error: string | null
  /** How its last subflow ended, while it waits for another one: its error if none comes. */
  lostBy: string | null
  /** Its last subflow ended because our own address went away: it waits for another, also while it closes. */
  lostAddress: boolean
  /** The peer has proved that it received our keys: a DSS came (RFC 8684 §3.1). */
  fullyEstablished: boolean
  /** DSS checksums in both directions. */
  checksum: boolean
  /** The peer refuses joins to the address and port of its initial subflow (flag C). */
  denyJoinInitial: boolean
  /** So do we. */
  denyJoinLocal: boolean

  localKey: Uint8Array
  remoteKey: Uint8Array | null
  localToken: number
  remoteToken: number
  localIdsnHigh: number
  localIdsnLow: number
  remoteIdsnHigh: number
  remoteIdsnLow: number

  /** Replaced when one is added: an array that grows keeps room for sixteen more. */
  subflows: Subflow[]
  nextSubflowId: number
  /** The peer's address and port of the initial subflow. */
  readonly remote: IpAddress
  readonly remotePort: number
  /** The user's settings of TCP, for all its subflows. */
  readonly settings: TcpSettings
  /** Address families that its subflows may have: those of the socket. */
  readonly families: AddressFamilies
  scheduler: MptcpScheduler
  /** The scheduler gave nothing the last time, though a subflow had room. */
  declined: boolean
  readonly congestion: CongestionGroup
  readonly pathManager: PathManagerState

  snd: {
    /** First data offset not DATA_ACKed. */
    una: number
    /** First data offset never given to a subflow. */
    nxt: number
    /** End of what the application wrote. */
    end: number
    /** Right edge of the shared window: DATA_ACK plus window, the largest seen. */
    right: number
    /** Data offset of our DATA_FIN; -1 = not closing. */
    fin: number
    /** Records that hold [una, end), in order. */
    readonly records: Fifo<number>
    /** Charged with what is held; 0 while the connection is idle (idle.ts). */
    account: number
    /** Nothing is taken for sending any more, and nothing held. */
    released: boolean
    /** Most bytes held: SO_SNDBUF. */
    bufferBytes: number
    noDelay: boolean
    /** TCP_CORK: a piece below a full segment waits. */
    cork: boolean
    /** The last write was with MSG_MORE, and what was acknowledged then. */
    more: boolean
    moreSince: number
    /** Data before this is not held by a cork. */
    pushed: number
    /** End of the last piece below a full segment that was sent: Nagle's algorithm waits for its ACK. */
    smallEnd: number
    /** Ends of records (MSG_EOR) not sent yet, in order: no segment goes over one. */
    readonly recordEnds: number[]
    /** Reinjections, and their bytes. */
    retransmits: number
    bytesRetransmitted: number
    /** In plain TCP: an infinite mapping must still be sent (§3.7). */
    infiniteMappingOwed: boolean
  }

  rcv: {
    /**
     * The core's ofo queue in data offsets: what is in order waits here for the application. It and the
     * account that its bytes are charged to are 0 while the connection is idle (idle.ts).
     */
    queue: number
    account: number
    /** While there is no queue: all before this offset has come and was read. */
    emptyAt: number
    /** Nothing is received any more, and nothing held. */
    released: boolean
    /** Right edge told to the peer; never moves back. */
    right: number
    /** Current size of the receive buffer, bytes: grows with what the application reads. */
    buffer: number
    /** What it may grow to: SO_RCVBUF. */
    bufferMost: number
    /** Data offset of the peer's DATA_FIN; -1 = not known. */
    fin: number
    /** The DATA_FIN was reached: DATA_ACK counts it. */
    finReached: boolean
    /** The DATA_FIN was reached just now: it is DATA_ACKed on every subflow. */
    finAckOwed: boolean
    /** The peer sends 8-byte DSNs: DATA_ACKs must have 8 bytes (§3.3.2). */
    wideDsn: boolean
    /** Bytes read by the application since `measuredAt`, for the buffer's growth. */
    copied: number
    measuredAt: number
    /** The user's coalesceKey has failed. */
    keyFailed: boolean
    /** The window opened enough that the peer must be told. */
    windowOwed: boolean
    /** The application has shut its receiving side: data is acknowledged and dropped. */
    shut: boolean
  }

  readonly reinjections: Reinjection[]
  timers: {
    /** Data-level retransmission: nothing DATA_ACKed for too long. */
    retransmit: number
    retransmitBackoff: number
    /** A cork gives way. */
    cork: number
    /** Data-level window probe. */
    probe: number
    probeBackoff: number
    /** When the window was last probed, and the probes in a row that nobody has answered. */
    probedAt: number
    probesUnanswered: number
    /** DATA_FIN again. */
    dataFin: number
    dataFinBackoff: number
    /** A scheduler that gives nothing loses its place. */
    scheduler: number
    /** A closed connection gives up on its peer. */
    close: number
  }
  /** Subflows that are gone, as they ended, for `info`. Bounded: the last 32. */
  readonly ended: SubflowRecord[]
  /** When the initial handshake was done; -1 = not yet. */
  establishedAt: number
  /** When a DATA_ACK, the peer's or ours, last covered more payload (a DATA_FIN does not count); else -1. */
  dataAckedAt: number
  /** An application has it: it opened or accepted it. */
  accepted: boolean
  /** The application has closed it: no one will read or write. */
  detached: boolean
  /** Events not yet told. */
  events: number
  /** Someone waits to write. */
  wantsWrite: boolean
  /** Among those that hold memory of the core with nothing in it (idle.ts). */
  resting: boolean
  /** The stack's own: written by stack/agenda.ts and its deadlines. */
  readonly agenda: {
    /** The stack's own ear, told inside the turn, until an application has the connection. */
    ear: Notify | null
    /** The application's, told after the turn; null = nobody. */
    owner: Notify | null
    /** The owner is about to be told. */
    telling: boolean
    /** It is settled in the coming turn. */
    dirty: boolean
    /** When it is looked at next, and its place among the deadlines; Infinity and -1 = it has none. */
    deadline: number
    position: number
  }
}

/** The core that a connection's queues lie in. */
interface HasCore {
  readonly core: MptcpCore
}

/** End of the data received in order: what a DATA_ACK tells, the DATA_FIN apart. */
export function receivedEnd(context: HasCore, connection: Connection): number {
  const { queue, emptyAt } = connection.rcv
  return queue === 0 ? emptyAt : queueEnd(context.core, queue)
}

/** The first data offset that the application has not read. */
export function readOffset(context: HasCore, connection: Connection): number {
  const { queue, emptyAt } = connection.rcv
  return queue === 0 ? emptyAt : queueHead(context.core, queue)
}

/** Bytes that the application can read now. */
export function readableBytes(context: HasCore, connection: Connection): number {
  return receivedEnd(context, connection) - readOffset(context, connection)
}

/** The DATA_ACK: everything before it has arrived. */
export function dataAck(context: HasCore, connection: Connection): number {
  return receivedEnd(context, connection) + (connection.rcv.finReached ? 1 : 0)
}
