// `ip mptcp endpoint|limits`, `ip addr`, `ip tcp_metrics` … on the emulated host.

import { formatAddress, type IpAddress, parseAddress } from '../wire/address.js'
import type { Host } from './host.js'
import { CommandError, type CommandResult } from './shell.js'

const FINE: CommandResult = { output: '', status: 0 }
const REFUSED: CommandResult = { output: '', status: 2 }

export function ipCommand(host: Host, given: readonly string[]): CommandResult {
  const words = given.filter((word) => !/^-/.test(word))
  const [object = '', ...rest] = words
  if (isShort('address', object)) return addressCommand(host, rest)
  if (isShort('link', object) || isShort('route', object) || isShort('rule', object)) return FINE
  if (isShort('tcp_metrics', object) || isShort('neighbour', object)) return FINE
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
  if (!Number.isInteger(found.id) || !Number.isInteger(found.port)) {
    throw new CommandError(`cannot read 'ip mptcp endpoint … ${words.join(' ')}'`)
  }
  return found
}

function endpointCommand(host: Host, words: readonly string[]): CommandResult {
  const [action = 'show', ...rest] = words
  switch (action) {
    case 'flush':
      host.flushEndpoints()
      return FINE
    case 'show':
    case 'list': {
      const lines = host.endpoints.map((each) => `${formatAddress(each.address)} id ${each.id}\n`)
      return { output: lines.join(''), status: 0 }
    }
    case 'add': {
      const { address, id, port, flags } = endpointWords(rest)
      if (address === null) throw new CommandError('ip mptcp endpoint add needs an address')
      const endpoint = {
        id,
        address,
        port,
        signal: flags.has('signal'),
        subflow: flags.has('subflow'),
        backup: flags.has('backup'),
        fullmesh: flags.has('fullmesh'),
        laminar: flags.has('laminar'),
      }
      return host.addEndpoint(endpoint) === null ? REFUSED : FINE
    }
    case 'delete':
    case 'del': {
      const { id } = endpointWords(rest)
      return host.deleteEndpoint(id) ? FINE : REFUSED
    }
    default:
      throw new CommandError(`the emulated host has no command 'ip mptcp endpoint ${action}'`)
  }
}

function limitsCommand(host: Host, words: readonly string[]): CommandResult {
  const [action = 'show', ...rest] = words
  if (action === 'show') {
    const { maxSubflows, maxAddAddrAccepted } = host.config
    const output = `add_addr_accepted ${maxAddAddrAccepted} subflows ${maxSubflows - 1} \n`
    return { output, status: 0 }
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
    if (isShort('subflows', name)) host.configure({ maxSubflows: value + 1 })
    else if (isShort('add_addr_accepted', name)) host.configure({ maxAddAddrAccepted: value })
    else throw new CommandError(`'ip mptcp limits' has no '${name}'`)
  }
  return FINE
}
