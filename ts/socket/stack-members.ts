// The sockets and servers of one MptcpStack, and how they end with it: at once, or after a while in which they
// may end by themselves.

import type { TimerHandle } from '../clock.js'
import { pathError } from '../mptcp/path-manager/endpoint-table.js'
import type { Stack } from '../stack/stack.js'
import type { MptcpBsd } from './bsd.js'

/** A socket or a server. */
export interface StackMember {
  /** Asks it to end by itself. */
  end(): unknown
  /** The stack is closed: it says so to its owner; true = something of it was lost. */
  endWithStack(): boolean
}

/** What is asked of a stack that is closed, or is being so. */
export function closedError(): Error {
  return pathError('CLOSED', 'the stack is closed: open another one with MptcpStack.open()')
}

export class StackMembers {
  readonly #stack: Stack
  readonly #bsd: MptcpBsd
  /** Bounded: by the descriptors, and by the user's calls of connect(). */
  readonly #members = new Set<StackMember>()
  readonly #ended: Promise<boolean>
  #resolve: (nothingLost: boolean) => void = () => {}
  #phase: 'open' | 'lingering' | 'over' = 'open'
  #limit: TimerHandle | null = null
  #forget: (() => void) | null = null
  #nothingLost = true
  /** Members that the end of the stack is still to be told to. */
  #untold = 0

  constructor(stack: Stack, bsd: MptcpBsd) {
    this.#stack = stack
    this.#bsd = bsd
    this.#ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Whether nothing new may begin any more. */
  get isClosed(): boolean {
    return this.#phase !== 'open' || this.#stack.closed
  }

  add(member: StackMember): void {
    this.#members.add(member)
  }

  /** It has ended, and has said 'close' or does so in this tick. */
  remove(member: StackMember): void {
    this.#members.delete(member)
    if (this.#phase === 'lingering') this.#awaitWire()
    this.#settle()
  }

  /**
   * Ends all: after `lingerMs`, or as soon as all have ended by themselves. A later call may only make it
   * sooner. The answer comes when every one has said 'close': true = nothing was lost.
   */
  close(lingerMs: number): Promise<boolean> {
    if (lingerMs === 0 || this.#stack.closed) this.#endNow()
    else if (this.#phase === 'open') this.#linger(lingerMs)
    return this.#ended
  }

  #linger(lingerMs: number): void {
    const { clock } = this.#stack
    this.#phase = 'lingering'
    this.#limit = clock.at(clock.now() + lingerMs, () => this.#endNow())
    for (const member of [...this.#members]) member.end()
    this.#awaitWire()
  }

  /** Once every member has ended, what they wrote may still be under way. */
  #awaitWire(): void {
    if (this.#members.size > 0 || this.#forget !== null) return
    // Asked anew by 'soon': the answer may come within the call.
    this.#stack.context.say(() => {
      if (this.#phase === 'lingering') this.#forget ??= this.#bsd.whenDrained(() => this.#endNow())
    })
  }

  #endNow(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    if (this.#limit !== null) this.#stack.clock.cancel(this.#limit)
    this.#forget?.()
    const { context, counters } = this.#stack
    const cutOff = counters.TcpExtTCPAbortOnClose
    this.#stack.close()
    this.#untold = this.#members.size + 1
    for (const member of [...this.#members]) {
      // Each in a scope of its own: what a listener throws keeps nobody from hearing of the end.
      context.say(() => {
        this.#untold--
        if (member.endWithStack()) this.#nothingLost = false
        this.#settle()
      })
    }
    const count = (): void => {
      this.#untold--
      if (counters.TcpExtTCPAbortOnClose > cutOff) this.#nothingLost = false
      this.#settle()
    }
    // Asked for within a turn it is closed behind that; else nobody need wait for a clock that may stand still.
    if (this.#stack.connectionCount === 0) count()
    else context.say(count)
  }

  #settle(): void {
    if (this.#phase !== 'over' || this.#untold > 0 || this.#members.size > 0) return
    this.#resolve(this.#nothingLost)
  }
}
