// Behaviours of Linux's MPTCP self-tests, each shown twice: our stack opens to Linux, and Linux opens to
// our stack. A behaviour speaks of `client` and `server` alone, whichever stack is which; both count
// under Linux's names, so that one expectation serves both. docs/self-tests.md is the list.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bed, createBed, withoutBed } from './bed.js'
import { needBuild } from './built.js'
import { among, NEVER } from './interop.js'
import type { End } from './self-test-end.js'
import { KernelEnd } from './self-test-kernel.js'
import { OurEnd } from './self-test-ours.js'

export const ROLES = ['client', 'server'] as const
export type Role = (typeof ROLES)[number]

/** Real time, on a machine that others use as well. */
export const DEADLINE_MS = 15_000

const ANNOUNCEMENTS = ['AddAddr', 'AddAddrTx', 'EchoAdd', 'EchoAddTx', 'PortAdd']

export type Counts = Partial<Record<string, number>>

export interface ConnectOptions {
  /** Path of the first subflow; default 1. */
  path?: number
  family?: 4 | 6
  /** The client writes the server's IPv4 address as `::ffff:a.b.c.d`. */
  mapped?: boolean
  /** The server listens on that path's address alone. */
  bound?: boolean
  /** Somebody else of the server's host listens on that address, on the same port. */
  alsoListens?: string
  /** Plain TCP at that end. */
  plain?: Role
}

/** What a behaviour is shown on: two hosts with four paths, and one connection. */
export class SelfTest {
  readonly bed: Bed
  readonly ours: OurEnd
  readonly kernel: KernelEnd
  readonly client: End
  readonly server: End
  /** What both ends have been told to send so far. */
  #sent = { client: 0, server: 0 }

  constructor(bed: Bed, ours: OurEnd, kernel: KernelEnd, role: Role) {
    this.bed = bed
    this.ours = ours
    this.kernel = kernel
    this.client = role === 'client' ? ours : kernel
    this.server = role === 'client' ? kernel : ours
  }

  end(role: Role): End {
    return role === 'client' ? this.client : this.server
  }

  /** Additional subflows, and announced addresses, that each end allows. */
  async limits(of: {
    client: { subflows: number; accept?: number }
    server: { subflows: number; accept?: number }
  }): Promise<void> {
    for (const role of ROLES) await this.end(role).limits(of[role].subflows, of[role].accept ?? 0)
  }

  /** Opens the connection; resolves when both ends have it. */
  async connect(options: ConnectOptions = {}): Promise<void> {
    const { path = 1, family = 4, mapped = false } = options
    const { server, client } = this
    const host = server.address(path, family)
    await server.open()
    await client.open()
    const plain = options.plain === 'server'
    const port = await server.listen({ ...(options.bound && { host }), plain })
    const also = options.alsoListens
    if (also !== undefined) await server.listen({ host: also, port, plain })
    await client.connect({
      host: mapped ? `::ffff:${host}` : host,
      port,
      plain: options.plain === 'client',
    })
    for (const role of ROLES) {
      await this.wait(`the ${role} is connected`, async () => {
        const { connected, error } = await this.end(role).state()
        if (error !== null && error !== undefined) throw new Error(`${role}: ${error}`)
        return connected
      })
    }
  }

  /** Each end sends so many bytes; resolves when all of them are there. */
  async exchange(bytes = 1000, back = bytes, zeros = false): Promise<void> {
    await this.start(bytes, back, zeros)
    await this.arrived()
  }

  /** Each end sends so many bytes; nobody waits for them. */
  async start(bytes: number, back = bytes, zeros = false): Promise<void> {
    this.#sent.client += bytes
    this.#sent.server += back
    for (const role of ROLES) await this.end(role).zeros(zeros)
    await this.client.send(bytes)
    await this.server.send(back)
  }

  async arrived(): Promise<void> {
    const from = { client: 'server', server: 'client' } as const
    for (const role of ROLES) {
      const bytes = this.#sent[from[role]]
      await this.wait(`the ${role} has ${bytes} bytes`, async () => {
        const { received, error, mismatchAt } = await this.end(role).state()
        if (error !== null || mismatchAt >= 0) throw new Error(`${role}: ${error} ${mismatchAt}`)
        return received === bytes
      })
    }
  }

  /** Waits until an end has that many bytes in all. */
  async received(role: Role, bytes: number): Promise<void> {
    await this.wait(`the ${role} has ${bytes} bytes`, async () => {
      return (await this.end(role).state()).received >= bytes
    })
  }

