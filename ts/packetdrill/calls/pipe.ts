// pipe, splice, open and sendfile: data of a socket counted into a pipe, and out of one, or out of a file
// that the script made, as zeros.

import type { Expression } from '../language/ast.js'
import { CONSTANTS } from '../language/constants.js'
import {
  type Attempt,
  CallError,
  type CallHandler,
  type CallWorld,
  createDescriptor,
  type Descriptor,
  EAGAIN,
  failed,
  returned,
} from './descriptors.js'
import { itemsOf, numberOf } from './expression.js'

/** What a pipe of Linux's holds. */
const PIPE_BYTES = 65_536
const { SPLICE_F_NONBLOCK } = CONSTANTS

export const PIPE_CALLS: Readonly<Record<string, CallHandler>> = {
  pipe,
  pipe2: pipe,
  splice,
  open,
  sendfile,
}

function pipe(world: CallWorld, given: readonly Expression[]): Attempt {
  if (given[0] === undefined) throw new CallError('pipe() needs two numbers')
  const [reader, writer] = itemsOf(given[0]).map((item) => numberOf(item))
  if (reader === undefined || writer === undefined) throw new CallError('pipe() needs two numbers')
  return () => {
    const end = createDescriptor('pipe', -1)
    world.descriptors.set(reader, end)
    world.descriptors.set(writer, { ...end })
    return { value: 0, errno: null }
  }
}

function splice(world: CallWorld, given: readonly Expression[]): Attempt {
  const [source, , target, , count, flags] = given
  if (source === undefined || target === undefined || count === undefined) {
    throw new CallError('splice() has 6 arguments')
  }
  const from = world.descriptors.get(numberOf(source))
  const to = world.descriptors.get(numberOf(target))
  const length = numberOf(count)
  const isAsked = flags !== undefined && (numberOf(flags) & SPLICE_F_NONBLOCK) !== 0
  return () => {
    if (from === undefined || to === undefined) return failed('EBADF')
    if (from.kind === 'socket' && to.kind === 'pipe') {
      return readInto(world, from, to, length, isAsked)
    }
    if (from.kind === 'pipe' && to.kind === 'socket') {
      return writeFrom(world, from, to, length, isAsked)
    }
    return failed('EINVAL')
  }
}

function readInto(
  world: CallWorld,
  socket: Descriptor,
  pipeEnd: Descriptor,
  length: number,
  isAsked: boolean,
): ReturnType<Attempt> {
  const room = Math.min(length, PIPE_BYTES - pipeEnd.held.bytes)
  const read = world.host.bsd.read(socket.live, new Uint8Array(room))
  if (read === EAGAIN && !isAsked && !socket.nonBlocking) return 'blocks'
  if (read > 0) pipeEnd.held.bytes += read
  return returned(read)
}

function writeFrom(
  world: CallWorld,
  pipeEnd: Descriptor,
  socket: Descriptor,
  length: number,
  isAsked: boolean,
): ReturnType<Attempt> {
  const held = Math.min(length, pipeEnd.held.bytes)
  const written = world.host.bsd.write(socket.live, new Uint8Array(held))
  if (written === EAGAIN && !isAsked && !socket.nonBlocking) return 'blocks'
  if (written > 0) pipeEnd.held.bytes -= written
  return returned(written)
}

function open(world: CallWorld, given: readonly Expression[]): Attempt {
  const [path] = given
  if (path?.kind !== 'string') throw new CallError('open() needs the name of a file')
  return () => {
    const bytes = world.files.get(path.value)
    if (bytes === undefined) return failed('ENOENT')
    const made = createDescriptor('file', -1)
    made.held.bytes = bytes
    return { value: 0, errno: null, made }
  }
}

function sendfile(world: CallWorld, given: readonly Expression[]): Attempt {
  const [target, source, offset, count] = given
  if (target === undefined || source === undefined || count === undefined) {
    throw new CallError('sendfile() has 4 arguments')
  }
  const to = world.descriptors.get(numberOf(target))
  const from = world.descriptors.get(numberOf(source))
  const isSaid = offset !== undefined && (offset.kind === 'array' || offset.kind === 'integer')
  const start = isSaid ? numberOf(offset) : 0
  const length = numberOf(count)
  let sent = 0
  return () => {
    if (to === undefined || from === undefined) return failed('EBADF')
    if (to.kind !== 'socket' || from.kind !== 'file') return failed('EINVAL')
    const left = Math.max(0, Math.min(length, from.held.bytes - start) - sent)
    const written = world.host.bsd.write(to.live, new Uint8Array(left))
    if (written > 0) sent += written
    const isBlocked = written === EAGAIN || (written >= 0 && written < left)
    if (isBlocked && !to.nonBlocking) return 'blocks'
    return sent > 0 ? returned(sent) : returned(written)
  }
}
