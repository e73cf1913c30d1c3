// A bed for interop tests: two network namespaces on this host with one veth pair for each path. In
// `kernel` the peer is Linux's own MPTCP; in `user` our stack runs, as a process of its own, because a
// process lives in one namespace. Packets are cut to wire size and bear real checksums unless asked
// otherwise. Needs root; `withoutBed` says aloud what is missing.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { BedProcess } from './bed-process.js'
import { ipBatch, namespacePids, reapNamespaces, removeNamespace } from './namespaces.js'

export type Side = 'kernel' | 'user'

export interface BedOptions {
  /** Number of paths, 1 to 8; default 2. Paths count from 1. */
  paths?: number
  /** Rate of each path both ways, as tc writes it (`20mbit`); default: unshaped. */
  rates?: readonly string[]
  /** How long a shaped path queues (tbf latency); default `50ms`. */
  queue?: string
  /** Whether Linux asks for DSS checksums; default false. */
  checksum?: boolean
  /** true leaves segmentation and checksum offload on; default false. */
  offloads?: boolean
}

export interface Result {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  /** Milliseconds until the command is killed; default 10,000. */
  deadline?: number
  env?: NodeJS.ProcessEnv
  input?: string
}

export interface EndpointOptions {
  /** Its address is this path's address of the side. */
  path: number
  family?: 4 | 6
  id?: number
  flags: readonly ('signal' | 'subflow' | 'backup' | 'fullmesh' | 'laminar')[]
}

const DEADLINE_MS = 10_000
const PREFIX = 'mptcp-bed-'
const TOOLS = ['ip', 'tc', 'nft', 'ethtool', 'sysctl', 'nstat']
/** What two paths of 10.1.N.0/24 and fd01:N::/64 have at their ends. */
const HOST: Record<Side, number> = { kernel: 1, user: 2 }
const LETTER: Record<Side, string> = { kernel: 'k', user: 'u' }
const SIDES: readonly Side[] = ['kernel', 'user']

let unavailable: string | null | undefined

/** null, or the reason why this host cannot have a bed. */
export function bedAvailable(): string | null {
  unavailable ??= findObstacle()
  return unavailable
}

/** Whether to skip the tests that need a bed: says why, and under CI it is an error. */
export function withoutBed(): boolean {
  const reason = bedAvailable()
  if (reason === null) return false
  if (process.env.CI) throw new Error(`no bed for interop tests: ${reason}`)
  console.warn(`SKIPPED, no bed for interop tests: ${reason}`)
  return true
}

