// Which devices of the host may carry a subflow, and how: decided by what the user says of paths, before the first
// packet leaves.

import { type OptionKinds, wrongOption } from '../../option-kinds.js'
import type { IpAddress } from '../../wire/address.js'
import type { LinkPolicy } from '../link.js'
import { deviceNames, mustParse, readDevice } from './device.js'
import { codedError } from './errors.js'

export interface RawPath {
  /**
   * Name of the network device, e.g. `eth0`; or 'auto', every one but loopback; or a pattern with `*` and `?`, which also stands for devices that come
   * later; or, with `!` before it, which ones never to use.
   */
  device: string
  /** One of the device's addresses, and no other; default: its first IPv4 and its first global IPv6 address. */
  address?: string
  /** The neighbour for destinations off this link; default: what the host's routes and rules say. */
  gateway?: string
  /** Its subflows carry data only where none on another path can. */
  backup?: boolean
  /** It costs: no subflow is opened on it while one on an unmetered path works. */
  metered?: boolean
}

const PATH_KINDS: OptionKinds<RawPath> = {
  device: 'string',
  address: 'string',
  gateway: 'string',
  backup: 'boolean',
  metered: 'boolean',
}

/** A device that a path stands for. */
export interface ChosenDevice {
  readonly device: string
  readonly pin: IpAddress | null
  readonly gateway: IpAddress | null
  readonly policy: LinkPolicy
}

interface Rule extends ChosenDevice {
  readonly pattern: RegExp | null
}

/** 'auto': every device but loopback. */
export class PathPolicy {
  readonly #rules: readonly Rule[]
  readonly #never: readonly RegExp[]

  /** Errors: ERR_INVALID_ARG_VALUE, EINVAL. */
  constructor(paths: 'auto' | readonly (RawPath | string)[]) {
    if (paths === undefined || (Array.isArray(paths) && paths.length === 0)) {
      throw codedError('ERR_INVALID_ARG_VALUE', "raw links need a path: 'auto', or a list of them")
    }
    if (paths !== 'auto' && !Array.isArray(paths)) {
      const given = typeof paths === 'string' ? `'${paths}'` : typeof paths
      throw codedError(
        'ERR_INVALID_ARG_VALUE',
        `raw links: paths must be 'auto' or a list, not ${given}`,
      )
    }
    const list = (paths === 'auto' ? ['auto'] : paths).map((each): RawPath => {
      const path = typeof each === 'string' ? { device: each } : each
      return path?.device === 'auto' ? { ...path, device: '*' } : path
    })
    for (const path of list) {
      const wrong = wrongOption(path, PATH_KINDS)
      if (wrong !== null) throw codedError('ERR_INVALID_ARG_VALUE', `raw links: ${wrong}`)
      if (typeof path.device !== 'string') {
        throw codedError('ERR_INVALID_ARG_VALUE', 'raw links: a path needs a device')
      }
    }
    this.#never = list.flatMap(({ device }) =>
      device.startsWith('!') ? [toPattern(device.slice(1))] : [],
    )
    this.#rules = list.filter(({ device }) => !device.startsWith('!')).map(toRule)
    if (this.#rules.length === 0) {
      throw codedError(
        'ERR_INVALID_ARG_VALUE',
        "raw links: only what is never to be used was said; add 'auto'",
      )
    }
  }

  /** Whether devices that come later may be meant. */
  get hasPatterns(): boolean {
    return this.#rules.some(({ pattern }) => pattern !== null)
  }

  /** What was named without a pattern: it must be there. */
  get named(): readonly ChosenDevice[] {
    return this.#rules.filter(({ pattern }) => pattern === null)
  }

  /** The devices that are there, up, and meant by a pattern, but not those in `taken`. */
  matching(taken: ReadonlySet<string>): ChosenDevice[] {
    const named = new Set(this.named.map(({ device }) => device))
    return deviceNames().flatMap((device) => {
      if (taken.has(device) || named.has(device)) return []
      if (this.#never.some((pattern) => pattern.test(device))) return []
      const rule = this.#rules.find(({ pattern }) => pattern?.test(device))
      if (rule === undefined || !isUsable(device)) return []
      return [{ device, pin: rule.pin, gateway: rule.gateway, policy: rule.policy }]
    })
  }
}

function toRule({ device, address, gateway, backup, metered }: RawPath): Rule {
  const isPattern = /[*?]/.test(device)
  return {
    device,
    pattern: isPattern ? toPattern(device) : null,
    pin: address === undefined ? null : mustParse(address),
    gateway: gateway === undefined ? null : mustParse(gateway),
    policy: { backup: backup ?? false, metered: metered ?? false },
  }
}

function toPattern(text: string): RegExp {
  const escaped = text.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}

/** A device that has just gone is none. */
function isUsable(name: string): boolean {
  try {
    const { isUp, isLoopback, addresses } = readDevice(name)
    return isUp && !isLoopback && addresses.length > 0
  } catch {
    return false
  }
}
