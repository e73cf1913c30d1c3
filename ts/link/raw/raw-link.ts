// One device as a link: its sockets, what it says of itself, and what becomes of it. A device that goes down keeps its
// sockets; one that is deleted and made anew gets new ones; addresses and MTU are followed.

import { formatAddress, type IpAddress, sameAddress } from '../../wire/address.js'
import type { Frame, Link, LinkCapabilities, LinkChange, LinkPolicy, PacketBatch } from '../link.js'
import { admitIcmp4, admitIcmp6, admitTcp4, admitTcp6 } from './admission.js'
import { type Device, findAddresses } from './device.js'
import { closeWrap, openIcmpWrap, openTcpWrap, type RawSocketWrap } from './driver.js'
import type { OwnAddresses } from './own-addresses.js'
import type { PortSet } from './ports.js'
import { Receiver, type ReceiveStats } from './receiver.js'
import { RoutingTable } from './routes.js'
import { Sender, type SendStats } from './sender.js'

export interface RawLinkStats extends ReceiveStats, SendStats {}

const MAX_PACKET = 65_535

/** What the links of a host share. */
export interface RawHost {
  readonly own: OwnAddresses
  readonly ports: PortSet
  readonly mark: number
  /** An address is about to be answered for, or no longer. */
  claim(address: IpAddress): Promise<void>
  release(address: IpAddress): void
}

/** What one family of a path sends and receives with. */
interface Channel {
  readonly address: IpAddress
  readonly sender: Sender
  readonly receivers: readonly Receiver[]
}

export interface RawLinkOptions {
  readonly device: string
  /** The one address that is used; null = the first of each family. */
  readonly pin: IpAddress | null
  readonly gateway: IpAddress | null
  readonly policy: LinkPolicy
  readonly host: RawHost
  readonly onClose: () => void
}

export class RawLink implements Link {
  readonly name: string
  readonly policy: LinkPolicy
  readonly stats: RawLinkStats = {
    received: 0,
    skipped: 0,
    truncated: 0,
    wakes: 0,
    receiveErrors: {},
    sent: 0,
    sendErrors: {},
  }
  readonly #options: RawLinkOptions
  readonly #channels = new Map<4 | 6, Channel>()
  readonly #watchers: ((change: LinkChange) => void)[] = []
  #device: Device | null = null
  #addresses: readonly IpAddress[] = []
  #caps: LinkCapabilities = capsOf(1500)
  #receive: ((batch: PacketBatch) => void) | null = null
  #staging: Uint8Array = new Uint8Array(0)
  #closed = false

  /** @internal Links are made by `openRawLinks`. */
  constructor(options: RawLinkOptions) {
    this.#options = options
    this.name = options.device
    this.policy = options.policy
  }

  get addresses(): readonly string[] {
    return this.#addresses.map(formatAddress)
  }

  get caps(): LinkCapabilities {
    return this.#caps
  }

  /** Whether its device is there, set up, and connected. */
  get isUp(): boolean {
    return this.#device?.isUp ?? false
  }

