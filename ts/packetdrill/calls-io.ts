// Calls that move data. What a script writes is zeros unless it gives a string; what it reads is counted,
// and compared where it gives a string.

import { formatAddress } from '../wire/address.js'
import type { Expression } from './ast.js'
import { constantValue } from './constants.js'
import {
  type Attempt,
  CallError,
  type CallHandler,
  type CallWorld,
  type Descriptor,
  EAGAIN,
  EINPROGRESS,
  failed,
  type Returned,
  returned,
} from './descriptors.js'
import {
  fieldOf,
  isEllipsis,
  itemsOf,
  numberOf,
  requiredField,
  socketAddressOf,
} from './expression.js'

const flag = (name: string): number => constantValue(name) as number
const MSG_PEEK = flag('MSG_PEEK')
const MSG_DONTWAIT = flag('MSG_DONTWAIT')
const MSG_WAITALL = flag('MSG_WAITALL')
const MSG_ERRQUEUE = flag('MSG_ERRQUEUE')
const MSG_FASTOPEN = flag('MSG_FASTOPEN')
const READ_FLAGS =
  MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_ERRQUEUE | flag('MSG_TRUNC') | flag('MSG_NOSIGNAL')
const WRITE_FLAGS = MSG_DONTWAIT | flag('MSG_NOSIGNAL') | flag('MSG_EOR')

/** Bounded: a script's one call. */
const MOST_BYTES = 64 * 1024 * 1024

export const IO_CALLS: Readonly<Record<string, CallHandler>> = {
  read: (world, given) => receive(world, given, lengthOf(given[2]), 0, given[1]),
  recv: (world, given) => receive(world, given, lengthOf(given[2]), flagsOf(given[3]), given[1]),
  recvfrom: (world, given) =>
    receive(world, given, lengthOf(given[2]), flagsOf(given[3]), given[1]),
  readv: (world, given) => receive(world, given, vectorLength(given[1]), 0),
  recvmsg: (world, given) =>
    receive(world, given, messageLength(given[1]), flagsOf(given[2]), undefined, given[1]),
  write: (world, given) => send(world, given, payloadOf(given[1], given[2]), 0),
  send: (world, given) => send(world, given, payloadOf(given[1], given[2]), flagsOf(given[3])),
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

function payloadOf(buffer: Expression | undefined, count: Expression | undefined): Uint8Array {
  const bytes = new Uint8Array(lengthOf(count))
  if (buffer?.kind === 'string')
    bytes.set(Buffer.from(buffer.value, 'latin1').subarray(0, bytes.length))
  return bytes
}

function socketOf(world: CallWorld, given: readonly Expression[]): Descriptor | null {
  const descriptor = given[0] === undefined ? undefined : world.descriptors.get(numberOf(given[0]))
  return descriptor?.kind === 'socket' ? descriptor : null
}

function refuseFlags(flags: number, known: number): void {
  const rest = flags & ~known
  if (rest !== 0) throw new CallError(`the flags 0x${rest.toString(16)} are not emulated`)
}

function receive(
  world: CallWorld,
  given: readonly Expression[],
  length: number,
  flags: number,
  buffer?: Expression,
  message?: Expression,
): Attempt {
  const descriptor = socketOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  refuseFlags(flags, READ_FLAGS)
  if ((flags & MSG_ERRQUEUE) !== 0) return () => failed('EAGAIN')
  const { bsd } = world.host
  const waits = !descriptor.nonBlocking && (flags & MSG_DONTWAIT) === 0
  const target = new Uint8Array(length)
  let got = 0
  return () => {
    if ((flags & MSG_PEEK) !== 0) {
      const readable = Math.min(length, bsd.readableBytes(descriptor.live))
      if (readable > 0) return { value: readable, errno: null }
    }
    const count = bsd.read(descriptor.live, target.subarray(got))
    if (count > 0) got += count
    const wantsMore = (flags & MSG_WAITALL) !== 0 && count > 0 && got < length
    if (wantsMore || (count === EAGAIN && got === 0))
      return waits ? 'blocks' : returned(got || count)
    const result = returned(got > 0 ? got : count)
    return checkRead(result, target.subarray(0, got), buffer, message)
  }
}

function checkRead(
  result: Returned,
  bytes: Uint8Array,
  buffer: Expression | undefined,
  message: Expression | undefined,
): Returned {
  if (buffer?.kind === 'string') {
    const text = Buffer.from(bytes).toString('latin1')
    const same = buffer.open ? text.startsWith(buffer.value) : text === buffer.value
    if (!same) return { ...result, problem: `the bytes read are ${JSON.stringify(text)}` }
  }
  const control = message === undefined ? null : fieldOf(message, 'msg_control')
  if (control !== null && result.value >= 0 && !isEllipsis(control.value)) {
    const count = control.value.kind === 'array' ? control.value.items.length : 1
    if (count > 0) return { ...result, problem: 'the stack gives no control messages' }
  }
  return result
}

/** With MSG_FASTOPEN it also connects; without a cookie, which the stack never has, as connect() does. */
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
  return () => {
    const result = bsd.connect(descriptor.live, where)
    if (result === EINPROGRESS) world.connects(where.address, where.port)
    return returned(result)
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
  let sent = 0
  return () => {
    const count = bsd.write(descriptor.live, payload.subarray(sent))
    if (count > 0) sent += count
    if (sent === payload.length && count >= 0) return { value: sent, errno: null }
    if (count < 0 && count !== EAGAIN)
      return sent > 0 ? { value: sent, errno: null } : returned(count)
    if (waits) return 'blocks'
    return sent > 0 ? { value: sent, errno: null } : returned(count)
  }
}
