// What this host is made of: a path for each address of each link.

import type { Link } from '../link/link.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { lacksFunction } from '../option-kinds.js'
import { type IpAddress, parseAddress } from '../wire/address.js'
import { optionError } from './config.js'

/** A segment that carries less than its headers is no use. */
const LEAST_MSS = 88

/** One path for each address of each link. */
export function makePaths(links: readonly Link[]): LocalPath[] {
  return links.flatMap((link, index) => {
    const wrong = wrongLink(`links[${index}]`, link)
    if (wrong !== null) throw optionError(wrong)
    return link.addresses.map((text) => {
      const address = parseAddress(text)
      if (address === null) throw optionError(`link ${link.name}: '${text}' is not an IP address`)
      return makePath(link, index, address)
    })
  })
}

/** What is wrong with a link, in words; null = nothing. */
export function wrongLink(name: string, link: Link): string | null {
  return lacksFunction(name, link, ['open', 'send', 'flush', 'close'])
}

/** The path of one address of a link. */
export function makePath(link: Link, index: number, address: IpAddress): LocalPath {
  const { backup = false, metered = false } = link.policy ?? {}
  if (!hasRoom(link, address)) {
    throw optionError(`link ${link.name}: an MTU of ${link.caps.mtu} is too small`)
  }
  const path = { address, link: index, mss: 0, limit: 0, backup, metered, down: false }
  measurePath(path, link)
  return path
}

/** Bytes of the IP and TCP headers without options. */
function headersOf({ family }: IpAddress): number {
  return family === 4 ? 40 : 60
}

/** Whether the link's MTU has room for segments from this address. */
export function hasRoom({ caps }: Link, address: IpAddress): boolean {
  return caps.mtu - headersOf(address) >= LEAST_MSS
}

/** Takes the sizes that the link now has. */
export function measurePath(path: LocalPath, { caps }: Link): void {
  const headers = headersOf(path.address)
  path.mss = caps.mtu - headers
  path.limit = caps.tso > 0 ? Math.min(caps.tso, 65_535) - headers - 40 : 0
}
