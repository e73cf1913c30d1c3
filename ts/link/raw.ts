// Raw links: TCP/IP packets of our own on the host's devices, through the package raw-socket (Linux,
// CAP_NET_RAW and CAP_NET_ADMIN). A path is a device with one IPv4 address, one IPv6 address, or both.
// raw/receiver drains, raw/admission filters, raw/sender sends, raw/routes chooses the next hop, and
// raw/guard keeps the host's kernel from resetting what it knows no socket for.

import { type OptionKinds, wrongOption } from '../option-kinds.js'
import { formatAddress, type IpAddress } from '../wire/address.js'
import type { Frame, Link, LinkCapabilities, PacketBatch } from './link.js'
import { admitIcmp4, admitIcmp6, admitTcp4, admitTcp6 } from './raw/admission.js'
import { chooseAddresses, type Device, mustParse, readDevice } from './raw/device.js'
import {
  closeWrap,
  openIcmpWrap,
  openTcpWrap,
  probeRawSocket,
  type RawSocketWrap,
} from './raw/driver.js'
import { codedError } from './raw/errors.js'
import { RstGuard } from './raw/guard.js'
import { type PortList, PortSet, portNumbers } from './raw/ports.js'
import { Receiver, type ReceiveStats } from './raw/receiver.js'
import { RoutingTable } from './raw/routes.js'
import { Sender, type SendStats } from './raw/sender.js'

export { type PortReservation, reservePort } from './raw/reserve.js'

export interface RawPath {
  /** Name of the network device, e.g. `eth0`. */
  device: string
  /** One of the device's addresses; default: its first IPv4 and its first global IPv6 address. */
  address?: string
  /** The neighbour for destinations off this link; default: what the host's routes and rules say. */
  gateway?: string
}

export interface RawLinkOptions {
  paths: readonly RawPath[]
  /** The local TCP ports to answer for: the host's kernel stays silent on them. */
  ports: PortList
  /** Mark of the packets sent (SO_MARK), 1 to 2^32 - 1; default 0x4d50. */
  mark?: number
  /** Told if the guard is lost: from then on the host's kernel resets these connections. */
  onGuardLost?: (error: Error) => void
}

const PATH_KINDS: OptionKinds<RawPath> = { device: 'string', address: 'string', gateway: 'string' }

const OPTION_KINDS: OptionKinds<RawLinkOptions> = {
  paths: 'list',
  ports: null,
  mark: 'number',
  onGuardLost: 'function',
}

function checkKinds<T>(options: T, kinds: OptionKinds<T>): void {
  const wrong = wrongOption(options, kinds)
  if (wrong !== null) throw codedError('ERR_INVALID_ARG_VALUE', `raw links: ${wrong}`)
}

export interface RawLinkStats extends ReceiveStats, SendStats {}

/** Any mark that the host's own rules do not use would do. */
const DEFAULT_MARK = 0x4d50
const MAX_PACKET = 65_535

/** What one family of a path sends and receives with. */
interface Channel {
  readonly sender: Sender
  readonly receivers: readonly Receiver[]
}

export class RawLink implements Link {
  readonly name: string
  readonly addresses: readonly string[]
  readonly caps: LinkCapabilities
  readonly stats: RawLinkStats
  readonly #channels: ReadonlyMap<4 | 6, Channel>
  readonly #onClose: () => void
  #closed = false

  /** @internal Links are made by `openRawLinks`. */
  constructor(
    device: Device,
    addresses: readonly IpAddress[],
    channels: ReadonlyMap<4 | 6, Channel>,
    stats: RawLinkStats,
    onClose: () => void,
  ) {
    this.name = device.name
    this.addresses = addresses.map(formatAddress)
    // May be partial: a peer on this host (veth, a container, a virtual machine) leaves the checksum
    // to a device that is never reached, and sends up to 64 KB at once; no device tells which.
    this.caps = { mtu: device.mtu, maxReceive: MAX_PACKET, tso: 0, checksum: 'may-be-partial' }
    this.stats = stats
    this.#channels = channels
    this.#onClose = onClose
  }

  open(receive: (batch: PacketBatch) => void, staging: Uint8Array): void {
    for (const { receivers } of this.#channels.values()) {
      for (const receiver of receivers) receiver.open(receive, staging)
    }
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
    for (const { receivers } of this.#channels.values()) {
      for (const receiver of receivers) receiver.close()
    }
    this.#onClose()
  }
}

/** The links of a host, which share one guard. The last link to close closes the guard. */
export class RawLinks {
  readonly links: readonly RawLink[]
  readonly guard: RstGuard
  readonly #ports: PortSet

