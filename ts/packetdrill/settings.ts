// What a script is run with: the `--name=value` lines of its header over those of the command line, and
// packetdrill's own defaults under both.

import { type IpAddress, parseAddress } from '../wire/address.js'
import { type HeaderOption, type Script, ScriptError } from './ast.js'

export type IpVersion = 'ipv4' | 'ipv6' | 'ipv4-mapped-ipv6'

export interface RunSettings {
  ipVersion: IpVersion
  /** The stack's first address, and that of the script's side. */
  local: IpAddress
  remote: IpAddress
  bindPort: number
  connectPort: number
  mtu: number
  /** Segmentation offload of the test device, until the stack is made. */
  tso: boolean
  /** What a time may be off by, the larger of the two; percent of the time since the event before. */
  toleranceUsecs: number
  tolerancePercent: number
  /** Microseconds of one tick of TS val; 0 = TS val is not checked. */
  tsTickUsecs: number
  /** An unknown TS ecr of the script is placed relative to the first TS val seen. */
  tsEcrScaled: boolean
  /** A packet of the script is exactly one of the stack's: several are not put together. */
  strictSegments: boolean
}

// As the field's suites are run: what `run_all.py` gives each script. The larger MTU of IPv6 makes the
// MSS 1460 in both families, and so one script do for both.
const LOCAL_4 = '192.168.0.1'
const REMOTE_4 = '192.0.2.1'
const LOCAL_6 = 'fd3d:0a0b:17d6::1'
const REMOTE_6 = 'fd3d:fa7b:d17d::1'
const MTU_4 = 1500
const MTU_6 = 1520

/** Symbols that those suites leave to whoever runs them. */
export function suiteDefines(version: IpVersion): Record<string, string> {
  return {
    TFO_COOKIE: version === 'ipv6' ? 'c1d1e9742a47a9bc' : '3021b9d889017eeb',
    TFO_COOKIE_ZERO: version === 'ipv6' ? '82af1a8f9a205c34' : 'b7c12350a90dc8f5',
    CMSG_LEVEL_IP: version === 'ipv4' ? 'SOL_IP' : 'SOL_IPV6',
    CMSG_TYPE_RECVERR: version === 'ipv4' ? 'IP_RECVERR' : 'IPV6_RECVERR',
  }
}

/** Lines that say how the real tool reaches a kernel, or how much it prints: nothing to do here. */
const WITHOUT_EFFECT = new Set([
  'code_command',
  'code_format',
  'code_sockopt',
  'debug',
  'define',
  'dry_run',
  'gateway_ip',
  'init_scripts',
  'mss',
  'netmask_ip',
  'send_omit_free',
  'speed',
  'verbose',
])

/** The version to run a script with: `…v6.pkt` and `…v4.pkt` can only run so. */
export function versionFor(file: string, asked: IpVersion = 'ipv4'): IpVersion {
  if (file.endsWith('v6.pkt')) return 'ipv6'
  if (file.endsWith('v4.pkt') && asked === 'ipv6') return 'ipv4'
  return asked
}

export interface AskedSettings {
  ipVersion?: IpVersion
  toleranceUsecs?: number
}

export function settingsOf(script: Script, asked: AskedSettings): RunSettings {
  const settings: RunSettings = {
    ipVersion: versionFor(script.file, asked.ipVersion),
    local: address(LOCAL_4),
    remote: address(REMOTE_4),
    bindPort: 8080,
    connectPort: 8080,
    mtu: MTU_4,
    tso: true,
    toleranceUsecs: 4000,
    tolerancePercent: 12.5,
    tsTickUsecs: 0,
    tsEcrScaled: false,
    strictSegments: false,
  }
  for (const option of script.options) {
    if (option.name === 'ip_version') settings.ipVersion = versionOf(option)
  }
  if (settings.ipVersion === 'ipv6') {
    settings.local = address(LOCAL_6)
    settings.remote = address(REMOTE_6)
    settings.mtu = MTU_6
  }
  for (const option of script.options) apply(settings, option)
  if (asked.toleranceUsecs !== undefined) settings.toleranceUsecs = asked.toleranceUsecs
  return settings
}

function apply(settings: RunSettings, option: HeaderOption): void {
  switch (option.name) {
    case 'ip_version':
      break
    case 'local_ip':
      settings.local = addressOf(option)
      break
    case 'remote_ip':
      settings.remote = addressOf(option)
      break
    case 'bind_port':
      settings.bindPort = numberOf(option)
      break
    case 'connect_port':
      settings.connectPort = numberOf(option)
      break
    case 'mtu':
      settings.mtu = numberOf(option)
      break
    case 'tolerance_usecs':
      settings.toleranceUsecs = numberOf(option)
      break
    case 'tolerance_percent':
      settings.tolerancePercent = numberOf(option)
      break
    case 'tcp_ts_tick_usecs':
      settings.tsTickUsecs = numberOf(option)
      break
    case 'tcp_ts_ecr_scaled':
      settings.tsEcrScaled = true
      break
    case 'strict_segments':
      settings.strictSegments = true
      break
    default:
      if (!WITHOUT_EFFECT.has(option.name)) throw wrong(option, 'an option of packetdrill')
  }
}

function versionOf(option: HeaderOption): IpVersion {
  const { value } = option
  if (value === 'ipv4' || value === 'ipv6' || value === 'ipv4-mapped-ipv6') return value
  throw wrong(option, 'ipv4, ipv6 or ipv4-mapped-ipv6')
}

function numberOf(option: HeaderOption): number {
  const value = Number(option.value ?? 'x')
  if (!Number.isFinite(value) || value < 0) throw wrong(option, 'a number')
  return value
}

/** `192.0.2.1/24`: the prefix says nothing here. */
function addressOf(option: HeaderOption): IpAddress {
  const parsed = parseAddress((option.value ?? '').replace(/\/\d+$/, ''))
  if (parsed === null) throw wrong(option, 'an IP address')
  return parsed
}

function address(text: string): IpAddress {
  return parseAddress(text) as IpAddress
}

function wrong(option: HeaderOption, expected: string): ScriptError {
  const token = `'--${option.name}${option.value === null ? '' : `=${option.value}`}'`
  return new ScriptError(option.position, token, expected)
}
