// The values that the wire format becomes: what parse gives and emit takes. Plain data, no behaviour.
// Numbers on the wire keep their wire form here (seq 32 bits, dsn two 32-bit words): the stack turns
// them into stream offsets at its edge, with seq.ts.

import type { IpAddress } from './address.js'
import type { MptcpOption } from './mptcp-options.js'

export * from './tcp-flags.js'

/** TCP options, RFC 9293 §3.2, RFC 7323, RFC 2018; MPTCP's in the order of the wire. */
export interface TcpOptions {
  /** Maximum segment size in bytes; null = absent. */
  mss: number | null
  /** Shift count of the window scale; null = absent. */
  windowScale: number | null
  sackPermitted: boolean
  /** SACK blocks as [left, right) pairs of seq, flat: [l0, r0, l1, r1 …]; null = absent. */
  sack: number[] | null
  /** Timestamps (TSval, TSecr); null = absent. */
  timestampValue: number | null
  timestampEcho: number
  /** Fast Open, RFC 7413 §4.1.1; null = absent. */
  fastOpen: FastOpenOption | null
  mptcp: MptcpOption[]
}

/** A Fast Open cookie, 4 to 16 bytes; empty = the request for one. */
export interface FastOpenOption {
  cookie: Uint8Array
  /** In the option number shared by experiments, as before RFC 7413 (RFC 6994). */
  experimental: boolean
}

/** One TCP segment in its IP packet. */
export interface Segment {
  source: IpAddress
  destination: IpAddress
  sourcePort: number
  destinationPort: number
  sequence: number
  acknowledgment: number
  /** FIN, SYN … or-ed; 8 bits. */
  flags: number
  /** As on the wire, unscaled. */
  window: number
  urgentPointer: number
  /** ECN field of the IP header, 2 bits. */
  ecn: number
  options: TcpOptions
  /** Where the payload starts in the bytes that were parsed, and its length in bytes. */
  payloadOffset: number
  payloadLength: number
}
