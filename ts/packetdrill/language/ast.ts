// What a packetdrill script becomes when parsed: plain data, nothing resolved. The contract between
// parse-script.ts, which makes it, and the runner, which plays it. Names and numbers stand as the script
// wrote them: relative sequence numbers, unbound key variables, symbolic constants. All times are whole
// microseconds, packetdrill's own unit.

/** Where a node starts; line and column count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** What every node has. */
export interface Node {
  readonly position: Position
}

export interface Script {
  readonly file: string
  /** The `--name=value` lines of the header, in order; `--define` too. */
  readonly options: readonly HeaderOption[]
  /** What words stood for: the script's `--define`s, then those of the command line, which win. */
  readonly defines: Readonly<Record<string, string>>
  /** A command without a time before the first event, and one after the last. */
  readonly init: Command | null
  readonly events: readonly Event[]
  readonly cleanup: Command | null
}

export interface HeaderOption extends Node {
  /** Without the dashes. */
  readonly name: string
  /** null = no `=`. */
  readonly value: string | null
}

// ---------------------------------------------------------------- events

export interface Event extends Node {
  readonly time: EventTime
  readonly action: Action
}

/**
 * `relative` counts from the event before. A range and `any` (`*`) stand only before outbound packets;
 * the parser has checked that, and that no range runs backwards.
 */
export type EventTime =
  | { readonly kind: 'absolute'; readonly usecs: number }
  | { readonly kind: 'relative'; readonly usecs: number }
  | { readonly kind: 'absolute-range'; readonly usecs: number; readonly endUsecs: number }
  | { readonly kind: 'relative-range'; readonly usecs: number; readonly endUsecs: number }
  | { readonly kind: 'any' }

export type Action = TcpPacket | IcmpPacket | Call | Command | Code

/** A backtick command; `text` with the backticks off and defined `$NAME`s replaced. */
export interface Command extends Node {
  readonly kind: 'command'
  readonly text: string
}

/** A `%{ }%` block; `position` is that of the first character of `text`. Run by code/run.ts. */
export interface Code extends Node {
  readonly kind: 'code'
  readonly text: string
}

// ---------------------------------------------------------------- packets

/** `inbound` is `<`: the script's packet goes into the stack. `outbound` is `>`: the stack sends it. */
export type Direction = 'inbound' | 'outbound'

export interface TcpPacket extends Node {
  readonly kind: 'tcp'
  readonly direction: Direction
  readonly ip: IpInfo
  /** null = not written: the addresses and ports of the packet before. */
  readonly tuple: Tuple | null
  readonly flags: Flags
  readonly sequence: Sequence
  /** Relative to the peer's ISN; null = not written, which packetdrill takes as 0. */
  readonly ack: number | null
  /** As on the wire, unscaled; null = not written: not checked outbound, 0 inbound. */
  readonly window: number | null
  readonly urgent: number | null
  /** null = `<...>`: not checked (outbound only). An empty list = no `<>` at all: no options. */
  readonly options: readonly TcpOption[] | null
}

/** `icmp TYPE CODE mtu N id N [what it echoes]`; names are resolved by icmp-names.ts. */
export interface IcmpPacket extends Node {
  readonly kind: 'icmp'
  readonly direction: Direction
  readonly ip: IpInfo
  readonly type: string
  readonly code: string | null
  readonly mtu: number | null
  readonly id: number | null
  /** The head of our own packet that it quotes; null = a TCP packet with sequence 0:0(0). */
  readonly echoed: Echoed | null
}

export type Echoed =
  | { readonly protocol: 'tcp'; readonly sequence: Sequence }
  | { readonly protocol: 'udp' | 'raw'; readonly payloadBytes: number }

/** `[ce]`, `[tos 0x3]`, `(ttl 64)`, `[ect0, flowlabel 0x12]`; null = not written. */
export interface IpInfo {
  /** `ect01` (outbound only) means either of ECT(0) and ECT(1). */
  readonly ecn: 'noecn' | 'ect0' | 'ect1' | 'ce' | 'ect01' | null
  readonly tos: number | null
  readonly flowLabel: number | null
  readonly ttl: number | null
}

/** `source > destination`; a null side was left out: that of the packet before. */
export interface Tuple {
  readonly source: Endpoint | null
  readonly destination: Endpoint | null
}

/** `addr[name]`, a port alone, or `address:port`. */
export type Endpoint = Node &
  (
    | { readonly kind: 'variable'; readonly name: string }
    | { readonly kind: 'port'; readonly port: number }
    | { readonly kind: 'address'; readonly family: 4 | 6; readonly address: string; port: number }
  )

/** `bits` as in wire/tcp-flags.ts (FIN 1 … CWR 0x80), and AE = 0x100, RFC 9768. */
export interface Flags {
  readonly bits: number
  /** The ACE field written as a digit behind the dot (`P.5`); its bits are in `bits` too. As in
   * packetdrill, 0 is no different from not written. */
  readonly ace: number | null
  /** As written: `S.`, `-`. */
  readonly text: string
}

