// fcntl, ioctl, and socket options: their values as a script writes them.

import type { Expression } from './ast.js'
import { constantValue } from './constants.js'
import {
  type Attempt,
  CallError,
  type CallHandler,
  type CallWorld,
  type Descriptor,
  failed,
  type Returned,
  returned,
} from './descriptors.js'
import { fieldOf, isEllipsis, numberOf, onlyItem, requiredField } from './expression.js'
import { socketInfo } from './socket-info.js'

const constant = (name: string): number => constantValue(name) as number
const O_NONBLOCK = constant('O_NONBLOCK')
const SOL_SOCKET = constant('SOL_SOCKET')
const SO_LINGER = constant('SO_LINGER')
const SIOCINQ = constant('SIOCINQ')
const SIOCOUTQ = constant('SIOCOUTQ')
const SIOCOUTQNSD = constant('SIOCOUTQNSD')
const FIONBIO = constant('FIONBIO')

const DONE: Returned = { value: 0, errno: null }

export const OPTION_CALLS: Readonly<Record<string, CallHandler>> = {
  fcntl,
  ioctl,
  getsockopt: getOption,
  setsockopt: setOption,
}

function descriptorOf(world: CallWorld, given: readonly Expression[]): Descriptor | null {
  if (given[0] === undefined) throw new CallError('the call has too few arguments')
  return world.descriptors.get(numberOf(given[0])) ?? null
}

function fcntl(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = descriptorOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  if (given[1] === undefined) throw new CallError('fcntl() needs a command')
  const command = numberOf(given[1])
  switch (command) {
    case constant('F_GETFL'):
      return () => {
        const flags = constant('O_RDWR') | (descriptor.nonBlocking ? O_NONBLOCK : 0)
        return { value: flags, errno: null }
      }
    case constant('F_SETFL'): {
      const flags = given[2] === undefined ? 0 : numberOf(given[2])
      return () => {
        descriptor.nonBlocking = (flags & O_NONBLOCK) !== 0
        return DONE
      }
    }
    case constant('F_GETFD'):
    case constant('F_SETFD'):
      return () => DONE
    default:
      return () => failed('EINVAL')
  }
}

function ioctl(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = descriptorOf(world, given)
  if (descriptor === null || descriptor.kind !== 'socket') return () => failed('EBADF')
  const [, request, value] = given
  if (request === undefined) throw new CallError('ioctl() needs a request')
  const what = numberOf(request)
  return () => {
    const { bsd } = world.host
    const connection = bsd.connectionOf(descriptor.live)
    switch (what) {
      case SIOCINQ:
        return compareValue(value, bsd.readableBytes(descriptor.live))
      case SIOCOUTQ:
        return compareValue(
          value,
          connection === null ? 0 : connection.snd.end - connection.snd.una,
        )
      case SIOCOUTQNSD:
        return compareValue(
          value,
          connection === null ? 0 : connection.snd.end - connection.snd.nxt,
        )
      case FIONBIO:
        descriptor.nonBlocking = value !== undefined && numberOf(value) !== 0
        return DONE
      default:
        return failed('ENOTTY')
    }
  }
}

function getOption(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = descriptorOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  if (descriptor.kind !== 'socket') return () => failed('ENOTSOCK')
  const [, level, name, value] = given
  if (level === undefined || name === undefined) throw new CallError('getsockopt() has 5 arguments')
  const [at, what] = [numberOf(level), numberOf(name)]
  return () => {
    const connection = world.host.bsd.connectionOf(descriptor.live)
    const info = socketInfo(world.host, connection, at, what)
    const live = info ?? world.host.bsd.getsockopt(descriptor.live, at, what)
    // SO_LINGER off is -1 here, and no errno.
    const isLinger = at === SOL_SOCKET && what === SO_LINGER
    if (typeof live === 'number' && live < 0 && !isLinger) return returned(live)
    return compareValue(value, isLinger ? lingerOf(Number(live)) : live)
  }
}

function lingerOf(seconds: number): object {
  return { onoff: seconds < 0 ? 0 : 1, linger: Math.max(0, seconds) }
}

/** What the call filled in, against what the script wrote. */
function compareValue(expected: Expression | undefined, live: number | string | object): Returned {
  const problem = differsFrom(expected, live)
  return problem === null ? DONE : { ...DONE, problem }
}

function differsFrom(expected: Expression | undefined, live: unknown): string | null {
  if (expected === undefined || isEllipsis(expected)) return null
  const wanted = onlyItem(expected)
  if (isEllipsis(wanted)) return null
  if (wanted.kind === 'struct') {
    if (live === null || typeof live !== 'object') return `the value is ${String(live)}, no struct`
    for (const field of wanted.fields) {
      const has = Object.hasOwn(live, field.name)
      if (!has) return `the stack tells no ${field.name}`
      const inner = differsFrom(field.value, (live as Record<string, unknown>)[field.name])
      if (inner !== null) return `${field.name}: ${inner}`
    }
    return null
  }
  if (wanted.kind === 'string') {
    const same = wanted.open ? String(live).startsWith(wanted.value) : live === wanted.value
    return same ? null : `expected "${wanted.value}", actual "${String(live)}"`
  }
  const number = numberOf(wanted)
  const have = typeof live === 'boolean' ? Number(live) : live
  return have === number ? null : `expected ${number}, actual ${String(have)}`
}

function setOption(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = descriptorOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  if (descriptor.kind !== 'socket') return () => failed('ENOTSOCK')
  const [, level, name, value] = given
  if (level === undefined || name === undefined || value === undefined) {
    throw new CallError('setsockopt() has 5 arguments')
  }
  const [at, what] = [numberOf(level), numberOf(name)]
  return () => {
    const set = settingOf(value, at, what)
    // The stack's own options take numbers; those that take text say so by refusing it.
    return returned(world.host.bsd.setsockopt(descriptor.live, at, what, set as number))
  }
}

function settingOf(value: Expression, level: number, name: number): number | string {
  if (level === SOL_SOCKET && name === SO_LINGER && value.kind === 'struct') {
    const isOn = numberOf(fieldOf(value, 'onoff')?.value ?? requiredField(value, 'l_onoff')) !== 0
    const seconds = fieldOf(value, 'linger')?.value ?? requiredField(value, 'l_linger')
    return isOn ? numberOf(seconds) : -1
  }
  if (value.kind === 'struct' && fieldOf(value, 'tv_sec') !== null) {
    const usecs = fieldOf(value, 'tv_usec')?.value
    return 1000 * numberOf(requiredField(value, 'tv_sec')) + (usecs ? numberOf(usecs) / 1000 : 0)
  }
  const wanted = onlyItem(value)
  if (wanted.kind === 'string') return wanted.value
  return numberOf(wanted)
}
