// Raw links without a stack, for tests: run with `ip netns exec`, on build/ (or MPTCP_BUILD). Sends
// bare SYNs on command and says what arrives, as JSON lines. Usage:
//   raw-probe.mjs --path DEV[=ADDR][@GATEWAY] … --ports FIRST-LAST [--uid N]
// Commands on stdin: syn LINK DESTINATION PORT SOURCE_PORT | add FIRST-LAST | stats | close

import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const build = process.env.MPTCP_BUILD ?? new URL('../../build', import.meta.url).pathname
const load = (file) => import(pathToFileURL(`${build}/${file}`).href)
const { openRawLinks, reservePort } = await load('link/raw.js')
const { formatAddress, parseAddress } = await load('wire/address.js')
const { emitIp, headerSum, parseIp, pseudoHeaderSum } = await load('wire/ip.js')

const TCP = 6
const TCP_HEADER = 20
const SYN = 2

const { values } = parseArgs({
  options: {
    path: { type: 'string', multiple: true, default: [] },
    ports: { type: 'string', default: '40000-40100' },
    uid: { type: 'string' },
    /** instead of opening links: reserve ADDRESS:PORT, and hold it until stdin ends */
    reserve: { type: 'string' },
  },
})

function say(event, details = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...details })}\n`)
}

function parsePath(text) {
  const [, device, address, gateway] = /^([^=@]+)(?:=([^@]+))?(?:@(.+))?$/.exec(text)
  return { device, ...(address && { address }), ...(gateway && { gateway }) }
}

function range(text) {
  const [first, last] = text.split('-').map(Number)
  return { first, last }
}

function describe(link, bytes, offset, length) {
  const ip = parseIp(bytes, offset, length)
  if (ip === null) return { link, malformed: true }
  const at = ip.payloadOffset
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const seed = pseudoHeaderSum(ip.source, ip.destination, ip.protocol, ip.payloadLength)
  const isTcp = ip.protocol === TCP
  return {
    link,
    source: formatAddress(ip.source),
    destination: formatAddress(ip.destination),
    protocol: ip.protocol,
    offset,
    length,
    ...(isTcp && {
      sourcePort: view.getUint16(at),
      destinationPort: view.getUint16(at + 2),
      flags: bytes[at + 13],
      checksumOk: headerSum(bytes, at, ip.payloadLength, seed) === 0xffff,
    }),
    ...(!isTcp && { icmpType: bytes[at], icmpCode: bytes[at + 1] }),
  }
}

function syn(link, to, port, sourcePort) {
  const destination = parseAddress(to)
  const own = link.addresses.map(parseAddress)
  const source = own.find((address) => address.family === destination.family)
  const bytes = new Uint8Array(256)
  const offset = 64
  const header = { source, destination, protocol: TCP, payloadLength: TCP_HEADER }
  const at = offset + emitIp(bytes, offset, header)
  const view = new DataView(bytes.buffer)
  view.setUint16(at, sourcePort)
  view.setUint16(at + 2, port)
  view.setUint32(at + 4, 12_345)
  view.setUint8(at + 12, (TCP_HEADER / 4) << 4)
  view.setUint8(at + 13, SYN)
  view.setUint16(at + 14, 65_535)
  const seed = pseudoHeaderSum(source, destination, TCP, TCP_HEADER)
  view.setUint16(at + 16, ~headerSum(bytes, at, TCP_HEADER, seed))
  return link.send({
    bytes,
    offset,
    length: at + TCP_HEADER - offset,
    gsoSize: 0,
    needsCsum: false,
  })
}

async function obey(raw, line) {
  const [word, ...rest] = line.split(' ')
  if (word === 'syn') {
    const [link, to, port, sourcePort] = rest
    say('sent', { ok: syn(raw.links[Number(link)], to, Number(port), Number(sourcePort)) })
  } else if (word === 'add') {
    await raw.addPorts(range(rest[0]))
    say('added')
  } else if (word === 'stats') {
    say('stats', { links: raw.links.map((link) => link.stats) })
  } else if (word === 'close') {
    await raw.close()
    process.stdin.destroy()
    say('closed', { inForce: raw.guard.inForce })
  }
}

async function listen(raw) {
  for (const [i, link] of raw.links.entries()) {
    link.open(
      (batch) => {
        for (let j = 0; j < batch.count; j++) {
          say('packet', describe(i, batch.bytes, batch.offset[j], batch.length[j]))
        }
      },
      new Uint8Array(256 * 1024),
    )
  }
  say('open', {
    table: raw.guard.table,
    links: raw.links.map(({ name, addresses, caps }) => ({ name, addresses, caps })),
  })
  let typed = ''
  for await (const text of process.stdin.setEncoding('utf8')) {
    const lines = (typed + text).split('\n')
    typed = lines.pop()
    for (const line of lines) await obey(raw, line)
  }
  await raw.close()
}

try {
  if (values.uid) process.setuid(Number(values.uid))
  if (values.reserve) {
    const [, address, port] = /^(.*):(\d+)$/.exec(values.reserve)
    const reservation = reservePort(address, Number(port))
    say('reserved', { port: reservation.port, held: reservation.held })
    process.stdin.resume().on('end', () => reservation.close())
  } else {
    const paths = values.path.map(parsePath)
    const onGuardLost = ({ code, message }) => say('guardLost', { code, message })
    const raw = await openRawLinks({ paths, ports: range(values.ports), onGuardLost })
    await listen(raw)
  }
} catch (error) {
  // Destroying stdin ends the loop that reads it.
  if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') {
    say('error', { code: error.code, message: error.message })
    process.exitCode = 1
  }
}
