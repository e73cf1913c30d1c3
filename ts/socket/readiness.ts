// What a socket is ready for, as poll() tells it, and what waits in it, as ioctl() does.

import type { Connection } from '../mptcp/connection.js'
import { unsentBytes } from '../mptcp/send-queue.js'
import type { Stack } from '../stack/stack.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import type { BsdSocket } from './descriptors.js'
import { hasZeroCopyNews } from './zero-copy.js'

/** Among POLLIN, POLLOUT, POLLERR, POLLHUP and POLLRDHUP, by the rules of Linux's mptcp_poll. */
export function readiness(stack: Stack, socket: BsdSocket): number {
  if (socket.listener !== null) return socket.listener.ready.length > 0 ? C.POLLIN : 0
  const { connection } = socket
  if (socket.state === 'deferred') return C.POLLOUT
  if (connection === null) return C.POLLHUP | C.POLLOUT | (socket.error !== 0 ? C.POLLERR : 0)
  let ready = 0
  if (socket.error !== 0 || hasZeroCopyNews(socket)) ready |= C.POLLERR
  if (connection.state === 'M_CLOSED') {
    ready |= C.POLLHUP | C.POLLIN | C.POLLRDHUP | C.POLLOUT
  }
  const isReceivingShut = connection.rcv.finReached || socket.readShut
  if (isReceivingShut) ready |= C.POLLIN | C.POLLRDHUP
  if (isReceivingShut && socket.writeShut) ready |= C.POLLHUP
  if (isReadable(stack, socket, connection)) ready |= C.POLLIN
  // A write that fails at once does not block either.
  if (socket.writeShut) ready |= C.POLLOUT
  else if (socket.state === 'connected') {
    if (isWritable(stack, socket, connection)) ready |= C.POLLOUT
    // Whoever asked and was told no is told when it is yes, as by Linux (SOCK_NOSPACE).
    else stack.calls.awaitRoom(connection)
  }
  return ready
}

/** SO_RCVLOWAT bytes, or as much as the buffer can ever hold. */
function isReadable(stack: Stack, socket: BsdSocket, connection: Connection): boolean {
  const readable = stack.calls.readableBytes(connection)
  if (readable === 0) return false
  return readable >= Math.min(socket.settings.receiveLowWater, connection.rcv.buffer / 2)
}

/** A write may still find that memory just ran out; then this is false until some came back. */
function isWritable(stack: Stack, socket: BsdSocket, connection: Connection): boolean {
  if (unsentBytes(connection) >= socket.settings.notSentLowWater) return false
  return stack.calls.sendRoom(connection) > 0
}

/** Bytes that a read would give; 1 where none is left and none will come, so that the end is read too. */
export function inQueueHint(stack: Stack, socket: BsdSocket): number {
  const { connection } = socket
  if (connection === null) return 0
  const readable = stack.calls.readableBytes(connection)
  if (readable > 0) return readable
  const { state, rcv } = connection
  return rcv.finReached || state === 'M_CLOSED' || socket.readShut ? 1 : 0
}

/** SIOCINQ, SIOCOUTQ and SIOCOUTQNSD: to be read, not acknowledged, not sent. */
export function queueBytes(stack: Stack, socket: BsdSocket, request: number): number {
  if (request !== C.SIOCINQ && request !== C.SIOCOUTQ && request !== C.SIOCOUTQNSD) {
    return -E.ENOTTY
  }
  if (socket.listener !== null) return -E.EINVAL
  const { connection } = socket
  if (connection === null || socket.state === 'connecting') return 0
  if (request === C.SIOCINQ) {
    if (socket.protocol === C.IPPROTO_MPTCP) return inQueueHint(stack, socket)
    return stack.calls.readableBytes(connection)
  }
  // The DATA_FIN, or the FIN, counts as a byte.
  const { snd } = connection
  const end = snd.end + (snd.fin >= 0 ? 1 : 0)
  return Math.max(0, end - (request === C.SIOCOUTQ ? snd.una : snd.nxt))
}
