// What is remembered of one connection for its path manager, whichever that is: the events that it has not
// been told, what we announced, and the ids that our addresses have.

import type { IpAddress } from '../../wire/address.js'
import type { MptcpPathCommand, MptcpPathEvent } from './path-manager.js'

/** An ADD_ADDR of ours that waits for its echo. */
export interface Announcement {
  readonly id: number
  readonly address: IpAddress
  /** 0 = the port of the connection. */
  readonly port: number
  /** When it is sent (again); Infinity = no more. */
  deadline: number
  /** How often it was sent. */
  tries: number
  echoed: boolean
}

/** The id of an address of ours; that of the initial subflow is 0 and not listed. */
export interface LocalId {
  readonly id: number
  readonly address: IpAddress
}

export type SubflowCreate = Extract<MptcpPathCommand, { type: 'subflow-create' }>

/** Between two addresses a subflow of ours has failed. */
export interface Failure {
  readonly local: IpAddress
  readonly remote: IpAddress
  readonly remotePort: number
  /** In a row: a subflow that stood for long was none. */
  failures: number
  /** No SYN leaves before. */
  until: number
  /** When the last one was established; Infinity = it was not. */
  openedAt: number
  /** What is done then; null = nothing. Of several that were asked for, the last. */
  waiting: SubflowCreate | null
}

export interface PathManagerState {
  /** Which of the events that come once were noted. */
  created: boolean
  established: boolean
  closed: boolean
  /** The user's path manager has failed: the default has its place. */
  failed: boolean
  /**
   * Not told yet. Bounded: those that a peer can say as often as it likes are dropped past MAX_SAID; the
   * others come once for each subflow or announcement.
   */
  readonly events: MptcpPathEvent[]
  /** Addresses and ports of the initial subflow, which may be gone; null until it was opened. */
  local: IpAddress | null
  localPort: number
  /** Bounded: one for each id. */
  readonly announcements: Announcement[]
  /** Ids of addresses that we have lost, for the REMOVE_ADDR that no subflow could carry yet. Bounded likewise. */
  readonly removals: number[]
  /** Ids that commands gave, or the stack where the path manager names none. Bounded likewise. */
  readonly localIds: LocalId[]
  /** Between which addresses subflows have failed; null = nowhere. */
  failures: Failure[] | null
}

export function createPathManagerState(): PathManagerState {
  return {
    created: false,
    established: false,
    closed: false,
    failed: false,
    events: [],
    local: null,
    localPort: 0,
    announcements: [],
    removals: [],
    localIds: [],
    failures: null,
  }
}

/** Bounded: events of a peer's ADD_ADDRs, REMOVE_ADDRs and MP_PRIOs within one turn. */
export const MAX_SAID = 64

/** An event that the peer can cause at will; false = there were too many of them in this turn. */
export function noteSaid(state: PathManagerState, event: MptcpPathEvent): boolean {
  if (state.events.length >= MAX_SAID) return false
  state.events.push(event)
  return true
}
