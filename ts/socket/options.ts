// getsockopt and setsockopt: the common options, those of TCP, and MPTCP_INFO. What is not listed is
// refused with ENOPROTOOPT.

import { dataAck } from '../mptcp/connection.js'
import { isLive } from '../mptcp/subflow.js'
import type { Stack } from '../stack/stack.js'
import type { BsdSocket } from './bsd.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'

/** What MPTCP_INFO tells, under the names of Linux's struct mptcp_info. */
export interface MptcpInfo {
  mptcpi_subflows: number
  mptcpi_add_addr_signal: number
  mptcpi_add_addr_accepted: number
  mptcpi_subflows_max: number
  /** The connection fell back to plain TCP. */
  mptcpi_fallback: boolean
  mptcpi_remote_key_received: boolean
  mptcpi_token: number
  mptcpi_csum_enabled: boolean
  /** Offsets from the IDSN, bytes. */
  mptcpi_write_seq: number
  mptcpi_snd_una: number
  mptcpi_rcv_nxt: number
}

export function getOption(
  stack: Stack,
  socket: BsdSocket,
  level: number,
  name: number,
): number | string | object {
  const { settings, connection } = socket
  if (level === C.SOL_SOCKET) {
    switch (name) {
      case C.SO_TYPE:
        return C.SOCK_STREAM
      case C.SO_PROTOCOL:
        return socket.protocol
      case C.SO_DOMAIN:
        return socket.family
      case C.SO_ACCEPTCONN:
        return socket.listener === null ? 0 : 1
      case C.SO_REUSEADDR:
        return settings.reuseAddress ? 1 : 0
      case C.SO_SNDBUF:
        return settings.sendBuffer
      case C.SO_RCVBUF:
        return settings.receiveBuffer
      case C.SO_LINGER:
        return settings.linger
      default:
        return -E.ENOPROTOOPT
    }
  }
  if (level === C.SOL_TCP) {
    const tcb = connection?.subflows[0]?.tcb
    switch (name) {
      case C.TCP_NODELAY:
        return settings.noDelay ? 1 : 0
      case C.TCP_MAXSEG:
        return tcb === undefined ? 536 : tcb.snd.mss
      case C.TCP_CONGESTION:
        return tcb === undefined ? stack.config.congestion(1460).name : tcb.congestion.name
      case C.TCP_IS_MPTCP:
        if (connection === null) return socket.protocol === C.IPPROTO_MPTCP ? 1 : 0
        return connection.mode === 'fallback' ? 0 : 1
      default:
        return -E.ENOPROTOOPT
    }
  }
  if (level === C.IPPROTO_IPV6 && name === C.IPV6_V6ONLY) return settings.v6Only ? 1 : 0
  if (level === C.SOL_MPTCP && name === C.MPTCP_INFO) {
    if (socket.protocol !== C.IPPROTO_MPTCP) return -E.EOPNOTSUPP
    if (connection === null) return -E.ENOTCONN
    const info: MptcpInfo = {
      mptcpi_subflows: Math.max(0, connection.subflows.filter(isLive).length - 1),
      mptcpi_add_addr_signal: connection.pathManager.announcements.length,
      mptcpi_add_addr_accepted: connection.pathManager.remoteAddresses.length,
      mptcpi_subflows_max: stack.config.maxSubflows,
      mptcpi_fallback: connection.mode === 'fallback',
      mptcpi_remote_key_received: connection.remoteKey !== null,
      mptcpi_token: connection.localToken,
      mptcpi_csum_enabled: connection.checksum,
      mptcpi_write_seq: connection.snd.end,
      mptcpi_snd_una: connection.snd.una,
      mptcpi_rcv_nxt: dataAck(stack.context, connection),
    }
    return info
  }
  return -E.ENOPROTOOPT
}

export function setOption(
  stack: Stack,
  socket: BsdSocket,
  level: number,
  name: number,
  value: number,
): number {
  const { settings } = socket
  if (level === C.SOL_SOCKET) {
    switch (name) {
      case C.SO_REUSEADDR:
      case C.SO_REUSEPORT:
        settings.reuseAddress = value !== 0
        return 0
      case C.SO_LINGER:
        settings.linger = value
        return 0
      // Never above the stack's own bound: each connection's quota was sized by it.
      case C.SO_SNDBUF:
        settings.sendBuffer = clamp(value, stack.config.sendBufferBytes)
        return 0
      case C.SO_RCVBUF:
        settings.receiveBuffer = clamp(value, stack.config.receiveBufferBytes)
        return 0
      default:
        return -E.ENOPROTOOPT
    }
  }
  if (level === C.SOL_TCP && name === C.TCP_NODELAY) {
    settings.noDelay = value !== 0
    return 0
  }
  if (level === C.IPPROTO_IPV6 && name === C.IPV6_V6ONLY) {
    if (socket.state !== 'new') return -E.EINVAL
    settings.v6Only = value !== 0
    return 0
  }
  return -E.ENOPROTOOPT
}

function clamp(value: number, most: number): number {
  return Math.min(Math.max(value, 4096), most)
}
