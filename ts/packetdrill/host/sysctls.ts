// Sysctls of the emulated host. Some turn the configuration of the stack or of its sockets; some name what it does
// anyway, and take no other value; the rest it has no part in, and they are kept so that they can be read back. Any
// other name is an error.

import { CONGESTION_CONTROLS } from '../../tcp/congestion/names.js'
import { CONSTANTS } from '../language/constants.js'
import type { Host, HostConfig } from './host.js'

const { TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_NOTSENT_LOWAT } = CONSTANTS

type Effect = (value: string, config: Readonly<HostConfig>) => Partial<HostConfig>

const isOn = (value: string): boolean => Number(value.trim()) !== 0
/** What the stack takes no configuration of: the sysctl is refused. */
const within = (value: number, least: number, most: number): number =>
  value >= least && value <= most ? value : Number.NaN
/** The third number of `min default max`. */
const most = (value: string): number =>
  within(Number(value.trim().split(/\s+/)[2] ?? 'x'), 2048, 2 ** 30)
/** Seconds to milliseconds, an hour at most. */
const seconds = (value: string): number => within(1000 * Number(value), 0, 3_600_000)

/** Four words in hex with dashes between, perhaps a comma and four more: each in its bytes, low one first. */
function keyOf(value: string): Uint8Array {
  const words = value.trim().split(/[-,]/)
  const bytes = new Uint8Array(4 * words.length)
  words.forEach((word, i) => {
    new DataView(bytes.buffer).setUint32(4 * i, Number.parseInt(word, 16), true)
  })
  return bytes
}

const levelOf = (value: string): 0 | 1 | 2 => {
  const level = Number(value)
  return level >= 2 ? 2 : level === 1 ? 1 : 0
}

/** What each socket begins with, as by an option of SOL_TCP. */
function ofSockets(option: number, least: number, most: number): Effect {
  return (value, { sockets }) => {
    const number = within(Number(value), least, most)
    return Number.isNaN(number)
      ? { sockets: null as never }
      : { sockets: { ...sockets, [option]: number } }
  }
}

const EFFECTS: Readonly<Record<string, Effect>> = {
  'net.mptcp.enabled': (value) => ({ mptcp: isOn(value) }),
  'net.mptcp.checksum_enabled': (value) => ({ checksum: isOn(value) }),
  'net.mptcp.add_addr_timeout': (value) => ({
    addAddrTimeoutMs: Math.max(1, seconds(value)),
  }),
  'net.mptcp.blackhole_timeout': (value) => ({
    blackholeTimeoutMs: within(1000 * Number(value), 0, 86_400_000),
  }),
  'net.mptcp.close_timeout': (value) => ({ closeTimeoutMs: Math.max(1, seconds(value)) }),
  'net.mptcp.syn_retrans_before_tcp_fallback': (value) => ({
    mpCapableSyns: within(1 + Number(value), 1, 256),
  }),
  'net.mptcp.allow_join_initial_addr_port': (value) => ({ allowJoinInitialAddress: isOn(value) }),
  'net.ipv4.tcp_fastopen': (value) => ({ fastOpen: within(Number(value), 0, 0xffff_ffff) }),
  'net.ipv4.tcp_fastopen_key': (value) => ({ fastOpenKey: keyOf(value) }),
  'net.ipv4.tcp_syncookies': (value) => ({ synCookies: levelOf(value) }),
  'net.ipv4.tcp_timestamps': (value) => ({ timestamps: isOn(value) }),
  'net.ipv4.tcp_sack': (value) => ({ sack: isOn(value) }),
  'net.ipv4.tcp_window_scaling': (value) => ({ windowScaling: isOn(value) }),
  'net.ipv4.tcp_congestion_control': (value) => {
    const congestion = CONGESTION_CONTROLS.get(value.trim())
    return { congestion: congestion ?? (Number.NaN as never) }
  },
  'net.ipv4.tcp_rto_max_ms': (value) => ({ maxRtoMs: within(Number(value), 1000, 120_000) }),
  'net.ipv4.tcp_slow_start_after_idle': (value) => ({ slowStartAfterIdle: isOn(value) }),
  'net.ipv4.tcp_min_tso_segs': (value) => ({ leastBurst: within(Number(value), 1, 65_535) }),
  'net.ipv4.tcp_keepalive_time': ofSockets(TCP_KEEPIDLE, 1, 32_767),
  'net.ipv4.tcp_keepalive_intvl': ofSockets(TCP_KEEPINTVL, 1, 32_767),
  'net.ipv4.tcp_keepalive_probes': ofSockets(TCP_KEEPCNT, 1, 127),
  'net.ipv4.tcp_syn_retries': ofSockets(TCP_SYNCNT, 1, 127),
  'net.ipv4.tcp_notsent_lowat': ofSockets(TCP_NOTSENT_LOWAT, 1, 2 ** 32 - 1),
  'net.ipv4.tcp_rmem': (value) => ({ receiveBufferBytes: most(value) }),
  'net.ipv4.tcp_wmem': (value) => ({ sendBufferBytes: most(value) }),
}

