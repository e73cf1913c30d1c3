// The addresses that the raw links of a host answer for, each of them on every one of its devices (the weak host
// model of RFC 1122 §3.3.4.2, as Linux): a peer's join from its second address to our first comes by the second.

import { type IpAddress, sameAddress } from '../../wire/address.js'

export class OwnAddresses {
  /** Bounded by the addresses of the paths' devices. */
  #all: readonly IpAddress[] = []

  /** Those of IPv6: asked for each packet. */
  v6: readonly IpAddress[] = []

  add(address: IpAddress): void {
    if (!this.#all.some((each) => sameAddress(each, address))) this.#set([...this.#all, address])
  }

  remove(address: IpAddress): void {
    this.#set(this.#all.filter((each) => !sameAddress(each, address)))
  }

  #set(all: readonly IpAddress[]): void {
    this.#all = all
    this.v6 = all.filter((each) => each.family === 6)
  }

  /** Whether the word is an IPv4 address of ours. */
  has4(word: number): boolean {
    for (const each of this.#all) if (each.family === 4 && each.w3 === word) return true
    return false
  }
}
