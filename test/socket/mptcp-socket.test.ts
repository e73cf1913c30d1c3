// MptcpStack, MptcpSocket and MptcpServer as a user sees them: streams over emulated paths in real time,
// fast ones, since a Duplex needs microtasks. Every wait has a deadline.

import { once } from 'node:events'
import { finished, pipeline } from 'node:stream/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { RealClock } from '../../ts/clock.js'
import { EmulatedNetwork } from '../../ts/emulator/network.js'
import type { PathChange } from '../../ts/emulator/path.js'
import type { MptcpServer } from '../../ts/socket/mptcp-server.js'
import type { MptcpSocket } from '../../ts/socket/mptcp-socket.js'
import { MptcpStack } from '../../ts/socket/mptcp-stack.js'
import type { MptcpStackOptions } from '../../ts/stack/config.js'
import { BACKENDS, randomBytes } from '../contract/cores.js'

const HOST = '10.0.1.2'
const PORT = 7
const SLOT_BYTES = 2048
const DEADLINE_MS = 10_000
const MEMORY_BYTES = 16 * 1024 * 1024

interface Pair {
  network: EmulatedNetwork
  client: MptcpStack
  server: MptcpStack
}

const open: Pair[] = []

async function pair(
  options: Partial<MptcpStackOptions> = {},
  paths: PathChange[] = [{ delay: 1 }],
): Promise<Pair> {
  const clock = new RealClock()
  const network = new EmulatedNetwork({ clock, seed: 1 })
  paths.forEach((shape, i) => {
    network.path({
      name: `p${i + 1}`,
      a: { host: 'client', addresses: [`10.0.${i + 1}.1`] },
      b: { host: 'server', addresses: [`10.0.${i + 1}.2`] },
      ...shape,
    })
  })
  const stack = (host: string): Promise<MptcpStack> =>
    MptcpStack.open({ links: network.links(host), clock, memoryBytes: MEMORY_BYTES, ...options })
  const opened = { network, client: await stack('client'), server: await stack('server') }
  open.push(opened)
  return opened
}

afterEach(() => {
  for (const { network, client, server } of open.splice(0)) {
    client.close()
    server.close()
    network.close()
    expect([client.liveSlots, server.liveSlots]).toEqual([0, 0])
    expect([client.connectionCount, server.connectionCount]).toEqual([0, 0])
  }
})

function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it never came: ${what}`)), DEADLINE_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`it never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

async function listening(
  server: MptcpStack,
  options: { port?: number; allowHalfOpen?: boolean } = {},
): Promise<MptcpServer> {
  const { port = PORT, ...others } = options
  const listener = server.createServer(others).listen({ port })
  await within(once(listener, 'listening'), 'listening')
  return listener
}

/** A connection, both ends. */
async function connected(
  { client, server }: Pair,
  options: { allowHalfOpen?: boolean } = {},
): Promise<[MptcpSocket, MptcpSocket]> {
  const listener = await listening(server, options)
  const socket = client.connect({ host: HOST, port: PORT })
  const [[accepted]] = await within(
    Promise.all([once(listener, 'connection'), once(socket, 'connect')]),
    'a connection',
  )
  listener.close()
  return [socket, accepted as MptcpSocket]
}

/** Not `for await`, which destroys a Duplex at the end of what is read. */
async function collect(socket: MptcpSocket): Promise<Buffer> {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'end')
  return Buffer.concat(pieces)
}

async function errorOf(socket: MptcpSocket | MptcpServer): Promise<NodeJS.ErrnoException> {
  const [error] = await within(once(socket, 'error'), 'an error')
  return error as NodeJS.ErrnoException
}

/** As many writes as it takes for the stream to say that it is full, and stays full. */
async function fill(socket: MptcpSocket): Promise<number> {
  let written = 0
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (;;) {
    const more = socket.write(piece)
    written += piece.length
    if (more) continue
    const drained = once(socket, 'drain').then(() => true)
    const full = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300))
    if (!(await Promise.race([drained, full]))) return written
  }
}