  /** Bytes of data that the subflows on a path have carried either way, as our end counts them. */
  async carried(path: number): Promise<number> {
    const { subflows = [] } = await this.ours.state()
    const address = this.ours.address(path)
    const there = subflows.filter((each) => each.local.startsWith(`${address}:`))
    return there.reduce((sum, each) => sum + each.bytesSent + each.bytesReceived, 0)
  }

  /** A path swallows everything, from now until `heal`. */
  async blackhole(path: number): Promise<void> {
    await this.bed.blackhole(path, true)
  }

  async heal(): Promise<void> {
    await this.clearRules()
    for (const side of ['user', 'kernel'] as const) {
      await this.bed.run(side, 'ip', ['neigh', 'flush', 'all'])
    }
  }

  /** Waits until both ends have seen that many joins to the end. */
  async joined(count: number): Promise<void> {
    await this.counted('client', { MPJoinSynAckRx: count })
    await this.counted('server', { MPJoinAckRx: count })
  }

  /** Waits until an end has counted at least so much. */
  async counted(role: Role, least: Counts): Promise<void> {
    await this.wait(`the ${role} has counted ${JSON.stringify(least)}`, async () => {
      const counts = await this.end(role).counts()
      return Object.entries(least).every(([name, count]) => (counts[name] ?? 0) >= (count ?? 0))
    })
  }

  /** Waits until each end has that many subflows, the first included. */
  async subflows(total: number, most = total): Promise<void> {
    for (const role of ROLES) {
      await this.wait(`the ${role} has ${total} subflows`, async () => {
        const count = await this.end(role).subflowCount()
        return count >= total && count <= most
      })
    }
  }

  /** Both end; every byte has arrived, nothing is held any more, and it was MPTCP to the end. */
  async close(options: { fallback?: boolean } = {}): Promise<void> {
    for (const role of ROLES) await this.end(role).finish()
    for (const role of ROLES) {
      await this.wait(`the ${role} has closed`, async () => (await this.end(role).state()).closed)
    }
    await this.arrived()
    await this.over()
    if (options.fallback !== true) {
      for (const role of ROLES)
        expect(among(await this.end(role).counts(), NEVER), role).toEqual({})
    }
  }

  /** The end of the connection, whole or not: our stack is left empty. */
  async over(): Promise<void> {
    await this.kernel.over()
    expect(await this.ours.over()).toMatchObject({ drained: true, liveSlots: 0 })
  }

  /** What an end has counted of MPTCP. */
  async counts(role: Role): Promise<Counts> {
    const counts = Object.entries(await this.end(role).counts())
    return Object.fromEntries(counts.filter(([name]) => !/^(Tcp|Ip|Icmp|Udp)/.test(name)))
  }

  /**
   * These counts at both ends, and no more; 0 means never. Announcements may be more: on a machine that is
   * busy one goes again before its echo is there.
   */
  async expect(of: Partial<Record<Role, Counts>>, announcements = 'least'): Promise<void> {
    const seen = async (role: Role) => {
      const counts = await this.end(role).counts()
      return Object.fromEntries(
        Object.entries(of[role] ?? {}).map(([name, wanted = 0]) => {
          const count = counts[name] ?? 0
          const least = announcements === 'least' && wanted > 0 && ANNOUNCEMENTS.includes(name)
          return [name, least ? Math.min(count, wanted) : count]
        }),
      )
    }
    const counts = { client: await seen('client'), server: await seen('server') }
    expect(counts).toEqual({ client: of.client ?? {}, server: of.server ?? {} })
  }

  /** The server has answered so many SYNs with cookies, and all of them came back. */
  async cookiesSent(count: number): Promise<void> {
    const cookies = { TcpExtSyncookiesSent: count, TcpExtSyncookiesRecv: count }
    await this.expect({ server: cookies })
  }

  /** A port for an endpoint: a fresh one for each call. */
  port(): number {
    return this.ours.endpointPort()
  }

  /** Waits until our end takes that subflow for a backup, or not; -1 is the latest. */
  async backup(index: number, backup: boolean): Promise<void> {
    await this.wait(`subflow ${index} is backup: ${backup}`, async () => {
      return (await this.ours.state()).subflows?.at(index)?.backup === backup
    })
  }

