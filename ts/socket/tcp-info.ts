// What TCP_INFO tells, under the names of Linux's struct tcp_info: times in microseconds or, for the
// `last_…`, milliseconds; sizes in segments where Linux counts segments. What has no figure here is 0.

import type { Subflow } from '../mptcp/subflow.js'
import { settle } from '../tcp/chrono.js'
import { pacingRate } from '../tcp/pacing.js'
import { DELAYED_ACK_MS } from '../tcp/receive.js'
import type { TcpState } from '../tcp/tcb.js'
import { RETRANSMITTING } from '../tcp/tcb.js'

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
const OPT_SYN_DATA = 32

/** Of one subflow; zeros before there is one. */
export function tcpInfo(subflow: Subflow | null, now: number): Record<string, number> {
  if (subflow === null) return { ...NO_INFO }
  const { tcb } = subflow
  const { snd, rcv, rtt, rate, congestion, recovery, stats, timestamps } = tcb
  const mss = Math.max(1, snd.mss)
  const inFlight = Math.max(0, snd.nxt - snd.una)
  let unacked = 0
  let retransmits = 0
  for (let i = 0; i < tcb.sent.length; i++) {
    const segment = tcb.sent.at(i)
    if (segment === undefined) continue
    const segments = Math.max(1, Math.ceil((segment.end - segment.start) / mss))
    unacked += segments
    if ((segment.marks & RETRANSMITTING) !== 0) retransmits += segments
  }
  settle(tcb.chrono, now)
  const { networkMs, windowMs, bufferMs } = tcb.chrono
  return {
    ...NO_INFO,
    tcpi_busy_time: Math.round(1000 * (networkMs + windowMs + bufferMs)),
    tcpi_rwnd_limited: Math.round(1000 * windowMs),
    tcpi_sndbuf_limited: Math.round(1000 * bufferMs),
    tcpi_state: STATES[tcb.state],
    tcpi_ca_state: PHASES[recovery.phase],
    tcpi_retransmits: rtt.backoff,
    tcpi_probes: tcb.keepAlive.unanswered,
    tcpi_backoff: rtt.backoff,
    tcpi_options:
      (timestamps.enabled ? OPT_TIMESTAMPS : 0) |
      (tcb.sackPermitted ? OPT_SACK : 0) |
      (tcb.windowScaling ? OPT_WSCALE : 0) |
      (tcb.fastOpen?.dataTaken ? OPT_SYN_DATA : 0),
    tcpi_snd_wscale: snd.shift,
    tcpi_rcv_wscale: rcv.shift,
    tcpi_rto: Math.round(1000 * rtt.rtoMs),
    tcpi_snd_mss: snd.mss,
    tcpi_rcv_mss: rcv.mss,
    tcpi_unacked: inFlight === 0 ? 0 : unacked,
    tcpi_sacked: Math.ceil(recovery.sackedBytes / mss),
    tcpi_lost: Math.ceil(recovery.lostBytes / mss),
    tcpi_retrans: retransmits,
    tcpi_ato: DELAYED_ACK_MS * 1000,
    tcpi_last_data_sent: sinceOf(stats.dataSentAt, now),
    tcpi_last_data_recv: sinceOf(stats.dataReceivedAt, now),
    tcpi_last_ack_recv: sinceOf(tcb.timers.heardAt, now),
    tcpi_pmtu: subflow.path.mss + (subflow.path.address.family === 4 ? 40 : 60),
    tcpi_rtt: Math.round(1000 * rtt.srttMs),
    tcpi_rttvar: Math.round(1000 * rtt.rttvarMs),
    tcpi_min_rtt: Math.round(1000 * rtt.minMs),
    tcpi_snd_ssthresh: Number.isFinite(congestion.ssthresh)
      ? Math.floor(congestion.ssthresh / mss)
      : 0x7fffffff,
    tcpi_snd_cwnd: Math.floor(congestion.cwnd / mss),
    tcpi_pacing_rate: Math.round(pacingRate(tcb)),
    tcpi_delivery_rate: rate.intervalMs > 0 ? Math.round((1000 * rate.bytes) / rate.intervalMs) : 0,
    tcpi_delivery_rate_app_limited: rate.isAppLimited ? 1 : 0,
    tcpi_advmss: rcv.mss,
    tcpi_reordering: recovery.reorderingSegments,
    tcpi_reord_seen: recovery.reorderingSeen ? 1 : 0,
    tcpi_delivered: stats.delivered,
    tcpi_rcv_space: Math.max(0, rcv.right - rcv.nxt),
    tcpi_total_retrans: stats.retransmits,
    tcpi_bytes_acked: Math.max(0, snd.una - 1),
    tcpi_bytes_received: stats.bytesReceived,
    tcpi_bytes_sent: stats.bytesSent,
    tcpi_bytes_retrans: stats.bytesRetransmitted,
    tcpi_data_segs_out: stats.dataSegmentsSent,
    tcpi_data_segs_in: stats.dataSegmentsReceived,
    tcpi_segs_out: stats.segmentsSent,
    tcpi_segs_in: stats.segmentsReceived,
    tcpi_notsent_bytes: Math.max(0, snd.end - snd.nxt),
    tcpi_snd_wnd: Math.max(0, snd.right - snd.una),
    tcpi_rcv_wnd: Math.max(0, rcv.right - rcv.nxt),
  }
}

/** Milliseconds since `at`; 0 if it never was. */
export function sinceOf(at: number, now: number): number {
  return at <= 0 ? 0 : Math.round(Math.max(0, now - at))
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
