// TCP option lists: RFC 9293 §3.1, RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 7413 (Fast
// Open); MPTCP's own are in mptcp-options.ts. Unknown kinds are skipped. Layout on emission is Linux's, so that the usual
// segment looks like everyone else's and meets a peer's fast path.

import { readU16, readU32, writeU16, writeU32 } from './big-endian.js'
import { emitMptcpOption } from './emit-mptcp.js'
import { MPTCP_KIND, type MptcpOption, mptcpOptionLength } from './mptcp-options.js'
import { parseMptcpOption } from './parse-mptcp.js'
import type { FastOpenOption, TcpOptions } from './segment.js'
import { SYN } from './tcp-flags.js'

const EOL = 0
const NOP = 1
const MSS = 2
const WINDOW_SCALE = 3
const SACK_PERMITTED = 4
const SACK = 5
const TIMESTAMPS = 8
const FAST_OPEN = 34
/** RFC 6994's shared option number, and Fast Open's experiment in it. */
const EXPERIMENT = 254
const FAST_OPEN_EXPERIMENT = 0xf989
/** RFC 7413 §4.1.1. */
const MIN_COOKIE_BYTES = 4
const MAX_COOKIE_BYTES = 16

/** The data offset field ends at 15 words, five of which are the header. */
export const MAX_OPTION_BYTES = 40
/** Timestamps, padded: they ride in every segment. */
export const TIMESTAMPS_BYTES = 12

/** NOP NOP TIMESTAMPS 10: how Linux and most others align the option of every segment. */
const ALIGNED_TIMESTAMPS = (NOP << 24) | (NOP << 16) | (TIMESTAMPS << 8) | 10

/** What a parse could not read, added up for the caller's counters. */
export interface OptionFaults {
  /** Options with an impossible length. */
  tcp: number
  /** MPTCP options with a wrong length or an unknown subtype. */
  mptcp: number
}

/** A segment without options, for the caller to fill. */
export function noOptions(): TcpOptions {
  return {
    mss: null,
    windowScale: null,
    sackPermitted: false,
    sack: null,
    timestampValue: null,
    timestampEcho: 0,
    fastOpen: null,
    mptcp: [],
  }
}

/**
 * The options in [at, end). One that runs over the end, or says it is shorter than its own head, ends
 * the list, as in Linux; a known option of a wrong length is passed over. Both are counted.
 */
export function parseTcpOptions(
  bytes: Uint8Array,
  at: number,
  end: number,
  flags: number,
  faults: OptionFaults | null,
): TcpOptions {
  let mss: number | null = null
  let windowScale: number | null = null
  let sackPermitted = false
  let sack: number[] | null = null
  let timestampValue: number | null = null
  let timestampEcho = 0
  let fastOpen: FastOpenOption | null = null
  let mptcp: MptcpOption[] | null = null
  let faulty = 0

  if (
    end - at >= TIMESTAMPS_BYTES &&
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) ===
      ALIGNED_TIMESTAMPS
  ) {
    timestampValue = readU32(bytes, at + 4)
    timestampEcho = readU32(bytes, at + 8)
    at += TIMESTAMPS_BYTES
  }
  while (at < end) {
    const kind = bytes[at]!
    if (kind === NOP) {
      at++
      continue
    }
    if (kind === EOL) break
    const length = at + 1 < end ? bytes[at + 1]! : 0
    if (length < 2 || at + length > end) {
      faulty++
      break
    }
    switch (kind) {
      case MPTCP_KIND: {
        const option = parseMptcpOption(bytes, at, length, flags)
        if (option === null) {
          if (faults !== null) faults.mptcp++
        } else if (mptcp === null) {
          mptcp = [option] // a push to an empty array would reserve room for 16 more
        } else {
          mptcp.push(option)
        }
        break
      }
      case TIMESTAMPS:
        if (length === 10) {
          timestampValue = readU32(bytes, at + 2)
          timestampEcho = readU32(bytes, at + 6)
        } else faulty++
        break
      case SACK:
        if (length >= 10 && (length & 7) === 2) {
          sack = []
          for (let edge = at + 2; edge < at + length; edge += 4) sack.push(readU32(bytes, edge))
        } else faulty++
        break
      case MSS:
        if (length === 4) mss = readU16(bytes, at + 2)
        else faulty++
        break
      case WINDOW_SCALE:
        if (length === 3) windowScale = bytes[at + 2]!
        else faulty++
        break
      case SACK_PERMITTED:
        if (length === 2) sackPermitted = true
        else faulty++
        break
      case FAST_OPEN:
        if (flags & SYN) fastOpen = parseFastOpen(bytes, at + 2, at + length, false) ?? fastOpen
        break
      case EXPERIMENT:
        if (flags & SYN && length >= 4 && readU16(bytes, at + 2) === FAST_OPEN_EXPERIMENT) {
          fastOpen = parseFastOpen(bytes, at + 4, at + length, true) ?? fastOpen
        }
        break
      default:
        break
    }
    at += length
  }
  if (faulty > 0 && faults !== null) faults.tcp += faulty
  return {
    mss,
    windowScale,
    sackPermitted,
    sack,
    timestampValue,
    timestampEcho,
    fastOpen,
    mptcp: mptcp ?? [],
  }
}

