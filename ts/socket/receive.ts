// Reading from a connected socket: the flags of recv(), and what recvmsg() tells beside the data.

import type { Stack } from '../stack/stack.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import { type BsdSocket, takeError } from './descriptors.js'
import type { MptcpControlMessage, MptcpMessage } from './message.js'
import { inQueueHint } from './readiness.js'
import { readErrorQueue } from './zero-copy.js'

/** Copies received bytes to `target`: their number, 0 at the end of the data, or a negated errno. */
export function receive(
  stack: Stack,
  socket: BsdSocket,
  target: Uint8Array,
  flags: number,
): number {
  const { connection } = socket
  // The error queue bears no data.
  if ((flags & C.MSG_ERRQUEUE) !== 0) return readErrorQueue(socket).count
  if (connection === null) return -E.ENOTCONN
  if (socket.readShut) return 0
  const { calls } = stack
  // MSG_TRUNC: taken off the queue, and not copied.
  const into = (flags & C.MSG_TRUNC) !== 0 ? new Uint8Array(target.length) : target
  const count =
    (flags & C.MSG_PEEK) !== 0 ? calls.peek(connection, target) : calls.read(connection, into)
  if (count > 0) return count
  if (target.length === 0) return 0
  if (connection.rcv.finReached) return 0
  const error = takeError(socket)
  if (error !== 0) return error
  if (connection.state !== 'M_CLOSED') return -E.EAGAIN
  // Its subflows ended without a word of the data, and no other came.
  return connection.mode === 'mptcp' && connection.error === null ? -E.ENOTCONN : 0
}

/** As `receive`, with TCP_INQ's message: bytes that are still to be read. */
export function receiveMessage(
  stack: Stack,
  socket: BsdSocket,
  target: Uint8Array,
  flags: number,
): MptcpMessage {
  if ((flags & C.MSG_ERRQUEUE) !== 0) return readErrorQueue(socket)
  const count = receive(stack, socket, target, flags)
  const control: MptcpControlMessage[] = []
  if (count >= 0 && socket.settings.tellsInQueue) {
    control.push({ level: C.SOL_TCP, type: C.TCP_CM_INQ, value: inQueueHint(stack, socket) })
  }
  return { count, control }
}
