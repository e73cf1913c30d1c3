// The TCP ports that a set of raw links answers for: asked for each packet, told to nftables as ranges.

import { codedError } from './errors.js'

export type PortList = { readonly first: number; readonly last: number } | readonly number[]

export class PortSet {
  readonly #reserved = new Uint8Array(65536)

  constructor(ports: PortList) {
    this.add(ports)
  }

  has(port: number): boolean {
    return this.#reserved[port] === 1
  }

  add(ports: PortList): void {
    for (const port of portNumbers(ports)) this.#reserved[port] = 1
  }
}

/** Every port of the list; throws ERR_INVALID_ARG_VALUE if one is none. */
export function portNumbers(ports: PortList): number[] {
  const list = 'first' in ports ? span(ports.first, ports.last) : [...ports]
  if (list.length === 0 || list.some((port) => !isPort(port))) {
    throw codedError(
      'ERR_INVALID_ARG_VALUE',
      'ports are whole numbers from 1 to 65535, at least one',
    )
  }
  return list
}

function span(first: number, last: number): number[] {
  if (!isPort(first) || !isPort(last) || last < first) return []
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}

/** `5, 100-300`: how nftables writes them. */
export function portRanges(ports: PortList): string {
  if ('first' in ports) {
    return ports.first === ports.last ? `${ports.first}` : `${ports.first}-${ports.last}`
  }
  return [...new Set(ports)].sort((a, b) => a - b).join(', ')
}

/** Whether a set as nftables lists it (`{ 5, 100-300 }`) holds every port of the list. */
export function listCovers(listed: string, ports: PortList): boolean {
  const covered = new Uint8Array(65536)
  for (const [, first, last] of listed.matchAll(/(\d+)(?:-(\d+))?/g)) {
    covered.fill(1, Number(first), Number(last ?? first) + 1)
  }
  return portNumbers(ports).every((port) => covered[port] === 1)
}
