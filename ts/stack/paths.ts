// What this host is made of: a path for each address of each link.

import type { Link } from '../link/link.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { lacksFunction } from '../option-kinds.js'
import { type IpAddress, parseAddress } from '../wire/address.js'
import { optionError } from './config.js'

/** One path for each address of each link. */
export function makePaths(links: readonly Link[]): LocalPath[] {
  return links.flatMap((link, index) => {
    const wrong = lacksFunction(`links[${index}]`, link, ['open', 'send', 'flush', 'close'])
    if (wrong !== null) throw optionError(wrong)
    return link.addresses.map((text) => {
      const address = parseAddress(text)
      if (address === null) throw optionError(`link ${link.name}: '${text}' is not an IP address`)
      return makePath(link, index, address)
    })
  })
}

/** The path of one address of a link. */
export function makePath(link: Link, index: number, address: IpAddress): LocalPath {
  const headers = address.family === 4 ? 40 : 60
  const mss = link.caps.mtu - headers
  if (mss < 88) throw optionError(`link ${link.name}: an MTU of ${link.caps.mtu} is too small`)
  const limit = link.caps.tso > 0 ? Math.min(link.caps.tso, 65_535) - headers - 40 : 0
  return { address, link: index, mss, limit }
}
