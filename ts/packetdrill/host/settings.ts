// What a script is run with: the `--name=value` lines of its header over those of the command line, and
// packetdrill's own defaults under both.

import { formatAddress, type IpAddress, parseAddress } from '../../wire/address.js'
import { type HeaderOption, type Script, ScriptError } from '../language/ast.js'

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
  /** Read, and not played. */
  dryRun: boolean
  /** What may be otherwise than written: it is told, and the script goes on. */
  nonFatal: ReadonlySet<NonFatal>
  /** Commands before the script's own first. */
  initScripts: readonly string[]
  /** What commands are told as OPT_GATEWAY_IP and OPT_NETMASK_IP; the emulated host has no need of them. */
  gateway: string
  netmask: string
}

export type NonFatal = 'packet' | 'syscall'

// As the field's suites are run: what `run_all.py` gives each script. The larger MTU of IPv6 makes the
// MSS 1460 in both families, and so one script do for both.
const LOCAL_4 = '192.168.0.1'
const REMOTE_4 = '192.0.2.1'
const LOCAL_6 = 'fd3d:0a0b:17d6::1'
const REMOTE_6 = 'fd3d:fa7b:d17d::1'
const GATEWAY_4 = '192.168.0.1'
const GATEWAY_6 = 'fd3d:0a0b:17d6:8888::1'
const NETMASK_4 = '255.255.0.0'
const MTU_4 = 1500
const MTU_6 = 1520
/** Room for the largest headers and 88 bytes, below which TCP does not go; and what an IP length can say. */
export const LEAST_MTU = 148
export const MOST_MTU = 65_535

/** Symbols that those suites leave to whoever runs them. */
export function suiteDefines(version: IpVersion): Record<string, string> {
  return {
    TFO_COOKIE: version === 'ipv6' ? 'c1d1e9742a47a9bc' : '3021b9d889017eeb',
    TFO_COOKIE_ZERO: version === 'ipv6' ? '82af1a8f9a205c34' : 'b7c12350a90dc8f5',
    CMSG_LEVEL_IP: version === 'ipv4' ? 'SOL_IP' : 'SOL_IPV6',
    CMSG_TYPE_RECVERR: version === 'ipv4' ? 'IP_RECVERR' : 'IPV6_RECVERR',
  }
}

/** packetdrill's options, and whether one has a value. */
const OPTIONS: Readonly<Record<string, 'value' | 'flag'>> = {
  ip_version: 'value',
  local_ip: 'value',
  remote_ip: 'value',
  gateway_ip: 'value',
  netmask_ip: 'value',
  bind_port: 'value',
  connect_port: 'value',
  mtu: 'value',
  tolerance_usecs: 'value',
  tolerance_percent: 'value',
  tcp_ts_tick_usecs: 'value',
  tcp_ts_ecr_scaled: 'flag',
  strict_segments: 'flag',
  non_fatal: 'value',
  dry_run: 'flag',
  init_scripts: 'value',
  // What follows says how the real tool reaches a kernel, or how much it prints: nothing to do here.
  code_command: 'value',
  code_format: 'value',
  code_sockopt: 'value',
  debug: 'flag',
  define: 'value',
  is_anyip: 'flag',
  mss: 'value',
  send_omit_free: 'flag',
  speed: 'value',
  verbose: 'flag',
}

/** Options that make packetdrill test another host, or another program, than the stack in here. */
const UNSUPPORTED = /^(?:wire_(?:client|server)(?:_ip|_at|_port|_dev)?|so_(?:filename|flags))$/

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
    dryRun: false,
    nonFatal: new Set(),
    initScripts: [],
    gateway: GATEWAY_4,
    netmask: NETMASK_4,
  }
  for (const option of script.options) {
    if (option.name === 'ip_version') settings.ipVersion = versionOf(option)
  }
  if (settings.ipVersion === 'ipv6') {
    settings.local = address(LOCAL_6)
    settings.remote = address(REMOTE_6)
    settings.mtu = MTU_6
    settings.gateway = GATEWAY_6
  }
  for (const option of script.options) {
    check(option)
    apply(settings, option)
  }
  setAddresses(settings, script.options)
  if (asked.toleranceUsecs !== undefined) settings.toleranceUsecs = asked.toleranceUsecs
  return settings
}

