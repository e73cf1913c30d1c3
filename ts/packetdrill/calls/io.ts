// Calls that move data. What a script writes is zeros unless it gives a string; what it reads is counted,
// and compared where it gives a string.

import type { MptcpControlMessage, MptcpExtendedError } from '../../socket/message.js'
import { formatAddress } from '../../wire/address.js'
import type { Expression } from '../language/ast.js'
import { CONSTANTS } from '../language/constants.js'
import {
  type Attempt,
  CallError,
  type CallHandler,
  type CallWorld,
  type Descriptor,
  EAGAIN,
  EINPROGRESS,
  failed,
  patience,
  type Returned,
  returned,
  socketOf,
} from './descriptors.js'
import {
  fieldOf,
  isEllipsis,
  itemsOf,
  numberOf,
  requiredField,
  socketAddressOf,
} from './expression.js'

const { MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_TRUNC, MSG_MORE } =
  CONSTANTS
const { MSG_NOSIGNAL, MSG_EOR, MSG_ZEROCOPY } = CONSTANTS
const READ_FLAGS = MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_ERRQUEUE | MSG_TRUNC | MSG_NOSIGNAL
/** Those that mean something, and those that Linux passes over. */
const WRITE_FLAGS = MSG_DONTWAIT | MSG_MORE | MSG_NOSIGNAL | MSG_EOR | MSG_ZEROCOPY
const { SOL_SOCKET, SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, SO_ERROR, POLLOUT } = CONSTANTS
const POLLERR_HUP = CONSTANTS.POLLERR | CONSTANTS.POLLHUP

/** Bounded: a script's one call. */
const MOST_BYTES = 64 * 1024 * 1024

export const IO_CALLS: Readonly<Record<string, CallHandler>> = {
  read: (world, given) =>
    receive(world, given, { length: lengthOf(given[2]), flags: 0, buffer: given[1] }),
  recv: receiveInto,
  recvfrom: receiveInto,
  readv: (world, given) => receive(world, given, { length: vectorLength(given[1]), flags: 0 }),
  recvmsg: (world, given) => {
    const [, message, flags] = given
    return receive(world, given, { length: messageLength(message), flags: flagsOf(flags), message })
  },
  write: (world, given) => sendFrom(world, given, 0),
  send: (world, given) => sendFrom(world, given, flagsOf(given[3])),
  sendto,
  writev: (world, given) => send(world, given, new Uint8Array(vectorLength(given[1])), 0),
  sendmsg: (world, given) =>
    send(world, given, new Uint8Array(messageLength(given[1])), flagsOf(given[2])),
}

function lengthOf(expression: Expression | undefined): number {
  if (expression === undefined) throw new CallError('the call has too few arguments')
  const length = numberOf(expression)
  if (length < 0 || length > MOST_BYTES) throw new CallError(`cannot move ${length} bytes`)
  return length
}

function flagsOf(expression: Expression | undefined): number {
  return expression === undefined || isEllipsis(expression) ? 0 : numberOf(expression)
}

/** The sum of an iovec's lengths: [{..., 1000}, {..., 24}]. */
function vectorLength(vector: Expression | undefined): number {
  if (vector === undefined) throw new CallError('the call has too few arguments')
  let length = 0
  for (const item of itemsOf(vector)) length += lengthOf(itemsOf(item)[1])
  return length
}

function messageLength(message: Expression | undefined): number {
  if (message === undefined) throw new CallError('the call has too few arguments')
  if (isEllipsis(message)) return 0
  return vectorLength(requiredField(message, 'msg_iov'))
}

function isNull(buffer: Expression | undefined): boolean {
  return buffer?.kind === 'word' && buffer.name === 'NULL'
}

/** Bytes of a buffer that is no memory are not to be had. */
function sendFrom(world: CallWorld, given: readonly Expression[], flags: number): Attempt {
  const [, buffer, count] = given
  if (isNull(buffer) && lengthOf(count) > 0) return () => failed('EFAULT')
  return send(world, given, payloadOf(buffer, count), flags)
}

