// What the options of SOL_MPTCP tell, under the names of Linux's structs: struct mptcp_info, and of each
// subflow its tcp_info and its addresses. Their sizes, and what a caller with less room gets, are Linux's.

import type { Connection } from '../mptcp/connection.js'
import { isLive, type Subflow } from '../mptcp/subflow.js'
import type { Stack } from '../stack/stack.js'
import { formatAddress, type IpAddress } from '../wire/address.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import type { BsdSocket } from './descriptors.js'
import { sinceOf, tcpInfo } from './tcp-info.js'

/** What MPTCP_INFO tells, under the names of Linux's struct mptcp_info. */
export interface MptcpInfo {
  /** Subflows beside the initial one, and the most there may be. */
  mptcpi_subflows: number
  mptcpi_add_addr_signal: number
  mptcpi_add_addr_accepted: number
  mptcpi_subflows_max: number
  mptcpi_add_addr_accepted_max: number
  /** MPTCP_INFO_FLAG_…, and the two of them as truths. */
  mptcpi_flags: number
  /** The connection fell back to plain TCP. */
  mptcpi_fallback: boolean
  mptcpi_remote_key_received: boolean
  mptcpi_token: number
  mptcpi_csum_enabled: boolean
  /** Offsets from the IDSN, bytes. */
  mptcpi_write_seq: number
  mptcpi_snd_una: number
  mptcpi_rcv_nxt: number
  /** Of the data level: reinjections, and bytes. */
  mptcpi_retransmits: number
  mptcpi_bytes_retrans: number
  mptcpi_bytes_sent: number
  mptcpi_bytes_received: number
  mptcpi_bytes_acked: number
  mptcpi_subflows_total: number
  /** Milliseconds ago. */
  mptcpi_last_data_sent: number
  mptcpi_last_data_recv: number
  mptcpi_last_ack_recv: number
}

/** Room that the caller has, as Linux's structs would say it; what is left out is as large as it may be. */
export interface MptcpInfoRequest {
  /** Bytes in all: the header, and as many elements as fit. */
  length?: number
  size_subflow_data?: number
  /** Of one element. */
  size_user?: number
  /** Of MPTCP_FULL_INFO: elements, and bytes of each. */
  size_arrays_user?: number
  size_tcpinfo_user?: number
  size_sfinfo_user?: number
  /** Linux's to fill in: must be 0. */
  num_subflows?: number
  size_kernel?: number
}

/** sizeof: struct mptcp_subflow_data, tcp_info, mptcp_subflow_addrs, mptcp_subflow_info. */
const SUBFLOW_DATA_BYTES = 16
const TCP_INFO_BYTES = 248
const ADDRESSES_BYTES = 256
const SUBFLOW_INFO_BYTES = 264
const FULL_INFO_BYTES = 40

export function multipathInfo(
  stack: Stack,
  socket: BsdSocket,
  name: number,
  request: MptcpInfoRequest = {},
): object | number {
  if (socket.protocol !== C.IPPROTO_MPTCP) return -E.EOPNOTSUPP
  const { connection } = socket
  switch (name) {
    case C.MPTCP_INFO:
      return connection === null ? -E.ENOTCONN : mptcpInfo(stack, connection)
    case C.MPTCP_TCPINFO:
      return elements(connection, request, TCP_INFO_BYTES, (subflow) =>
        tcpInfo(subflow, stack.clock.now()),
      )
    case C.MPTCP_SUBFLOW_ADDRS:
      return elements(connection, request, ADDRESSES_BYTES, addressesOf)
    case C.MPTCP_FULL_INFO:
      return connection === null ? -E.ENOTCONN : fullInfo(stack, connection, request)
    default:
      return -E.EOPNOTSUPP
  }
}

/** Addresses of the peer, beside its first, that we have a subflow to. */
function joinedAddresses({ subflows }: Connection): number {
  const joined = subflows.filter((each) => each.opener && each.remoteAddressId !== 0)
  return new Set(joined.map(({ remoteAddressId }) => remoteAddressId)).size
}

