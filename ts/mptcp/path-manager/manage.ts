// The path manager's part of a turn: it is told what happened, and its commands are carried out.

import type { Connection } from '../connection.js'
import type { Context } from '../context.js'
import { mayOpenJoin } from '../mp-join.js'
import { runCommand, sayRemoved } from './commands.js'
import { ConnectionView } from './connection-view.js'
import type {
  MptcpLinkEvent,
  MptcpListenerEvent,
  MptcpPathCommand,
  MptcpPathConnection,
  MptcpPathEvent,
} from './path-manager.js'
import { managerOf, replaceManager } from './replaced.js'
import { takeDue } from './retries.js'

/** Bounded: what one answer may ask for; more is not read. */
const MAX_COMMANDS = 256

/** Tells the events since the last time, and does what is asked for. */
export function managePaths(context: Context, connection: Connection, now: number): void {
  const { pathManager } = connection
  const { events } = pathManager
  if (isOver(connection) && pathManager.created && !pathManager.closed) {
    pathManager.closed = true
    events.push({ type: 'closed' })
  }
  sayRemovals(connection)
  if (events.length === 0) return
  const view = new ConnectionView(connection)
  // Bounded: a command adds at most one event, and only if it ends or announces something.
  for (const event of events.splice(0)) {
    const commands = ask(context, connection, event, view)
    watch(context, event, view)
    for (const command of commands.slice(0, MAX_COMMANDS)) {
      if (!isDone(context, connection, command, now)) context.counters.PathCommandRefused++
    }
  }
}

/** Opens the subflows that had to wait, and may still be opened. */
export function retryDue(context: Context, connection: Connection, now: number): void {
  for (const command of takeDue(connection, now)) {
    if (!mayOpenJoin(connection)) continue
    if (!isDone(context, connection, command, now)) context.counters.PathCommandRefused++
  }
}

/** Addresses that went away when no subflow was left to say it on. */
function sayRemovals(connection: Connection): void {
  const { removals } = connection.pathManager
  if (removals.length > 0 && sayRemoved(connection, removals)) removals.length = 0
}

/** The last event may be told. */
function isOver({ state, subflows }: Connection): boolean {
  return state === 'M_CLOSED' && subflows.length === 0
}

/** What the path manager answers. One that throws, or answers no list, loses its place on this connection. */
function ask(
  context: Context,
  connection: Connection,
  event: MptcpPathEvent,
  view: MptcpPathConnection,
): readonly MptcpPathCommand[] {
  try {
    const commands = managerOf(context, connection).onEvent(event, view)
    if (Array.isArray(commands)) return commands
    // Not typed, it may say false as well.
    if (!commands) return []
    throw new Error(`onEvent() must return a list of commands or undefined, not ${commands}`)
  } catch (error) {
    return replaceManager(context, connection, error).onEvent(event, view) ?? []
  }
}

/** Carries out a command. It need not be typed, and one that throws when it is read is refused as well. */
function isDone(
  context: Context,
  connection: Connection,
  command: MptcpPathCommand,
  now: number,
): boolean {
  if (typeof command !== 'object' || command === null) return false
  try {
    return runCommand(context, connection, command, now) === null
  } catch (error) {
    context.pathManagerFault(error)
    return false
  }
}

/** Tells those who only want to know, after the turn. */
export function watch(
  context: Context,
  event: MptcpPathEvent | MptcpListenerEvent | MptcpLinkEvent,
  view: MptcpPathConnection | null,
): void {
  for (const watcher of context.pathWatchers) {
    context.say(() => {
      // It may have stopped watching meanwhile.
      if (context.pathWatchers.has(watcher)) watcher(event, view)
    })
  }
}