function payloadOf(buffer: Expression | undefined, count: Expression | undefined): Uint8Array {
  const bytes = new Uint8Array(lengthOf(count))
  if (buffer?.kind === 'string')
    bytes.set(Buffer.from(buffer.value, 'latin1').subarray(0, bytes.length))
  return bytes
}

function refuseFlags(flags: number, known: number): void {
  const rest = flags & ~known
  if (rest !== 0) throw new CallError(`the flags 0x${rest.toString(16)} are not emulated`)
}

/** What a call reads, and what the script says it finds. */
interface Reading {
  readonly length: number
  readonly flags: number
  readonly buffer?: Expression | undefined
  /** The msghdr of recvmsg(). */
  readonly message?: Expression | undefined
}

function receiveInto(world: CallWorld, given: readonly Expression[]): Attempt {
  const [, buffer, length, flags] = given
  return receive(world, given, { length: lengthOf(length), flags: flagsOf(flags), buffer })
}

function receive(world: CallWorld, given: readonly Expression[], reading: Reading): Attempt {
  const { length, flags, buffer } = reading
  const descriptor = socketOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  refuseFlags(flags, READ_FLAGS)
  if (isNull(buffer) && length > 0) {
    const { bsd } = world.host
    return () => (bsd.readableBytes(descriptor.live) > 0 ? failed('EFAULT') : failed('EAGAIN'))
  }
  const { bsd } = world.host
  const waits = !descriptor.nonBlocking && (flags & MSG_DONTWAIT) === 0
  const isOver = patience(world, descriptor, SO_RCVTIMEO)
  const target = new Uint8Array(length)
  let got = 0
  return () => {
    // MSG_PEEK looks at the same bytes again.
    const from = (flags & MSG_PEEK) !== 0 ? 0 : got
    const { count, control } = bsd.recvmsg(descriptor.live, target.subarray(from), flags)
    if (count > 0) got = from + count
    if (count === EAGAIN && (flags & MSG_ERRQUEUE) !== 0) return returned(count)
    const lowWater = Number(bsd.getsockopt(descriptor.live, SOL_SOCKET, SO_RCVLOWAT))
    const least = (flags & MSG_WAITALL) !== 0 ? length : Math.min(length, lowWater)
    const ends = count === 0 || (count < 0 && count !== EAGAIN)
    if (got < least && !ends && waits && !isOver()) return 'blocks'
    const result = returned(got > 0 ? got : count)
    return checkRead(result, target.subarray(0, got), reading, control)
  }
}

function checkRead(
  result: Returned,
  bytes: Uint8Array,
  { buffer, message }: Reading,
  live: readonly MptcpControlMessage[],
): Returned {
  if (buffer?.kind === 'string') {
    const text = Buffer.from(bytes).toString('latin1')
    const same = buffer.open ? text.startsWith(buffer.value) : text === buffer.value
    if (!same) return { ...result, problem: `the bytes read are ${JSON.stringify(text)}` }
  }
  const control = message === undefined ? null : fieldOf(message, 'msg_control')
  if (control === null || result.value < 0 || isEllipsis(control.value)) return result
  const wanted = control.value.kind === 'array' ? control.value.items : [control.value]
  const problem = compareControl(wanted, live)
  return problem === null ? result : { ...result, problem }
}

function compareControl(
  wanted: readonly Expression[],
  live: readonly MptcpControlMessage[],
): string | null {
  if (wanted.length !== live.length) {
    return `control messages: expected ${wanted.length}, actual ${live.length}`
  }
  for (const [i, expected] of wanted.entries()) {
    const { level, type, value } = live[i]!
    for (const [name, have] of Object.entries({
      cmsg_level: level,
      cmsg_type: type,
      cmsg_data: value,
    })) {
      const field = requiredField(expected, name)
      if (isEllipsis(field)) continue
      const problem =
        typeof have === 'number' ? compareNumber(name, field, have) : compareError(field, have)
      if (problem !== null) return problem
    }
  }
  return null
}

function compareNumber(name: string, expected: Expression, have: number): string | null {
  const number = numberOf(expected)
  return number === have ? null : `${name}: expected ${number}, actual ${have}`
}

