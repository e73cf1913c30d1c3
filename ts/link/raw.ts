// Raw links: TCP/IP packets of our own on the host's devices, through the package raw-socket (Linux,
// CAP_NET_RAW and CAP_NET_ADMIN). A path is a device with one IPv4 address, one IPv6 address, or both.
// raw/path-policy says which devices, raw/raw-link follows one, raw/receiver drains, raw/admission filters, raw/sender
// sends, raw/routes chooses the next hop, and raw/guard keeps the host's kernel from resetting what it knows no socket
// for. watch/ tells when to look at the host again.

import { warn } from '../host/warning.js'
import { type OptionKinds, wrongOption } from '../option-kinds.js'
import { formatAddress, type IpAddress } from '../wire/address.js'
import type { Link, LinkChange, LinkSource } from './link.js'
import { chooseAddresses, readDevice } from './raw/device.js'
import { probeRawSocket } from './raw/driver.js'
import { codedError } from './raw/errors.js'
import { RstGuard } from './raw/guard.js'
import { OwnAddresses } from './raw/own-addresses.js'
import { type ChosenDevice, PathPolicy, type RawPath } from './raw/path-policy.js'
import { type PortList, PortSet, portNumbers } from './raw/ports.js'
import { RawLink } from './raw/raw-link.js'
import { type PortReservation, reservePort } from './raw/reserve.js'
import { watchHost } from './watch/host-watch.js'

export type { RawPath } from './raw/path-policy.js'
export { RawLink, type RawLinkStats } from './raw/raw-link.js'
export { type PortReservation, reservePort } from './raw/reserve.js'

export interface RawLinkOptions {
  /** 'auto' = every device but loopback; names, patterns and exclusions may stand for their paths. */
  paths: 'auto' | readonly (RawPath | string)[]
  /** The local TCP ports to answer for: the host's kernel stays silent on them, and gives them to nobody. */
  ports: PortList
  /** Mark of the packets sent (SO_MARK), 1 to 2^32 - 1; default 0x4d50. */
  mark?: number
  /** Told if the guard is lost: from then on the host's kernel resets these connections. */
  onGuardLost?: (error: Error) => void
  /** Told what becomes of the links: `link` is the device's name. */
  onChange?: (link: string, change: LinkChange | { readonly type: 'link-added' }) => void
}

const OPTION_KINDS: OptionKinds<RawLinkOptions> = {
  paths: null,
  ports: null,
  mark: 'number',
  onGuardLost: 'function',
  onChange: 'function',
}

/** Any mark that the host's own rules do not use would do. */
const DEFAULT_MARK = 0x4d50
/** Bounded: kernel sockets that hold ports. Of more ports only the first is held, as a sign to others. */
const MAX_RESERVATIONS = 1024
/** Bounded: devices that come and go under ever new names. */
const MAX_LINKS = 64

/** The links of a host, which share one guard. The last link to close closes the guard. */
export class RawLinks implements LinkSource {
  readonly #links: RawLink[] = []
  readonly #options: RawLinkOptions
  readonly #policy: PathPolicy
  readonly #mark: number
  readonly #own = new OwnAddresses()
  readonly #ports: PortSet
  readonly #portNumbers: number[]
  /** By address, in text. */
  readonly #reserved = new Map<string, PortReservation[]>()
  readonly #watchers: Parameters<LinkSource['watchLinks']>[0][] = []
  #guard: RstGuard | null = null
  #unwatch: () => void = () => {}
  #open = 0
  #closing = false
  /** One look at the host at a time; another that is wanted meanwhile comes after it. */
  #looking: Promise<void> | null = null
  #lookAgain = false

  private constructor(options: RawLinkOptions, policy: PathPolicy, mark: number) {
    this.#options = options
    this.#policy = policy
    this.#mark = mark
    this.#ports = new PortSet(options.ports)
    this.#portNumbers = portNumbers(options.ports)
  }