/** A cookie of an impossible length is as if absent. */
function parseFastOpen(
  bytes: Uint8Array,
  at: number,
  end: number,
  experimental: boolean,
): FastOpenOption | null {
  const length = end - at
  const isCookie = length >= MIN_COOKIE_BYTES && length <= MAX_COOKIE_BYTES && (length & 1) === 0
  if (length !== 0 && !isCookie) return null
  const cookie = new Uint8Array(length)
  for (let i = 0; i < length; i++) cookie[i] = bytes[at + i]!
  return { cookie, experimental }
}

/**
 * Bytes that `emitTcpOptions` writes, a multiple of 4; over 40 if the options do not fit. Each option
 * is padded with NOPs to a multiple of 4, as Linux does. Only where that passes 40 bytes do all of them
 * stand close together, with NOPs at the end: so an ADD_ADDR of IPv6 and port (30) fits beside
 * timestamps (10).
 */
export function emittedLength(options: TcpOptions): number {
  const aligned = alignedLength(options)
  return aligned <= MAX_OPTION_BYTES ? aligned : closeLength(options)
}

/** Writes the options and returns the bytes written; RangeError if that would be more than 40. */
export function emitTcpOptions(options: TcpOptions, bytes: Uint8Array, at: number): number {
  const aligned = alignedLength(options)
  if (aligned <= MAX_OPTION_BYTES) {
    emitAligned(options, bytes, at)
    return aligned
  }
  const close = closeLength(options)
  if (close > MAX_OPTION_BYTES) throw new RangeError(`TCP options take ${close} bytes, 40 is all`)
  emitClose(options, bytes, at)
  return close
}

function alignedLength(options: TcpOptions): number {
  let length = 0
  if (options.mss !== null) length += 4
  // SACK-permitted takes the place of the two NOPs before timestamps.
  if (options.timestampValue !== null) length += TIMESTAMPS_BYTES
  else if (options.sackPermitted) length += 4
  if (options.windowScale !== null) length += 4
  if (options.sack !== null) length += 4 + options.sack.length * 4
  if (options.fastOpen !== null) length += (fastOpenLength(options.fastOpen) + 3) & ~3
  const mptcp = options.mptcp
  for (let i = 0; i < mptcp.length; i++) length += (mptcpOptionLength(mptcp[i]!) + 3) & ~3
  return length
}

function closeLength(options: TcpOptions): number {
  let length = 0
  if (options.mss !== null) length += 4
  if (options.sackPermitted) length += 2
  if (options.timestampValue !== null) length += 10
  if (options.windowScale !== null) length += 3
  if (options.sack !== null) length += 2 + options.sack.length * 4
  if (options.fastOpen !== null) length += fastOpenLength(options.fastOpen)
  for (const option of options.mptcp) length += mptcpOptionLength(option)
  return (length + 3) & ~3
}

