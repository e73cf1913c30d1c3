// What the tests of packetdrill's language share.

import type { Action, Call, TcpOption, TcpPacket } from '../../ts/packetdrill/language/ast.js'
import { ScriptError } from '../../ts/packetdrill/language/ast.js'
import { parseScript } from '../../ts/packetdrill/language/parse-script.js'

/** The action of a script of one event at +0. */
export function action(text: string, defines: Record<string, string> = {}): Action {
  return parseScript(`+0 ${text}`, 'x.pkt', defines).events[0]!.action
}

export function packet(text: string): TcpPacket {
  return action(text) as TcpPacket
}

export function call(text: string): Call {
  return action(text) as Call
}

export function option(text: string): TcpOption {
  return packet(`> . 1:1(0) ack 1 <${text}>`).options![0]!
}

/** Nodes without their positions. */
export function plain<T>(node: T): unknown {
  if (Array.isArray(node)) return node.map(plain)
  if (node === null || typeof node !== 'object' || node instanceof Uint8Array) return node
  const entries = Object.entries(node).filter(([name]) => name !== 'position')
  return Object.fromEntries(entries.map(([name, value]) => [name, plain(value)]))
}

/** The message of the ScriptError that `run` throws. */
export function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ScriptError) return error.message
    throw error
  }
  return 'no error'
}
