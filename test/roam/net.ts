// Where the roaming takes place: a host of ours with two devices, a router behind both, and a peer behind the
// router. Three namespaces; what happens to the paths is done to the host's devices or the router's.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { BedProcess } from '../harness/bed-process.js'
import {
  ipBatch,
  namespacePids,
  namespacesNamed,
  reapNamespaces,
  removeNamespace,
} from '../harness/namespaces.js'

export const PREFIX = 'roam-'
export type Place = 'host' | 'router' | 'peer'
export type Family = 4 | 6
export type PathNumber = 1 | 2

const PLACES: readonly Place[] = ['host', 'router', 'peer']
const PATHS: readonly PathNumber[] = [1, 2]
/** Of each path: two of them fill what two cores can carry with ease, both ends in JavaScript. */
const RATE = '8mbit'
const FIRST_GATEWAY = 1
const SECOND_GATEWAY = 254
const OFFLOADS = ['tso', 'gso', 'gro', 'tx', 'rx', 'sg'].flatMap((feature) => [feature, 'off'])

export class RoamNet {
  readonly family: Family
  readonly names: Record<Place, string>
  readonly #processes = new Set<BedProcess>()
  /** What the host's address on a path ends in, and its gateway's. */
  readonly #host: Record<PathNumber, number> = { 1: 2, 2: 2 }
  readonly #gateway: Record<PathNumber, number> = { 1: FIRST_GATEWAY, 2: FIRST_GATEWAY }
  readonly #onExit = (): void => this.#destroyNow()

