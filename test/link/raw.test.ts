// Raw links against Linux's TCP on a bed of two namespaces: root only.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Bed, createBed, withoutBed } from '../harness/bed.js'
import type { BedProcess } from '../harness/bed-process.js'
import { BUILD, needBuild, RAW_PROBE } from '../harness/built.js'

const NODE = process.execPath
const SYN_ACK = 0x12
const LISTEN = 5001
/** Longer than the first retransmission of a SYN/ACK (1 s). */
const RETRANSMITTED = 1300

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe.skipIf(withoutBed())('raw links', () => {
  let bed: Bed
  let listener: BedProcess

  beforeAll(async () => {
    needBuild('link/raw.js')
    bed = await createBed()
    const serve = `require('net').createServer().listen(${LISTEN}, () => console.log('up'))`
    listener = bed.spawn('kernel', NODE, ['-e', serve], { deadline: 120_000 })
    await listener.waitFor(/up/)
    // RSTs that arrive at the peer, counted by port: a SYN/ACK that is sent again after its test is
    // reset too.
    await bed.run('kernel', 'nft', ['-f', '-'], {
      input:
        'add table inet watch\n' +
        'add set inet watch resets { type inet_service; flags dynamic; }\n' +
        'add chain inet watch input { type filter hook input priority 0; }\n' +
        'add rule inet watch input tcp flags & rst == rst add @resets { tcp sport counter }\n' +
        'add rule inet watch input tcp dport 7 reject with icmpx host-unreachable\n',
    })
  })

  afterAll(async () => {
    await bed?.destroy()
  })

  const probes: BedProcess[] = []

  afterEach(async () => {
    for (const raw of probes) raw.kill()
    await Promise.all(probes.splice(0).map((raw) => raw.ended))
    await expect.poll(tables, { timeout: 3000 }).toBe('')
  })

  function probe(words: string[], env: NodeJS.ProcessEnv = {}): BedProcess {
    const raw = bed.spawn('user', NODE, [RAW_PROBE, ...words], { deadline: 20_000, env })
    probes.push(raw)
    return raw
  }

  const packets = (of: BedProcess) => of.events().filter((event) => event.event === 'packet')

  /** RSTs that the peer got from this port. */
  async function resets(port: number): Promise<number> {
    const { stdout } = await bed.run('kernel', 'nft', [
      '-n',
      'list',
      'set',
      'inet',
      'watch',
      'resets',
    ])
    return Number(new RegExp(`\\b${port} counter packets (\\d+)`).exec(stdout)?.[1] ?? 0)
  }

  async function tables(): Promise<string> {
    return (await bed.run('user', 'nft', ['list', 'tables'])).stdout
  }

  it.each([
    ['IPv4', 4],
    ['IPv6', 6],
  ] as const)(
    'deliver the SYN/ACK to our SYN, and no reset spoils it (%s)',
    async (_name, family) => {
      const raw = probe(['--path', 'u1'])
      const open = await raw.event('open')
      expect(open.links).toEqual([
        {
          name: 'u1',
          addresses: ['10.1.1.2', 'fd01:1::2'],
          caps: { mtu: 1500, maxReceive: 65535, tso: 0, checksum: 'may-be-partial' },
        },
      ])
      const peer = bed.address('kernel', 1, family)
      raw.write(`syn 0 ${peer} ${LISTEN} 4000${family}\n`)
      const packet = await raw.event('packet')
      expect(packet).toMatchObject({
        link: 0,
        source: peer,
        destination: bed.address('user', 1, family),
        protocol: 6,
        sourcePort: LISTEN,
        destinationPort: 40000 + family,
        flags: SYN_ACK,
        checksumOk: true,
      })
      expect((packet.offset as number) % 8).toBe(0)
      await pause(RETRANSMITTED)
      expect(await resets(40000 + family)).toBe(0)
      // Not reset, the peer tries again.
      expect(packets(raw).length).toBeGreaterThan(1)
      raw.write('close\n')
      await raw.event('closed')
      expect((await raw.ended).status).toBe(0)
      expect(await tables()).toBe('')
      expect(bed.pids('user')).toEqual([])
    },
  )

  it('would be reset by the host without the guard', async () => {
    const raw = probe(['--path', 'u1', '--ports', '41000-41000'])
    await raw.event('open')
    // Outside the guarded ports: the link does not see it, and the kernel answers.
    raw.write(`syn 0 10.1.1.1 ${LISTEN} 42000\nstats\n`)
    await raw.event('sent')
    await expect.poll(() => resets(42000), { timeout: 3000 }).toBe(1)
    raw.write('close\n')
    await raw.ended
    expect(packets(raw)).toEqual([])
  })

  it('take more ports later', async () => {
    const raw = probe(['--path', 'u1', '--ports', '41000-41000'])
    await raw.event('open')
    raw.write('add 42000-42010\n')
    await raw.event('added')
    raw.write(`syn 0 10.1.1.1 ${LISTEN} 42005\n`)
    expect(await raw.event('packet')).toMatchObject({ destinationPort: 42005, flags: SYN_ACK })
    await pause(100)
    expect(await resets(42005)).toBe(0)
    raw.write('close\n')
    await raw.ended
  })

  it('leave no table behind when the process is killed', async () => {
    const raw = probe(['--path', 'u1'])
    const { table } = await raw.event('open')
    expect(await tables()).toContain(table)
    process.kill(raw.pid!, 'SIGKILL')
    expect((await raw.ended).signal).toBe('SIGKILL')
    await expect.poll(tables, { timeout: 3000 }).toBe('')
  })

  it('say so when the guard is lost', async () => {
    const raw = probe(['--path', 'u1'])
    await raw.event('open')
    const nft = bed
      .pids('user')
      .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'latin1') === 'nft\n')
    expect(nft.length).toBe(1)
    process.kill(nft[0]!, 'SIGKILL')
    expect(await raw.event('guardLost')).toMatchObject({ code: 'ERR_MPTCP_GUARD' })
    raw.write('close\n')
    expect((await raw.ended).status).toBe(0)
  })

  it('send by the gateway of their own path to an address on the other network', async () => {
    const raw = probe(['--path', 'u1', '--path', 'u2'])
    await raw.event('open')
    raw.write(`syn 1 10.1.1.1 ${LISTEN} 40010\nsyn 1 fd01:1::1 ${LISTEN} 40011\n`)
    await expect.poll(() => packets(raw).length).toBeGreaterThan(1)
    const seen = packets(raw).map(({ link, source, destination }) => ({
      link,
      source,
      destination,
    }))
    expect(seen).toContainEqual({ link: 1, source: '10.1.1.1', destination: '10.1.2.2' })
    expect(seen).toContainEqual({ link: 1, source: 'fd01:1::1', destination: 'fd01:2::2' })
    raw.write('close\n')
    await raw.ended
  })

  it('prefer the gateway that they are given', async () => {
    await bed.run('kernel', 'ip', ['addr', 'add', '10.1.2.77/24', 'dev', 'k2'])
    const raw = probe(['--path', 'u2=10.1.2.2@10.1.2.77'])
    await raw.event('open')
    raw.write(`syn 0 10.1.1.1 ${LISTEN} 40012\n`)
    expect(await raw.event('packet')).toMatchObject({ link: 0, destination: '10.1.2.2' })
    const { stdout } = await bed.run('user', 'ip', ['neigh', 'show', '10.1.2.77'])
    expect(stdout).toContain('lladdr')
    raw.write('close\n')
    await raw.ended
  })

  it.each([
    ['10.1.1.1', { protocol: 1, icmpType: 3, icmpCode: 1 }],
    ['fd01:1::1', { protocol: 58, icmpType: 1, icmpCode: 3 }],
  ])('deliver ICMP errors that quote them (%s)', async (peer, expected) => {
    const raw = probe(['--path', 'u1'])
    await raw.event('open')
    raw.write(`syn 0 ${peer} 7 40020\n`)
    expect(await raw.event('packet')).toMatchObject({ source: peer, ...expected })
    raw.write('close\n')
    await raw.ended
  })

  it("skip the host's other traffic", async () => {
    // Ports of its own: a peer of an earlier test may still repeat a segment to those.
    const raw = probe(['--path', 'u1', '--ports', '41500-41600'])
    await raw.event('open')
    const talk = `require('net').connect(${LISTEN}, '10.1.1.1', function () { this.destroy() })`
    await bed.run('user', NODE, ['-e', talk])
    raw.write('stats\n')
    const { links } = (await raw.event('stats')) as {
      links: { received: number; skipped: number }[]
    }
    expect(links[0]!.received).toBe(0)
    expect(links[0]!.skipped).toBeGreaterThan(0)
    raw.write('close\n')
    await raw.ended
  })

  describe('say what is wrong', () => {
    async function refusal(words: string[], env: NodeJS.ProcessEnv = {}) {
      const raw = probe(words, env)
      const error = await raw.event('error')
      expect((await raw.ended).status).toBe(1)
      expect(await tables()).toBe('')
      return error
    }

    it.each([
      [['--path', 'nope'], 'ENODEV', /no network device 'nope'/],
      [['--path', '..'], 'ENODEV', /no network device/],
      [['--path', 'u1=10.9.9.9'], 'EADDRNOTAVAIL', /u1 has no address 10.9.9.9/],
      [['--path', 'u1=x'], 'EINVAL', /'x' is not an IP address/],
      [['--path', 'u1@x'], 'EINVAL', /'x' is not an IP address/],
      [[], 'ERR_INVALID_ARG_VALUE', /need a path/],
      [['--path', 'u1', '--uid', '65534'], 'EPERM', /CAP_NET_RAW.*run as root/],
    ])('%j: %s', async (words, code, message) => {
      expect(await refusal(words)).toMatchObject({ code, message: expect.stringMatching(message) })
    })

    it('a device without an address: EADDRNOTAVAIL', async () => {
      await bed.run('user', 'ip', ['link', 'add', 'bare', 'type', 'veth', 'peer', 'name', 'bare2'])
      expect(await refusal(['--path', 'bare'])).toMatchObject({ code: 'EADDRNOTAVAIL' })
    })

    it('no nft: ERR_MPTCP_NO_NFT', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mptcp-path-'))
      const { stdout } = await bed.run('user', 'sh', ['-c', 'command -v ip'])
      symlinkSync(stdout.trim(), join(folder, 'ip'))
      const env = `PATH=${folder}`
      const raw = bed.spawn('user', 'env', [env, NODE, RAW_PROBE, '--path', 'u1'])
      expect(await raw.event('error')).toMatchObject({
        code: 'ERR_MPTCP_NO_NFT',
        message: expect.stringContaining('Debian package nftables'),
      })
      await raw.ended
      rmSync(folder, { recursive: true })
    })

    describe('without the optional packages', () => {
      let folder: string

      beforeAll(() => {
        folder = mkdtempSync(join(tmpdir(), 'mptcp-bare-'))
        cpSync(BUILD, join(folder, 'build'), { recursive: true })
        mkdirSync(join(folder, 'node_modules'))
        const ipaddr = createRequire(import.meta.url).resolve('ipaddr.js')
        symlinkSync(dirname(dirname(ipaddr)), join(folder, 'node_modules/ipaddr.js'))
      })

      afterAll(() => rmSync(folder, { recursive: true }))

      it('no raw-socket: ERR_MPTCP_NO_RAW_SOCKET', async () => {
        const env = { MPTCP_BUILD: join(folder, 'build') }
        expect(await refusal(['--path', 'u1'], env)).toMatchObject({
          code: 'ERR_MPTCP_NO_RAW_SOCKET',
          message: expect.stringContaining('npm install raw-socket'),
        })
      })

      it('no koffi: a port is looked up instead of held', async () => {
        const env = { MPTCP_BUILD: join(folder, 'build') }
        const free = probe(['--reserve', '10.1.1.2:45000'], env)
        expect(await free.event('reserved')).toMatchObject({ port: 45000, held: false })
        free.end()
        const serve =
          "require('net').createServer().listen(45001, '10.1.1.2', () => console.log(1))"
        const server = bed.spawn('user', NODE, ['-e', serve])
        await server.waitFor(/1/)
        expect(await refusal(['--reserve', '10.1.1.2:45001'], env)).toMatchObject({
          code: 'EADDRINUSE',
        })
        server.kill()
      })
    })
  })

  it('reserve a port against every other program', async () => {
    const holder = probe(['--reserve', '10.1.1.2:0'])
    const { port, held } = await holder.event('reserved')
    expect(held).toBe(true)
    expect(port).toBeGreaterThanOrEqual(32768)
    expect(port).toBeLessThan(61000)
    for (const address of ['10.1.1.2', '0.0.0.0', '::']) {
      const other = probe(['--reserve', `${address}:${port}`])
      expect(await other.event('error')).toMatchObject({ code: 'EADDRINUSE' })
      await other.ended
    }
    holder.end()
    expect((await holder.ended).status).toBe(0)
    const next = probe(['--reserve', `10.1.1.2:${port}`])
    expect(await next.event('reserved')).toMatchObject({ port, held: true })
    next.end()
    await next.ended
  })
})