  open(receive: (batch: PacketBatch) => void, staging: Uint8Array): void {
    this.#receive = receive
    this.#staging = staging
    for (const channel of this.#channels.values()) this.#listen(channel)
  }

  #listen({ receivers }: Channel): void {
    if (this.#receive === null) return
    for (const receiver of receivers) receiver.open(this.#receive, this.#staging)
  }

  watch(changed: (change: LinkChange) => void): void {
    this.#watchers.push(changed)
  }

  send(frame: Frame): boolean {
    if (this.#closed) return false
    const channel = this.#channels.get(frame.bytes[frame.offset]! >> 4 === 6 ? 6 : 4)
    return channel?.sender.send(frame) ?? false
  }

  /** Nothing is held back. */
  flush(): void {}

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const family of [...this.#channels.keys()]) this.#closeChannel(family)
    this.#options.onClose()
  }

  /** @internal What the host now says of the device (null: there is none) and how to reach others by it. */
  async follow(device: Device | null): Promise<void> {
    const changes: LinkChange[] = []
    const before = this.#device
    if (this.#closed) return
    // Made anew under its name: what was bound to the other one hears nothing any more.
    if (before !== null && device?.index !== before.index) {
      for (const family of [...this.#channels.keys()]) this.#closeChannel(family)
    }
    if (before?.isUp === true && device?.isUp !== true) changes.push({ type: 'down' })
    this.#device = device
    const wanted = this.#wanted(device)
    for (const address of this.#addresses) {
      if (wanted.some((each) => sameAddress(each, address))) continue
      this.#forget(address)
      changes.push({ type: 'address-removed', address: formatAddress(address) })
    }
    if (device !== null) {
      if (device.mtu !== this.#caps.mtu) {
        this.#caps = capsOf(device.mtu)
        changes.push({ type: 'mtu' })
      }
      for (const address of wanted) {
        const routes = await RoutingTable.read(device.name, address, this.#options.host.mark)
        const isNew = !this.#addresses.some((each) => sameAddress(each, address))
        if (isNew) await this.#options.host.claim(address)
        if (this.#closed) return
        this.#update(device, address, routes)
        if (isNew) {
          this.#addresses = [...this.#addresses, address]
          changes.push({ type: 'address-added', address: formatAddress(address) })
        }
      }
      if (before?.isUp !== true && device.isUp) changes.push({ type: 'up' })
    }
    for (const change of changes) for (const tell of this.#watchers) tell(change)
  }

  /** A device that is down keeps what it had: its addresses come back with it, or are gone with it. */
  #wanted(device: Device | null): readonly IpAddress[] {
    if (device === null) return []
    if (!device.isUp) return this.#addresses
    return findAddresses(device, this.#options.pin, this.#addresses)
  }

  #forget(address: IpAddress): void {
    this.#addresses = this.#addresses.filter((each) => !sameAddress(each, address))
    this.#closeChannel(address.family)
    this.#options.host.release(address)
  }

  #update(device: Device, address: IpAddress, routes: RoutingTable): void {
    const channel = this.#channels.get(address.family)
    if (channel !== undefined) {
      channel.sender.update(routes, device.mtu)
      return
    }
    const opened = openChannel(this.#options, device, address, routes, this.stats)
    this.#channels.set(address.family, opened)
    this.#listen(opened)
  }

  #closeChannel(family: 4 | 6): void {
    for (const receiver of this.#channels.get(family)?.receivers ?? []) receiver.close()
    this.#channels.delete(family)
  }
}

/**
 * May be partial: a peer on this host (veth, a container, a virtual machine) leaves the checksum to a device that is
 * never reached, and sends up to 64 KB at once; no device tells which.
 */
function capsOf(mtu: number): LinkCapabilities {
  return { mtu, maxReceive: MAX_PACKET, tso: 0, checksum: 'may-be-partial' }
}

function openChannel(
  { gateway, host }: RawLinkOptions,
  device: Device,
  address: IpAddress,
  routes: RoutingTable,
  stats: RawLinkStats,
): Channel {
  const { family } = address
  const { own, ports, mark } = host
  const wrap = openTcpWrap(family, device.name, mark)
  let icmp: RawSocketWrap
  try {
    icmp = openIcmpWrap(family)
  } catch (error) {
    closeWrap(wrap)
    throw error
  }
  return {
    address,
    sender: new Sender({
      wrap,
      family,
      mtu: device.mtu,
      gateway: gateway?.family === family ? formatAddress(gateway) : null,
      routes,
      stats,
    }),
    receivers:
      family === 4
        ? [
            new Receiver(wrap, admitTcp4(own, ports), stats),
            new Receiver(icmp, admitIcmp4(address, ports), stats),
          ]
        : [
            new Receiver(wrap, admitTcp6(address, own, ports), stats),
            new Receiver(icmp, admitIcmp6(address, ports), stats),
          ],
  }
}