function mptcpInfo(stack: Stack, connection: Connection): MptcpInfo {
  const { config } = stack
  const received = stack.calls.received(connection)
  const { snd, subflows, pathManager } = connection
  const live = subflows.filter(isLive)
  const fallback = connection.mode === 'fallback'
  const hasKey = connection.remoteKey !== null
  const now = stack.clock.now()
  const latest = (at: (subflow: Subflow) => number): number =>
    sinceOf(Math.max(0, ...subflows.map(at)), now)
  return {
    mptcpi_subflows: Math.max(0, live.length - 1),
    mptcpi_add_addr_signal: pathManager.announcements.length,
    mptcpi_add_addr_accepted: joinedAddresses(connection),
    mptcpi_subflows_max: config.maxSubflows - 1,
    mptcpi_add_addr_accepted_max: stack.pathControl.limits.addAddrAccepted,
    mptcpi_flags:
      (fallback ? C.MPTCP_INFO_FLAG_FALLBACK : 0) |
      (hasKey ? C.MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED : 0),
    mptcpi_fallback: fallback,
    mptcpi_remote_key_received: hasKey,
    mptcpi_token: connection.localToken,
    mptcpi_csum_enabled: connection.checksum,
    mptcpi_write_seq: snd.end,
    mptcpi_snd_una: snd.una,
    mptcpi_rcv_nxt: received.dataAck,
    mptcpi_retransmits: snd.retransmits,
    mptcpi_bytes_retrans: snd.bytesRetransmitted,
    mptcpi_bytes_sent: Math.min(snd.nxt, snd.end) - 1,
    mptcpi_bytes_received: received.end - 1,
    mptcpi_bytes_acked: Math.min(snd.una, snd.end) - 1,
    mptcpi_subflows_total: live.length,
    mptcpi_last_data_sent: latest(({ tcb }) => tcb.stats.dataSentAt),
    mptcpi_last_data_recv: latest(({ tcb }) => tcb.stats.dataReceivedAt),
    mptcpi_last_ack_recv: latest(({ tcb }) => tcb.timers.heardAt),
  }
}

/** struct mptcp_subflow_data and the elements behind it, as many as the caller has room for. */
function elements(
  connection: Connection | null,
  request: MptcpInfoRequest,
  bytes: number,
  elementOf: (subflow: Subflow) => object,
): object | number {
  const header = request.size_subflow_data ?? SUBFLOW_DATA_BYTES
  const length = request.length ?? Number.POSITIVE_INFINITY
  if (length < SUBFLOW_DATA_BYTES || header < SUBFLOW_DATA_BYTES || header > length) {
    return -E.EINVAL
  }
  if ((request.num_subflows ?? 0) !== 0 || (request.size_kernel ?? 0) !== 0) return -E.EINVAL
  const size = Math.min(request.size_user ?? bytes, bytes)
  const subflows = connection?.subflows ?? []
  const room = length - header
  const most = room === 0 ? 0 : size === 0 ? subflows.length : Math.floor(room / size)
  return {
    size_subflow_data: header,
    num_subflows: subflows.length,
    size_kernel: bytes,
    size_user: size,
    data: subflows.slice(0, most).map(elementOf),
  }
}

function fullInfo(
  stack: Stack,
  connection: Connection,
  request: MptcpInfoRequest,
): object | number {
  const { length = Number.POSITIVE_INFINITY } = request
  if (length < FULL_INFO_BYTES || (request.num_subflows ?? 0) !== 0) return -E.EINVAL
  const { subflows } = connection
  const told = subflows.slice(0, request.size_arrays_user ?? subflows.length)
  const now = stack.clock.now()
  return {
    size_tcpinfo_kernel: TCP_INFO_BYTES,
    size_tcpinfo_user: Math.min(request.size_tcpinfo_user ?? TCP_INFO_BYTES, TCP_INFO_BYTES),
    size_sfinfo_kernel: SUBFLOW_INFO_BYTES,
    size_sfinfo_user: Math.min(request.size_sfinfo_user ?? SUBFLOW_INFO_BYTES, SUBFLOW_INFO_BYTES),
    num_subflows: subflows.length,
    size_arrays_user: request.size_arrays_user ?? subflows.length,
    subflow_info: told.map((each) => ({ id: each.id, addrs: addressesOf(each) })),
    tcp_info: told.map((each) => tcpInfo(each, now)),
    mptcp_info: length > FULL_INFO_BYTES ? mptcpInfo(stack, connection) : null,
  }
}

/** struct mptcp_subflow_addrs: sin_… or sin6_…, by the family. */
function addressesOf(subflow: Subflow): object {
  const { path, localPort, remote, remotePort } = subflow
  const four = path.address.family === 4
  const prefix = four ? 'sin' : 'sin6'
  return {
    sa_family: four ? C.AF_INET : C.AF_INET6,
    [`${prefix}_local`]: socketAddress(prefix, path.address, localPort),
    [`${prefix}_remote`]: socketAddress(prefix, remote, remotePort),
  }
}

function socketAddress(prefix: string, address: IpAddress, port: number): object {
  return {
    [`${prefix}_family`]: address.family === 4 ? C.AF_INET : C.AF_INET6,
    [`${prefix}_port`]: port,
    [`${prefix}_addr`]: formatAddress(address),
  }
}
