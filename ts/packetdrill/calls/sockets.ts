// Calls that make, name and end sockets.

import type { MptcpSocketAddress } from '../../socket/descriptors.js'
import { formatAddress } from '../../wire/address.js'
import type { Expression } from '../language/ast.js'
import { CONSTANTS } from '../language/constants.js'
import {
  type Attempt,
  atOnce,
  CallError,
  type CallHandler,
  type CallWorld,
  createDescriptor,
  EAGAIN,
  EALREADY,
  EINPROGRESS,
  failed,
  patience,
  type Returned,
  returned,
  socketOf,
} from './descriptors.js'
import { fieldOf, isEllipsis, numberOf, socketAddressOf } from './expression.js'

const { AF_INET, AF_INET6, SOCK_NONBLOCK, IPPROTO_MPTCP, SO_SNDTIMEO, SOL_TCP } = CONSTANTS

export const SOCKET_CALLS: Readonly<Record<string, CallHandler>> = {
  socket,
  bind,
  listen,
  accept: (world, given) => accept(world, given, 0),
  accept4: (world, given) => accept(world, given, argument(given, 3, 'accept4')),
  connect,
  shutdown: (world, given) => {
    const descriptor = socketOf(world, given)
    if (descriptor === null) return atOnce(() => failed('EBADF'))
    const how = argument(given, 1, 'shutdown')
    return atOnce(() => returned(world.host.bsd.shutdown(descriptor.live, how)))
  },
  close: (world, given) => {
    const fd = argument(given, 0, 'close')
    const descriptor = world.descriptors.get(fd)
    if (descriptor === undefined) return atOnce(() => failed('EBADF'))
    return atOnce(() => {
      world.descriptors.delete(fd)
      for (const other of world.descriptors.values()) other.watched.delete(fd)
      if (descriptor.kind !== 'socket') return { value: 0, errno: null }
      return returned(world.host.bsd.close(descriptor.live))
    })
  },
}

function argument(given: readonly Expression[], index: number, name: string): number {
  const expression = given[index]
  if (expression === undefined) throw new CallError(`${name}() has too few arguments`)
  return numberOf(expression)
}

function socket(world: CallWorld, given: readonly Expression[]): Attempt {
  const [domain] = given
  const family = isEllipsis(domain)
    ? world.host.settings.ipVersion === 'ipv4'
      ? AF_INET
      : AF_INET6
    : argument(given, 0, 'socket')
  const type = argument(given, 1, 'socket')
  const protocol = argument(given, 2, 'socket')
  return atOnce(() => {
    if (protocol === IPPROTO_MPTCP && !world.host.config.mptcp) return failed('ENOPROTOOPT')
    const live = world.host.bsd.socket(family, type, protocol)
    if (live < 0) return returned(live)
    for (const [name, value] of Object.entries(world.host.config.sockets)) {
      world.host.bsd.setsockopt(live, SOL_TCP, Number(name), value)
    }
    const made = createDescriptor('socket', live)
    made.nonBlocking = (type & SOCK_NONBLOCK) !== 0
    return { value: live, errno: null, made }
  })
}

function bind(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = socketOf(world, given)
  if (descriptor === null) return atOnce(() => failed('EBADF'))
  const { settings } = world.host
  const address = given[1]
  const where =
    address === undefined || isEllipsis(address)
      ? { address: formatAddress(settings.local), port: settings.bindPort }
      : socketAddressOf(address)
  return atOnce(() => returned(world.host.bsd.bind(descriptor.live, where)))
}

function listen(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = socketOf(world, given)
  if (descriptor === null) return atOnce(() => failed('EBADF'))
  const backlog = argument(given, 1, 'listen')
  return atOnce(() => {
    const result = returned(world.host.bsd.listen(descriptor.live, backlog))
    if (result.value === 0) world.listens()
    return result
  })
}

function accept(world: CallWorld, given: readonly Expression[], flags: number): Attempt {
  const descriptor = socketOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  return () => {
    const live = world.host.bsd.accept(descriptor.live)
    if (live === EAGAIN && !descriptor.nonBlocking) return 'blocks'
    if (live < 0) return returned(live)
    const made = createDescriptor('socket', live)
    made.nonBlocking = (flags & SOCK_NONBLOCK) !== 0
    return { value: live, errno: null, made }
  }
}

function connect(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = socketOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  const { bsd } = world.host
  const wanted = addressToConnect(given[1], world)
  if (wanted === 'other') return () => failed('EAFNOSUPPORT')
  const isOver = patience(world, descriptor, SO_SNDTIMEO)
  let first: number | null = null
  return (): Returned | 'blocks' => {
    const result = bsd.connect(descriptor.live, wanted)
    if (result !== EINPROGRESS && result !== EALREADY) return returned(result)
    if (result === EINPROGRESS && wanted !== null) world.connects(wanted.address, wanted.port)
    // One that has waited in vain says how it began.
    first ??= result
    return descriptor.nonBlocking || isOver() ? returned(first) : 'blocks'
  }
}

/** Null = AF_UNSPEC. A family alone stands where a sockaddr should: nothing that a TCP socket connects to. */
function addressToConnect(
  address: Expression | undefined,
  { host: { settings } }: CallWorld,
): MptcpSocketAddress | null | 'other' {
  if (address === undefined || isEllipsis(address)) {
    return { address: formatAddress(settings.remote), port: settings.connectPort }
  }
  const family = address.kind === 'struct' ? fieldOf(address, 'sa_family')?.value : address
  if (family !== undefined && isUnspecified(family)) return null
  return address.kind === 'struct' ? socketAddressOf(address) : 'other'
}

function isUnspecified(family: Expression): boolean {
  return family.kind === 'word' && family.name === 'AF_UNSPEC'
}
