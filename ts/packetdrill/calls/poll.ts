// poll and epoll over the stack's level-triggered poll().

import type { Expression } from '../language/ast.js'
import { CONSTANTS } from '../language/constants.js'
import {
  type Attempt,
  CallError,
  type CallHandler,
  type CallWorld,
  createDescriptor,
  type Descriptor,
  failed,
  type Returned,
} from './descriptors.js'
import { fieldOf, integerOf, isEllipsis, itemsOf, numberOf, requiredField } from './expression.js'

const { POLLIN, POLLOUT, POLLNVAL, POLLRDNORM, POLLWRNORM } = CONSTANTS
const { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLONESHOT, EPOLLET } = CONSTANTS
/** Told whether asked for or not. */
const ALWAYS = CONSTANTS.POLLERR | CONSTANTS.POLLHUP

export const POLL_CALLS: Readonly<Record<string, CallHandler>> = {
  poll,
  epoll_create: makeEpoll,
  epoll_create1: makeEpoll,
  epoll_ctl: epollControl,
  epoll_wait: epollWait,
}

/** What is ready among `events`, as poll() would say. */
function readiness(world: CallWorld, descriptor: Descriptor, events: number): number {
  let ready = world.host.bsd.poll(descriptor.live)
  if (ready < 0) return POLLNVAL
  if ((ready & POLLIN) !== 0) ready |= POLLRDNORM
  if ((ready & POLLOUT) !== 0) ready |= POLLWRNORM
  return ready & (events | ALWAYS)
}

/** Blocks until `look` finds something or `timeoutMs` has passed; negative = for ever. */
function waiting(world: CallWorld, timeoutMs: number, look: () => Returned | null): Attempt {
  let deadline: number | null = null
  return () => {
    const found = look()
    if (found !== null) return found
    const now = world.host.clock.now()
    if (deadline === null) {
      deadline = timeoutMs < 0 ? Number.POSITIVE_INFINITY : now + timeoutMs
      // Something has to happen at the deadline, or no one would look.
      world.host.clock.at(deadline, () => {})
    }
    if (now >= deadline) return { value: 0, errno: null }
    return 'blocks'
  }
}

function poll(world: CallWorld, given: readonly Expression[]): Attempt {
  const [list, , timeout] = given
  if (list === undefined || timeout === undefined) throw new CallError('poll() has 3 arguments')
  const entries = itemsOf(list).map((item) => ({
    fd: numberOf(requiredField(item, 'fd')),
    events: numberOf(requiredField(item, 'events')),
    wanted: fieldOf(item, 'revents')?.value ?? null,
  }))
  return waiting(world, numberOf(timeout), () => {
    let count = 0
    let problem: string | undefined
    for (const { fd, events, wanted } of entries) {
      const descriptor = world.descriptors.get(fd)
      const ready = descriptor === undefined ? POLLNVAL : readiness(world, descriptor, events)
      if (ready !== 0) count++
      if (wanted === null || isEllipsis(wanted)) continue
      const expected = numberOf(wanted)
      if (expected !== ready)
        problem ??= `revents of ${fd}: expected ${hex(expected)}, actual ${hex(ready)}`
    }
    if (count === 0) return null
    return problem === undefined
      ? { value: count, errno: null }
      : { value: count, errno: null, problem }
  })
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}

function makeEpoll(): Attempt {
  return () => ({ value: 0, errno: null, made: createDescriptor('epoll', -1) })
}

function epollOf(world: CallWorld, given: readonly Expression[]): Descriptor | null {
  const descriptor = given[0] === undefined ? undefined : world.descriptors.get(numberOf(given[0]))
  return descriptor?.kind === 'epoll' ? descriptor : null
}

function epollControl(world: CallWorld, given: readonly Expression[]): Attempt {
  const set = epollOf(world, given)
  const [, operation, socket, event] = given
  if (operation === undefined || socket === undefined) {
    throw new CallError('epoll_ctl() has 4 arguments')
  }
  return () => {
    const fd = numberOf(socket)
    if (set === null || !world.descriptors.has(fd)) return failed('EBADF')
    const what = numberOf(operation)
    if (what === EPOLL_CTL_DEL) {
      return set.watched.delete(fd) ? { value: 0, errno: null } : failed('ENOENT')
    }
    if (event === undefined) throw new CallError('epoll_ctl() needs an event')
    if (what === EPOLL_CTL_ADD && set.watched.has(fd)) return failed('EEXIST')
    if (what === EPOLL_CTL_MOD && !set.watched.has(fd)) return failed('ENOENT')
    set.watched.set(fd, {
      events: numberOf(requiredField(event, 'events')),
      data: dataOf(event) ?? BigInt(fd),
      spent: false,
      told: 0,
      errors: 0,
    })
    return { value: 0, errno: null }
  }
}

/** The union of an epoll_event: one of its members is written. */
function dataOf(event: Expression): bigint | null {
  for (const name of ['fd', 'u32', 'u64', 'ptr']) {
    const field = fieldOf(event, name)
    if (field !== null && !isEllipsis(field.value)) return integerOf(field.value)
  }
  return null
}

function epollWait(world: CallWorld, given: readonly Expression[]): Attempt {
  const set = epollOf(world, given)
  const [, expected, most, timeout] = given
  if (expected === undefined || most === undefined || timeout === undefined) {
    throw new CallError('epoll_wait() has 4 arguments')
  }
  if (set === null) return () => failed('EBADF')
  return waiting(world, numberOf(timeout), () => {
    const found: { events: number; data: bigint }[] = []
    for (const [fd, watched] of set.watched) {
      const descriptor = world.descriptors.get(fd)
      if (descriptor === undefined || watched.spent) continue
      const ready = readiness(world, descriptor, watched.events)
      const errors = world.host.bsd.errorsQueued(descriptor.live)
      const isNews = (ready & ~watched.told) !== 0 || errors !== watched.errors
      watched.told = ready
      watched.errors = errors
      if (ready === 0 || ((watched.events & EPOLLET) !== 0 && !isNews)) continue
      if (found.length >= numberOf(most)) break
      if ((watched.events & EPOLLONESHOT) !== 0) watched.spent = true
      found.push({ events: ready, data: watched.data })
    }
    if (found.length === 0) return null
    const problem = compareEvents(expected, found)
    return problem === null
      ? { value: found.length, errno: null }
      : { value: found.length, errno: null, problem }
  })
}

function compareEvents(
  expected: Expression,
  found: readonly { events: number; data: bigint }[],
): string | null {
  if (isEllipsis(expected)) return null
  const items = expected.kind === 'array' ? expected.items : [expected]
  for (let i = 0; i < Math.min(items.length, found.length); i++) {
    const item = items[i]!
    const have = found[i]!
    const events = fieldOf(item, 'events')
    if (events !== null && !isEllipsis(events.value)) {
      // The script may name EPOLLET again: it is no event.
      const wanted = numberOf(events.value) & 0x0fff_ffff
      if (wanted !== have.events) {
        return `events: expected ${hex(wanted)}, actual ${hex(have.events)}`
      }
    }
    const data = dataOf(item)
    if (data !== null && data !== have.data) return `data: expected ${data}, actual ${have.data}`
  }
  return null
}
