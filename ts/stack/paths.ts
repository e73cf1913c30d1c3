// What this host is made of: a path for each address of each link, and the endpoints that the path
// manager works with.

import type { Link } from '../link/link.js'
import type { LocalPath } from '../mptcp/context.js'
import type { Endpoint } from '../mptcp/path-manager/endpoint.js'
import { formatAddress, parseAddress } from '../wire/address.js'
import { type MptcpEndpointOptions, optionError } from './config.js'

/** One path for each address of each link. */
export function makePaths(links: readonly Link[]): LocalPath[] {
  const paths: LocalPath[] = []
  links.forEach((link, index) => {
    for (const text of link.addresses) {
      const address = parseAddress(text)
      if (address === null) throw optionError(`link ${link.name}: '${text}' is not an IP address`)
      const headers = address.family === 4 ? 40 : 60
      const mss = link.caps.mtu - headers
      if (mss < 88) throw optionError(`link ${link.name}: an MTU of ${link.caps.mtu} is too small`)
      const limit = link.caps.tso > 0 ? Math.min(link.caps.tso, 65_535) - headers - 40 : 0
      paths.push({ address, link: index, mss, limit })
    }
  })
  return paths
}

/**
 * The endpoints as configured, or one for each path: those are `subflow` when connecting and `signal`
 * when listening.
 */
export function makeEndpoints(
  given: readonly MptcpEndpointOptions[] | undefined,
  paths: readonly LocalPath[],
): Endpoint[] {
  const wanted: readonly MptcpEndpointOptions[] =
    given ??
    paths.map((path) => ({ address: formatAddress(path.address), subflow: true, signal: true }))
  const endpoints: Endpoint[] = []
  let nextId = 1
  for (const each of wanted) {
    const address = parseAddress(each.address)
    if (address === null) {
      throw optionError(`endpoint address '${each.address}' is not an IP address`)
    }
    const id = each.id ?? nextId
    nextId = id + 1
    if (id < 1 || id > 255) throw optionError(`endpoint id must be from 1 to 255, not ${id}`)
    endpoints.push({
      id,
      address,
      port: each.port ?? 0,
      subflow: each.subflow ?? false,
      signal: each.signal ?? false,
      backup: each.backup ?? false,
      automatic: given === undefined,
    })
  }
  return endpoints
}