/** The variables that packetdrill gives each command. */
export function environmentOf(settings: RunSettings): Record<string, string> {
  return {
    OPT_IP_VERSION: settings.ipVersion,
    OPT_LOCAL_DEV: 'tun0',
    OPT_LOCAL_IP: formatAddress(settings.local),
    OPT_REMOTE_IP: formatAddress(settings.remote),
    OPT_GATEWAY_IP: settings.gateway,
    OPT_NETMASK_IP: settings.netmask,
    OPT_BIND_PORT: `${settings.bindPort}`,
    OPT_CONNECT_PORT: `${settings.connectPort}`,
    OPT_MTU: `${settings.mtu}`,
    OPT_TOLERANCE_USECS: `${settings.toleranceUsecs}`,
    // /tmp/sysctl_restore_$PPID.sh: whoever reads it back is this very run.
    PPID: '1',
  }
}

function check(option: HeaderOption): void {
  const { name, value } = option
  if (UNSUPPORTED.test(name)) {
    const problem = `--${name} is not supported: the stack under test is the one in here`
    throw new ScriptError(option.position, `'--${name}'`, null, problem)
  }
  if (!Object.hasOwn(OPTIONS, name)) throw wrong(option, 'an option of packetdrill')
  if (OPTIONS[name] === 'value' && value === null) throw wrong(option, `--${name}=VALUE`)
  if (OPTIONS[name] === 'flag' && value !== null) throw wrong(option, `--${name} alone`)
}

function apply(settings: RunSettings, option: HeaderOption): void {
  switch (option.name) {
    case 'gateway_ip':
      settings.gateway = option.value ?? ''
      break
    case 'netmask_ip':
      settings.netmask = option.value ?? ''
      break
    case 'bind_port':
      settings.bindPort = numberOf(option, 1, 65_535)
      break
    case 'connect_port':
      settings.connectPort = numberOf(option, 1, 65_535)
      break
    case 'mtu':
      settings.mtu = numberOf(option, LEAST_MTU, MOST_MTU)
      break
    case 'tolerance_usecs':
      settings.toleranceUsecs = numberOf(option, 0, 1e9)
      break
    case 'tolerance_percent':
      settings.tolerancePercent = numberOf(option, 0, 100)
      break
    case 'tcp_ts_tick_usecs':
      settings.tsTickUsecs = numberOf(option, 0, 1e6)
      break
    case 'tcp_ts_ecr_scaled':
      settings.tsEcrScaled = true
      break
    case 'strict_segments':
      settings.strictSegments = true
      break
    case 'dry_run':
      settings.dryRun = true
      break
    case 'non_fatal':
      settings.nonFatal = nonFatalOf(option)
      break
    case 'init_scripts':
      settings.initScripts = listOf(option)
      break
    default:
      break
  }
}

/**
 * A script that does not say its version is run with either, and the suites' own addresses then win over
 * those of the other family. v4-mapped sockets have addresses of IPv4 on the wire.
 */
function setAddresses(settings: RunSettings, options: readonly HeaderOption[]): void {
  const family = settings.ipVersion === 'ipv6' ? 6 : 4
  const saysVersion = options.some((option) => option.name === 'ip_version')
  for (const option of options) {
    if (option.name !== 'local_ip' && option.name !== 'remote_ip') continue
    const address = addressOf(option)
    if (address.family === family) {
      settings[option.name === 'local_ip' ? 'local' : 'remote'] = address
    } else if (saysVersion) {
      throw wrong(option, `an IPv${family} address`)
    }
  }
}

function listOf(option: HeaderOption): string[] {
  return (option.value ?? '').split(/[, ]+/).filter((word) => word !== '')
}

function nonFatalOf(option: HeaderOption): Set<NonFatal> {
  const words = listOf(option)
  const known = words.filter((word) => word === 'packet' || word === 'syscall')
  if (known.length === 0 || known.length < words.length) throw wrong(option, "'packet', 'syscall'")
  return new Set(known)
}

function versionOf(option: HeaderOption): IpVersion {
  const { value } = option
  if (value === 'ipv4' || value === 'ipv6' || value === 'ipv4-mapped-ipv6') return value
  throw wrong(option, 'ipv4, ipv6 or ipv4-mapped-ipv6')
}

function numberOf(option: HeaderOption, least: number, most: number): number {
  const value = /^\d+(?:\.\d+)?$/.test(option.value ?? '') ? Number(option.value) : Number.NaN
  if (!(value >= least && value <= most)) throw wrong(option, `a number from ${least} to ${most}`)
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