  /** The client cannot open a connection there. */
  async refused(to: { host: string; port: number }): Promise<void> {
    await this.wait('the client is refused', async () => {
      try {
        await this.client.connect({ ...to, plain: false })
      } catch {
        return true
      }
      await this.wait('the client has an answer', async () => {
        const { connected, error } = await this.client.state()
        return connected || error !== null
      })
      const { error } = await this.client.state()
      expect(error).toBe('ECONNREFUSED')
      return true
    })
  }

  /** Those are our addresses of the subflows besides the first, in any order. */
  async joinedFrom(...addresses: string[]): Promise<void> {
    const { subflows = [] } = await this.ours.state()
    const local = subflows.slice(1).map((each) => each.local.replace(/[ :]\d+$/, ''))
    expect(local.sort()).toEqual([...addresses].sort())
  }

  /** Exactly that many joins, seen by both ends. */
  async joins(
    count: number,
    more: Partial<Record<Role, Counts>> = {},
    announcements?: 'exactly',
  ): Promise<void> {
    const of = {
      client: { MPJoinSynTx: count, MPJoinSynAckRx: count, ...more.client },
      server: { MPJoinSynRx: count, MPJoinAckRx: count, ...more.server },
    }
    await this.expect(of, announcements)
  }

  /** An nft rule at Linux's end of a path: `in` sees what we send, `out` what Linux sends. */
  async rule(path: number, hook: 'in' | 'out', rule: string): Promise<void> {
    await this.kernel.rule(path, hook, rule)
  }

  /** Rules for what one role sends, whichever end it is. */
  async ruleFrom(role: Role, path: number, rule: string): Promise<void> {
    await this.rule(path, this.end(role) === this.ours ? 'in' : 'out', rule)
  }

  /** SYNs that come from an address of the client are answered with a RST. */
  async refuse(address: string): Promise<void> {
    await this.kernel.filter(address, this.client === this.ours, 'reject with tcp reset')
  }

  /** SYNs that come from an address of the client vanish. */
  async silence(address: string): Promise<void> {
    await this.kernel.filter(address, this.client === this.ours, 'drop')
  }

  async clearRules(): Promise<void> {
    await this.kernel.clearRules()
  }

  async wait(what: string, holds: () => Promise<boolean>): Promise<void> {
    const until = performance.now() + DEADLINE_MS
    while (!(await holds())) {
      if (performance.now() > until) {
        const said = []
        for (const role of ROLES) {
          const { received, peerEnded, closed, error, subflows } = await this.end(role).state()
          const counts = await this.counts(role)
          said.push({ received, peerEnded, closed, error, counts, subflows })
        }
        throw new Error(`not within ${DEADLINE_MS} ms: ${what}; ${JSON.stringify(said)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}

type Body = (test: SelfTest) => Promise<void>

/** Shows a behaviour in both roles, or in those named. */
export interface Behaviour {
  (name: string, body: Body, roles?: readonly Role[]): void
  /** One for each case; the name may have %s and %i, as in it.each. */
  each<T>(
    cases: readonly T[],
  ): (name: string, body: (test: SelfTest, of: T) => Promise<void>, roles?: readonly Role[]) => void
}

/** A group of behaviours on a bed of its own. */
export function selfTests(
  group: string,
  declare: (behaviour: Behaviour) => void,
  bedOptions: { rates?: readonly string[] } = {},
): void {
  describe.skipIf(withoutBed())(group, () => {
    let bed: Bed
    let ours: OurEnd
    let kernel: KernelEnd

    beforeAll(async () => {
      needBuild('socket/kernel.js', 'socket/mptcp-stack.js', 'link/raw.js')
      bed = await createBed({ paths: 4, ...bedOptions })
      ours = new OurEnd(bed)
      kernel = new KernelEnd(bed)
    })
    afterAll(async () => {
      await bed?.destroy()
    })

    const behaviour: Behaviour = (name, body, roles = ROLES) => {
      it.each(roles)(`${name}: ours as %s`, async (role) => {
        await Promise.all([ours.reset(), kernel.reset()])
        await body(new SelfTest(bed, ours, kernel, role))
      })
    }
    behaviour.each = (cases) => (name, body, roles) => {
      for (const of of cases) {
        const words = Array.isArray(of) ? of : [of]
        behaviour(format(name, words), (test) => body(test, of), roles)
      }
    }
    declare(behaviour)
  })
}

/** Words for %s and %i, in turn. */
function format(name: string, words: readonly unknown[]): string {
  let next = 0
  return name.replace(/%[si]/g, () => String(words[next++]))
}
