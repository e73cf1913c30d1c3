// Where a connection's timestamps begin: at a secret of each pair of addresses, as Linux's, so that those of a later
// connection are later ones, whatever its ports, and a SYN that takes the four of one in TIME-WAIT is known to be
// new (RFC 6191, RFC 7323 §7.1).

import type { Random } from '../random.js'
import { SIPHASH_KEY_BYTES, sipHash } from '../siphash.js'
import { addressBytes, type IpAddress } from '../wire/address.js'

export function timestampBases(random: Random): (local: IpAddress, remote: IpAddress) => number {
  let secret: Uint8Array | null = null
  return (local, remote) => {
    secret ??= random.bytes(SIPHASH_KEY_BYTES)
    const from = addressBytes(local)
    const to = addressBytes(remote)
    const message = new Uint8Array(from.length + to.length)
    message.set(from)
    message.set(to, from.length)
    return sipHash(secret, message)[0]
  }
}