function findObstacle(): string | null {
  if (process.platform !== 'linux') return `needs Linux, this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'needs root'
  const path = (process.env.PATH ?? '').split(delimiter)
  const missing = TOOLS.filter((tool) => !path.some((folder) => isProgram(join(folder, tool))))
  if (missing.length > 0) return `needs ${missing.join(', ')} in PATH`
  if (!existsSync('/proc/sys/net/mptcp/enabled')) return 'this kernel has no MPTCP'
  const name = `${PREFIX}${process.pid}-probe`
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8', timeout: DEADLINE_MS })
  spawnSync('ip', ['netns', 'del', name], { timeout: DEADLINE_MS })
  return made.status === 0 ? null : `cannot make a network namespace: ${made.stderr.trim()}`
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export async function createBed(options: BedOptions = {}): Promise<Bed> {
  reapNamespaces(PREFIX)
  const bed = new Bed(options)
  try {
    await bed.build()
    return bed
  } catch (error) {
    await bed.destroy()
    throw error
  }
}

export class Bed {
  /** Names of the namespaces. */
  readonly netns: Record<Side, string>
  readonly paths: number
  readonly #options: BedOptions
  readonly #processes = new Set<BedProcess>()
  readonly #onExit = () => this.#destroyNow()
  #destroyed = false

  /** @internal Beds are made by `createBed`. */
  constructor(options: BedOptions) {
    this.#options = options
    this.paths = options.paths ?? 2
    // The pid tells the next run what was left behind by one that was killed.
    const name = `${PREFIX}${process.pid}-${randomBytes(3).toString('hex')}`
    this.netns = { kernel: `${name}-k`, user: `${name}-u` }
    process.on('exit', this.#onExit)
  }

  device(side: Side, path: number): string {
    return `${LETTER[side]}${path}`
  }

  address(side: Side, path: number, family: 4 | 6 = 4): string {
    return family === 4 ? `10.1.${path}.${HOST[side]}` : `fd01:${path}::${HOST[side]}`
  }

  /** Runs a command in a namespace to its end; throws if it fails, unless `check` is false. */
  async run(
    side: Side,
    command: string,
    args: readonly string[],
    options: RunOptions & { check?: boolean } = {},
  ): Promise<Result> {
    const child = this.spawn(side, command, args, options)
    const result = await child.ended
    if (options.check !== false && result.status !== 0) {
      const how = result.signal ?? `status ${result.status}`
      const said = result.stderr.trim() || result.stdout.trim()
      throw new Error(`${command} ${args.join(' ')} in ${side}: ${how}: ${said}`)
    }
    return result
  }

  /** Starts a command in a namespace; it is killed at its deadline or with the bed. */
  spawn(
    side: Side,
    command: string,
    args: readonly string[],
    options: RunOptions = {},
  ): BedProcess {
    const words = ['netns', 'exec', this.netns[side], command, ...args]
    const child: ChildProcess = spawn('ip', words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    })
    const label = `${side}: ${command} ${args.join(' ')}`
    const running = new BedProcess(child, label, options.deadline ?? DEADLINE_MS)
    if (options.input !== undefined) running.end(options.input)
    this.#processes.add(running)
    void running.ended.then(() => this.#processes.delete(running))
    return running
  }

  /** The processes that run in a namespace. */
  pids(side: Side): number[] {
    return namespacePids(this.netns[side])
  }

  /** Counters other than 0 since the namespace was made: `MPTcpExtMPCapableSYNRX` … */
  async stat(side: Side): Promise<Record<string, number>> {
    const { stdout } = await this.run(side, 'nstat', ['-asz'])
    const rows = stdout.split('\n').flatMap((line) => {
      const [, name, value] = /^(\w+)\s+(\d+)/.exec(line) ?? []
      return name && Number(value) > 0 ? [[name, Number(value)] as const] : []
    })
    return Object.fromEntries(rows)
  }

  /** The link of a path goes down at the kernel's end; the user's end loses its carrier. */
  async cut(path: number): Promise<void> {
    await this.#ip('kernel', `link set ${this.device('kernel', path)} down`)
  }

  /** IPv6 addresses vanish with the link and are put back. */
  async heal(path: number): Promise<void> {
    const device = this.device('kernel', path)
    await this.#ip(
      'kernel',
      `link set ${device} up`,
      `addr replace ${this.address('kernel', path, 6)}/64 dev ${device} nodad`,
    )
  }

  /** Drops everything on a path, silently, or ends that. */
  async blackhole(path: number, on: boolean): Promise<void> {
    const device = this.device('kernel', path)
    const table = `hole${path}`
    const hook = (name: string) =>
      `add chain netdev ${table} ${name} { type filter hook ${name} device ${device} priority 0; policy drop; }`
    const commands = on
      ? [`add table netdev ${table}`, hook('ingress'), hook('egress')]
      : [`delete table netdev ${table}`]
    await this.run('kernel', 'nft', ['-f', '-'], { input: `${commands.join('\n')}\n` })
  }

  /** Shapes a path both ways; null ends that. */
  async rate(path: number, rate: string | null): Promise<void> {
    const shape = rate && `tbf rate ${rate} burst 16kb latency ${this.#options.queue ?? '50ms'}`
    for (const side of SIDES) {
      const root = ['dev', this.device(side, path), 'root']
      await this.run(side, 'tc', ['qdisc', 'del', ...root], { check: false })
      if (shape) await this.run(side, 'tc', ['qdisc', 'add', ...root, ...shape.split(' ')])
    }
  }

  /** An endpoint of Linux's path manager. */
  async addEndpoint(side: Side, endpoint: EndpointOptions): Promise<void> {
    const { path, family, id, flags } = endpoint
    const device = this.device(side, path)
    const words = ['add', this.address(side, path, family ?? 4), 'dev', device]
    if (id !== undefined) words.push('id', String(id))
    await this.#ip(side, `mptcp endpoint ${[...words, ...flags].join(' ')}`)
  }

  async flushEndpoints(side: Side): Promise<void> {
    await this.#ip(side, 'mptcp endpoint flush')
  }

  async setLimits(side: Side, subflows: number, addAddrAccepted: number): Promise<void> {
    await this.#ip(
      side,
      `mptcp limits set subflows ${subflows} add_addr_accepted ${addAddrAccepted}`,
    )
  }

  async sysctl(side: Side, settings: Record<string, string | number>): Promise<void> {
    const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
    await this.run(side, 'sysctl', ['-qw', ...words])
  }

  /** Kills what runs in the namespaces and removes them. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return
    this.#destroyNow()
    await Promise.all([...this.#processes].map((running) => running.ended))
  }

  /** @internal */
  async build(): Promise<void> {
    allowCubic()
    const names = SIDES.map((side) => `netns add ${this.netns[side]}`)
    await ipBatch([], names)
    const paths = Array.from({ length: this.paths }, (_, i) => i + 1)
    await ipBatch(
      [],
      paths.map(
        (path) =>
          `link add ${this.device('kernel', path)} netns ${this.netns.kernel} type veth ` +
          `peer name ${this.device('user', path)} netns ${this.netns.user}`,
      ),
    )
    for (const side of SIDES) {
      const devices = paths.map((path) => this.device(side, path))
      await this.sysctl(side, hostSettings(devices, this.#options.checksum ?? false))
      await this.#ip(
        side,
        'link set lo up',
        ...paths.flatMap((path) => this.#addresses(side, path)),
      )
      await this.#ip(side, ...paths.flatMap((path) => this.#ends(side, path)))
      await this.setLimits(side, 8, 8)
      if (!this.#options.offloads) {
        const off = ['tso', 'gso', 'gro', 'tx', 'rx', 'sg'].flatMap((feature) => [feature, 'off'])
        for (const device of devices) await this.run(side, 'ethtool', ['-K', device, ...off])
      }
    }
    for (const [i, rate] of (this.#options.rates ?? []).entries()) await this.rate(i + 1, rate)
  }

  #addresses(side: Side, path: number): string[] {
    const device = this.device(side, path)
    return [
      // Known beforehand, so that a test can read captures.
      `link set ${device} address 02:00:00:00:0${path}:0${HOST[side]}`,
      `addr add ${this.address(side, path)}/24 dev ${device}`,
      `addr add ${this.address(side, path, 6)}/64 dev ${device} nodad`,
      `link set ${device} up`,
    ]
  }

  /** On the user's side the source address chooses the path; Linux answers by the same one. */
  #ends(side: Side, path: number): string[] {
    if (side === 'kernel') return []
    const device = this.device(side, path)
    const table = `table ${100 + path}`
    return [
      `rule add from ${this.address(side, path)} ${table}`,
      `route add 10.1.${path}.0/24 dev ${device} scope link ${table}`,
      `route add default via ${this.address('kernel', path)} dev ${device} ${table}`,
      `-6 rule add from ${this.address(side, path, 6)} ${table}`,
      `-6 route add fd01:${path}::/64 dev ${device} ${table}`,
      `-6 route add default via ${this.address('kernel', path, 6)} dev ${device} ${table}`,
    ]
  }

  async #ip(side: Side, ...commands: string[]): Promise<void> {
    await ipBatch(['-n', this.netns[side]], commands)
  }

  #destroyNow(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    process.off('exit', this.#onExit)
    for (const running of this.#processes) running.kill()
    for (const side of SIDES) removeNamespace(this.netns[side])
  }
}

