// `--path DEV[=ADDR][@GATEWAY][,flag…]`: a device, the address of it that is used, the neighbour behind
// it, and what the path manager may do with it.

import { InvalidArgumentError } from 'commander'
import type { MptcpEndpointOptions } from '../mptcp/path-manager/endpoint-table.js'
import { parseAddress } from '../wire/address.js'

export const PATH_FLAGS = ['backup', 'metered', 'signal', 'subflow', 'fullmesh', 'laminar'] as const
export type PathFlag = (typeof PATH_FLAGS)[number]

export interface PathOption {
  device: string
  address: string | undefined
  gateway: string | undefined
  flags: PathFlag[]
}

const FORM = 'Write DEV[=ADDR][@GATEWAY][,backup|metered|signal|subflow|fullmesh|laminar].'

export function parsePathOption(text: string): PathOption {
  const [where = '', ...flags] = text.split(',').map((part) => part.trim())
  const match = /^([^=@\s]+)(?:=([^=@\s]+))?(?:@([^=@\s]+))?$/.exec(where)
  if (match === null) throw new InvalidArgumentError(FORM)
  const [, device, address, gateway] = match
  for (const each of [address, gateway]) {
    if (each !== undefined && parseAddress(each) === null) {
      throw new InvalidArgumentError(`'${each}' is not an IP address. ${FORM}`)
    }
  }
  for (const flag of flags) {
    if (!(PATH_FLAGS as readonly string[]).includes(flag)) {
      throw new InvalidArgumentError(`There is no flag '${flag}'. ${FORM}`)
    }
  }
  return { device: device as string, address, gateway, flags: flags as PathFlag[] }
}

/** What a path is to the path manager. */
export interface PathRoles {
  subflow: boolean
  signal: boolean
  backup: boolean
  fullmesh: boolean
  laminar: boolean
}

/**
 * The first path is the initial subflow's: it is announced or joined from only if that was asked for. With
 * `laminar` the others open no subflow to the peer's first address unless that was asked for as well.
 */
export function pathRoles(path: PathOption, index: number, listening: boolean): PathRoles {
  const has = (flag: PathFlag): boolean => path.flags.includes(flag)
  const byDefault = !has('subflow') && !has('signal') && index > 0
  return {
    subflow: has('subflow') || (byDefault && !listening && !has('laminar')),
    // Deviates: from the kernel, to which signal and fullmesh are a contradiction.
    signal: has('signal') || (byDefault && listening && !has('fullmesh')),
    backup: has('backup'),
    fullmesh: has('fullmesh'),
    laminar: has('laminar'),
  }
}

/**
 * The endpoints of a stack of our own, an entry for each address of each path, ids from 1. None where no
 * path has flags: the stack's own default is the same, and knows the role of each connection.
 */
export function stackEndpoints(
  paths: readonly PathOption[],
  addresses: readonly (readonly string[])[],
  listening: boolean,
): MptcpEndpointOptions[] | undefined {
  // Those of a link's policy are the stack's own business.
  const isPlain = ({ flags }: PathOption): boolean =>
    flags.every((flag) => flag === 'backup' || flag === 'metered')
  if (paths.every((path) => isPlain(path) && !path.flags.includes('backup'))) return undefined
  return paths.flatMap((path, i) =>
    (addresses[i] ?? []).map((address) => ({ address, ...pathRoles(path, i, listening) })),
  )
}