describe('a socket', () => {
  it('echoes a megabyte over two paths and ends in order', async () => {
    const both = await pair({}, [{ delay: 1 }, { delay: 3 }])
    const [socket, accepted] = await connected(both)
    const closed = Promise.all([once(socket, 'close'), once(accepted, 'close')])
    const data = randomBytes(1_000_000, 1)
    const echo = pipeline(accepted, accepted)
    socket.end(Buffer.from(data))
    const [back] = await within(Promise.all([collect(socket), echo]), 'the echo')
    expect(Buffer.compare(back, data)).toBe(0)
    await within(closed, 'close')
    expect(await both.client.drained(DEADLINE_MS)).toBe(true)
    expect(await both.server.drained(DEADLINE_MS)).toBe(true)
    expect(socket.info).toMatchObject({
      multipath: true,
      bytesSent: data.length,
      bytesReceived: data.length,
      bytesUnacknowledged: 0,
      delivered: true,
      error: null,
    })
    expect(socket.subflows.map(({ local }) => local.split(':')[0])).toEqual([
      '10.0.1.1',
      '10.0.2.1',
    ])
  })

  it('tells addresses, ports and when it stood', async () => {
    const [socket, accepted] = await connected(await pair())
    expect([socket.remoteAddress, socket.remotePort]).toEqual([HOST, PORT])
    expect([accepted.localAddress, accepted.localPort]).toEqual([HOST, PORT])
    expect([accepted.remoteAddress, accepted.remotePort]).toEqual([
      socket.localAddress,
      socket.localPort,
    ])
    const { establishedAt, dataAckedAt } = socket.info
    expect(establishedAt).toBeLessThanOrEqual(performance.now())
    expect(dataAckedAt).toBeNull()
    socket.write('x')
    await until('the DATA_ACK', () => socket.info.dataAckedAt !== null)
    expect(socket.info.dataAckedAt).toBeGreaterThanOrEqual(establishedAt!)
  })

  it('takes writes and the end before it is connected', async () => {
    const both = await pair()
    const listener = await listening(both.server)
    const socket = both.client.connect({ host: HOST, port: PORT })
    socket.write('early ')
    socket.end('bird')
    const [accepted] = await within(once(listener, 'connection'), 'a connection')
    expect(String(await within(collect(accepted), 'the data'))).toBe('early bird')
    accepted.end()
    await within(finished(socket.resume()), 'close')
  })

  it('half-closes: what comes after our end is still read', async () => {
    const [socket, accepted] = await connected(await pair(), { allowHalfOpen: true })
    socket.end('question')
    expect(String(await within(collect(accepted), 'the question'))).toBe('question')
    accepted.end('answer')
    expect(String(await within(collect(socket), 'the answer'))).toBe('answer')
  })

  it('says when subflows come', async () => {
    const both = await pair({}, [{ delay: 1 }, { delay: 1 }])
    const [socket] = await connected(both)
    socket.write('x')
    await within(once(socket, 'subflows'), 'subflows')
    await until('two subflows', () => socket.subflows.length === 2)
  })
})

describe('back-pressure', () => {
  const SEND = 128 * 1024
  const RECEIVE = 256 * 1024
  const small = { sendBufferBytes: SEND, receiveBufferBytes: RECEIVE }

  it('a writer that outruns a reader fills the buffers and no more, then all of it arrives', async () => {
    const both = await pair(small)
    const [socket, accepted] = await connected(both)
    const written = await fill(socket)
    const streams = socket.writableHighWaterMark + accepted.readableHighWaterMark
    // Beyond the bounds one piece more: the one that the stream was given when it was not yet full.
    expect(written).toBeLessThanOrEqual(SEND + RECEIVE + streams + 2 * 64 * 1024)
    expect(both.client.liveSlots * SLOT_BYTES).toBeLessThanOrEqual(2 * SEND)
    expect(both.server.liveSlots * SLOT_BYTES).toBeLessThanOrEqual(2 * RECEIVE)
    socket.end()
    expect((await within(collect(accepted), 'the data')).length).toBe(written)
  })

  it('the accepted side is held back just the same', async () => {
    const [socket, accepted] = await connected(await pair(small))
    const written = await fill(accepted)
    accepted.end()
    expect((await within(collect(socket), 'the data')).length).toBe(written)
  })

  it('a paused reader closes the window, and opens it when it goes on', async () => {
    const both = await pair(small)
    const [socket, accepted] = await connected(both)
    accepted.resume()
    await until('a byte', () => socket.write('x') && accepted.info.bytesReceived > 0)
    accepted.pause()
    const total = (await fill(socket)) + socket.info.bytesSent
    expect(total).toBeGreaterThan(SEND)
    const before = accepted.info.bytesReceived
    accepted.resume()
    socket.end()
    await within(once(accepted, 'end'), 'the end')
    expect(accepted.info.bytesReceived).toBeGreaterThan(before)
    await until('the last DATA_ACK', () => socket.info.delivered)
    expect(accepted.info.bytesReceived).toBe(socket.info.bytesSent)
  })
})

