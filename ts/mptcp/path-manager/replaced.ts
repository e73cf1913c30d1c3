// Who decides about a connection's paths: the stack's path manager, or the default where that has failed.

import type { Connection } from '../connection.js'
import type { Context } from '../context.js'
import type { MptcpPathManager } from './path-manager.js'

export function managerOf(context: Context, { pathManager }: Connection): MptcpPathManager {
  return pathManager.failed ? context.defaultPathManager() : context.pathManager
}

/** The user's has failed: the default takes over what it finds. Returns it. */
export function replaceManager(
  context: Context,
  { pathManager }: Connection,
  error: unknown,
): MptcpPathManager {
  context.pathManagerFault(error)
  pathManager.failed = true
  return context.defaultPathManager()
}
