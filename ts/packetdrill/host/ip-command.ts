// `ip mptcp endpoint|limits`, `ip addr`, `ip tcp_metrics` … on the emulated host.

import type { MptcpEndpoint } from '../../mptcp/path-manager/endpoint-table.js'
import { formatAddress, type IpAddress, parseAddress } from '../../wire/address.js'
import type { Host } from './host.js'
import { LEAST_MTU, MOST_MTU } from './settings.js'
import { CommandError, type CommandResult } from './shell.js'

const FINE: CommandResult = { output: '', status: 0 }
const REFUSED: CommandResult = { output: '', status: 2 }

export function ipCommand(host: Host, given: readonly string[]): CommandResult {
  const words = given.filter((word) => !/^-/.test(word))
  const [object = '', ...rest] = words
  if (isShort('address', object)) return addressCommand(host, rest)
  if (isShort('link', object)) return linkCommand(host, rest)
  if (isShort('route', object)) return routeCommand(rest)
  if (isShort('tcp_metrics', object)) return metricsCommand(host, rest)
  if (object === 'mptcp') {
    const [what = '', ...more] = rest
    if (isShort('endpoint', what)) return endpointCommand(host, more)
    if (isShort('limits', what)) return limitsCommand(host, more)
  }
  throw new CommandError(`the emulated host has no command 'ip ${words.join(' ')}'`)
}

/** `ip a`, `ip addr`: any beginning of the word. */
function isShort(word: string, given: string): boolean {
  return given !== '' && word.startsWith(given)
}

/** Bursts of one segment are none: as without offload. Other sizes of them are not told apart. */
function setMostSegments(host: Host, text: string): void {
  const segments = Number(text)
  if (!isWhole(segments, 65_535) || segments < 1) throw new CommandError(`'${text}' is no number`)
  if (segments === 1) host.settings.tso = false
}

/** The one device is always up; its MTU can be turned before packets may have been sent, and its bursts. */
function linkCommand(host: Host, words: readonly string[]): CommandResult {
  const [action = 'show', ...rest] = words
  if (isShort('show', action) || action === 'list') {
    return { output: `2: tun0: <UP> mtu ${host.settings.mtu}\n`, status: 0 }
  }
  if (action !== 'set') throw refused('link', words)
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] as string
    if (word === 'mtu') setMtu(host, rest[++i] ?? '')
    else if (word === 'gso_max_segs') setMostSegments(host, rest[++i] ?? '')
    else if (word === 'dev') i++
    else if (word !== 'up' && !(i === 0 && word === 'tun0')) throw refused('link', words)
  }
  return FINE
}

function setMtu(host: Host, text: string): void {
  const mtu = Number(text)
  if (!isWhole(mtu, MOST_MTU) || mtu < LEAST_MTU) throw new CommandError(`'${text}' is no MTU`)
  if (host.isOpen && mtu !== host.settings.mtu) {
    throw new CommandError("the test device's MTU is set before the first socket, not behind it")
  }
  host.settings.mtu = mtu
}

/** Everything goes out of the one device: a route says nothing more, unless it has attributes. */
function routeCommand(words: readonly string[]): CommandResult {
  const [action = 'show', ...rest] = words
  if (isShort('show', action) || action === 'list' || action === 'get' || action === 'flush') {
    return FINE
  }
  const changes = ['add', 'append', 'replace', 'change'].includes(action)
  const known = new Set(['via', 'dev', 'table', 'proto', 'scope', 'src', 'metric', 'onlink'])
  const more = rest.slice(1).filter((word) => /^[a-z_]+$/.test(word) && !known.has(word))
  // Behind dev, table, proto and scope stands a name.
  const values = rest.filter((_, i) => known.has(rest[i - 1] ?? ''))
  if (!changes || more.some((word) => !values.includes(word))) throw refused('route', words)
  return FINE
}

function refused(object: string, words: readonly string[]): CommandError {
  return new CommandError(`the emulated host has no command 'ip ${object} ${words.join(' ')}'`)
}

/** The servers' Fast Open cookies and segment sizes: all that is kept between connections. */
function metricsCommand(host: Host, words: readonly string[]): CommandResult {
  const [action = 'show'] = words
  if (action === 'flush' || isShort('delete', action)) host.stack.context.fastOpenCache.clear()
  return FINE
}

function addressCommand(host: Host, words: readonly string[]): CommandResult {
  const [action = 'show', text = ''] = words
  if (action === 'show' || action === 'list') {
    return {
      output: host.addresses.map((each) => `inet ${formatAddress(each)}\n`).join(''),
      status: 0,
    }
  }
  if (action === 'flush') return FINE
  const address = addressOf(text)
  if (action === 'add' || action === 'replace') host.addAddress(address)
  else if (isShort('delete', action)) host.removeAddress(address)
  else throw new CommandError(`the emulated host has no command 'ip addr ${action}'`)
  return FINE
}