describe('errors and ends', () => {
  it('ECONNREFUSED where nobody listens, also to a socket that nobody reads', async () => {
    const { client } = await pair()
    const socket = client.connect({ host: HOST, port: 9 })
    const error = await errorOf(socket)
    expect(error.code).toBe('ECONNREFUSED')
    expect(error.message).toContain(`${HOST}:9`)
    expect(error.errno).toBe(-111)
    expect(socket.destroyed).toBe(true)
  })

  it('ETIMEDOUT where nobody answers', async () => {
    const both = await pair({ openTimeoutMs: 200 })
    for (const path of both.network.paths) path.cut()
    expect((await errorOf(both.client.connect({ host: HOST, port: PORT }))).code).toBe('ETIMEDOUT')
  })

  it.each([
    ['ENETUNREACH', { host: 'fd00::1', port: PORT }],
    ['EADDRNOTAVAIL', { host: HOST, port: PORT, localAddress: '10.9.9.9' }],
  ])('%s when the stack has no such path', async (code, options) => {
    const { client } = await pair()
    expect((await errorOf(client.connect(options))).code).toBe(code)
  })

  it('throws at once for what is no port or address', async () => {
    const { client } = await pair()
    expect(() => client.connect({ host: HOST, port: 0 })).toThrow(/port must be/)
    expect(() => client.connect({ host: HOST, port: 1, localAddress: 'here' })).toThrow(/not an IP/)
  })

  it('a server says EADDRINUSE for a port that is taken, and lets go of it', async () => {
    const { server } = await pair()
    const first = await listening(server)
    expect((await errorOf(server.createServer().listen({ port: PORT }))).code).toBe('EADDRINUSE')
    const closed = once(first, 'close')
    first.close()
    await within(closed, 'close')
    await listening(server)
  })

  it('resetAndDestroy is ECONNRESET for the peer', async () => {
    const [socket, accepted] = await connected(await pair())
    const failed = errorOf(accepted)
    socket.resetAndDestroy()
    expect((await failed).code).toBe('ECONNRESET')
    expect(accepted.info.error).toBe('ECONNRESET')
  })

  it('destroy loses nothing that was taken', async () => {
    const [socket, accepted] = await connected(await pair())
    await within(new Promise((resolve) => socket.write('all of it', resolve)), 'the write')
    socket.destroy()
    expect(String(await within(collect(accepted), 'the data'))).toBe('all of it')
  })

  it('destroy with data that was not taken is a reset: it must not look whole', async () => {
    const [socket, accepted] = await connected(await pair({ sendBufferBytes: 64 * 1024 }))
    const unwritten = new Promise<Error | null | undefined>((resolve) => {
      socket.write(Buffer.alloc(4_000_000), resolve)
    })
    socket.on('error', () => {})
    socket.destroy()
    accepted.resume()
    expect((await errorOf(accepted)).code).toBe('ECONNRESET')
    expect(await within(unwritten, 'the write')).toBeInstanceOf(Error)
  })

  it('data that came before a reset is read before the error', async () => {
    const [socket, accepted] = await connected(await pair())
    socket.write('last words')
    await until('the DATA_ACK', () => socket.info.bytesUnacknowledged === 0)
    socket.resetAndDestroy()
    await until('the reset', () => accepted.info.error !== null)
    const pieces: Buffer[] = []
    accepted.on('data', (piece: Buffer) => pieces.push(piece))
    expect((await errorOf(accepted)).code).toBe('ECONNRESET')
    expect(String(Buffer.concat(pieces))).toBe('last words')
  })

  it('a write to a peer that is gone fails', async () => {
    const [socket, accepted] = await connected(await pair())
    accepted.resetAndDestroy()
    const failed = errorOf(socket)
    socket.write('anyone?')
    expect((await failed).code).toBe('ECONNRESET')
  })

  it('a server closes when its last connection has', async () => {
    const both = await pair()
    const listener = await listening(both.server, { allowHalfOpen: true })
    const socket = both.client.connect({ host: HOST, port: PORT })
    const [accepted] = (await within(once(listener, 'connection'), 'a connection')) as [MptcpSocket]
    let closes = 0
    listener.on('close', () => closes++)
    listener.close()
    socket.end()
    await within(finished(accepted.resume(), { writable: false }), 'the end')
    expect(closes).toBe(0)
    accepted.end()
    socket.resume()
    await until('the close of the server', () => closes === 1)
  })

  it('stack.close in the middle of a transfer frees all', async () => {
    const both = await pair({}, [{ delay: 1 }, { delay: 1 }])
    const [socket, accepted] = await connected(both)
    socket.write(Buffer.alloc(2_000_000))
    accepted.once('readable', () => {})
    await until('some data', () => both.server.liveSlots > 0)
    both.client.close()
    both.server.close()
    expect([both.client.liveSlots, both.server.liveSlots]).toEqual([0, 0])
  })

  it('drained gives up at its limit', async () => {
    const both = await pair()
    const [socket] = await connected(both)
    for (const path of both.network.paths) path.cut()
    socket.destroy()
    expect(await both.client.drained(50)).toBe(false)
  })
})