/** A struct sock_extended_err, in the fields that the script writes. */
function compareError(expected: Expression, have: MptcpExtendedError): string | null {
  for (const [name, value] of Object.entries(have)) {
    const field = fieldOf(expected, name)
    if (field === null || isEllipsis(field.value)) continue
    const problem = compareNumber(name, field.value, value)
    if (problem !== null) return problem
  }
  return null
}

/** With MSG_FASTOPEN it also connects. */
function sendto(world: CallWorld, given: readonly Expression[]): Attempt {
  const flags = flagsOf(given[3])
  const [, buffer, count] = given
  const isNull = buffer?.kind === 'word' && buffer.name === 'NULL' && lengthOf(count) > 0
  if (isNull) return () => failed('EFAULT')
  if ((flags & MSG_FASTOPEN) === 0) return send(world, given, payloadOf(buffer, count), flags)
  const descriptor = socketOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  const { settings, bsd } = world.host
  const address = given[4]
  const where =
    address === undefined || isEllipsis(address)
      ? { address: formatAddress(settings.remote), port: settings.connectPort }
      : socketAddressOf(address)
  refuseFlags(flags, WRITE_FLAGS | MSG_FASTOPEN)
  const payload = payloadOf(buffer, count)
  const rest = { payload, flags: flags & ~MSG_FASTOPEN }
  let behind: Attempt | null = null
  return () => {
    if (behind !== null) return behind()
    const result = bsd.sendto(descriptor.live, payload, flags, where)
    if (result < 0 && result !== EINPROGRESS) return returned(result)
    world.connects(where.address, where.port)
    if (descriptor.nonBlocking || (flags & MSG_DONTWAIT) !== 0) return returned(result)
    behind = onceConnected(world, given, descriptor, rest, Math.max(0, result))
    return 'blocks'
  }
}

/** The rest of a blocking call: it waits for the handshake, then writes what the SYN did not take. */
function onceConnected(
  world: CallWorld,
  given: readonly Expression[],
  descriptor: Descriptor,
  { payload, flags }: { payload: Uint8Array; flags: number },
  taken: number,
): Attempt {
  const { bsd } = world.host
  const rest = send(world, given, payload.subarray(taken), flags)
  return () => {
    const ready = bsd.poll(descriptor.live)
    if ((ready & POLLERR_HUP) !== 0) {
      const error = Number(bsd.getsockopt(descriptor.live, SOL_SOCKET, SO_ERROR))
      return returned(-Math.abs(error) || -1)
    }
    if ((ready & POLLOUT) === 0) {
      // The connection is to know that a writer waits for it.
      if (taken < payload.length) bsd.write(descriptor.live, payload.subarray(taken))
      return 'blocks'
    }
    if (taken === payload.length) return { value: taken, errno: null }
    const result = rest()
    return result === 'blocks' || result.value < 0
      ? result
      : { ...result, value: taken + result.value }
  }
}

function send(
  world: CallWorld,
  given: readonly Expression[],
  payload: Uint8Array,
  flags: number,
): Attempt {
  const descriptor = socketOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  refuseFlags(flags, WRITE_FLAGS)
  const { bsd } = world.host
  const waits = !descriptor.nonBlocking && (flags & MSG_DONTWAIT) === 0
  const isOver = patience(world, descriptor, SO_SNDTIMEO)
  let sent = 0
  let behind: Attempt | null = null
  return () => {
    if (behind !== null) return behind()
    const target = bsd.deferredTarget(descriptor.live)
    const count = bsd.write(descriptor.live, payload.subarray(sent), flags)
    if (target !== null) {
      world.connects(target.address, target.port)
      if (waits && (count >= 0 || count === EINPROGRESS)) {
        behind = onceConnected(world, given, descriptor, { payload, flags }, Math.max(0, count))
        return 'blocks'
      }
      return returned(count)
    }
    if (count > 0) sent += count
    if (sent === payload.length && count >= 0) return { value: sent, errno: null }
    if (count < 0 && count !== EAGAIN)
      return sent > 0 ? { value: sent, errno: null } : returned(count)
    if (waits && !isOver()) return 'blocks'
    return sent > 0 ? { value: sent, errno: null } : returned(count)
  }
}
