// What a path does to the packets of one direction: the options that a user gives, their defaults,
// and the one place where they are checked.

import { type OptionKinds, wrongOption } from '../option-kinds.js'

/** All are optional; a path without any is a perfect wire. */
export interface PathShape {
  /** Bits per second, counted over whole IP packets; Infinity unless told. */
  rate?: number
  /** One-way propagation delay in milliseconds, after the packet has left the queue; 0 unless told. */
  delay?: number
  /**
   * The most bytes of IP packets that wait, the one being sent included; what comes on top is
   * dropped. An idle path takes one packet however small the queue is. Unless told: 32 packets of
   * the MTU, or twice what the rate carries in `delay` if that is more. At an infinite rate nothing
   * waits: this then bounds the bytes in flight, and only their memory (64 MiB) does so unless told.
   */
  queueBytes?: number
  /** The same as `queueBytes`, as the milliseconds that a full queue takes to drain at `rate`. */
  queueMs?: number
  /** Probability from 0 to 1 that a packet is lost on the wire, after it took its share of `rate`. */
  loss?: number
  /** Probability from 0 to 1 that a packet takes `reorderDelay` longer, so that others overtake it. */
  reorder?: number
  /** Milliseconds; a quarter of `delay`, and at least 1, unless told. */
  reorderDelay?: number
  /** Probability from 0 to 1 that a second copy follows at once. */
  duplicate?: number
  /** Probability from 0 to 1 that one bit of a packet, anywhere in it, is flipped. */
  corrupt?: number
  /** The largest IP packet in bytes; 1500 unless told. */
  mtu?: number
  /**
   * Milliseconds that a delivery is held after the first packet has arrived, as a network card
   * moderates its interrupts: what arrives meanwhile is handed over in the same batch. 0 unless told.
   */
  coalesceMs?: number
}

/** A shape with every value decided. */
export interface ResolvedShape {
  readonly rate: number
  readonly delay: number
  readonly queueBytes: number
  readonly loss: number
  readonly reorder: number
  readonly reorderDelay: number
  readonly duplicate: number
  readonly corrupt: number
  readonly mtu: number
  readonly coalesceMs: number
}

const DEFAULT_MTU = 1500
/** RFC 791 §3.2: what every IPv4 module must be able to forward. */
const SMALLEST_MTU = 68
const LARGEST_MTU = 65535
const DEFAULT_QUEUE_PACKETS = 32

/** Bytes that `rate` (bit/s) carries in `ms` milliseconds. */
export function bytesAtRate(rate: number, ms: number): number {
  return ms === 0 ? 0 : (rate * ms) / 8000
}

/** `shape` with what `change` says put in its place; what `change` leaves undefined stays. */
export function changeShape(shape: PathShape, change: PathShape): PathShape {
  const result: PathShape = { ...shape }
  if (change.queueBytes !== undefined) delete result.queueMs
  if (change.queueMs !== undefined) delete result.queueBytes
  for (const key of SHAPE_KEYS) {
    if (change[key] !== undefined) result[key] = change[key]
  }
  return result
}

export const SHAPE_KINDS: OptionKinds<PathShape> = {
  rate: 'number',
  delay: 'number',
  queueBytes: 'number',
  queueMs: 'number',
  loss: 'number',
  reorder: 'number',
  reorderDelay: 'number',
  duplicate: 'number',
  corrupt: 'number',
  mtu: 'number',
  coalesceMs: 'number',
}

const SHAPE_KEYS = Object.keys(SHAPE_KINDS) as (keyof PathShape)[]

/** Throws a RangeError that names `path` and what is no option of this kind. */
export function checkKinds<T>(path: string, options: T, kinds: OptionKinds<T>): void {
  const wrong = wrongOption(options, kinds)
  if (wrong !== null) throw new RangeError(`path ${path}: ${wrong}`)
}

/** Checks a shape and fills in the defaults; throws a RangeError that names `path` and the option. */
export function resolveShape(path: string, shape: PathShape): ResolvedShape {
  const check = (key: keyof PathShape, standard: number, least: number, most: number) => {
    const value = shape[key] ?? standard
    if (!(value >= least && value <= most)) {
      throw new RangeError(
        `path ${path}: ${key} is ${value}, not a number from ${least} to ${most}`,
      )
    }
    return value
  }
  const rate = check('rate', Number.POSITIVE_INFINITY, Number.MIN_VALUE, Number.POSITIVE_INFINITY)
  const delay = check('delay', 0, 0, Number.MAX_VALUE)
  const mtu = check('mtu', DEFAULT_MTU, SMALLEST_MTU, LARGEST_MTU)
  return {
    rate,
    delay,
    queueBytes: resolveQueue(path, shape, rate, delay, mtu),
    loss: check('loss', 0, 0, 1),
    reorder: check('reorder', 0, 0, 1),
    reorderDelay: check('reorderDelay', Math.max(1, delay / 4), 0, Number.MAX_VALUE),
    duplicate: check('duplicate', 0, 0, 1),
    corrupt: check('corrupt', 0, 0, 1),
    mtu,
    coalesceMs: check('coalesceMs', 0, 0, Number.MAX_VALUE),
  }
}

function resolveQueue(
  path: string,
  shape: PathShape,
  rate: number,
  delay: number,
  mtu: number,
): number {
  const { queueBytes, queueMs } = shape
  if (queueBytes !== undefined && queueMs !== undefined) {
    throw new RangeError(`path ${path}: queueBytes and queueMs exclude each other`)
  }
  const given = queueBytes ?? queueMs
  if (given !== undefined && !(given >= 0)) {
    throw new RangeError(`path ${path}: a queue of ${given} is none`)
  }
  if (queueBytes !== undefined || rate === Number.POSITIVE_INFINITY) {
    return queueBytes ?? Number.POSITIVE_INFINITY
  }
  if (queueMs !== undefined) return bytesAtRate(rate, queueMs)
  return Math.max(DEFAULT_QUEUE_PACKETS * mtu, bytesAtRate(rate, 2 * delay))
}
