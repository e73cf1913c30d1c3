// Which of our addresses a packet to an address leaves from, where nobody says.

import type { IpAddress } from '../../wire/address.js'
import type { LocalPath } from '../local-path.js'

/** Of our paths of the same family, the one whose address shares the longest prefix. */
export function nearestPath(paths: readonly LocalPath[], address: IpAddress): LocalPath | null {
  let best: LocalPath | null = null
  let bestBits = -1
  for (const path of paths) {
    if (path.address.family !== address.family) continue
    const bits = commonPrefix(path.address, address)
    if (bits > bestBits) {
      best = path
      bestBits = bits
    }
  }
  return best
}

function commonPrefix(a: IpAddress, b: IpAddress): number {
  const words = [a.w0 ^ b.w0, a.w1 ^ b.w1, a.w2 ^ b.w2, a.w3 ^ b.w3]
  let bits = 0
  for (const word of words) {
    const same = Math.clz32(word)
    bits += same
    if (same < 32) break
  }
  return bits
}
