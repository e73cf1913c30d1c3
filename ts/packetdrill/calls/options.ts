// fcntl, ioctl, and socket options: their values as a script writes them.

import type { MptcpInfoRequest } from '../../socket/mptcp-info.js'
import type { Expression } from '../language/ast.js'
import { CONSTANTS } from '../language/constants.js'
import {
  type Attempt,
  CallError,
  type CallHandler,
  type CallWorld,
  descriptorOf,
  failed,
  type Returned,
  returned,
} from './descriptors.js'
import { fieldOf, isEllipsis, numberOf, onlyItem, requiredField } from './expression.js'

const { O_NONBLOCK, SOL_SOCKET, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, FIONBIO } = CONSTANTS

const DONE: Returned = { value: 0, errno: null }

export const OPTION_CALLS: Readonly<Record<string, CallHandler>> = {
  fcntl,
  ioctl,
  getsockopt: getOption,
  setsockopt: setOption,
}

function fcntl(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = descriptorOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  if (given[1] === undefined) throw new CallError('fcntl() needs a command')
  const command = numberOf(given[1])
  switch (command) {
    case CONSTANTS.F_GETFL:
      return () => {
        const flags = CONSTANTS.O_RDWR | (descriptor.nonBlocking ? O_NONBLOCK : 0)
        return { value: flags, errno: null }
      }
    case CONSTANTS.F_SETFL: {
      const flags = given[2] === undefined ? 0 : numberOf(given[2])
      return () => {
        descriptor.nonBlocking = (flags & O_NONBLOCK) !== 0
        return DONE
      }
    }
    case CONSTANTS.F_GETFD:
    case CONSTANTS.F_SETFD:
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
    if (what === FIONBIO) {
      descriptor.nonBlocking = value !== undefined && numberOf(value) !== 0
      return DONE
    }
    const bytes = world.host.bsd.ioctl(descriptor.live, what)
    return bytes < 0 ? returned(bytes) : compareValue(value, bytes)
  }
}

function getOption(world: CallWorld, given: readonly Expression[]): Attempt {
  const descriptor = descriptorOf(world, given)
  if (descriptor === null) return () => failed('EBADF')
  if (descriptor.kind !== 'socket') return () => failed('ENOTSOCK')
  const [, level, name, value, length] = given
  if (level === undefined || name === undefined) throw new CallError('getsockopt() has 5 arguments')
  const [at, what] = [numberOf(level), numberOf(name)]
  return () => {
    const request = requestOf(value, length)
    const live = world.host.bsd.getsockopt(descriptor.live, at, what, request)
    // SO_LINGER off is -1 here, and no errno.
    const isLinger = at === SOL_SOCKET && what === SO_LINGER
    if (typeof live === 'number' && live < 0 && !isLinger) return returned(live)
    if (isLinger) return compareValue(value, lingerOf(Number(live)))
    const isTimeout = at === SOL_SOCKET && (what === SO_RCVTIMEO || what === SO_SNDTIMEO)
    return compareValue(value, isTimeout ? timeOf(Number(live)) : flattened(live))
  }
}

const ROOM = ['size_subflow_data', 'size_user', 'num_subflows', 'size_kernel'] as const

/** The room that the script gives a struct of SOL_MPTCP: fields that only say so, and the length. */
function requestOf(
  value: Expression | undefined,
  length: Expression | undefined,
): MptcpInfoRequest {
  const request: MptcpInfoRequest = {}
  if (length !== undefined && !isEllipsis(length) && !isEllipsis(onlyItem(length))) {
    request.length = numberOf(length)
  }
  const struct = value === undefined ? null : onlyItem(value)
  if (struct?.kind !== 'struct') return request
  for (const name of ROOM) {
    const field = fieldOf(struct, name)
    // A script that expects a count writes it where a program would write 0.
    const isExpected = name === 'num_subflows' || name === 'size_kernel'
    if (field !== null && !isExpected && !isEllipsis(field.value)) {
      request[name] = numberOf(field.value)
    }
  }
  return request
}

/** A script names fields of the first subflow, and of mptcp_info, beside those of the struct itself. */
function flattened(live: number | string | object): number | string | object {
  if (typeof live !== 'object') return live
  const inner = live as {
    data?: object[]
    mptcp_info?: object | null
    tcp_info?: object[]
    subflow_info?: { addrs: object }[]
  }
  return {
    ...inner.mptcp_info,
    ...inner.tcp_info?.[0],
    ...inner.subflow_info?.[0]?.addrs,
    ...inner.data?.[0],
    ...live,
  }
}

function timeOf(ms: number): object {
  return { tv_sec: Math.floor(ms / 1000), tv_usec: 1000 * (ms % 1000) }
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
    return returned(world.host.bsd.setsockopt(descriptor.live, at, what, set))
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