/** What the stack does in one way only: Linux 6.18's default, which may be set, and nothing else. */
const FIXED: Readonly<Record<string, string>> = {
  'net.ipv4.tcp_abort_on_overflow': '0',
  'net.ipv4.tcp_dsack': '1',
  'net.ipv4.tcp_ecn': '0',
  'net.ipv4.tcp_fin_timeout': '60',
  'net.ipv4.tcp_invalid_ratelimit': '500',
  'net.ipv4.tcp_moderate_rcvbuf': '1',
  'net.ipv4.tcp_mtu_probing': '0',
  'net.ipv4.tcp_orphan_retries': '0',
  'net.ipv4.tcp_recovery': '1',
  'net.ipv4.tcp_reordering': '3',
  'net.ipv4.tcp_retries2': '15',
  'net.ipv4.tcp_rto_min_us': '200000',
  'net.ipv4.tcp_shrink_window': '0',
  'net.ipv4.tcp_stdurg': '0',
  'net.ipv4.tcp_syn_linear_timeouts': '4',
  'net.ipv4.tcp_synack_retries': '5',
  'net.ipv4.tcp_thin_linear_timeouts': '0',
  'net.ipv6.bindv6only': '0',
  'net.mptcp.path_manager': 'kernel',
  'net.mptcp.pm_type': '0',
  'net.mptcp.scheduler': 'default',
  'net.mptcp.stale_loss_cnt': '4',
}

/** What nothing in the emulated host depends on: any value may be set, and is read back. Linux 6.18's defaults. */
const KEPT: Readonly<Record<string, string>> = {
  'net.core.default_qdisc': 'pfifo',
  'net.core.netdev_max_backlog': '1000',
  'net.core.optmem_max': '131072',
  'net.core.rmem_max': '4194304',
  'net.core.somaxconn': '4096',
  'net.core.wmem_max': '4194304',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
  'net.ipv4.icmp_ratelimit': '1000',
  'net.ipv4.ip_forward': '0',
  'net.ipv4.ip_no_pmtu_disc': '0',
  'net.ipv4.tcp_adv_win_scale': '1',
  'net.ipv4.tcp_app_win': '31',
  'net.ipv4.tcp_autocorking': '1',
  'net.ipv4.tcp_backlog_ack_defer': '1',
  'net.ipv4.tcp_base_mss': '1024',
  'net.ipv4.tcp_challenge_ack_limit': '2147483647',
  'net.ipv4.tcp_comp_sack_nr': '44',
  'net.ipv4.tcp_comp_sack_slack_ns': '100000',
  'net.ipv4.tcp_early_demux': '1',
  'net.ipv4.tcp_early_retrans': '4',
  'net.ipv4.tcp_ecn_fallback': '1',
  'net.ipv4.tcp_fack': '0',
  'net.ipv4.tcp_fastopen_blackhole_timeout_sec': '0',
  'net.ipv4.tcp_frto': '2',
  'net.ipv4.tcp_limit_output_bytes': '4194304',
  'net.ipv4.tcp_low_latency': '0',
  'net.ipv4.tcp_max_orphans': '8192',
  'net.ipv4.tcp_max_reordering': '300',
  'net.ipv4.tcp_max_syn_backlog': '4096',
  'net.ipv4.tcp_max_tso_segs': '0',
  'net.ipv4.tcp_max_tw_buckets': '8192',
  'net.ipv4.tcp_migrate_req': '0',
  'net.ipv4.tcp_min_rtt_wlen': '300',
  'net.ipv4.tcp_min_snd_mss': '48',
  'net.ipv4.tcp_mtu_probe_floor': '48',
  'net.ipv4.tcp_no_metrics_save': '0',
  'net.ipv4.tcp_pacing_ca_ratio': '120',
  'net.ipv4.tcp_pacing_ss_ratio': '200',
  'net.ipv4.tcp_probe_interval': '600',
  'net.ipv4.tcp_probe_threshold': '8',
  'net.ipv4.tcp_rcvbuf_low_rtt': '1000',
  'net.ipv4.tcp_retrans_collapse': '1',
  'net.ipv4.tcp_retries1': '3',
  'net.ipv4.tcp_tso_rtt_log': '9',
  'net.ipv4.tcp_tso_win_divisor': '3',
  'net.ipv4.tcp_tw_reuse': '2',
  'net.ipv4.tcp_workaround_signed_windows': '0',
  'net.ipv6.flowlabel_consistency': '1',
}

