// What a network device says of itself: that it exists, its MTU, its addresses.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { formatAddress, type IpAddress, parseAddress, sameAddress } from '../../wire/address.js'
import { codedError } from './errors.js'

export interface Device {
  readonly name: string
  /** The kernel's number for it: another one if it was made anew. */
  readonly index: number
  /** Set up, and its cable is in. */
  readonly isUp: boolean
  readonly isLoopback: boolean
  /** Bytes. */
  readonly mtu: number
  /** In the kernel's order, link-local IPv6 ones left out. */
  readonly addresses: readonly IpAddress[]
}

const IFF_UP = 1
const IFF_LOOPBACK = 8

/** Longer names do not exist (IFNAMSIZ), and a slash would leave /sys/class/net. */
const DEVICE_NAME = /^(?!\.{1,2}$)[^/\s]{1,15}$/

export function readDevice(name: string): Device {
  const path = `/sys/class/net/${name}`
  if (!DEVICE_NAME.test(name) || !existsSync(path)) {
    throw codedError('ENODEV', `there is no network device '${name}' (see: ip -br link)`)
  }
  const addresses = (networkInterfaces()[name] ?? [])
    .filter((info) => info.family === 'IPv4' || info.scopeid === 0)
    .flatMap((info) => parseAddress(info.address) ?? [])
  const read = (what: string): string => readFileSync(`${path}/${what}`, 'latin1').trim()
  try {
    const flags = Number(read('flags'))
    const isUp = (flags & IFF_UP) !== 0 && !/down/.test(read('operstate'))
    const isLoopback = (flags & IFF_LOOPBACK) !== 0
    return {
      name,
      index: Number(read('ifindex')),
      isUp,
      isLoopback,
      mtu: Number(read('mtu')),
      addresses,
    }
  } catch (cause) {
    throw codedError('ENODEV', `the network device '${name}' has just gone`, cause)
  }
}

/** The names of all devices, in alphabetical order. */
export function deviceNames(): string[] {
  return readdirSync('/sys/class/net').sort()
}

/**
 * The addresses of a path: the one asked for, which must be the device's own, or the device's first
 * IPv4 and first global IPv6 address.
 */
export function chooseAddresses(device: Device, asked: string | undefined): IpAddress[] {
  const chosen = findAddresses(device, asked === undefined ? null : mustParse(asked), [])
  if (chosen.length > 0) return chosen
  if (asked === undefined) {
    throw codedError(
      'EADDRNOTAVAIL',
      `${device.name} has no IPv4 or global IPv6 address, or it is down (see: ip -br addr)`,
    )
  }
  const have = device.addresses.map(formatAddress).join(', ') || 'none'
  throw codedError('EADDRNOTAVAIL', `${device.name} has no address ${asked} (it has: ${have})`)
}

/**
 * The addresses of a path as its device changes: of each family the one it has, while the device has it, else the first.
 */
export function findAddresses(
  device: Device,
  pin: IpAddress | null,
  present: readonly IpAddress[],
): IpAddress[] {
  const has = (address: IpAddress): boolean =>
    device.addresses.some((own) => sameAddress(own, address))
  if (pin !== null) return has(pin) ? [pin] : []
  const find = (family: 4 | 6): IpAddress | undefined =>
    present.find((each) => each.family === family && has(each)) ??
    device.addresses.find((each) => each.family === family)
  return [find(4), find(6)].filter((address) => address !== undefined)
}

export function mustParse(text: string): IpAddress {
  const address = parseAddress(text)
  if (address === null) throw codedError('EINVAL', `'${text}' is not an IP address`)
  return address
}