  /** @internal */
  static async open(options: RawLinkOptions, policy: PathPolicy, mark: number): Promise<RawLinks> {
    const raw = new RawLinks(options, policy, mark)
    const named = policy.named.map((chosen) => {
      const device = readDevice(chosen.device)
      const addresses = chooseAddresses(
        device,
        chosen.pin === null ? undefined : formatAddress(chosen.pin),
      )
      return { chosen, device, addresses }
    })
    probeRawSocket()
    try {
      // Before the sockets: raw-socket does not set close-on-exec, so these children would inherit them.
      raw.#unwatch = watchHost(() => raw.#look())
      raw.#guard = await RstGuard.open({
        addresses: named.flatMap(({ addresses }) => addresses),
        ports: options.ports,
        mark,
        ...(options.onGuardLost && { onLost: options.onGuardLost }),
      })
      for (const { chosen, device } of named) {
        const link = raw.#add(chosen)
        await link.follow(device)
        raw.#report(link)
      }
      await raw.#addMatching()
      return raw
    } catch (error) {
      await raw.close()
      throw error
    }
  }

  get links(): readonly RawLink[] {
    return this.#links
  }

  get guard(): RstGuard {
    return this.#guard as RstGuard
  }

  watchLinks(watcher: { added(link: Link): void; removed(link: Link): void }): void {
    this.#watchers.push(watcher)
  }

  /** Answers for more ports; resolves when the kernel is silent on them. Errors: EADDRINUSE. */
  async addPorts(ports: PortList): Promise<void> {
    const numbers = portNumbers(ports)
    for (const [address, held] of this.#reserved) held.push(...reserveAll(address, numbers))
    await this.guard.add(ports)
    this.#ports.add(ports)
    this.#portNumbers.push(...numbers)
  }

  /** Resolves when nothing is left: no socket, no table, no child process. */
  async close(): Promise<void> {
    this.#closing = true
    this.#unwatch()
    for (const link of this.#links) link.close()
    for (const held of this.#reserved.values()) for (const each of held) each.close()
    this.#reserved.clear()
    await this.#guard?.close()
    await this.#looking
  }

  #add(chosen: ChosenDevice): RawLink {
    const link = new RawLink({
      ...chosen,
      host: {
        own: this.#own,
        ports: this.#ports,
        mark: this.#mark,
        claim: (address) => this.#claim(address),
        release: (address) => this.#release(address),
      },
      onClose: () => {
        if (--this.#open === 0) void this.close()
      },
    })
    this.#open++
    this.#links.push(link)
    return link
  }

  /** What becomes of it from now on is told. */
  #report(link: RawLink): void {
    link.watch((change) => this.#options.onChange?.(link.name, change))
  }

  /** The kernel gives its ports to nobody and is silent on them, before anything is sent from it. */
  async #claim(address: IpAddress): Promise<void> {
    const text = formatAddress(address)
    if (!this.#reserved.has(text)) this.#reserved.set(text, reserveAll(text, this.#portNumbers))
    await this.#guard?.addAddress(address)
    this.#own.add(address)
  }

  #release(address: IpAddress): void {
    const text = formatAddress(address)
    this.#own.remove(address)
    for (const each of this.#reserved.get(text) ?? []) each.close()
    this.#reserved.delete(text)
  }

  /** Devices that a pattern means and that are not links yet. */
  async #addMatching(): Promise<void> {
    const taken = new Set(this.#links.map(({ name }) => name))
    for (const chosen of this.#policy.matching(taken)) {
      if (this.#links.length >= MAX_LINKS) return
      const link = this.#add(chosen)
      await this.#follow(link)
      this.#options.onChange?.(link.name, { type: 'link-added' })
      this.#report(link)
      for (const { added } of this.#watchers) added(link)
    }
  }

  /** The host has changed somehow. */
  #look(): void {
    this.#lookAgain = true
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = null
    })
  }

  async #lookAll(): Promise<void> {
    while (this.#lookAgain && !this.#closing) {
      this.#lookAgain = false
      for (const link of this.#links) await this.#follow(link)
      if (this.#policy.hasPatterns && !this.#closing) await this.#addMatching()
    }
  }

  /** What goes wrong is a path's own trouble, said and tried again with the next change. */
  async #follow(link: RawLink): Promise<void> {
    try {
      await link.follow(deviceNow(link.name))
    } catch (error) {
      if (!this.#closing) warn(`path ${link.name}: ${(error as Error).message}`)
    }
  }
}

function deviceNow(name: string): ReturnType<typeof readDevice> | null {
  try {
    return readDevice(name)
  } catch {
    return null
  }
}

/** Holds every port on the address; none is left held if one is taken. */
function reserveAll(address: string, ports: readonly number[]): PortReservation[] {
  const held: PortReservation[] = []
  try {
    const most = ports.length > MAX_RESERVATIONS ? ports.slice(0, 1) : ports
    for (const port of most) held.push(reservePort(address, port))
    return held
  } catch (error) {
    for (const reservation of held) reservation.close()
    throw error
  }
}

/**
 * Opens a link for each path; resolves when the guard is in force.
 * Errors: ERR_INVALID_ARG_VALUE, ENODEV, EADDRNOTAVAIL, EADDRINUSE, EPERM, ERR_MPTCP_NO_RAW_SOCKET, ERR_MPTCP_NO_NFT,
 * ERR_MPTCP_NO_IP.
 */
export async function openRawLinks(options: RawLinkOptions): Promise<RawLinks> {
  const wrong = wrongOption(options, OPTION_KINDS)
  if (wrong !== null) throw codedError('ERR_INVALID_ARG_VALUE', `raw links: ${wrong}`)
  const policy = new PathPolicy(options.paths)
  const mark = options.mark ?? DEFAULT_MARK
  if (!Number.isInteger(mark) || mark < 1 || mark > 0xffffffff) {
    throw codedError('ERR_INVALID_ARG_VALUE', 'mark is a whole number from 1 to 2^32 - 1')
  }
  portNumbers(options.ports)
  if (process.platform !== 'linux') {
    throw codedError('ERR_MPTCP_PLATFORM', `raw links need Linux, and this is ${process.platform}`)
  }
  return RawLinks.open(options, policy, mark)
}