  /** @internal */
  constructor(links: readonly RawLink[], guard: RstGuard, ports: PortSet) {
    this.links = links
    this.guard = guard
    this.#ports = ports
  }

  /** Answers for more ports; resolves when the kernel is silent on them. */
  async addPorts(ports: PortList): Promise<void> {
    await this.guard.add(ports)
    this.#ports.add(ports)
  }

  /** Resolves when nothing is left: no socket, no table, no child process. */
  async close(): Promise<void> {
    for (const link of this.links) link.close()
    await this.guard.close()
  }
}

/**
 * Opens a link for each path; resolves when the guard is in force.
 * Errors: ERR_INVALID_ARG_VALUE, ENODEV, EADDRNOTAVAIL, EPERM, ERR_MPTCP_NO_RAW_SOCKET, ERR_MPTCP_NO_NFT, ERR_MPTCP_NO_IP.
 */
export async function openRawLinks(options: RawLinkOptions): Promise<RawLinks> {
  checkKinds(options, OPTION_KINDS)
  if (!options.paths?.length) throw codedError('ERR_INVALID_ARG_VALUE', 'raw links need a path')
  for (const path of options.paths) checkKinds(path, PATH_KINDS)
  const mark = options.mark ?? DEFAULT_MARK
  if (!Number.isInteger(mark) || mark < 1 || mark > 0xffffffff) {
    throw codedError('ERR_INVALID_ARG_VALUE', 'mark is a whole number from 1 to 2^32 - 1')
  }
  portNumbers(options.ports)
  if (process.platform !== 'linux') {
    throw codedError('ERR_MPTCP_PLATFORM', `raw links need Linux, and this is ${process.platform}`)
  }
  const paths = options.paths.map((path) => {
    const device = readDevice(path.device)
    const addresses = chooseAddresses(device, path.address)
    const gateway = path.gateway === undefined ? null : mustParse(path.gateway)
    return { device, addresses, gateway }
  })
  probeRawSocket()
  const routes = await Promise.all(
    paths.map(({ device, addresses }) =>
      Promise.all(addresses.map((address) => RoutingTable.read(device.name, address, mark))),
    ),
  )
  const ports = new PortSet(options.ports)
  // Before the sockets: raw-socket does not set close-on-exec, so nft would inherit them.
  const guard = await RstGuard.open({
    addresses: paths.flatMap(({ addresses }) => addresses),
    ports: options.ports,
    mark,
    ...(options.onGuardLost && { onLost: options.onGuardLost }),
  })
  const links: RawLink[] = []
  let open = paths.length
  const onClose = () => {
    if (--open === 0) void guard.close()
  }
  try {
    for (const [i, { device, addresses, gateway }] of paths.entries()) {
      const stats = emptyStats()
      const channels = new Map<4 | 6, Channel>()
      // Before its channels, so that an error closes those that are open already.
      links.push(new RawLink(device, addresses, channels, stats, onClose))
      for (const [j, address] of addresses.entries()) {
        const table = routes[i]![j]!
        channels.set(
          address.family,
          openChannel({ device, address, gateway, mark, routes: table, ports, stats }),
        )
      }
    }
  } catch (error) {
    for (const link of links) link.close()
    await guard.close()
    throw error
  }
  return new RawLinks(links, guard, ports)
}

function openChannel(of: {
  device: Device
  address: IpAddress
  gateway: IpAddress | null
  mark: number
  routes: RoutingTable
  ports: PortSet
  stats: RawLinkStats
}): Channel {
  const { device, address, mark, routes, ports, stats } = of
  const { family } = address
  const gateway = of.gateway?.family === family ? formatAddress(of.gateway) : null
  const wrap = openTcpWrap(family, device.name, mark)
  let icmp: RawSocketWrap
  try {
    icmp = openIcmpWrap(family)
  } catch (error) {
    closeWrap(wrap)
    throw error
  }
  const { name, mtu } = device
  return {
    sender: new Sender({ wrap, address, device: name, mtu, mark, gateway, routes, stats }),
    receivers:
      family === 4
        ? [
            new Receiver(wrap, admitTcp4(address, ports), stats),
            new Receiver(icmp, admitIcmp4(address, ports), stats),
          ]
        : [
            new Receiver(wrap, admitTcp6(address, ports), stats),
            new Receiver(icmp, admitIcmp6(address, ports), stats),
          ],
  }
}

function emptyStats(): RawLinkStats {
  return {
    received: 0,
    skipped: 0,
    truncated: 0,
    wakes: 0,
    receiveErrors: {},
    sent: 0,
    sendErrors: {},
  }
}
