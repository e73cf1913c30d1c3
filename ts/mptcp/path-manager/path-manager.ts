// What a path manager is: it is told what happens to a connection and answers with what it wants done; the
// stack does it. Events bear the names of Linux's netlink family mptcp_pm (`ip mptcp monitor`), and so do
// the commands. RFC 8684 §3.4.

/** A subflow as a path manager sees it. */
export interface MptcpPathSubflow {
  /** Counts up within the connection; the initial subflow is 0. */
  readonly id: number
  /** Address ids on the wire, 0 to 255; 0 is the address of the initial subflow. */
  readonly localId: number
  readonly remoteId: number
  /** IP addresses as text, in canonical form. */
  readonly local: string
  readonly localPort: number
  readonly remote: string
  readonly remotePort: number
  /** Our flag, and the peer's: either makes it a backup. */
  readonly backup: boolean
  readonly remoteBackup: boolean
  /** We sent its SYN. */
  readonly opener: boolean
  /** State of its TCP, RFC 9293's names: 'SYN-SENT', 'ESTABLISHED' … */
  readonly state: string
}

/** An address of ours that was announced with ADD_ADDR. */
export interface MptcpAnnouncedAddress {
  readonly id: number
  readonly address: string
  /** 0 = that of the connection. */
  readonly port: number
  readonly echoed: boolean
}

/** A connection as a path manager sees it: read-only, and what it says is true when it is asked. */
export interface MptcpPathConnection {
  /** Our token: it names the connection in every command. */
  readonly token: number
  readonly role: 'client' | 'server'
  /** State of the data level, RFC 8684 Appendix C: 'M_ESTAB' … */
  readonly state: string
  /** Subflows may be opened: the peer has proved that it has our key, and data is to go or to come. */
  readonly established: boolean
  /** The addresses and ports that the connection began with: both have id 0. */
  readonly local: string
  readonly localPort: number
  readonly remote: string
  readonly remotePort: number
  /** Of its socket: AF_INET has no IPv6 subflows, and IPV6_V6ONLY no others. */
  readonly families: 'ipv4' | 'ipv6' | 'both'
  /** The peer accepts no joins to its first address and port (flag C of MP_CAPABLE). */
  readonly denyJoinInitial: boolean
  /** Those that are open or being opened, in the order of their ids. */
  readonly subflows: readonly MptcpPathSubflow[]
  /** How many of them are not the initial one: what `limits.subflows` bounds. */
  readonly extraSubflows: number
  readonly announced: readonly MptcpAnnouncedAddress[]
}

/** What happened to a connection. */
export type MptcpPathEvent =
  /** MP_CAPABLE was exchanged. */
  | { readonly type: 'created' }
  /** The peer has our key: subflows may be opened from now on. */
  | { readonly type: 'established' }
  | { readonly type: 'closed' }
  /** An ADD_ADDR with a right HMAC; `port` 0 = that of the connection. It was echoed already. */
  | {
      readonly type: 'announced'
      readonly id: number
      readonly address: string
      readonly port: number
    }
  /** A REMOVE_ADDR names this id; the subflows to it are being closed. */
  | { readonly type: 'removed'; readonly id: number }
  | { readonly type: 'sub-established'; readonly subflow: MptcpPathSubflow }
  /**
   * `established`: whether its handshake ever ended. `error` is ECONNREFUSED, ECONNRESET, ETIMEDOUT … or null
   * where it ended in order; `resetReason` is the peer's MP_TCPRST reason, or null, and
   * `resetTransient` its flag T: it may pass.
   */
  | {
      readonly type: 'sub-closed'
      readonly subflow: MptcpPathSubflow
      readonly established: boolean
      readonly error: string | null
      readonly resetReason: number | null
      readonly resetTransient: boolean
    }
  /** MP_PRIO came. */
  | { readonly type: 'sub-priority'; readonly subflow: MptcpPathSubflow }
  /** The two that Linux keeps to itself: our ADD_ADDR was echoed, or was given up without an echo. */
  | { readonly type: 'announce-echoed'; readonly id: number }
  | { readonly type: 'announce-failed'; readonly id: number }