/** What the stack was configured with before any was set, in Linux's words. */
const DEFAULTS: Readonly<Record<string, string>> = {
  'net.ipv4.tcp_keepalive_intvl': '75',
  'net.ipv4.tcp_keepalive_probes': '9',
  'net.ipv4.tcp_keepalive_time': '7200',
  'net.ipv4.tcp_notsent_lowat': '4294967295',
  'net.ipv4.tcp_syn_retries': '5',
  'net.mptcp.enabled': '1',
  'net.mptcp.checksum_enabled': '0',
  'net.mptcp.add_addr_timeout': '120',
  'net.mptcp.allow_join_initial_addr_port': '1',
  'net.mptcp.blackhole_timeout': '3600',
  'net.mptcp.close_timeout': '60',
  'net.mptcp.syn_retrans_before_tcp_fallback': '2',
  'net.ipv4.tcp_fastopen': '0x70403',
  'net.ipv4.tcp_fastopen_key': 'a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4',
  'net.ipv4.tcp_syncookies': '1',
  'net.ipv4.tcp_timestamps': '1',
  'net.ipv4.tcp_sack': '1',
  'net.ipv4.tcp_window_scaling': '1',
  'net.ipv4.tcp_congestion_control': 'cubic',
  'net.ipv4.tcp_min_tso_segs': '2',
  'net.ipv4.tcp_rto_max_ms': '120000',
  'net.ipv4.tcp_slow_start_after_idle': '0',
  'net.ipv4.tcp_rmem': '4096 131072 6291456',
  'net.ipv4.tcp_wmem': '4096 16384 4194304',
}

/** `net/ipv4/tcp_sack` and `/proc/sys/net/ipv4/tcp_sack` are the same. */
function dotted(name: string): string {
  return name
    .replace(/^\/proc\/sys\//, '')
    .replaceAll('/', '.')
    .trim()
}

/** Null if it was set, else what is wrong. */
export function setSysctl(host: Host, name: string, value: string): string | null {
  const key = dotted(name)
  if (Object.hasOwn(FIXED, key) && value.trim() !== FIXED[key]) {
    return `the emulated host has '${key}' ${FIXED[key]} only: what '${value}' does is not built`
  }
  const effect = Object.hasOwn(EFFECTS, key) ? EFFECTS[key] : undefined
  if (effect === undefined && initial(key) === null) {
    return `the emulated host has no sysctl '${key}'`
  }
  const change = effect?.(value, host.config) ?? {}
  if (Object.values(change).some(isNone)) return `'${value}' is no value for sysctl '${key}'`
  host.configure(change)
  host.sysctls.set(key, value)
  return null
}

function isNone(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length !== 16 && value.length !== 32
  return value === null || Number.isNaN(value)
}

function initial(key: string): string | null {
  const table = [DEFAULTS, FIXED, KEPT].find((each) => Object.hasOwn(each, key))
  return table?.[key] ?? null
}

/** Null if there is none of this name. */
export function getSysctl(host: Host, name: string): string | null {
  const key = dotted(name)
  return host.sysctls.get(key) ?? initial(key)
}

/** What was set goes back to how it was. */
export function restoreSysctls(host: Host): void {
  for (const key of [...host.sysctls.keys()]) {
    setSysctl(host, key, initial(key) ?? '0')
  }
  host.sysctls.clear()
}
