// What a network device says of itself: that it exists, its MTU, its addresses.

import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { formatAddress, type IpAddress, parseAddress, sameAddress } from '../../wire/address.js'
import { codedError } from './errors.js'

export interface Device {
  readonly name: string
  /** Bytes. */
  readonly mtu: number
  /** In the kernel's order, link-local IPv6 ones left out. */
  readonly addresses: readonly IpAddress[]
}

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
  return { name, mtu: Number(readFileSync(`${path}/mtu`, 'latin1')), addresses }
}

/**
 * The addresses of a path: the one asked for, which must be the device's own, or the device's first
 * IPv4 and first global IPv6 address.
 */
export function chooseAddresses(device: Device, asked: string | undefined): IpAddress[] {
  if (asked !== undefined) {
    const address = mustParse(asked)
    if (!device.addresses.some((own) => sameAddress(own, address))) {
      const have = device.addresses.map(formatAddress).join(', ') || 'none'
      throw codedError('EADDRNOTAVAIL', `${device.name} has no address ${asked} (it has: ${have})`)
    }
    return [address]
  }
  const first = (family: 4 | 6) => device.addresses.find((address) => address.family === family)
  const chosen = [first(4), first(6)].filter((address) => address !== undefined)
  if (chosen.length === 0) {
    throw codedError(
      'EADDRNOTAVAIL',
      `${device.name} has no IPv4 or global IPv6 address, or it is down (see: ip -br addr)`,
    )
  }
  return chosen
}

export function mustParse(text: string): IpAddress {
  const address = parseAddress(text)
  if (address === null) throw codedError('EINVAL', `'${text}' is not an IP address`)
  return address
}