function emitAligned(options: TcpOptions, bytes: Uint8Array, at: number): void {
  let next = at
  if (options.mss !== null) next += emitMss(options.mss, bytes, next)
  if (options.timestampValue !== null) {
    if (options.sackPermitted) next += emitSackPermitted(bytes, next)
    else next = pad(bytes, next, next + 2)
    next += emitTimestamps(options.timestampValue, options.timestampEcho, bytes, next)
  } else if (options.sackPermitted) {
    next = pad(bytes, next, next + 2)
    next += emitSackPermitted(bytes, next)
  }
  if (options.windowScale !== null) {
    next = pad(bytes, next, next + 1)
    next += emitWindowScale(options.windowScale, bytes, next)
  }
  if (options.sack !== null) {
    next = pad(bytes, next, next + 2)
    next += emitSack(options.sack, bytes, next)
  }
  if (options.fastOpen !== null) {
    const length = emitFastOpen(options.fastOpen, bytes, next)
    next = pad(bytes, next + length, next + ((length + 3) & ~3))
  }
  const mptcp = options.mptcp
  for (let i = 0; i < mptcp.length; i++) {
    const length = emitMptcpOption(mptcp[i]!, bytes, next)
    next = pad(bytes, next + length, next + ((length + 3) & ~3))
  }
}

function emitClose(options: TcpOptions, bytes: Uint8Array, at: number): void {
  let next = at
  if (options.mss !== null) next += emitMss(options.mss, bytes, next)
  if (options.sackPermitted) next += emitSackPermitted(bytes, next)
  if (options.timestampValue !== null) {
    next += emitTimestamps(options.timestampValue, options.timestampEcho, bytes, next)
  }
  if (options.windowScale !== null) next += emitWindowScale(options.windowScale, bytes, next)
  if (options.sack !== null) next += emitSack(options.sack, bytes, next)
  if (options.fastOpen !== null) next += emitFastOpen(options.fastOpen, bytes, next)
  for (const option of options.mptcp) next += emitMptcpOption(option, bytes, next)
  pad(bytes, next, at + ((next - at + 3) & ~3))
}

function pad(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) bytes[at++] = NOP
  return at
}

function emitMss(mss: number, bytes: Uint8Array, at: number): number {
  bytes[at] = MSS
  bytes[at + 1] = 4
  writeU16(bytes, at + 2, mss)
  return 4
}

function emitSackPermitted(bytes: Uint8Array, at: number): number {
  bytes[at] = SACK_PERMITTED
  bytes[at + 1] = 2
  return 2
}

function emitTimestamps(value: number, echo: number, bytes: Uint8Array, at: number): number {
  bytes[at] = TIMESTAMPS
  bytes[at + 1] = 10
  writeU32(bytes, at + 2, value)
  writeU32(bytes, at + 6, echo)
  return 10
}

function emitWindowScale(shift: number, bytes: Uint8Array, at: number): number {
  bytes[at] = WINDOW_SCALE
  bytes[at + 1] = 3
  bytes[at + 2] = shift
  return 3
}

function emitSack(edges: number[], bytes: Uint8Array, at: number): number {
  const length = 2 + edges.length * 4
  bytes[at] = SACK
  bytes[at + 1] = length
  for (let i = 0; i < edges.length; i++) writeU32(bytes, at + 2 + i * 4, edges[i]!)
  return length
}

function fastOpenLength({ cookie, experimental }: FastOpenOption): number {
  return cookie.length + (experimental ? 4 : 2)
}

function emitFastOpen(option: FastOpenOption, bytes: Uint8Array, at: number): number {
  const length = fastOpenLength(option)
  bytes[at] = option.experimental ? EXPERIMENT : FAST_OPEN
  bytes[at + 1] = length
  if (option.experimental) writeU16(bytes, at + 2, FAST_OPEN_EXPERIMENT)
  bytes.set(option.cookie, at + length - option.cookie.length)
  return length
}
