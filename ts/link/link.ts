// How packets enter and leave the stack. A link is one path: one way to put an IP packet on a
// network and to be told of those that arrive. Links know nothing of TCP.

export interface LinkCapabilities {
  /** The largest IP packet that crosses the path unsegmented, in bytes. */
  readonly mtu: number
  /** The largest packet that `receive` may be handed, in bytes: super-segments reach 65,535. */
  readonly maxReceive: number
  /** The largest packet that `send` takes when `gsoSize` says where to cut it; 0 = no offload. */
  readonly tso: number
  /**
   * How far a received TCP checksum can be trusted. `verify`: it must be right. `may-be-partial`: it
   * may also be the folded pseudo-header sum that a local sender left for its device to finish.
   * `flagged`: the batch says, packet by packet, in `needsCsum`.
   */
  readonly checksum: 'verify' | 'may-be-partial' | 'flagged'
}

/** Packets handed over together. `bytes` is lent for the duration of the call only. */
export interface PacketBatch {
  bytes: Uint8Array
  count: number
  /** Where packet i starts in `bytes`: its IP header. */
  readonly offset: Uint32Array
  /** Packet i's length in bytes, from its IP header. */
  readonly length: Uint32Array
  /** TCP payload bytes in each wire segment of packet i, where it stands for several; else 0. */
  readonly gsoSize: Uint32Array
  /** 1 where packet i's TCP checksum field holds only the pseudo-header sum. */
  readonly needsCsum: Uint8Array
}

/** The most packets that one batch holds. */
export const BATCH_PACKETS = 64

export function createPacketBatch(bytes: Uint8Array): PacketBatch {
  return {
    bytes,
    count: 0,
    offset: new Uint32Array(BATCH_PACKETS),
    length: new Uint32Array(BATCH_PACKETS),
    gsoSize: new Uint32Array(BATCH_PACKETS),
    needsCsum: new Uint8Array(BATCH_PACKETS),
  }
}

/** One packet to send. `bytes` is lent for the duration of `send` only. */
export interface Frame {
  bytes: Uint8Array
  offset: number
  length: number
  gsoSize: number
  needsCsum: boolean
}

/**
 * What a link tells while it is open. When it tells it, `addresses` and `caps` say already what now holds.
 * `down`: nothing leaves or arrives until `up`; what is sent meanwhile is dropped.
 */
export type LinkChange =
  | { readonly type: 'address-added' | 'address-removed'; readonly address: string }
  | { readonly type: 'mtu' }
  | { readonly type: 'up' | 'down' }

/** What its owner wants a link used for. */
export interface LinkPolicy {
  /** Subflows on it carry data only where none on another path can. Default false. */
  readonly backup?: boolean
  /** It costs: no subflow is opened on it while one on an unmetered path works. Default false. */
  readonly metered?: boolean
}

export interface Link {
  /** What messages and counters call this path, e.g. `eth0`. */
  readonly name: string
  /** The addresses that this host owns on the path, IPv4 or IPv6 in text form. */
  readonly addresses: readonly string[]
  readonly caps: LinkCapabilities
  readonly policy?: LinkPolicy
  /**
   * Starts delivery. `staging` is memory of the stack's core that the link may receive into, so that
   * the payload needs no further copy before the fused copy-and-sum; a link is free to hand over
   * bytes of its own instead.
   */
  open(receive: (batch: PacketBatch) => void, staging: Uint8Array): void
  /** Tells of changes from now on, never from within this call or `send`. A link that has none never changes. */
  watch?(changed: (change: LinkChange) => void): void
  /** Sends now or drops now, like a full queue; false = dropped. */
  send(frame: Frame): boolean
  /** End of a turn: links that batch send what they hold. */
  flush(): void
  close(): void
}

/** Links that come and go: a stack that is given one opens what it has, and what it gets later. */
export interface LinkSource {
  readonly links: readonly Link[]
  /** Told of each link that is there from now on, and of each that is there no more, which it has closed. */
  watchLinks(watcher: { added(link: Link): void; removed(link: Link): void }): void
}
