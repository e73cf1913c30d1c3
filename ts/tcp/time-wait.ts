// What is left of a TCP connection in TIME-WAIT, RFC 9293 §3.6 and §3.10.7.4: enough to acknowledge once more
// what comes late, and no tcb. It knows TCP only, as Linux's.

import type { Counters } from '../counters.js'
import { ACK, FIN, RST, type Segment, SYN, type TcpOptions } from '../wire/segment.js'
import { seqOf } from '../wire/seq.js'
import { noOptions } from '../wire/tcp-options.js'
import { CHALLENGE_INTERVAL_MS, PAWS_IDLE_MS } from './input.js'
import type { TcpSettings } from './settings.js'
import type { Tcb } from './tcb.js'
import { windowField } from './window.js'

/** Deviates: half of RFC 9293 §3.4.2's two MSLs of two minutes, as Linux: one minute in all. */
export const TIME_WAIT_MS = 60_000

export interface TimeWait {
  /** SND.NXT and RCV.NXT on the wire: behind both FINs. */
  readonly sequence: number
  readonly acknowledgment: number
  /** The field of the window that was told last, and its bytes. */
  readonly window: number
  readonly windowBytes: number
  readonly timestamps: boolean
  readonly timestampBase: number
  timestampRecent: number
  timestampRecentAt: number
  /** When a challenge or out-of-window ACK was last sent. */
  lastChallenge: number
  readonly settings: TcpSettings
}

/** `restart`: answer with an ACK, and the minute begins anew. */
export type TimeWaitVerdict = 'drop' | 'answer' | 'restart' | 'over'

/** Takes over from a tcb, which may be destroyed then. */
export function timeWaitOf(tcb: Tcb): TimeWait {
  const { snd, rcv, timestamps } = tcb
  const windowBytes = Math.max(0, rcv.right - rcv.nxt)
  return {
    sequence: seqOf(snd.nxt, tcb.iss),
    acknowledgment: seqOf(rcv.nxt, tcb.irs),
    window: windowField(tcb, windowBytes, ACK),
    windowBytes,
    timestamps: timestamps.enabled,
    timestampBase: timestamps.base,
    timestampRecent: timestamps.recent,
    timestampRecentAt: timestamps.recentAt,
    lastChallenge: tcb.ack.lastChallenge,
    settings: tcb.settings,
  }
}

/** SEGMENT ARRIVES in TIME-WAIT: the checks in the RFC's order. */
export function segmentArrivesInTimeWait(
  wait: TimeWait,
  counters: Counters,
  segment: Segment,
  now: number,
): TimeWaitVerdict {
  const { flags, options, payloadLength } = segment
  const length = payloadLength + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)
  // How far the segment begins behind RCV.NXT.
  const ahead = (segment.sequence - wait.acknowledgment) | 0
  if (isOld(wait, segment, now)) {
    counters.TcpExtPAWSEstab++
    return limited(wait, counters, now)
  }
  const isAcceptable =
    length === 0
      ? ahead >= 0 && ahead <= wait.windowBytes
      : ahead <= wait.windowBytes && ahead + length > 0
  if (!isAcceptable) {
    counters.TcpExtOutOfWindow++
    if (flags & RST) return 'drop'
    if (flags & FIN) return 'restart'
    return length > 0 ? 'answer' : limited(wait, counters, now)
  }
  if (flags & RST) return ahead === 0 ? 'over' : challenge(wait, counters, now)
  if (flags & SYN) {
    counters.TcpExtTCPSYNChallenge++
    return challenge(wait, counters, now)
  }
  if ((flags & ACK) === 0) return 'drop'
  if (((segment.acknowledgment - wait.sequence) | 0) > 0) return challenge(wait, counters, now)
  if (wait.timestamps && options.timestampValue !== null && ahead <= 0) {
    wait.timestampRecent = options.timestampValue
    wait.timestampRecentAt = now
  }
  return length > 0 ? 'answer' : 'drop'
}

/** The ACK that TIME-WAIT repeats: its numbers, window and options. */
export function timeWaitAck(
  wait: TimeWait,
  now: number,
): {
  sequence: number
  acknowledgment: number
  flags: number
  window: number
  options: TcpOptions
} {
  const options = noOptions()
  if (wait.timestamps) {
    options.timestampValue = (Math.floor(now) + wait.timestampBase) >>> 0
    options.timestampEcho = wait.timestampRecent
  }
  const { sequence, acknowledgment, window } = wait
  return { sequence, acknowledgment, flags: ACK, window, options }
}

/** PAWS, RFC 7323 §5.3. */
function isOld(wait: TimeWait, { flags, options }: Segment, now: number): boolean {
  if (!wait.timestamps || options.timestampValue === null || flags & RST) return false
  const age = (options.timestampValue - wait.timestampRecent) | 0
  return age < 0 && now - wait.timestampRecentAt < PAWS_IDLE_MS
}

/** RFC 5961 §7. */
function challenge(wait: TimeWait, counters: Counters, now: number): TimeWaitVerdict {
  const verdict = limited(wait, counters, now)
  if (verdict === 'answer') counters.TcpExtTCPChallengeACK++
  return verdict
}

function limited(wait: TimeWait, counters: Counters, now: number): TimeWaitVerdict {
  if (now - wait.lastChallenge < CHALLENGE_INTERVAL_MS) {
    counters.TcpExtTCPACKSkipped++
    return 'drop'
  }
  wait.lastChallenge = now
  return 'answer'
}
