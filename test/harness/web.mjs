// HTTP, HTTPS, HTTP/2, TLS and WebSocket as Node speaks them, over any stream that is given: what a server does
// with a connection, and what a client asks for: several things on one connection, an upload and a download,
// each checked byte for byte.

import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { Readable } from 'node:stream'
import tls from 'node:tls'
import { selfSigned } from './certificate.mjs'
import { patternBytes, patternMismatch } from './pattern.mjs'
import { frameOf, framesOf, keyAnswer } from './web-socket.mjs'

export const WEB_KINDS = ['http', 'https', 'http2', 'tls', 'ws']
const CHUNK = 64 * 1024
const SEED = 5

/** `{ accept(socket), close() }`; what goes wrong on a connection is told to `failed`. */
export function webServer(kind, failed) {
  const server = serverOf(kind)
  for (const event of ['clientError', 'tlsClientError', 'sessionError']) server.on(event, failed)
  return {
    accept: (socket) => server.emit('connection', socket),
    close: () => server.close(),
  }
}

function serverOf(kind) {
  if (kind === 'http') return http.createServer(answer)
  if (kind === 'https') return https.createServer(selfSigned(), answer)
  if (kind === 'http2') return http2.createSecureServer(selfSigned(), answer)
  if (kind === 'tls') {
    return tls.createServer({ ...selfSigned(), allowHalfOpen: true }, (socket) =>
      socket.pipe(socket),
    )
  }
  const server = http.createServer(answer)
  server.on('upgrade', (request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${keyAnswer(request.headers['sec-websocket-key'])}\r\n\r\n`,
    )
    const read = framesOf((opcode, payload) => {
      socket.write(frameOf(opcode, payload, false))
      if (opcode === 8) socket.end()
    })
    socket.on('data', read)
  })
  return server
}

/** GET /N: so many bytes; PUT: the hash of what came; else a greeting. */
function answer(request, response) {
  if (request.method === 'PUT') {
    const hash = createHash('sha256')
    request.on('data', (bytes) => hash.update(bytes))
    request.on('end', () => response.end(hash.digest('hex')))
    return
  }
  const length = Number(request.url.slice(1))
  if (length > 0) pattern(length).pipe(response)
  else response.end(`hello ${request.url}`)
}

function* chunks(length) {
  for (let at = 0; at < length; ) {
    const bytes = patternBytes(SEED, at, Math.min(CHUNK, length - at))
    at += bytes.length
    yield bytes
  }
}

const pattern = (length) => Readable.from(chunks(length), { objectMode: false })

function hashOfPattern(length) {
  const hash = createHash('sha256')
  for (const bytes of chunks(length)) hash.update(bytes)
  return hash.digest('hex')
}

/** What a file of so many bytes has to hold for a client of `files`. */
export const webFile = (length) => Buffer.concat([...chunks(length)])

/** Uploads and downloads `bytes`, on one connection that `connect()` makes; throws where anything differs. */
export async function webClient(kind, connect, bytes) {
  if (kind === 'tls') return echo(connect, bytes)
  if (kind === 'ws') return webSocket(connect, bytes)
  if (kind === 'http2') return streams(connect, bytes)
  return requests(kind, connect, bytes)
}

function must(condition, what) {
  if (!condition) throw new Error(what)
}

const overTls = (socket, ALPNProtocols) =>
  tls.connect({ socket, ALPNProtocols, rejectUnauthorized: false })

/** Files of a server that knows nothing of ours, by their lengths, on one connection that is kept. */
export async function webFiles(connect, lengths) {
  const { ask, connections } = asker('http', connect)
  const answers = await Promise.all(lengths.map((length) => ask('GET', `/${length}`)))
  must(`${answers}` === `${lengths}`, `files of ${answers} bytes`)
  must(connections() === 1, `${connections()} connections`)
}

async function requests(kind, connect, bytes) {
  const { ask, connections } = asker(kind, connect)
  const answers = await Promise.all([
    ask('GET', '/one'),
    ask('PUT', '/', pattern(bytes)),
    ask('GET', `/${bytes}`),
    ask('GET', '/two'),
  ])
  check(answers, bytes)
  must(connections() === 1, `${connections()} connections`)
}

/** All wait for one connection, which is kept from one to the next. */
function asker(kind, connect) {
  let connections = 0
  // With keepAlive it would call setKeepAlive of a socket that nobody waits for; a MptcpSocket has none.
  const agent = new http.Agent({ maxSockets: 1 })
  agent.createConnection = () => {
    connections++
    return kind === 'https' ? overTls(connect(), ['http/1.1']) : connect()
  }
  const ask = (method, path, body) =>
    new Promise((resolve, reject) => {
      const request = http.request({ method, path, agent, host: 'localhost' }, (response) =>
        resolve(textOf(response, path)),
      )
      request.on('error', reject)
      if (body === undefined) request.end()
      else body.pipe(request)
    })
  return { ask, connections: () => connections }
}

async function streams(connect, bytes) {
  const session = http2.connect('https://localhost', {
    createConnection: () => overTls(connect(), ['h2']),
  })
  const failed = new Promise((_resolve, reject) => session.on('error', reject))
  const ask = async (method, path, body) => {
    const stream = session.request({ ':method': method, ':path': path })
    if (body === undefined) stream.end()
    else body.pipe(stream)
    return textOf(stream, path)
  }
  const all = Promise.all([
    ask('GET', '/one'),
    ask('PUT', '/', pattern(bytes)),
    ask('GET', `/${bytes}`),
    ask('GET', '/two'),
  ])
  check(await Promise.race([all, failed]), bytes)
  await Promise.race([new Promise((resolve) => session.close(resolve)), failed])
}

function check([one, uploaded, downloaded, two], bytes) {
  must(one === 'hello /one' && two === 'hello /two', `greetings ${one}, ${two}`)
  must(uploaded === hashOfPattern(bytes), 'the upload differs')
  must(downloaded === `${bytes}`, `the download: ${downloaded}`)
}

/** Of a small answer the text; of a long one how many bytes of the pattern it is. */
async function textOf(response, path) {
  const isLong = /^\/\d+$/.test(path)
  let length = 0
  let text = ''
  for await (const piece of response) {
    if (!isLong) text += piece
    else must(patternMismatch(SEED, length, piece) < 0, `a wrong byte after ${length}`)
    length += piece.length
  }
  return isLong ? `${length}` : text
}

/** All that is sent comes back, and both ends end. */
async function echo(connect, bytes) {
  const socket = overTls(connect())
  pattern(bytes).pipe(socket)
  must((await textOf(socket, '/1')) === `${bytes}`, 'the echo is not whole')
}

/** Messages of several sizes, each sent when the one before has come back, and an orderly close. */
async function webSocket(connect, bytes) {
  const key = randomBytes(16).toString('base64')
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
  }
  const agent = new http.Agent({ maxSockets: 1 })
  agent.createConnection = connect
  const [response, socket] = await new Promise((resolve, reject) => {
    const request = http.request({ path: '/', agent, headers, host: 'localhost' })
    request.on('upgrade', (response, socket) => resolve([response, socket]))
    request.on('error', reject)
    request.end()
  })
  must(response.headers['sec-websocket-accept'] === keyAnswer(key), 'the handshake differs')
  const sizes = [1, 125, 126, 65_535, 65_536, Math.min(bytes, 900_000)]
  await new Promise((resolve, reject) => {
    let next = 0
    const say = () => {
      const size = sizes[next]
      socket.write(
        size === undefined
          ? frameOf(8, Buffer.from([3, 232]), true)
          : frameOf(2, patternBytes(SEED, 0, size), true),
      )
    }
    const read = framesOf((opcode, payload) => {
      if (opcode === 8) return
      if (payload.length !== sizes[next] || patternMismatch(SEED, 0, payload) >= 0) {
        reject(new Error(`message ${next} differs`))
      }
      next++
      say()
    })
    socket.on('data', read)
    socket.on('error', reject)
    socket.on('end', () => {
      if (next === sizes.length) resolve()
      else reject(new Error(`ended after ${next} messages`))
      socket.end()
    })
    say()
  })
}
