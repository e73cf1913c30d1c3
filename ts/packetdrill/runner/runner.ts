// Plays one script against a stack of its own in virtual time: waits for each event, injects or expects
// packets, makes calls, runs commands. The first thing that is not as written ends it.

import type { MptcpBackend } from '../../core/load.js'
import type { Connection } from '../../mptcp/connection.js'
import { isLive } from '../../mptcp/subflow.js'
import { tcpInfo } from '../../socket/tcp-info.js'
import {
  type Attempt,
  CallError,
  type CallWorld,
  type Descriptor,
  type Returned,
} from '../calls/descriptors.js'
import { isEllipsis, numberOf } from '../calls/expression.js'
import { readyCall } from '../calls/table.js'
import { CODE_CONSTANTS, CodeFailure, runCode } from '../code/run.js'
import type { CodeValue } from '../code/values.js'
import { Commands } from '../host/commands.js'
import { Host } from '../host/host.js'
import { type AskedSettings, type RunSettings, settingsOf } from '../host/settings.js'
import type { Call, Code, Event, Position, Script } from '../language/ast.js'
import { errnoNumber } from '../language/errno.js'
import { type CodeStatement, parseCode } from '../language/parse-code.js'
import { BindingError, Bindings } from '../packets/bindings.js'
import { encodeIcmp } from '../packets/encode-icmp.js'
import { printCall, printCallResult, printResult } from '../print/call.js'
import { printPacket } from '../print/packet.js'
import { NODE_HASHES } from './hashes.js'
import { PacketPlayer } from './packet-player.js'
import { type Due, Timeline } from './timeline.js'

/** Where a script went wrong, and how. */
export interface Failure {
  readonly position: Position
  readonly message: string
  /** Virtual time of the script, microseconds. */
  readonly usecs: number
  /** In packetdrill's notation; null where there is nothing to show. */
  readonly expected: string | null
  readonly actual: string | null
}

export interface RunOptions extends AskedSettings {
  core?: MptcpBackend
  seed?: number
  /** Told of each event as it begins. */
  trace?: (usecs: number, event: Event) => void
  /** Told of what --non_fatal forgives. */
  warn?: (failure: Failure) => void
}

class Stop extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/** A call that has not returned yet. */
interface Pending {
  readonly call: Call
  readonly attempt: Attempt
  readonly due: Due
  readonly lastEventUsecs: number
  result: Returned | null
  doneUsecs: number
}

/** Null: it passed. Throws a ScriptError where the script itself is wrong. */
export function runScript(script: Script, options: RunOptions = {}): Failure | null {
  const settings = settingsOf(script, options)
  if (settings.dryRun) return null
  const run = new ScriptRun(script, settings, options)
  try {
    run.play()
    return null
  } catch (error) {
    if (error instanceof Stop) return error.failure
    throw error
  } finally {
    run.close()
  }
}

class ScriptRun {
  readonly #script: Script
  readonly #options: RunOptions
  readonly #host: Host
  readonly #timeline: Timeline
  readonly #bindings = new Bindings(NODE_HASHES)
  readonly #packets: PacketPlayer
  readonly #commands: Commands
  readonly #world: CallWorld
  readonly #descriptors = new Map<number, Descriptor>()
  readonly #files = new Map<string, number>()
  readonly #code = new Map<Code, CodeStatement[]>()
  readonly #names = new Map<string, CodeValue>()
  #pending: Pending | null = null