/** An address and port begin to be listened on, or end to be: of the stack, not of a connection. */
export interface MptcpListenerEvent {
  readonly type: 'listener-created' | 'listener-closed'
  /** null = every address of the stack. */
  readonly address: string | null
  readonly port: number
}

/** A link of the stack, or an address of one, comes, goes or changes: of the stack, not of a connection. */
export type MptcpLinkEvent =
  /** `link` is the link's name, as in what it was opened with. */
  | { readonly type: 'link-added' | 'link-removed'; readonly link: string }
  /** `down`: nothing leaves or arrives there until `up`; subflows on it stand. */
  | { readonly type: 'link-up' | 'link-down'; readonly link: string }
  /** Its MTU in bytes from now on. */
  | { readonly type: 'link-mtu'; readonly link: string; readonly mtu: number }
  /** `address` in canonical form. The subflows of one that is removed have ended. */
  | {
      readonly type: 'address-added' | 'address-removed'
      readonly link: string
      readonly address: string
    }

/** What a path manager wants done to the connection at hand. */
export type MptcpPathCommand =
  /**
   * Announces an address of this host with ADD_ADDR, again until it is echoed. `id` is from 1 to 255
   * (0 only for the first address); `port` 0 or left out = that of the connection.
   */
  | {
      readonly type: 'announce'
      readonly id: number
      readonly address: string
      readonly port?: number
    }
  /** Takes ids back with one REMOVE_ADDR (of up to eight ids). Subflows are left alone. */
  | { readonly type: 'remove'; readonly ids: readonly number[] }
  /**
   * Opens a subflow with MP_JOIN. `local` left out = the address of ours nearest to `remote`; `localId`
   * left out = the id that the address has, or the next free one; `remotePort` left out or 0 = the
   * connection's. Where one of ours has failed, between the same addresses, it waits for a second since then, and
   * twice as long after each failure in a row, up to 64 seconds; of several that wait the last is kept.
   */
  | {
      readonly type: 'subflow-create'
      readonly remote: string
      readonly remotePort?: number
      readonly remoteId?: number
      readonly local?: string
      readonly localId?: number
      readonly backup?: boolean
    }
  /** Closes a subflow, with a RST. */
  | { readonly type: 'subflow-destroy'; readonly subflow: number }
  /** Makes it a backup or not, and tells the peer with MP_PRIO. */
  | { readonly type: 'set-flags'; readonly subflow: number; readonly backup: boolean }

/** The id and the flag of one of our addresses. */
export interface MptcpLocalAddress {
  readonly id: number
  readonly backup: boolean
}

/**
 * A path manager. It is asked in the stack's turn, after the input that caused the event and before the
 * output; the commands are carried out in their order, and one that cannot be done is counted
 * (PathCommandRefused) and skipped. One that throws, or answers what is no list, is replaced by the
 * default for that connection: counted as PathManagerFault, and the first error of a stack becomes a process warning.
 */
export interface MptcpPathManager {
  readonly name: string
  onEvent(
    event: MptcpPathEvent,
    connection: MptcpPathConnection,
  ): readonly MptcpPathCommand[] | undefined
  /** Left out: it does not want to know. */
  onListener?(event: MptcpListenerEvent): void
  /**
   * The id of an address of ours that a subflow uses and no command named; `port` is where the peer joins,
   * 0 if we do. Left out: the next one that is free in the connection.
   */
  localAddress?(connection: MptcpPathConnection, address: string, port: number): MptcpLocalAddress
}

/** Who is told of every event, and asked nothing: `ip mptcp monitor`. Connection is null for a listener or a link. */
export type MptcpPathWatcher = (
  event: MptcpPathEvent | MptcpListenerEvent | MptcpLinkEvent,
  connection: MptcpPathConnection | null,
) => void

/** The path manager that does nothing by itself: a program commands by token (Linux's pm_type 1). */
export const userspace: MptcpPathManager = {
  name: 'userspace',
  onEvent: () => undefined,
}
