// What the names of a script stand for: keys, addresses, and what its functions make of them. The first live
// packet that carries a name binds it; a script can also give the value itself.

import {
  addressBytes,
  addressFromBytes,
  type IpAddress,
  parseAddress,
  sameAddress,
} from '../../wire/address.js'
import type { TcpOption, Value } from '../language/ast.js'
import type { Place } from './flows.js'
import { type Both, type Hashes, idsn, idsnOfVersion0, token, tokenOfVersion0 } from './keys.js'

const MASK_32 = 0xffffffffn

/** A name or a value that cannot be resolved: the script's fault, or the order of its packets. */
export class BindingError extends Error {
  override readonly name = 'BindingError'
}

export interface PeerAddress {
  readonly id: number
  readonly address: IpAddress
}

export class Bindings {
  readonly hashes: Hashes
  readonly keys = new Map<string, bigint>()
  readonly places = new Map<string, Place>()
  /** Keys that the script itself gives a value. */
  readonly given = new Set<string>()
  /** The script's key and the stack's; null = not known yet. */
  peerKey: bigint | null = null
  stackKey: bigint | null = null
  /** Addresses of the script's side with their ids, in the order in which they came up. */
  readonly peerAddresses: PeerAddress[] = []
  /** Data-level ends, relative to the IDSNs: what `dsn` or `dack` without a value continue from. */
  peerSent = 1n
  stackSent = 1n

  constructor(hashes: Hashes) {
    this.hashes = hashes
  }

  giveKey(name: string, value: bigint): void {
    this.keys.set(name, value)
    this.given.add(name)
  }

  /** Keys and addresses that the script itself gives a value hold from its beginning. */
  collect(options: readonly TcpOption[]): void {
    for (const option of options) {
      if (option.kind === 'mpcapable') {
        for (const { name, value } of option.keys) {
          if (value !== null) this.giveKey(name, value)
        }
      } else if (option.kind === 'mp_fastclose' && option.key !== null) {
        if (option.key.value !== null) this.giveKey(option.key.name, option.key.value)
      } else if (option.kind === 'add_address' && option.address.value !== null) {
        const address = parseAddress(option.address.value)
        this.places.set(option.address.name, { address, port: option.port ?? 0 })
      }
    }
  }

  key(name: string): bigint {
    const value = this.keys.get(name)
    if (value === undefined) throw new BindingError(`no packet has bound the key '${name}' yet`)
    return value
  }

  /** IDSN of the script's side, or the stack's; 0 until its key is known. */
  get peerIdsn(): bigint {
    return this.peerKey === null ? 0n : idsn(this.hashes, this.peerKey)
  }

  get stackIdsn(): bigint {
    return this.stackKey === null ? 0n : idsn(this.hashes, this.stackKey)
  }

  /** The absolute number that a value in an option is; `auto` is the caller's to decide. */
  value(value: Value): bigint {
    switch (value.kind) {
      case 'number':
        return value.value
      case 'variable':
        return this.key(value.name)
      case 'sum':
        return this.value(value.left) + this.value(value.right)
      case 'call':
        return this.#call(value.name, value.arguments)
      case 'auto':
        throw new BindingError("'auto' has no value here")
      default:
        return never(value)
    }
  }

  #call(name: string, given: readonly Value[]): bigint {
    const [key] = given.map((each) => this.value(each))
    if (key === undefined) throw new BindingError(`${name} needs an argument`)
    switch (name) {
      case 'sha256_32':
        return BigInt(token(this.hashes, key))
      case 'sha1_32':
        return BigInt(tokenOfVersion0(this.hashes, key))
      case 'trunc_r32_hmac':
        return idsn(this.hashes, key) & MASK_32
      case 'trunc_r64_hmac':
      case 'trunc_r64_sha256':
      case 'trunc_r64_hmac_sha256':
        return idsn(this.hashes, key)
      case 'trunc_r64_hmac_sha1':
        return idsnOfVersion0(this.hashes, key)
      case 'trunc_l64_hmac':
      case 'full_160_hmac':
        return key
      default:
        throw new BindingError(`the function ${name} is not known here`)
    }
  }

  /** The two keys that `trunc_l64_hmac(a b)` names; null = it is not of that form. */
  keyPair(value: Value): Both<bigint> | null {
    if (value.kind !== 'call' || value.arguments.length !== 2) return null
    const [first, second] = value.arguments as [Value, Value]
    return [this.value(first), this.value(second)]
  }

  /** The peer's address with this id or of this value; made up, the next one, where there is none. */
  peerAddress(id: number | null, address: IpAddress | null): PeerAddress {
    const known = this.peerAddresses.find(
      (each) =>
        (id !== null || address !== null) &&
        (id === null || each.id === id) &&
        (address === null || sameAddress(each.address, address)),
    )
    if (known !== undefined) return known
    const isFirst = this.peerAddresses.length === 0
    const nextId = isFirst ? 0 : 1 + Math.max(...this.peerAddresses.map((each) => each.id))
    const made = { id: id ?? nextId, address: address ?? this.#nextAddress() }
    this.peerAddresses.push(made)
    return made
  }

  #nextAddress(): IpAddress {
    let highest: Uint8Array | null = null
    for (const { address } of this.peerAddresses) {
      const bytes = addressBytes(address)
      if (highest === null || bytes[bytes.length - 1]! > highest[highest.length - 1]!) {
        highest = bytes
      }
    }
    if (highest === null) throw new BindingError('no address of the peer is known yet')
    highest[highest.length - 1]!++
    return addressFromBytes(highest)
  }
}

function never(value: never): never {
  throw new BindingError(`unknown value ${JSON.stringify(value)}`)
}