function addressOf(text: string): IpAddress {
  const address = parseAddress(text.replace(/\/\d+$/, ''))
  if (address === null) throw new CommandError(`'${text}' is not an IP address`)
  return address
}

interface EndpointWords {
  address: IpAddress | null
  id: number
  port: number
  flags: Set<string>
}

const FLAGS = new Set([
  'signal',
  'subflow',
  'backup',
  'fullmesh',
  'laminar',
  'nobackup',
  'nofullmesh',
])

/** The address id of RFC 8684 §3.4 is one byte. */
const MAX_ID = 255
const MAX_PORT = 65_535

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most
}

const SHOWN_FLAGS = ['signal', 'subflow', 'laminar', 'backup', 'fullmesh', 'implicit'] as const

function endpointWords(words: readonly string[]): EndpointWords {
  const found: EndpointWords = { address: null, id: 0, port: 0, flags: new Set() }
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (FLAGS.has(word)) found.flags.add(word)
    else if (word === 'id') found.id = Number(words[++i])
    else if (word === 'port') found.port = Number(words[++i])
    else if (word === 'dev') i++
    else found.address = addressOf(word)
  }
  if (!isWhole(found.id, MAX_ID) || !isWhole(found.port, MAX_PORT)) {
    throw new CommandError(`cannot read 'ip mptcp endpoint … ${words.join(' ')}'`)
  }
  return found
}

function endpointCommand(host: Host, words: readonly string[]): CommandResult {
  const [action = 'show', ...rest] = words
  const { pathControl } = host
  switch (action) {
    case 'flush':
      pathControl.flushEndpoints()
      return FINE
    case 'show':
    case 'list':
      return { output: pathControl.endpoints.map(endpointLine).join(''), status: 0 }
    case 'add': {
      const { address, id, port, flags } = endpointWords(rest)
      if (address === null) throw new CommandError('ip mptcp endpoint add needs an address')
      const has = Object.fromEntries([...flags].map((flag) => [flag, true]))
      const text = formatAddress(address)
      return attempt(() => pathControl.addEndpoint({ address: text, id, port, ...has }))
    }
    case 'change': {
      const { address, id, flags } = endpointWords(rest)
      if (address === null && id === 0) throw new CommandError('ip mptcp endpoint change: which?')
      const change: { backup?: boolean; fullmesh?: boolean } = {}
      for (const flag of ['backup', 'fullmesh'] as const) {
        if (flags.has(flag)) change[flag] = true
        else if (flags.has(`no${flag}`)) change[flag] = false
      }
      const which = address === null ? id : formatAddress(address)
      return attempt(() => pathControl.changeEndpoint(which, change))
    }
    case 'delete':
    case 'del': {
      const { address, id } = endpointWords(rest)
      const text = address === null ? undefined : formatAddress(address)
      return attempt(() => pathControl.deleteEndpoint(id, text))
    }
    default:
      throw new CommandError(`the emulated host has no command 'ip mptcp endpoint ${action}'`)
  }
}

/** As iproute2 prints it. */
function endpointLine(endpoint: MptcpEndpoint): string {
  const { address, port, id } = endpoint
  const flags = SHOWN_FLAGS.filter((flag) => endpoint[flag])
  const words = [address, ...(port === 0 ? [] : ['port', `${port}`]), 'id', `${id}`, ...flags]
  return `${words.join(' ')} \n`
}

/** What the path manager refuses ends the command with a status, as the kernel's error would. */
function attempt(change: () => unknown): CommandResult {
  try {
    change()
    return FINE
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code === 'string' && code.startsWith('ERR_MPTCP_')) return REFUSED
    throw error
  }
}

function limitsCommand(host: Host, words: readonly string[]): CommandResult {
  const [action = 'show', ...rest] = words
  const { pathControl } = host
  if (action === 'show') {
    const { subflows, addAddrAccepted } = pathControl.limits
    return { output: `add_addr_accepted ${addAddrAccepted} subflows ${subflows} \n`, status: 0 }
  }
  if (action !== 'set') {
    throw new CommandError(`the emulated host has no command 'ip mptcp limits ${action}'`)
  }
  for (let i = 0; i < rest.length; i += 2) {
    const value = Number(rest[i + 1])
    if (!Number.isInteger(value) || value < 0) {
      throw new CommandError(`cannot read 'ip mptcp limits set ${rest.join(' ')}'`)
    }
    // Linux refuses more than 8.
    if (value > 8) return REFUSED
    const name = rest[i] as string
    if (isShort('subflows', name)) pathControl.setLimits({ subflows: value })
    else if (isShort('add_addr_accepted', name)) pathControl.setLimits({ addAddrAccepted: value })
    else throw new CommandError(`'ip mptcp limits' has no '${name}'`)
  }
  return FINE
}
