// Reading and writing the window field, RFC 9293 §3.8.6 and RFC 7323 §2. What the window is, MPTCP
// decides: it is shared by all the subflows.

import { SYN } from '../wire/segment.js'
import { TIMESTAMPS_BYTES } from '../wire/tcp-options.js'
import { startControl, tellMss } from './congestion/tell.js'
import type { Tcb } from './tcb.js'

/** RFC 7323 §2.3. */
const MAX_SHIFT = 14

/** The smallest shift with which `bytes` fits the 16-bit field. */
export function shiftFor(bytes: number): number {
  let shift = 0
  while (shift < MAX_SHIFT && bytes / 2 ** shift > 0xffff) shift++
  return shift
}

/** Bytes that a window field stands for: never scaled in a SYN. */
export function windowOf(tcb: Tcb, field: number, flags: number): number {
  return tcb.windowScaling && (flags & SYN) === 0 ? field * (1 << tcb.snd.shift) : field
}

/** The field for a window of `bytes`: rounded down, so that the right edge is never overstated. */
export function windowField(tcb: Tcb, bytes: number, flags: number): number {
  const shift = tcb.windowScaling && (flags & SYN) === 0 ? tcb.rcv.shift : 0
  return Math.min(0xffff, Math.floor(bytes / (1 << shift)))
}

/** Takes the peer's MSS option: a segment holds no more, nor more than our own path allows. */
export function takePeerMss(tcb: Tcb, mss: number | null): void {
  // RFC 9293 §3.7.1: 536 where none is announced. A floor, or a hostile peer makes a segment a byte.
  const announced = Math.max(mss ?? 536, 88)
  const optionBytes = tcb.timestamps.enabled ? TIMESTAMPS_BYTES : 0
  tcb.snd.peerMss = announced
  tcb.snd.mss = Math.min(announced, tcb.rcv.mss) - optionBytes
  startControl(tcb)
}

/** The path, or the user, allows no more than `mss` in a segment. Returns whether that is less than before. */
export function lowerMss(tcb: Tcb, mss: number): boolean {
  if (mss >= tcb.snd.mss) return false
  tcb.snd.mss = mss
  tellMss(tcb)
  return true
}

/**
 * The path now takes `mss` bytes in a segment, before TCP options: less than before, or more. What was cut larger
 * is cut anew when it is sent again.
 */
export function changePathMss(tcb: Tcb, mss: number): void {
  const { snd, rcv, timestamps } = tcb
  // Not announced yet, or to be announced again: the peer's segments come by the same path.
  if (snd.peerMss === 0) {
    rcv.mss = mss
    snd.mss = mss
    return
  }
  const most = Math.min(snd.peerMss, mss) - (timestamps.enabled ? TIMESTAMPS_BYTES : 0)
  if (most === snd.mss) return
  snd.mss = most
  tellMss(tcb)
}