/** `start:end(length)`, relative to the sender's ISN; end = start + length has been checked. */
export interface Sequence {
  readonly start: number
  readonly end: number
  readonly length: number
}

// ---------------------------------------------------------------- TCP options

export type TcpOption =
  | (Node & { readonly kind: 'nop' })
  | (Node & { readonly kind: 'eol' })
  | (Node & { readonly kind: 'mss'; readonly mss: number })
  /** null = `*`: any shift count. */
  | (Node & { readonly kind: 'wscale'; readonly shift: number | null })
  | (Node & { readonly kind: 'sackOK' })
  | (Node & { readonly kind: 'sack'; readonly blocks: readonly SackBlock[] })
  | (Node & { readonly kind: 'TS'; readonly value: number; readonly echo: number })
  /** FO (kind 34), or FOEXP (kind 254 with magic 0xF989). */
  | (Node & { readonly kind: 'FO'; readonly experimental: boolean; readonly cookie: Uint8Array })
  | (Node & { readonly kind: 'md5'; readonly digest: Uint8Array })
  | (Node & { readonly kind: 'ECN'; readonly counters: readonly EcnCounter[] })
  | MptcpOptionNode

/** Relative to the ISN of the side whose data is acknowledged. */
export interface SackBlock {
  readonly left: number
  readonly right: number
}

/** One counter of the Accurate ECN option, in the order of the wire. */
export interface EcnCounter {
  readonly name: 'e0b' | 'e1b' | 'ceb'
  readonly value: number
}

/** MPTCP options, `kind` by packetdrill's word for each. */
export type MptcpOptionNode =
  | MpCapableNode
  | MpJoinSynNode
  | MpJoinSynAckNode
  | MpJoinAckNode
  | DssNode
  | AddAddressNode
  | RemoveAddressNode
  | MpPrioNode
  | MpFailNode
  | MpFastcloseNode
  | MpResetNode

export interface MpCapableNode extends Node {
  readonly kind: 'mpcapable'
  /** `none` is read as 1. */
  readonly version: 0 | 1
  /** The octet: A 0x80 … H 0x01. */
  readonly flags: number
  /** `nokey` = none; `key[skey]` one; `key[ckey, skey]` two, in the order of the wire. */
  readonly keys: readonly KeyNode[]
  /** Data-level length; null = absent, and so is the length field. */
  readonly dataLength: number | null
  /** Behind the length, or null. */
  readonly checksum: Checksum | null
}

/** `name`, or `name=value`: a script's own value. Otherwise the first live packet binds it. */
export interface KeyNode extends Node {
  readonly name: string
  readonly value: bigint | null
}

export interface MpJoinSynNode extends Node {
  readonly kind: 'mp_join_syn'
  readonly backup: boolean
  /** null = not written or `auto`: as the live packet has it. */
  readonly addressId: number | null
  /** `auto`, a number, or `sha256_32(key)`. */
  readonly token: Value
  /** null = not written: any outbound, the runner's choice inbound. */
  readonly nonce: number | null
}

export interface MpJoinSynAckNode extends Node {
  readonly kind: 'mp_join_syn_ack'
  readonly backup: boolean
  readonly addressId: number | null
  /** `auto`, `trunc_l64_hmac(number)`, `trunc_l64_hmac(keyA keyB)`. */
  readonly hmac: Value
  readonly nonce: number | null
}

export interface MpJoinAckNode extends Node {
  readonly kind: 'mp_join_ack'
  /** `auto` or `full_160_hmac(keyA keyB)`. */
  readonly hmac: Value
}

export interface DssNode extends Node {
  readonly kind: 'dss'
  readonly dataAck: DssNumber | null
  readonly dsn: DssNumber | null
  /** Without `dsn` these three mean nothing on the wire; packetdrill ignores them there. */
  readonly ssn: number | null
  readonly dataLength: number | null
  readonly checksum: Checksum
  readonly fin: boolean
}

/** 4 or 8 octets. A number is relative to the IDSN (1 = the first byte); a call is absolute. */
export interface DssNumber {
  readonly bytes: 4 | 8
  /** null = written without a value: as the live packet has it, or the runner's own count. */
  readonly value: Value | null
}

/** `nocs` = none on the wire; nothing written = auto; a number is that very checksum. */
export type Checksum = 'none' | 'auto' | number

export interface AddAddressNode extends Node {
  readonly kind: 'add_address'
  readonly addressId: number | null
  readonly address: AddressVariable
  readonly port: number | null
  readonly echo: boolean
  /** `auto` or a number of 64 bits; null exactly on an echo. */
  readonly hmac: Value | null
}

/** `addr[name]`, or `addr[name=inet_addr("…")]`, which gives the name its value. */
export interface AddressVariable extends Node {
  readonly name: string
  /** null with `value`: the name has to be known from elsewhere. */
  readonly family: 4 | 6 | null
  readonly value: string | null
}

