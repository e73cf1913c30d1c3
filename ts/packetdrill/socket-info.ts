// What TCP_INFO and the MPTCP_… options tell, under the names of Linux's structs: for getsockopt and for
// %{ }% blocks. Times in microseconds, sizes in segments where Linux counts segments.

import type { Connection } from '../mptcp/connection.js'
import { isLive, type Subflow } from '../mptcp/subflow.js'
import type { TcpState } from '../tcp/state.js'
import { formatAddress } from '../wire/address.js'
import { constantValue } from './constants.js'
import type { Host } from './host.js'

const SOL_TCP = 6
const SOL_MPTCP = 284
const TCP_INFO = constantValue('TCP_INFO') as number
const MPTCP_TCPINFO = constantValue('MPTCP_TCPINFO') as number
const MPTCP_SUBFLOW_ADDRS = constantValue('MPTCP_SUBFLOW_ADDRS') as number
const MPTCP_FULL_INFO = constantValue('MPTCP_FULL_INFO') as number
const MPTCP_INFO = constantValue('MPTCP_INFO') as number

/** Linux's numbers of the states. */
const STATES: Readonly<Record<TcpState, number>> = {
  ESTABLISHED: 1,
  'SYN-SENT': 2,
  'SYN-RECEIVED': 3,
  'FIN-WAIT-1': 4,
  'FIN-WAIT-2': 5,
  'TIME-WAIT': 6,
  CLOSED: 7,
  'CLOSE-WAIT': 8,
  'LAST-ACK': 9,
  LISTEN: 10,
  CLOSING: 11,
}

/** TCP_CA_Open, _Recovery, _Loss. */
const PHASES = { open: 0, recovery: 3, loss: 4 } as const

const OPT_TIMESTAMPS = 1
const OPT_SACK = 2
const OPT_WSCALE = 4

/** Null: not an option that is told here. */
export function socketInfo(
  host: Host,
  connection: Connection | null,
  level: number,
  name: number,
): object | null {
  const subflows = connection?.subflows.filter(isLive) ?? []
  if (level === SOL_TCP && name === TCP_INFO) return tcpInfo(host, connection?.subflows[0] ?? null)
  if (level !== SOL_MPTCP || connection === null) return null
  const first = subflows[0] ?? null
  const described = { num_subflows: subflows.length, size_kernel: 0, size_user: 0 }
  switch (name) {
    case MPTCP_TCPINFO:
      return { ...described, ...tcpInfo(host, first) }
    case MPTCP_SUBFLOW_ADDRS:
      return { ...described, ...(first === null ? {} : addresses(first)) }
    case MPTCP_FULL_INFO: {
      const common = host.stack.config.maxSubflows
      const info = fullInfo(connection, subflows.length, common)
      return { ...described, num_subflows: subflows.length, ...info, ...tcpInfo(host, first) }
    }
    default:
      return null
  }
}

function fullInfo(connection: Connection, count: number, maximum: number): object {
  return {
    mptcpi_subflows: Math.max(0, count - 1),
    mptcpi_subflows_max: maximum - 1,
    mptcpi_subflows_total: count,
    mptcpi_token: connection.localToken,
    mptcpi_csum_enabled: connection.checksum ? 1 : 0,
  }
}

function addresses(subflow: Subflow): object {
  const family = subflow.path.address.family === 4 ? 2 : 10
  return {
    sa_family: family,
    sin_port: subflow.localPort,
    local: formatAddress(subflow.path.address),
    remote: formatAddress(subflow.remote),
  }
}

export { MPTCP_INFO }

/** Of the first subflow; zeros before there is one. */
export function tcpInfo(host: Host, subflow: Subflow | null): Record<string, number> {
  if (subflow === null) return { ...NO_INFO }
  const { tcb } = subflow
  const { snd, rcv, rtt, congestion, recovery, stats, timestamps } = tcb
  const mss = Math.max(1, snd.mss)
  const inFlight = Math.max(0, snd.nxt - snd.una)
  let unacked = 0
  let retransmits = 0
  for (let i = 0; i < tcb.sent.length; i++) {
    const segment = tcb.sent.at(i)
    if (segment === undefined) continue
    unacked += Math.max(1, Math.ceil((segment.end - segment.start) / mss))
    if ((segment.marks & 4) !== 0) retransmits++
  }
  const now = host.clock.now()
  return {
    ...NO_INFO,
    tcpi_state: STATES[tcb.state],
    tcpi_ca_state: PHASES[recovery.phase],
    tcpi_retransmits: rtt.backoff,
    tcpi_probes: 0,
    tcpi_backoff: rtt.backoff,
    tcpi_options:
      (timestamps.enabled ? OPT_TIMESTAMPS : 0) |
      (tcb.sackPermitted ? OPT_SACK : 0) |
      (tcb.windowScaling ? OPT_WSCALE : 0),
    tcpi_snd_wscale: snd.shift,
    tcpi_rcv_wscale: rcv.shift,
    tcpi_rto: Math.round(1000 * rtt.rtoMs),
    tcpi_snd_mss: snd.mss,
    tcpi_rcv_mss: rcv.mss,
    tcpi_unacked: inFlight === 0 ? 0 : unacked,
    tcpi_sacked: Math.ceil(recovery.sackedBytes / mss),
    tcpi_lost: Math.ceil(recovery.lostBytes / mss),
    tcpi_retrans: retransmits,
    tcpi_last_data_recv: Math.round(Math.max(0, now - tcb.timers.heardAt)),
    tcpi_last_ack_recv: Math.round(Math.max(0, now - tcb.timers.heardAt)),
    tcpi_pmtu: subflow.path.mss + (subflow.path.address.family === 4 ? 40 : 60),
    tcpi_rtt: Math.round(1000 * rtt.srttMs),
    tcpi_rttvar: Math.round(1000 * rtt.rttvarMs),
    tcpi_min_rtt: Math.round(1000 * rtt.minMs),
    tcpi_snd_ssthresh: Number.isFinite(congestion.ssthresh)
      ? Math.floor(congestion.ssthresh / mss)
      : 0x7fffffff,
    tcpi_snd_cwnd: Math.floor(congestion.cwnd / mss),
    tcpi_advmss: rcv.mss,
    tcpi_reordering: 3,
    tcpi_rcv_space: Math.max(0, rcv.right - rcv.nxt),
    tcpi_total_retrans: stats.retransmits,
    tcpi_bytes_acked: Math.max(0, snd.una - 1),
    tcpi_bytes_received: stats.bytesReceived,
    tcpi_bytes_sent: stats.bytesSent,
    tcpi_segs_out: stats.segmentsSent,
    tcpi_segs_in: stats.segmentsReceived,
    tcpi_notsent_bytes: Math.max(0, snd.end - snd.nxt),
    tcpi_snd_wnd: Math.max(0, snd.right - snd.una),
    tcpi_rcv_wnd: Math.max(0, rcv.right - rcv.nxt),
  }
}

const NO_INFO: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'state ca_state retransmits probes backoff options snd_wscale rcv_wscale ' +
    'delivery_rate_app_limited fastopen_client_fail rto ato snd_mss rcv_mss unacked sacked lost ' +
    'retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt ' +
    'rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans pacing_rate ' +
    'max_pacing_rate bytes_acked bytes_received segs_out segs_in notsent_bytes min_rtt data_segs_in ' +
    'data_segs_out delivery_rate busy_time rwnd_limited sndbuf_limited delivered delivered_ce ' +
    'bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash total_rto ' +
    'total_rto_recoveries total_rto_time'
  )
    .split(' ')
    .map((name) => [`tcpi_${name}`, 0]),
)