  private constructor(family: Family) {
    this.family = family
    const name = `${PREFIX}${process.pid}-${randomBytes(3).toString('hex')}`
    this.names = { host: `${name}-h`, router: `${name}-r`, peer: `${name}-p` }
    process.on('exit', this.#onExit)
  }

  static async create(family: Family): Promise<RoamNet> {
    reapNamespaces(PREFIX)
    const net = new RoamNet(family)
    try {
      await net.#build()
      return net
    } catch (error) {
      await net.destroy()
      throw error
    }
  }

  device(path: PathNumber): string {
    return `u${path}`
  }

  get peerAddress(): string {
    return this.#address(9, 2)
  }

  spawn(place: Place, args: readonly string[], deadline: number): BedProcess {
    const words = ['netns', 'exec', this.names[place], process.execPath, ...args]
    const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'pipe'] })
    const running = new BedProcess(child, `${place}: ${args.join(' ')}`, deadline)
    this.#processes.add(running)
    void running.ended.then(() => this.#processes.delete(running))
    return running
  }

  /** What still runs in the namespaces. */
  pids(): number[] {
    return PLACES.flatMap((place) => namespacePids(this.names[place]))
  }

  async destroy(): Promise<void> {
    this.#destroyNow()
    await Promise.all([...this.#processes].map((running) => running.ended))
  }

  // ---------------------------------------------------------------- what happens to the paths

  async deviceDown(path: PathNumber): Promise<void> {
    await this.#ip('host', `link set ${this.device(path)} down`)
  }

  /** With what was lost with it: IPv6 addresses, and the routes. */
  async deviceUp(path: PathNumber): Promise<void> {
    await this.#ip('host', `link set ${this.device(path)} up`, ...this.#hostAddress(path))
    await this.#ip('host', ...this.#hostRoute(path))
  }

  async deleteDevice(path: PathNumber): Promise<void> {
    await this.#ip('host', `link del ${this.device(path)}`)
  }

  async makeDevice(path: PathNumber): Promise<void> {
    const [host, router] = [this.names.host, this.names.router]
    await ipBatch(
      [],
      [`link add u${path} netns ${host} type veth peer name r${path} netns ${router}`],
    )
    await this.#ip(
      'router',
      `addr add ${this.#address(path, this.#gateway[path])}/${this.#bits} dev r${path}${this.#nodad}`,
      `link set r${path} up`,
    )
    await this.deviceUp(path)
    await this.#tune('host', `u${path}`)
    await this.#tune('router', `r${path}`)
  }

  /** The old one goes, then comes another, as where a lease is not renewed. */
  async changeAddress(path: PathNumber): Promise<void> {
    const old = this.#address(path, this.#host[path])
    this.#host[path] += 20
    await this.#ip('host', `addr del ${old}/${this.#bits} dev u${path}`, ...this.#hostAddress(path))
    await this.#ip('host', ...this.#hostRoute(path))
  }

  async loseRoute(path: PathNumber): Promise<void> {
    await this.#ip('host', `${this.#six}route del default dev u${path}`)
  }

  async restoreRoute(path: PathNumber): Promise<void> {
    await this.#ip('host', ...this.#hostRoute(path))
  }

  /** Another router takes over: another address, and another station on the wire. */
  async changeGateway(path: PathNumber): Promise<void> {
    const old = this.#address(path, this.#gateway[path])
    this.#gateway[path] = SECOND_GATEWAY
    const device = `dev r${path}`
    await this.#ip(
      'router',
      `${this.#six}addr del ${old}/${this.#bits} ${device}`,
      `link set r${path} address 02:00:00:00:09:0${path}`,
      `addr add ${this.#address(path, SECOND_GATEWAY)}/${this.#bits} ${device}${this.#nodad}`,
    )
    await this.#ip('host', ...this.#hostRoute(path))
  }

  async setMtu(path: PathNumber, mtu: number): Promise<void> {
    await this.#ip('host', `link set u${path} mtu ${mtu}`)
    await this.#ip('router', `link set r${path} mtu ${mtu}`)
  }

  /** The cables are pulled at the router. */
  async pullBoth(): Promise<void> {
    await this.#ip('router', ...PATHS.map((path) => `link set r${path} down`))
  }

  async plugBoth(): Promise<void> {
    await this.#ip('router', ...PATHS.map((path) => `link set r${path} up`))
    if (this.family === 4) return
    const put = (path: PathNumber): string =>
      `addr replace ${this.#address(path, this.#gateway[path])}/64 dev r${path} nodad`
    await this.#ip('router', ...PATHS.map(put))
  }

  // ---------------------------------------------------------------- building

  async #build(): Promise<void> {
    await ipBatch(
      [],
      PLACES.map((place) => `netns add ${this.names[place]}`),
    )
    for (const place of PLACES) {
      await this.#ip(place, 'link set lo up')
      const settings = [
        'net.ipv4.conf.all.rp_filter=0',
        'net.ipv4.conf.default.rp_filter=0',
        'net.ipv6.conf.default.accept_dad=0',
        'net.mptcp.enabled=1',
      ]
      if (place === 'router')
        settings.push('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
      await this.#run(place, 'sysctl', ['-qw', ...settings])
    }
    await ipBatch(
      [],
      [`link add rp netns ${this.names.router} type veth peer name p1 netns ${this.names.peer}`],
    )
    const net = `${this.#bits}`
    await this.#ip(
      'router',
      `addr add ${this.#address(9, 1)}/${net} dev rp${this.#nodad}`,
      'link set rp up',
    )
    await this.#ip(
      'peer',
      `addr add ${this.#address(9, 2)}/${net} dev p1${this.#nodad}`,
      'link set p1 up',
    )
    await this.#ip('peer', `${this.#six}route add default via ${this.#address(9, 1)} dev p1`)
    await this.#tune('router', 'rp', false)
    await this.#tune('peer', 'p1', false)
    await this.#ip('peer', 'mptcp limits set subflows 8 add_addr_accepted 8')
    for (const path of PATHS) await this.makeDevice(path)
  }

  /** Packets of wire size with real checksums, and as many a second as the path carries. */
  async #tune(place: Place, device: string, shaped = true): Promise<void> {
    await this.#run(place, 'ethtool', ['-K', device, ...OFFLOADS])
    if (!shaped) return
    const shape = `tbf rate ${RATE} burst 16kb latency 50ms`.split(' ')
    await this.#run(place, 'tc', ['qdisc', 'replace', 'dev', device, 'root', ...shape])
  }

  #address(path: number, host: number): string {
    return this.family === 4 ? `10.5.${path}.${host}` : `fd05:${path}::${host}`
  }

  get #bits(): number {
    return this.family === 4 ? 24 : 64
  }

  get #nodad(): string {
    return this.family === 4 ? '' : ' nodad'
  }

  /** What `ip` wants in front where no address tells the family. */
  get #six(): string {
    return this.family === 4 ? '' : '-6 '
  }

  #hostAddress(path: PathNumber): string[] {
    return [
      `addr replace ${this.#address(path, this.#host[path])}/${this.#bits} dev u${path}${this.#nodad}`,
    ]
  }

  #hostRoute(path: PathNumber): string[] {
    const via = `via ${this.#address(path, this.#gateway[path])}`
    return [`${this.#six}route replace default ${via} dev u${path} metric ${100 * path}`]
  }

  async #ip(place: Place, ...commands: string[]): Promise<void> {
    await ipBatch(['-n', this.names[place]], commands)
  }

  async #run(place: Place, command: string, args: string[]): Promise<void> {
    const words = ['netns', 'exec', this.names[place], command, ...args]
    const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'pipe'] })
    const { status, stderr } = await new BedProcess(child, `${place}: ${command}`, 10_000).ended
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} in ${place}: ${stderr.trim()}`)
  }

  #destroyNow(): void {
    process.off('exit', this.#onExit)
    for (const running of this.#processes) running.kill()
    for (const place of PLACES) removeNamespace(this.names[place])
  }
}

/** Namespaces that this process made and that are still there. */
export function namespacesLeft(): string[] {
  return namespacesNamed(`${PREFIX}${process.pid}-`)
}
