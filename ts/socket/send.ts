// Writing to a connected socket, and ending a side of it: the flags of send(), and shutdown().

import type { Stack } from '../stack/stack.js'
import type { ClosingConnections } from './closing-connections.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import { type BsdSocket, takeError } from './descriptors.js'
import { disconnect } from './disconnect.js'
import { getOption } from './options.js'
import { hasZeroCopyRoom, noteZeroCopy } from './zero-copy.js'

export function write(stack: Stack, socket: BsdSocket, bytes: Uint8Array, flags: number): number {
  const { connection } = socket
  if (connection === null) return -E.EPIPE
  const error = takeError(socket)
  if (error !== 0) return error
  if (socket.writeShut || connection.state === 'M_CLOSED') return -E.EPIPE
  if (socket.state === 'connecting') {
    stack.calls.awaitRoom(connection)
    return -E.EAGAIN
  }
  const zeroCopy =
    (flags & C.MSG_ZEROCOPY) !== 0 && getOption(stack, socket, C.SOL_SOCKET, C.SO_ZEROCOPY) === 1
  if (zeroCopy && !hasZeroCopyRoom(socket)) return -E.ENOBUFS
  const taken = stack.calls.write(connection, bytes, {
    more: (flags & C.MSG_MORE) !== 0,
    endsRecord: (flags & C.MSG_EOR) !== 0,
  })
  if (zeroCopy && taken > 0) noteZeroCopy(socket, connection.snd.end)
  return taken === 0 && bytes.length > 0 ? -E.EAGAIN : taken
}

export function shutdown(
  stack: Stack,
  closing: ClosingConnections,
  socket: BsdSocket,
  how: number,
): number {
  if (how !== C.SHUT_RD && how !== C.SHUT_WR && how !== C.SHUT_RDWR) return -E.EINVAL
  const { connection, state } = socket
  if (state === 'connecting') return disconnect(stack, closing, socket)
  if (state === 'listening') return how === C.SHUT_WR ? 0 : disconnect(stack, closing, socket)
  if (connection === null || state !== 'connected') return -E.ENOTCONN
  if (how !== C.SHUT_RD && !socket.writeShut) {
    socket.writeShut = true
    stack.calls.shutSending(connection)
  }
  if (how !== C.SHUT_WR && !socket.readShut) {
    socket.readShut = true
    stack.calls.shutReceiving(connection)
  }
  return 0
}
