// Linux as one end of a self-test, in the namespace `kernel`, and the boxes on the way: nft rules at its
// end of the paths.

import type { Bed } from './bed.js'
import { End, type Endpoint, type ListenWords, type Words } from './self-test-end.js'

export class KernelEnd extends End {
  #before: Record<string, number> = {}

  constructor(bed: Bed) {
    super(bed, 'kernel')
  }

  /** Before a test: no endpoint, no rule, Linux's default limits; counts begin at zero. */
  async reset(): Promise<void> {
    await this.rest().catch(() => {})
    const commands = [
      'ip mptcp endpoint flush',
      'ip mptcp limits set subflows 2 add_addr_accepted 0',
      'nft flush ruleset',
      // Addresses of no host: what is sent there vanishes on the way.
      'ip route replace 10.1.12.0/22 via 10.1.1.2',
      'sysctl -qw net.mptcp.checksum_enabled=0 net.mptcp.allow_join_initial_addr_port=1 ' +
        'net.mptcp.add_addr_timeout=2 net.mptcp.pm_type=0 net.mptcp.blackhole_timeout=0 ' +
        'net.ipv4.tcp_syncookies=1',
    ]
    await this.bed.run('kernel', 'sh', ['-ec', commands.join('\n')])
    this.#before = await this.bed.stat('kernel')
  }

  async limits(subflows: number, accept: number): Promise<void> {
    await this.bed.setLimits('kernel', subflows, accept)
  }

  async add(endpoint: Endpoint): Promise<void> {
    const { id, port, flags } = endpoint
    const words = [this.addressOf(endpoint), ...(id === undefined ? [] : ['id', `${id}`]), ...flags]
    await this.#ip('endpoint', 'add', ...words, ...(port === undefined ? [] : ['port', `${port}`]))
  }

  async remove(id: number): Promise<void> {
    await this.#ip('endpoint', 'delete', 'id', `${id}`)
  }

  async removeInitial(): Promise<void> {
    await this.#ip('endpoint', 'delete', 'id', '0', this.address(1))
  }

  async flush(): Promise<void> {
    await this.#ip('endpoint', 'flush')
  }

  async change(id: number, ...flags: string[]): Promise<void> {
    await this.#ip('endpoint', 'change', 'id', `${id}`, ...flags)
  }

  async checksum(on: boolean): Promise<void> {
    await this.bed.sysctl('kernel', { 'net.mptcp.checksum_enabled': on ? 1 : 0 })
  }

  async denyJoinInitial(): Promise<void> {
    await this.bed.sysctl('kernel', { 'net.mptcp.allow_join_initial_addr_port': 0 })
  }

  async userspace(): Promise<void> {
    await this.sysctl({ 'net.mptcp.pm_type': 1 })
  }

  async cookies(): Promise<void> {
    await this.sysctl({ 'net.ipv4.tcp_syncookies': 2 })
  }

  async sysctl(settings: Record<string, string | number>): Promise<void> {
    await this.bed.sysctl('kernel', settings)
  }

  async open(): Promise<void> {}

  async listen(words: ListenWords): Promise<number> {
    const { port } = await this.ask('listen', { ...words })
    return port as number
  }

  /** MPTcpExt counts bare, the others by their names, since the test began. */
  async counts(): Promise<Record<string, number>> {
    const now = await this.bed.stat('kernel')
    return Object.fromEntries(
      Object.entries(now).flatMap(([name, count]) => {
        const since = count - (this.#before[name] ?? 0)
        return since > 0 ? [[name.replace(/^MPTcpExt/, ''), since] as const] : []
      }),
    )
  }

  async subflowCount(): Promise<number> {
    const { info } = await this.state()
    return (info?.subflowsTotal as number | undefined) ?? 0
  }

  async over(): Promise<Words> {
    return this.rest()
  }

  async rule(path: number, hook: 'in' | 'out', rule: string): Promise<void> {
    const table = `path${path}${hook}`
    const kind = hook === 'in' ? 'ingress' : 'egress'
    await this.bed.run('kernel', 'nft', ['-f', '-'], {
      input:
        `add table netdev ${table}\n` +
        `add chain netdev ${table} c { type filter hook ${kind} device k${path} priority 0; }\n` +
        `add rule netdev ${table} c ${rule}\n`,
    })
  }

  /** What to do with SYNs from an address, which come in, or leave from here. */
  async filter(from: string, comesIn: boolean, verdict: string): Promise<void> {
    const hook = comesIn ? 'input' : 'output'
    const family = from.includes(':') ? 'ip6' : 'ip'
    await this.bed.run('kernel', 'nft', ['-f', '-'], {
      input:
        'add table inet filter\n' +
        `add chain inet filter c { type filter hook ${hook} priority 0; }\n` +
        `add rule inet filter c ${family} saddr ${from} tcp flags syn / syn,ack ${verdict}\n`,
    })
  }

  /** Packets that rules with `counter` have dropped. */
  async dropped(): Promise<number> {
    const { stdout } = await this.bed.run('kernel', 'nft', ['list', 'ruleset'])
    const counters = stdout.matchAll(/counter packets (\d+)/g)
    return [...counters].reduce((sum, [, packets]) => sum + Number(packets), 0)
  }

  async clearRules(): Promise<void> {
    await this.bed.run('kernel', 'nft', ['flush', 'ruleset'])
  }

  async #ip(...words: string[]): Promise<void> {
    await this.bed.run('kernel', 'ip', ['mptcp', ...words])
  }
}
