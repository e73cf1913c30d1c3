// What follows when the host's links change: the stack's list of links, the paths of their addresses, and each
// connection's subflows on them. The path manager hears of it last, and decides what is opened instead.

import type { Link, LinkChange } from '../link/link.js'
import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { addressLost, linkDown, linkUp, mtuChanged } from '../mptcp/path-lost.js'
import type { MptcpLinkEvent } from '../mptcp/path-manager/path-manager.js'
import type { Subflow } from '../mptcp/subflow.js'
import { formatAddress, type IpAddress, parseAddress, sameAddress } from '../wire/address.js'
import type { Agenda } from './agenda.js'
import type { MptcpPathControl } from './path-control.js'
import { hasRoom, makePath, measurePath } from './paths.js'

/** What a stack lets change. */
interface Host {
  readonly context: Context
  /** An index stays that of its link; that of one that is gone holds `GONE`. */
  readonly links: Link[]
  readonly paths: LocalPath[]
  readonly pathControl: MptcpPathControl
  readonly agenda: Agenda
}

/** In the place of a link that is there no more: takes nothing. */
const GONE: Link = {
  name: '(gone)',
  addresses: [],
  caps: { mtu: 1500, maxReceive: 0, tso: 0, checksum: 'verify' },
  open: () => {},
  send: () => false,
  flush: () => {},
  close: () => {},
}

export class LinkChanges {
  readonly #host: Host

  constructor(host: Host) {
    this.#host = host
  }

  /** A place for a link that is new. Bounded: by the links that there were at once, and the subflows left of others. */
  place(link: Link): number {
    const { links } = this.#host
    const free = links.findIndex((each, index) => each === GONE && !this.#isReferredTo(index))
    if (free < 0) return links.push(link) - 1
    links[free] = link
    return free
  }

  #isReferredTo(index: number): boolean {
    for (const { subflows } of this.#host.agenda.connections) {
      if (subflows.some(({ path }) => path.link === index)) return true
    }
    return false
  }

  /** The link in this place is open: its addresses are used. */
  added(index: number, now: number): void {
    const link = this.#host.links[index]
    this.#tell({ type: 'link-added', link: link.name })
    for (const address of link.addresses)
      this.changed(index, { type: 'address-added', address }, now)
  }

  removed(index: number): void {
    const { links, paths } = this.#host
    const { name } = links[index]
    links[index] = GONE
    for (const path of paths.filter((each) => each.link === index)) this.#gone(path.address, index)
    // What came by this link, to an address of another, is answered by that other.
    for (const path of paths) {
      const strays = this.#users(
        (each) => each.path.link === index && sameAddress(each.path.address, path.address),
      )
      if (strays.length > 0) this.#move(path)
    }
    this.#tell({ type: 'link-removed', link: name })
  }

  changed(index: number, change: LinkChange, now: number): void {
    const link = this.#host.links[index]
    switch (change.type) {
      case 'address-added':
      case 'address-removed': {
        const address = parseAddress(String(change.address))
        if (address === null) this.#host.context.counters.LinkChangeIgnored++
        else if (change.type === 'address-added') this.#found(address, index)
        else this.#gone(address, index)
        return
      }
      case 'mtu':
        this.#measure(link, index)
        return
      case 'up':
      case 'down':
        this.#turned(index, change.type, now)
        return
      default:
        // Of a link of the user's: it need not be typed.
        this.#host.context.counters.LinkChangeIgnored++
    }
  }

  #found(address: IpAddress, index: number): void {
    const { context, links, paths, pathControl } = this.#host
    const link = links[index]
    const known = paths.find((each) => sameAddress(each.address, address))
    if (known !== undefined || !hasRoom(link, address)) {
      if (known?.link !== index) context.counters.LinkChangeIgnored++
      return
    }
    const path = makePath(link, index, address)
    paths.push(path)
    // Plain TCP connections may have waited for it.
    this.#move(path)
    const text = formatAddress(address)
    this.#tell({ type: 'address-added', link: link.name, address: text })
    pathControl.addressFound(text, path)
  }

  #gone(address: IpAddress, index: number): void {
    const { links, paths } = this.#host
    const path = paths.find((each) => each.link === index && sameAddress(each.address, address))
    if (path === undefined) return
    const other = links.findIndex((each, place) => place !== index && owns(each, address))
    if (other < 0) {
      this.#lost(path, links[index].name)
      return
    }
    // Another device has it now: nothing is lost.
    Object.assign(path, makePath(links[other], other, address))
    this.#move(path)
  }

  /** The subflows from this address go by the link of this path from now on. */
  #move(path: LocalPath): void {
    const { address, link } = path
    const users = this.#users((subflow) => sameAddress(subflow.path.address, address))
    for (const connection of users) {
      for (const subflow of connection.subflows) {
        if (sameAddress(subflow.path.address, address)) Object.assign(subflow.path, path)
      }
      mtuChanged(connection, link)
      linkUp(connection, link)
    }
  }

  #lost(path: LocalPath, link: string): void {
    const { agenda, context, paths, pathControl } = this.#host
    paths.splice(paths.indexOf(path), 1)
    // All: it may have been announced.
    for (const each of agenda.connections) {
      addressLost(context, each, path.address)
      agenda.mark(each)
    }
    const address = formatAddress(path.address)
    this.#tell({ type: 'address-removed', link, address })
    pathControl.addressLost(address)
  }

  #measure(link: Link, index: number): void {
    const { context, paths } = this.#host
    const here = this.#users((subflow) => subflow.path.link === index)
    const subflows = here.flatMap((each) => each.subflows.map((subflow) => subflow.path))
    // Those of subflows that a peer has opened may be others: its packets came by this link.
    for (const path of new Set([...paths, ...subflows])) {
      if (path.link !== index) continue
      if (hasRoom(link, path.address)) measurePath(path, link)
      else context.counters.LinkChangeIgnored++
    }
    for (const each of here) mtuChanged(each, index)
    this.#tell({ type: 'link-mtu', link: link.name, mtu: link.caps.mtu })
  }

  #turned(index: number, way: 'up' | 'down', now: number): void {
    const { context, links, paths, pathControl } = this.#host
    for (const path of paths) if (path.link === index) path.down = way === 'down'
    for (const each of this.#users((subflow) => subflow.path.link === index)) {
      if (way === 'up') linkUp(each, index)
      else linkDown(context, each, index, now)
    }
    this.#tell({ type: `link-${way}`, link: links[index].name })
    pathControl.pathsChanged()
  }

  /** The connections with such a subflow; what is done to them is settled in this turn. */
  #users(uses: (subflow: Subflow) => boolean): Connection[] {
    const { agenda } = this.#host
    const users = [...agenda.connections].filter(({ subflows }) => subflows.some(uses))
    for (const each of users) agenda.mark(each)
    return users
  }

  #tell(event: MptcpLinkEvent): void {
    this.#host.pathControl.link(event)
  }
}

function owns({ addresses }: Link, address: IpAddress): boolean {
  return addresses.some((text) => {
    const each = parseAddress(text)
    return each !== null && sameAddress(each, address)
  })
}
