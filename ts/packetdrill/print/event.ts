// Events, with their times and whatever action they are, back to packetdrill's own notation.

import type { Action, Event } from '../language/ast.js'
import { printCall } from './call.js'
import { printPacket } from './packet.js'
import { printTime } from './time.js'

export function printEvent(event: Event): string {
  const blocking = event.action.kind === 'call' && event.action.endUsecs !== null
  return `${printTime(event.time)}${blocking ? '' : ' '}${printAction(event.action)}`
}

export function printAction(action: Action): string {
  switch (action.kind) {
    case 'tcp':
    case 'icmp':
      return printPacket(action)
    case 'call':
      return printCall(action)
    case 'command':
      return `\`${action.text}\``
    case 'code':
      return `%{${action.text}}%`
    default:
      return unknown(action)
  }
}

function unknown(node: never): never {
  throw new RangeError(`unknown action: ${JSON.stringify(node)}`)
}