function hostSettings(devices: string[], checksum: boolean): Record<string, string | number> {
  const settings: Record<string, string | number> = {
    'net.mptcp.enabled': 1,
    'net.mptcp.checksum_enabled': checksum ? 1 : 0,
    'net.mptcp.allow_join_initial_addr_port': 1,
    'net.mptcp.add_addr_timeout': 2,
    'net.mptcp.pm_type': 0,
    'net.ipv4.tcp_congestion_control': 'cubic',
    'net.ipv4.tcp_no_metrics_save': 1,
  }
  for (const device of ['all', 'default', ...devices]) {
    settings[`net.ipv4.conf.${device}.rp_filter`] = 0
  }
  // Answer ARP only for the address that lives on the interface: two paths are two networks.
  for (const device of devices) {
    settings[`net.ipv4.conf.${device}.arp_ignore`] = 1
    settings[`net.ipv4.conf.${device}.arp_announce`] = 2
  }
  return settings
}

/** A namespace may only choose a congestion control that the host allows to all. */
function allowCubic(): void {
  const name = 'net.ipv4.tcp_allowed_congestion_control'
  const allowed = readFileSync('/proc/sys/net/ipv4/tcp_allowed_congestion_control', 'utf8').trim()
  if (!allowed.split(' ').includes('cubic')) {
    spawnSync('sysctl', ['-qw', `${name}=${allowed} cubic`], { timeout: DEADLINE_MS })
  }
}