  constructor(script: Script, settings: RunSettings, options: RunOptions) {
    this.#script = script
    this.#options = options
    this.#host = new Host({ settings, core: options.core ?? 'auto', seed: options.seed })
    this.#timeline = new Timeline(this.#host.clock, settings)
    this.#timeline.onStep = () => this.#attempt()
    this.#packets = new PacketPlayer(this.#host, this.#timeline, this.#bindings)
    this.#commands = new Commands({
      host: this.#host,
      files: this.#files,
      sleep: (ms) => this.#timeline.advance(this.#timeline.nowUsecs + 1000 * ms),
      socketInfo: (name) => this.#socketInfo(name),
    })
    this.#world = {
      host: this.#host,
      descriptors: this.#descriptors,
      files: this.#files,
      listens: () => this.#packets.flows.listens(),
      connects: (address, port) => this.#packets.flows.connects(address, port),
    }
    for (const { action } of script.events) {
      if (action.kind === 'code') this.#code.set(action, parseCode(action))
      if (action.kind === 'tcp') this.#bindings.collect(action.options ?? [])
    }
  }

  play(): void {
    const { init, events, cleanup } = this.#script
    const top: Position = { file: this.#script.file, line: 1, column: 1 }
    for (const name of this.#host.settings.initScripts) this.#command(name, top)
    if (init !== null) this.#command(init.text, init.position)
    for (const event of events) {
      this.#options.trace?.(this.#timeline.nowUsecs, event)
      const due = this.#timeline.due(event.time)
      try {
        this.#play(event, due)
      } catch (error) {
        if (error instanceof Stop && this.#isForgiven(event)) {
          this.#options.warn?.(error.failure)
        } else {
          // A mistake of the script's that only shows while it runs.
          const wrong = error instanceof BindingError || error instanceof CallError
          if (!wrong) throw error
          this.#fail(event.position, error.message)
        }
      }
      this.#timeline.lastEventUsecs = due?.startUsecs ?? this.#timeline.nowUsecs
    }
    this.#awaitCall()
    if (cleanup !== null) this.#command(cleanup.text, cleanup.position)
  }

  close(): void {
    this.#host.close()
  }

  #fail(position: Position, message: string, expected?: string, actual?: string): never {
    const usecs = this.#timeline.nowUsecs
    throw new Stop({ position, message, usecs, expected: expected ?? null, actual: actual ?? null })
  }

  #isForgiven({ action }: Event): boolean {
    const { nonFatal } = this.#host.settings
    if (action.kind === 'call') return nonFatal.has('syscall')
    return (action.kind === 'tcp' || action.kind === 'icmp') && nonFatal.has('packet')
  }

  #play(event: Event, due: Due | null): void {
    const { action } = event
    switch (action.kind) {
      case 'tcp': {
        if (action.direction === 'outbound') {
          const problem = this.#packets.expect(action, due)
          if (problem === null) return
          const { expected, actual, message } = problem
          this.#fail(
            action.position,
            message,
            printPacket(expected),
            actual === null ? 'nothing' : printPacket(actual),
          )
        }
        this.#wait(due)
        const problem = this.#packets.inject(action)
        if (problem !== null) this.#fail(action.position, problem, printPacket(action))
        this.#settle()
        return
      }
      case 'icmp': {
        if (action.direction === 'outbound') {
          this.#fail(action.position, 'the stack sends no ICMP messages', printPacket(action))
        }
        this.#wait(due)
        const flow = this.#packets.flows.newest
        if (flow === null) this.#fail(action.position, 'no flow for the message to be about')
        const bytes = encodeIcmp(action, flow)
        if (typeof bytes === 'string') this.#fail(action.position, bytes, printPacket(action))
        this.#host.device.inject(bytes)
        this.#settle()
        return
      }
      case 'call':
        this.#call(action, due)
        return
      case 'command':
        this.#awaitCall()
        this.#wait(due)
        this.#command(action.text, action.position)
        return
      case 'code':
        this.#wait(due)
        this.#runCode(action)
        return
      default:
        action satisfies never
    }
  }

  #wait(due: Due | null): void {
    if (due !== null) this.#timeline.advance(due.startUsecs)
  }

  #settle(): void {
    this.#timeline.settle()
    this.#attempt()
    this.#timeline.settle()
  }

  // ---------------------------------------------------------------- calls

  #call(call: Call, due: Due | null): void {
    const start = due ?? { startUsecs: this.#timeline.nowUsecs, endUsecs: 0 }
    // A relative end counts from the same instant as the event's own time did.
    const shift = this.#isRelative(call) ? this.#timeline.nowUsecs : 0
    this.#awaitCall()
    this.#wait(due)
    const attempt = readyCall(this.#world, call.name, call.arguments)
    const end = call.endUsecs === null ? start.startUsecs : call.endUsecs + shift
    this.#pending = {
      call,
      attempt,
      due: { startUsecs: end, endUsecs: end },
      lastEventUsecs: this.#timeline.lastEventUsecs,
      result: null,
      doneUsecs: 0,
    }
    this.#attempt()
    if (call.endUsecs === null) {
      if (this.#pending.result === null) {
        this.#fail(
          call.position,
          'the call blocks: a time at which it returns is wanted, as in +0...0.4',
          printCall(call),
        )
      }
      this.#finishCall()
    }
    this.#settle()
  }

  #isRelative(call: Call): boolean {
    const event = this.#script.events.find((each) => each.action === call)
    return event?.time.kind === 'relative'
  }

  /** Looks whether the call that blocks can return now. */
  #attempt(): void {
    const pending = this.#pending
    if (pending === null || pending.result !== null) return
    const result = pending.attempt()
    if (result === 'blocks') return
    pending.result = result
    pending.doneUsecs = this.#timeline.nowUsecs
    // What it made can be used from now on, whoever waits for the call itself.
    if (result.made !== undefined) this.#keepDescriptor(pending.call, result.made)
  }

  #keepDescriptor(call: Call, made: Descriptor): void {
    if (isEllipsis(call.result)) return
    const number = numberOf(call.result)
    if (number >= 0) this.#descriptors.set(number, made)
  }

  /** The call before must have returned, at its time, before another is made. */
  #awaitCall(): void {
    const pending = this.#pending
    if (pending === null) return
    if (pending.result === null) {
      const { startUsecs } = pending.due
      const latest = Math.max(startUsecs, this.#timeline.nowUsecs) + 2_000_000
      this.#timeline.advance(latest, () => pending.result !== null)
    }
    if (pending.result === null) {
      this.#fail(pending.call.position, 'the call has not returned', printCall(pending.call))
    }
    this.#finishCall()
  }

  #finishCall(): void {
    const pending = this.#pending as Pending
    this.#pending = null
    const { call, result, due, doneUsecs } = pending
    const { value, errno, problem, made } = result as Returned
    const shown = printResult(value, errno)
    const expected = printCallResult(call)
    if (!isEllipsis(call.result)) {
      const wanted = numberOf(call.result)
      const right = made === undefined ? wanted === value : wanted >= 0
      const sameErrno =
        call.errno === null ||
        (errno !== null && errnoNumber(call.errno.name) === errnoNumber(errno))
      if (!right || !sameErrno) {
        this.#fail(call.position, `${call.name}() returned something else`, expected, shown)
      }
    }
    if (problem !== undefined) this.#fail(call.position, `${call.name}(): ${problem}`, expected)
    const before = this.#timeline.lastEventUsecs
    this.#timeline.lastEventUsecs = pending.lastEventUsecs
    const late = this.#timeline.check(due, doneUsecs, `the return of ${call.name}() was`)
    this.#timeline.lastEventUsecs = before
    if (late !== null) this.#fail(call.position, late, printCall(call))
  }

  // ---------------------------------------------------------------- commands and code

  #command(text: string, position: Position): void {
    const problem = this.#commands.run(text)
    if (problem !== null) this.#fail(position, problem, `\`${text}\``)
    this.#settle()
  }

  /** The connection of the descriptor made last. */
  #connection(): Connection | null {
    let found: Connection | null = null
    for (const { kind, live } of this.#descriptors.values()) {
      if (kind === 'socket') found = this.#host.bsd.connectionOf(live) ?? found
    }
    return found
  }

  #socketInfo(name: string): number {
    const live = this.#connection()?.subflows.filter(isLive).length ?? 0
    return name === 'subflows_total' ? live : Math.max(0, live - 1)
  }

  #runCode(code: Code): void {
    for (const [name, value] of Object.entries(CODE_CONSTANTS)) this.#names.set(name, value)
    const info = tcpInfo(this.#connection()?.subflows[0] ?? null, this.#host.clock.now())
    for (const [name, value] of Object.entries(info)) this.#names.set(name, BigInt(value))
    try {
      runCode(this.#code.get(code) ?? [], this.#names)
    } catch (error) {
      if (error instanceof CodeFailure) this.#fail(error.position, error.message)
      throw error
    }
  }
}
