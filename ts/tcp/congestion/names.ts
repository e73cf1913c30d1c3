// The congestion controls that come with the stack, by name: one table for the stack's option, TCP_CONGESTION,
// `--cc` and packetdrill.

import type { MptcpCongestionAlgorithm } from './congestion-control.js'
import { cubic } from './cubic.js'
import { newReno } from './newreno.js'

/** Unless told, and in place of one that failed. */
export const DEFAULT_CONGESTION = newReno

/** `reno` is Linux's name of it. */
export const CONGESTION_CONTROLS: ReadonlyMap<string, MptcpCongestionAlgorithm> = new Map([
  ['newreno', newReno],
  ['reno', newReno],
  ['cubic', cubic],
])
