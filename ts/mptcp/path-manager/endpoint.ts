// An endpoint: one of this host's addresses and what the path manager may do with it. The flags are
// those of `ip mptcp endpoint`.

export interface Endpoint {
  /** Address id on the wire, 1 to 255; the address of the initial subflow is 0 whatever this says. */
  readonly id: number
  /** In canonical form. */
  readonly address: string
  /** 0 = the port of the connection; else joins are taken there. */
  readonly port: number
  /** Open a subflow from here to the peer's first address. */
  readonly subflow: boolean
  /** Announce it with ADD_ADDR. */
  readonly signal: boolean
  /** Open subflows from here to an address that the peer announces; of several, the first not in use. */
  readonly laminar: boolean
  /** Open subflows from here to every address of the peer. */
  fullmesh: boolean
  /** Subflows from here carry data only when no other can. */
  backup: boolean
  /** Nobody configured it, it has a subflow: it only gives the address an id. */
  readonly implicit: boolean
  /** Nobody configured it: it acts by the role of the connection. */
  readonly automatic: boolean
}

export const MAX_ENDPOINT_ID = 255

/** IPv6 has a colon, IPv4 has none. */
export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

export function sameFamily(a: string, b: string): boolean {
  return familyOf(a) === familyOf(b)
}
