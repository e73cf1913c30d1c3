// One connection's part of a turn: what ended is settled, the dead are taken off, the path manager is asked,
// everything owed is sent; and again, for as long as that left something to do.

import { isGone, reap } from './close.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { output, settleEnds } from './output.js'
import { managePaths } from './path-manager/manage.js'

/**
 * Rounds of one turn. Two or three are the rule where something ends: a RST that left takes its subflow off,
 * whose data another carries then. Bounded: a path manager that answers each event with a command that makes
 * another would never end; what is left goes on with the next event.
 */
const MAX_ROUNDS = 8

/** Brings the connection to rest at `now`. */
export function settle(context: Context, connection: Connection, now: number): void {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    settleEnds(context, connection, now)
    reap(context, connection, now)
    managePaths(context, connection, now)
    output(context, connection, now)
    if (!isUnsettled(connection)) return
  }
}

/** Whether the round has left a subflow that is gone, or something that the path manager has not heard. */
function isUnsettled({ subflows, pathManager }: Connection): boolean {
  if (pathManager.events.length > 0) return true
  return subflows.some(isGone)
}