describe('the end of a stack', () => {
  /** What a socket or server says of its end, in order. */
  function words(emitter: MptcpSocket | MptcpServer): string[] {
    const said: string[] = []
    for (const name of ['end', 'close']) emitter.on(name, () => said.push(name))
    emitter.on('error', (error: NodeJS.ErrnoException) => said.push(error.code ?? 'no code'))
    return said
  }

  it.each(BACKENDS)(
    'ends every socket and server, with an error where data is lost (%s)',
    async (core) => {
      const both = await pair({ core })
      const [writer] = await connected(both)
      const listener = await listening(both.server, { port: 8 })
      const idle = both.client.connect({ host: HOST, port: 8 })
      const [held] = (await within(once(listener, 'connection'), 'a connection')) as [MptcpSocket]
      for (const path of both.network.paths) path.cut()
      const opening = both.client.connect({ host: HOST, port: 8 })
      const lost = words(writer)
      const whole = words(idle)
      const never = words(opening)
      const accepted = words(held)
      const server = words(listener)
      writer.write('lost')
      await until('the SYN', () => both.client.connectionCount === 3)
      expect(await within(both.client.close(), 'the end of the client')).toBe(false)
      expect([lost, whole, never]).toEqual([
        ['ECONNABORTED', 'close'],
        ['close'],
        ['ECONNABORTED', 'close'],
      ])
      expect(both.client.counters.TcpExtTCPAbortOnClose).toBe(2)
      expect(await within(both.server.close(), 'the end of the server')).toBe(true)
      expect([accepted, server]).toEqual([['close'], ['close']])
    },
  )

  it('an error that nobody listens for is told by the answer alone', async () => {
    const both = await pair()
    const [socket] = await connected(both)
    for (const path of both.network.paths) path.cut()
    socket.write('lost')
    expect(await within(both.client.close(), 'the end')).toBe(false)
    expect(socket.destroyed).toBe(true)
  })

  it('with lingerMs what was written arrives, and the end of it', async () => {
    const both = await pair({}, [{ delay: 5 }])
    const [socket, accepted] = await connected(both)
    const said = words(socket)
    socket.resume()
    socket.write(Buffer.alloc(300_000, 'x'))
    const received = collect(accepted).then((all) => {
      accepted.end()
      return all
    })
    expect(await within(both.client.close({ lingerMs: DEADLINE_MS }), 'the end')).toBe(true)
    expect((await within(received, 'the data')).length).toBe(300_000)
    expect(said).toEqual(['end', 'close'])
  })

  it('lingerMs is the most that it waits, and a second call makes it sooner', async () => {
    for (const hurry of [false, true]) {
      const both = await pair()
      const [socket] = await connected(both)
      for (const path of both.network.paths) path.cut()
      const said = words(socket)
      socket.write('lost')
      const ended = both.client.close({ lingerMs: hurry ? 1e9 : 20 })
      if (hurry) void both.client.close()
      expect(await within(ended, 'the end')).toBe(false)
      expect(said).toEqual(['ECONNABORTED', 'close'])
      expect(await both.client.drained(1)).toBe(false)
    }
  })

  it('a closed stack refuses to connect and to listen with a code', async () => {
    const { client } = await pair()
    await within(client.close(), 'the end')
    const socket = client.connect({ host: HOST, port: PORT })
    expect((await errorOf(socket)).code).toBe('ERR_MPTCP_CLOSED')
    const server = client.createServer().listen({ port: PORT })
    expect((await errorOf(server)).code).toBe('ERR_MPTCP_CLOSED')
    const refused = expect.objectContaining({ code: 'ERR_MPTCP_CLOSED' })
    expect(() => client.pathControl.addEndpoint({ address: '10.0.9.9' })).toThrow(refused)
    expect(() => client.pathControl.setLimits({ subflows: 1 })).toThrow(refused)
    expect(() => client.close({ lingerMs: -1 })).toThrow(/lingerMs/)
    expect(await within(client.close(), 'the end again')).toBe(true)
  })
})
