// Which neighbour a packet is handed to. Under IP_HDRINCL the address given to sendto chooses the next
// hop, not the packet's source, so the rules that a host keeps for its second path (`ip rule from …`)
// must be walked here. They are read once, with the device's routes, rather than asked for each
// destination: Bounded: a flood of SYNs from forged sources must not start a process for each.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { formatAddress, type IpAddress, parseAddress } from '../../wire/address.js'
import { codedError } from './errors.js'

interface Route {
  prefix: IpAddress
  /** Length of the prefix in bits, of 128: IPv4 stands in its mapped form. */
  bits: number
  /** null: the destination is a neighbour itself. */
  gateway: string | null
}

interface IpRoute {
  type?: string
  dst: string
  gateway?: string
  table?: string
}

interface IpRule {
  src?: string
  srclen?: number
  dst?: string
  fwmark?: string
  fwmask?: string
  iif?: string
  oif?: string
  not?: unknown
  table?: string
}

const run = promisify(execFile)

async function ip(family: 4 | 6, args: string[]): Promise<unknown[]> {
  try {
    const { stdout } = await run('ip', [`-${family}`, '-j', ...args], {
      timeout: 5000,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as unknown[])
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw codedError(
        'ERR_MPTCP_NO_IP',
        'raw links read the routes with `ip`: install iproute2',
        cause,
      )
    }
    // A table that does not exist, or a kernel without IPv6: no routes.
    return []
  }
}

export class RoutingTable {
  /** In the order that the rules give, longest prefix first in each. */
  readonly #tables: Route[][]

  private constructor(tables: Route[][]) {
    this.#tables = tables
  }

  /** Reads what applies to packets from `address` that leave by `device` with `mark`. */
  static async read(device: string, address: IpAddress, mark: number): Promise<RoutingTable> {
    const [rules, routes] = (await Promise.all([
      ip(address.family, ['rule', 'show']),
      ip(address.family, ['route', 'show', 'table', 'all', 'dev', device]),
    ])) as [IpRule[], IpRoute[]]
    return RoutingTable.from(rules, routes, { device, address, mark })
  }

  static from(
    rules: readonly IpRule[],
    routes: readonly IpRoute[],
    of: { device: string; address: IpAddress; mark: number },
  ): RoutingTable {
    const byTable = new Map<string, Route[]>()
    for (const route of routes) {
      if (route.type !== undefined && route.type !== 'unicast') continue
      const prefix = parsePrefix(route.dst, of.address.family)
      if (prefix === null) continue
      const name = route.table ?? 'main'
      const table = byTable.get(name) ?? []
      byTable.set(name, table)
      table.push({ ...prefix, gateway: route.gateway ?? null })
    }
    const tables: Route[][] = []
    for (const rule of rules) {
      const table = ruleApplies(rule, of) ? byTable.get(rule.table ?? '') : undefined
      if (table !== undefined && !tables.includes(table)) tables.push(table)
    }
    // Sorting is stable: of two routes with one prefix the first listed, with the lower metric, stays.
    for (const table of tables) table.sort((a, b) => b.bits - a.bits)
    return new RoutingTable(tables)
  }

  /**
   * The address to hand to sendto. Without a route the destination itself, as the kernel does when a
   * socket is bound to a device. `gateway`, if given, is preferred to what the routes say of
   * destinations that are no neighbours.
   */
  nextHop(destination: IpAddress, gateway: string | null): string {
    for (const table of this.#tables) {
      for (const route of table) {
        if (!isWithin(destination, route.prefix, route.bits)) continue
        if (route.gateway === null && route.bits > (destination.family === 4 ? 96 : 0)) {
          return formatAddress(destination)
        }
        return gateway ?? route.gateway ?? formatAddress(destination)
      }
    }
    return gateway ?? formatAddress(destination)
  }
}

/** Rules by destination, or by what only the kernel knows of a packet, are not followed. */
function ruleApplies(
  rule: IpRule,
  of: { device: string; address: IpAddress; mark: number },
): boolean {
  if (rule.not !== undefined || rule.iif !== undefined) return false
  if (rule.dst !== undefined && rule.dst !== 'all') return false
  if (rule.oif !== undefined && rule.oif !== of.device) return false
  if (rule.fwmark !== undefined) {
    const mask = Number(rule.fwmask ?? 0xffffffff)
    if ((of.mark & mask) >>> 0 !== (Number(rule.fwmark) & mask) >>> 0) return false
  }
  if (rule.src === undefined || rule.src === 'all') return true
  const text = rule.srclen === undefined ? rule.src : `${rule.src}/${rule.srclen}`
  const source = parsePrefix(text, of.address.family)
  return source !== null && isWithin(of.address, source.prefix, source.bits)
}

/** `default`, `10.0.0.0/8`, `10.1.1.1`: a prefix and its length of 128 bits. */
export function parsePrefix(
  text: string,
  family: 4 | 6,
): { prefix: IpAddress; bits: number } | null {
  const before = family === 4 ? 96 : 0
  if (text === 'default' || text === 'all') {
    const prefix = parseAddress(family === 4 ? '0.0.0.0' : '::')
    return prefix === null ? null : { prefix, bits: before }
  }
  const [address, length] = text.split('/')
  const prefix = parseAddress(address ?? '')
  if (prefix === null || prefix.family !== family) return null
  return { prefix, bits: length === undefined ? 128 : before + Number(length) }
}

/** Whether `address` starts with the first `bits` of `prefix`. */
export function isWithin(address: IpAddress, prefix: IpAddress, bits: number): boolean {
  return (
    address.family === prefix.family &&
    same(address.w0, prefix.w0, bits) &&
    same(address.w1, prefix.w1, bits - 32) &&
    same(address.w2, prefix.w2, bits - 64) &&
    same(address.w3, prefix.w3, bits - 96)
  )
}

function same(a: number, b: number, bits: number): boolean {
  if (bits <= 0) return true
  return bits >= 32 ? (a ^ b) === 0 : (a ^ b) >>> (32 - bits) === 0
}
