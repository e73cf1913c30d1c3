// TCP and MPTCP options in packetdrill's own notation, in the order that its grammar wants.

import type {
  AddressVariable,
  Checksum,
  DssNumber,
  KeyNode,
  MpCapableNode,
  TcpOption,
  Value,
} from '../language/ast.js'
import { printInteger } from './call.js'

const CAPABLE_FLAGS = 'abcdefgh'
const RESET_FLAGS = 'uvwt'

export function printOption(option: TcpOption): string {
  switch (option.kind) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return option.kind
    case 'mss':
      return `mss ${option.mss}`
    case 'wscale':
      return `wscale ${option.shift ?? '*'}`
    case 'sack':
      return ['sack', ...option.blocks.map((block) => `${block.left}:${block.right}`)].join(' ')
    case 'TS':
      return `TS val ${option.value} ecr ${option.echo}`
    case 'FO': {
      const name = option.experimental ? 'FOEXP' : 'FO'
      return option.cookie.length === 0 ? name : `${name} ${hex(option.cookie)}`
    }
    case 'md5':
      return `md5 ${hex(option.digest)}`
    case 'ECN':
      return ['ECN', ...option.counters.map((counter) => `${counter.name} ${counter.value}`)].join(
        ' ',
      )
    case 'mpcapable':
      return printCapable(option)
    case 'mp_join_syn':
      return words('mp_join_syn', join(option), `token=${printValue(option.token)}`, nonce(option))
    case 'mp_join_syn_ack':
      return words('mp_join_syn_ack', join(option), hmac(option), nonce(option))
    case 'mp_join_ack':
      return words('mp_join_ack', hmac(option))
    case 'dss':
      return words(
        'dss',
        option.dataAck && `dack${printNumber(option.dataAck)}`,
        option.dsn && `dsn${printNumber(option.dsn)}`,
        assigned('ssn', option.ssn),
        assigned('dll', option.dataLength),
        checksum(option.checksum),
        option.fin && 'fin',
      )
    case 'add_address':
      return words(
        'add_address',
        assigned('address_id', option.addressId),
        `addr[${printAddress(option.address)}]`,
        assigned('port', option.port),
        option.hmac === null ? 'addr_echo' : `hmac=${printValue(option.hmac)}`,
      )
    case 'remove_address':
      return `remove_address address_id=[${option.addressIds.join(',')}]`
    case 'mp_prio':
      return words(
        'mp_prio',
        `backup=${option.backup ? 1 : 0}`,
        assigned('address_id', option.addressId),
      )
    case 'mp_fail':
      return words('mp_fail', option.dsn && `dsn8=${printValue(option.dsn)}`)
    case 'mp_fastclose':
      return words(
        'mp_fastclose',
        option.key && printKey(option.key),
        option.add !== 0n && `+ ${option.add}`,
      )
    case 'mp_reset':
      return words(
        `mp_reset ${option.reason}`,
        option.flags !== 0 && `flags[${flagNames(option.flags, RESET_FLAGS)}]`,
      )
    default:
      return unknown(option)
  }
}

export function printValue(value: Value): string {
  switch (value.kind) {
    case 'auto':
      return 'auto'
    case 'number':
      return printInteger(value.value, value.hex)
    case 'variable':
      return value.name
    case 'call':
      return `${value.name}(${value.arguments.map(printValue).join(' ')})`
    case 'sum':
      return `${printValue(value.left)} + ${printValue(value.right)}`
    default:
      return unknown(value)
  }
}

function printCapable(option: MpCapableNode): string {
  return words(
    `mpcapable v${option.version}`,
    `flags[${flagNames(option.flags, CAPABLE_FLAGS) || 'no_flags'}]`,
    option.keys.length === 0 ? 'nokey' : `key[${option.keys.map(printKey).join(', ')}]`,
    option.dataLength !== null && `mpcdatalen ${option.dataLength}`,
    option.checksum !== null && checksum(option.checksum, 'auto'),
  )
}

function printKey(key: KeyNode): string {
  return key.value === null ? key.name : `${key.name}=${key.value}`
}

function printAddress(address: AddressVariable): string {
  if (address.value === null) return address.name
  const name = address.family === 6 ? 'inet6_addr' : 'inet_addr'
  return `${address.name}=${name}("${address.value}")`
}

function printNumber(number: DssNumber): string {
  return number.value === null ? `${number.bytes}` : `${number.bytes}=${printValue(number.value)}`
}

/** `unwritten` is the form that needs no word. */
function checksum(value: Checksum, unwritten = ''): string {
  if (value === 'none') return 'nocs'
  if (value === 'auto') return unwritten === '' ? '' : `cksum=${unwritten}`
  return `cksum=${value}`
}

function join(option: { backup: boolean; addressId: number | null }): string {
  return words(option.backup && 'backup=1', assigned('address_id', option.addressId))
}

function hmac(option: { hmac: Value }): string {
  return `sender_hmac=${printValue(option.hmac)}`
}

function nonce(option: { nonce: number | null }): string | null {
  return assigned('rand', option.nonce)
}

function assigned(name: string, value: number | null): string | null {
  return value === null ? null : `${name}=${value}`
}

/** Of an octet whose lowest bit is the last of `letters`. */
function flagNames(flags: number, letters: string): string {
  const names: string[] = []
  for (let i = 0; i < letters.length; i++) {
    if ((flags >> (letters.length - 1 - i)) & 1) names.push(`flag_${letters[i]}`)
  }
  return names.join(',')
}

function words(...parts: (string | null | false)[]): string {
  return parts.filter((part) => part !== null && part !== false && part !== '').join(' ')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function unknown(node: never): never {
  throw new RangeError(`unknown option: ${JSON.stringify(node)}`)
}