export interface RemoveAddressNode extends Node {
  readonly kind: 'remove_address'
  /** As written. packetdrill's own parser lays them on the wire last first. */
  readonly addressIds: readonly number[]
}

export interface MpPrioNode extends Node {
  readonly kind: 'mp_prio'
  readonly backup: boolean
  /** null = the 3-octet form. */
  readonly addressId: number | null
}

export interface MpFailNode extends Node {
  readonly kind: 'mp_fail'
  /** null = not written: any outbound. */
  readonly dsn: Value | null
}

/** `mp_fastclose`, `mp_fastclose ckey`, `mp_fastclose ckey=5`, `mp_fastclose ckey + 1`. */
export interface MpFastcloseNode extends Node {
  readonly kind: 'mp_fastclose'
  readonly key: KeyNode | null
  /** Added to the key, to make a wrong one. */
  readonly add: bigint
}

export interface MpResetNode extends Node {
  readonly kind: 'mp_reset'
  readonly reason: number
  /** U 8, V 4, W 2, T 1. */
  readonly flags: number
}

/** A value inside a MPTCP option. */
export type Value = Node &
  (
    | { readonly kind: 'auto' }
    | { readonly kind: 'number'; readonly value: bigint; readonly hex: boolean }
    | { readonly kind: 'variable'; readonly name: string }
    /** `sha256_32(skey)`, `trunc_l64_hmac(ckey skey)` … names as in MPTCP_FUNCTIONS. */
    | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Value[] }
    | { readonly kind: 'sum'; readonly left: Value; readonly right: Value }
  )

/** The functions that a `Value` may call; any other name is a ScriptError. */
export const MPTCP_FUNCTIONS = [
  'sha1_32',
  'sha256_32',
  'trunc_l64_hmac',
  'trunc_r32_hmac',
  'trunc_r64_hmac',
  'trunc_r64_hmac_sha1',
  'trunc_r64_hmac_sha256',
  'trunc_r64_sha256',
  'full_160_hmac',
] as const

// ---------------------------------------------------------------- system calls

export interface Call extends Node {
  readonly kind: 'call'
  readonly name: string
  /**
   * `0.1...0.4`: the call blocks until this time; null = it returns at once. In the same frame as the
   * event's time: absolute, or counted from the event before.
   */
  readonly endUsecs: number | null
  readonly arguments: readonly Expression[]
  readonly result: Expression
  /** `= -1 EAGAIN (Resource temporarily unavailable)`. */
  readonly errno: { readonly name: string; readonly note: string | null } | null
  /** The words in brackets behind a result without errno: `(flags O_RDWR)`. */
  readonly note: string | null
}

/** An argument or a result. calls/expression.ts turns one into a value. */
export type Expression = Node &
  /** `...`: anything, or the runner's own. */
  (
    | { readonly kind: 'ellipsis' }
    | { readonly kind: 'integer'; readonly value: bigint; readonly hex: boolean }
    /** A symbolic constant, mostly. */
    | { readonly kind: 'word'; readonly name: string }
    /** Escapes undone, adjoining strings joined; `open` = `"abc"...`: anything may follow. */
    | { readonly kind: 'string'; readonly value: string; readonly open: boolean }
    | { readonly kind: 'or'; readonly left: Expression; readonly right: Expression }
    /** `name = value` by itself, outside braces. */
    | { readonly kind: 'assign'; readonly name: string; readonly value: Expression }
    /** `[a, b]`. */
    | { readonly kind: 'array'; readonly items: readonly Expression[] }
    /** `{a, b}` without names: an iovec `{..., 1000}`. */
    | { readonly kind: 'group'; readonly items: readonly Expression[] }
    /** `{name = value, …}`: sockaddr, pollfd, epoll_event, linger, msghdr, cmsg, tcp_info … */
    | { readonly kind: 'struct'; readonly fields: readonly Field[] }
    /** `htons(8080)`, `inet_addr("192.168.0.1")`, `inet6_addr("::1")`. */
    | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[] }
  )

/** `name = value`, or in a msghdr `name(count) = value`: msg_name(...)=..., msg_iov(1)=[…]. */
export interface Field extends Node {
  readonly name: string
  readonly count: Expression | null
  readonly value: Expression
}

// ---------------------------------------------------------------- errors

/** A script that does not parse; the CLI ends with status 2. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError'
  readonly code = 'MPTCP_SCRIPT'
  readonly file: string
  readonly line: number
  readonly column: number
  /** As in the source; 'end of file' at the end. */
  readonly token: string
  /** What could have stood there; null where the token is right and what it says is not. */
  readonly expected: string | null

  /** `problem` replaces 'unexpected TOKEN, expected …' where there is something better to say. */
  constructor(position: Position, token: string, expected: string | null, problem?: string) {
    const text =
      problem ?? `unexpected ${token}${expected === null ? '' : `, expected ${expected}`}`
    super(`${position.file}:${position.line}:${position.column}: ${text}`)
    this.file = position.file
    this.line = position.line
    this.column = position.column
    this.token = token
    this.expected = expected
  }
}
