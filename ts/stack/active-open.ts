// What this host opens: the path of the initial subflow, MP_CAPABLE or not, and what the first SYN carries.
// The counterpart of passive-open.ts. RFC 9293 §3.10.1, RFC 8684 §3.1.

import { isBlackholed } from '../mptcp/blackhole.js'
import { releaseConnection } from '../mptcp/close.js'
import type { AddressFamilies, Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { createConnection, openSubflow } from '../mptcp/open.js'
import { nearestPath } from '../mptcp/path-manager/nearest-path.js'
import { type FastOpenWish, synWithData } from '../mptcp/syn-data.js'
import type { TcpSettings } from '../tcp/settings.js'
import { type IpAddress, sameAddress } from '../wire/address.js'

export interface ActiveOpenOptions {
  /** Null = the first path that fits. */
  local: IpAddress | null
  /** 0 = any. */
  localPort: number
  plain: boolean
  settings?: TcpSettings
  families?: AddressFamilies
  /** The SYN may carry data, or ask for a cookie (RFC 7413). */
  fastOpen?: FastOpenWish
}

/** A connection whose SYN leaves with its next turn; null when no path leads there, or ports ran out. */
export function activeOpen(
  context: Context,
  remote: IpAddress,
  remotePort: number,
  options: ActiveOpenOptions,
  now: number,
): Connection | null {
  const path = pathTo(context, remote, options.local)
  if (path === null) return null
  const blackholed = !options.plain && isBlackholed(context, now)
  if (blackholed) context.counters.MPCapableSYNTXDisabled++
  const connection = createConnection(context, {
    role: 'client',
    remote,
    remotePort,
    plain: options.plain || blackholed,
    settings: options.settings,
    families: options.families,
    now,
  })
  const subflow = openSubflow(context, connection, path, remote, remotePort, now, {
    localAddressId: 0,
    remoteAddressId: 0,
    backup: false,
    localPort: options.localPort === 0 ? undefined : options.localPort,
  })
  if (subflow === null) {
    releaseConnection(context, connection)
    return null
  }
  if (options.fastOpen !== undefined) {
    synWithData(context, context.fastOpenCache, connection, subflow, options.fastOpen)
  }
  return connection
}

/** Whether a SYN to `remote` may carry data: there is a cookie, or none is wanted. */
export function hasFastOpenCookie(
  context: Context,
  remote: IpAddress,
  local: IpAddress | null,
): boolean {
  const path = pathTo(context, remote, local)
  if (path === null) return false
  return (context.fastOpenCache.get(path.address, remote)?.cookie ?? null) !== null
}

function pathTo(context: Context, remote: IpAddress, local: IpAddress | null): LocalPath | null {
  const { paths } = context
  if (local !== null) return paths.find((each) => sameAddress(each.address, local)) ?? null
  // The first path is the initial subflow's; another only if its family is wrong.
  return paths.find((each) => each.address.family === remote.family) ?? nearestPath(paths, remote)
}
