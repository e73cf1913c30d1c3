// Addresses with a zone, RFC 4007 §11: `fe80::1%eth0` is that address on the link of that name. A link-local address
// means nothing without one where several links have such addresses.

import type { Stack } from '../stack/stack.js'
import { type IpAddress, parseAddress } from '../wire/address.js'

/** fe80::/10. */
export function isLinkLocal({ family, w0 }: IpAddress): boolean {
  return family === 6 && w0 >>> 22 === 0x3fa
}

/** An address in text form, with or without a zone; whether the zone is that of a link is another matter. */
export function isAddressText(text: string): boolean {
  const [address, zone, ...rest] = text.split('%')
  const parsed = parseAddress(address ?? '')
  if (parsed === null || rest.length > 0) return false
  return zone === undefined || (zone !== '' && isLinkLocal(parsed))
}

/** The address, and the index of the link that its zone names; null = it has none. Null: it is no such thing. */
export function parseScoped(
  stack: Stack,
  text: string,
): { address: IpAddress; link: number | null } | null {
  if (!isAddressText(text)) return null
  const [plain, zone] = text.split('%')
  const address = parseAddress(plain ?? '') as IpAddress
  if (zone === undefined) return { address, link: null }
  const link = stack.links.findIndex(({ name }) => name === zone)
  return link < 0 ? null : { address, link }
}

/**
 * From which of our addresses a link-local peer is reached: by the link of its zone, or by the only link that there is.
 * Null: nobody knows which link is meant, or it has no address of its own there.
 */
export function localFor(stack: Stack, link: number | null): IpAddress | null {
  const candidates = stack.paths.filter(
    (path) => isLinkLocal(path.address) && (link === null || path.link === link),
  )
  const links = new Set(candidates.map((path) => path.link))
  return links.size === 1 ? (candidates[0]?.address ?? null) : null
}
