// The end of a connection whose socket lives on, unconnected: connect() to nobody (AF_UNSPEC), shutdown() while it is
// being opened, and connect() once it has failed. As Linux's tcp_disconnect and mptcp_disconnect.

import type { Stack } from '../stack/stack.js'
import type { ClosingConnections } from './closing-connections.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import { type BsdSocket, takeError } from './descriptors.js'

/** Ends what there is, at once, and makes the socket one that may connect or listen. */
export function disconnect(stack: Stack, closing: ClosingConnections, socket: BsdSocket): number {
  const { connection, listener } = socket
  if (listener !== null) stack.unlisten(listener)
  if (connection !== null) {
    const wasOpen = connection.state !== 'M_CLOSED'
    stack.calls.abort(connection)
    closing.letGo(connection)
    // As Linux: of a TCP socket the next call learns of it.
    if (wasOpen && socket.protocol === C.IPPROTO_TCP) socket.error = E.ECONNRESET
  }
  becomeNew(stack, socket)
  return 0
}

/** Why it is not connected, once: the socket may connect anew. */
export function failure(stack: Stack, closing: ClosingConnections, socket: BsdSocket): number {
  const error = takeError(socket) || -E.ECONNABORTED
  if (socket.connection !== null) closing.letGo(socket.connection)
  becomeNew(stack, socket)
  return error
}

function becomeNew(stack: Stack, socket: BsdSocket): void {
  const { bound } = socket
  if (bound === null) stack.releasePort(socket)
  Object.assign(socket, {
    state: 'new',
    connection: null,
    listener: null,
    target: null,
    isConnectTold: false,
    readShut: false,
    writeShut: false,
    zeroCopy: null,
    local: bound?.local ?? null,
    localPort: bound?.port ?? 0,
  } satisfies Partial<BsdSocket>)
}
