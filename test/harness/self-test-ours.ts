// Our stack as one end of a self-test, in the namespace `user`: made anew for each test.

import type { Bed } from './bed.js'
import { End, type Endpoint, type ListenWords, type Words } from './self-test-end.js'

export class OurEnd extends End {
  static #nextPort = 10_100
  #stack: Words = {}
  #endpoints: Words[] | undefined = []
  #port = 5000
  /** Ports of endpoints: Linux keeps those of the tests before busy for a while. */
  #endpointPorts: number[] = []
  #opened = false
  #last: Record<string, number> = {}
  #events: string[] = []

  constructor(bed: Bed) {
    super(bed, 'user')
  }

  /** Before a test: a stack without endpoints, on all paths, with Linux's default limits. */
  async reset(): Promise<void> {
    if (this.#opened) await this.over().catch(() => {})
    this.#endpoints = []
    this.#endpointPorts = []
    this.#last = {}
    this.#stack = { addAddrTimeoutMs: 2000, closeTimeoutMs: 1000 }
    await this.limits(2, 0)
  }

  /** A port that no test before has used. */
  endpointPort(): number {
    const port = OurEnd.#nextPort++
    this.#endpointPorts.push(port)
    return port
  }

  options(stack: Words): void {
    Object.assign(this.#stack, stack)
  }

  async limits(subflows: number, accept: number): Promise<void> {
    this.options({ maxSubflows: subflows + 1, maxAddAddrAccepted: accept })
  }

  async add(endpoint: Endpoint): Promise<void> {
    const { id, flags, port } = endpoint
    const words = {
      ...(id !== undefined && { id }),
      address: this.addressOf(endpoint),
      ...(port !== undefined && { port }),
      ...Object.fromEntries(flags.map((flag) => [flag, true])),
    }
    if (this.#opened) await this.ask('add', { endpoint: words })
    else this.#endpoints?.push(words)
  }

  async remove(id: number): Promise<void> {
    await this.ask('remove', { endpoint: id })
  }

  async removeInitial(): Promise<void> {
    await this.ask('remove', { endpoint: 0, address: this.address(1) })
  }

  async flush(): Promise<void> {
    await this.ask('flush')
  }

  async change(id: number, ...flags: string[]): Promise<void> {
    const set = flags.map((flag) => [flag.replace(/^no/, ''), !flag.startsWith('no')] as const)
    await this.ask('change', { endpoint: id, flags: Object.fromEntries(set) })
  }

  async checksum(on: boolean): Promise<void> {
    this.options({ checksum: on })
  }

  async denyJoinInitial(): Promise<void> {
    this.options({ allowJoinInitialAddress: false })
  }

  async userspace(): Promise<void> {
    this.options({ pathManager: 'userspace' })
    this.#endpoints = undefined
  }

  async cookies(): Promise<void> {
    this.options({ synCookies: 2 })
  }

  async endpoints(): Promise<Words[]> {
    return (await this.ask('endpoints')).endpoints as Words[]
  }

  /** What a watcher of the path manager has seen, when all is over. */
  events(): string[] {
    return this.#events
  }

  /** Commands of a userspace path manager, for the connection of the test. */
  async announce(id: number, path: number): Promise<void> {
    await this.ask('command', { name: 'announce', words: [{ id, address: this.address(path) }] })
  }

  async withdraw(id: number): Promise<void> {
    await this.ask('command', { name: 'remove', words: [id] })
  }

  async createSubflow(localId: number, path: number, remote: string): Promise<void> {
    const words = [{ localId, local: this.address(path), remote }]
    await this.ask('command', { name: 'createSubflow', words })
  }

  async destroySubflow(local: string, remote: string): Promise<void> {
    await this.ask('command', { name: 'destroySubflow', words: [{ local, remote }] })
  }

  async setBackup(local: string, remote: string, backup: boolean): Promise<void> {
    await this.ask('command', { name: 'setFlags', words: [{ local, remote }, { backup }] })
  }

  async open(): Promise<void> {
    this.#port++
    const paths = Array.from({ length: this.bed.paths }, (_, i) => i + 1).flatMap((path) => {
      const device = this.bed.device('user', path)
      return [{ device }]
    })
    await this.ask('open', {
      paths,
      ports: [
        this.#port,
        ...this.#endpointPorts,
        ...Array.from({ length: 8 }, (_, i) => 40_000 + i),
      ],
      stack: { ...this.#stack, endpoints: this.#endpoints, ports: [40_000, 40_007] },
    })
    this.#opened = true
  }

  async listen(words: ListenWords): Promise<number> {
    await this.ask('listen', { port: this.#port, ...words })
    return this.#port
  }

  async counts(): Promise<Record<string, number>> {
    if (!this.#opened) return this.#last
    const { counters } = await this.state()
    return counters ?? {}
  }

  async subflowCount(): Promise<number> {
    const { subflows = [] } = await this.state()
    return subflows.filter(({ state }) => state === 'ESTABLISHED').length
  }

  async over(): Promise<Words> {
    this.#opened = false
    const end = await this.rest()
    this.#last = (end.counters ?? {}) as Record<string, number>
    this.#events = (end.events ?? []) as string[]
    return end
  }
}
