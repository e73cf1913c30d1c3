// Takes a TCP port away from the host's kernel, so that no other program gets it while raw links use
// it: a socket that is bound and does not listen. Dropping the port's packets with nftables instead
// would not do, since a raw socket is served behind the INPUT hook and would not see them either. Node
// cannot bind without listening, so this needs koffi; without it the port is only looked up in /proc,
// which does not show sockets that are merely bound, and a program that takes it later shares it with us.

import { readFileSync } from 'node:fs'
import { type Random, SystemRandom } from '../../random.js'
import { type IpAddress, sameAddress } from '../../wire/address.js'
import { readU32 } from '../../wire/big-endian.js'
import { mustParse } from './device.js'
import { codedError } from './errors.js'
import { AF_INET, AF_INET6, loadLibc, SOCK_CLOEXEC, SOCK_STREAM, socketAddress } from './libc.js'

export interface PortReservation {
  readonly port: number
  /** Whether the kernel holds the port for us: true with koffi. */
  readonly held: boolean
  close(): void
}

// Linux's own default range (net.ipv4.ip_local_port_range).
const EPHEMERAL_FIRST = 32_768
const EPHEMERAL_COUNT = 28_232
/** Ports tried before giving up: with half of the range taken, 64 all fail once in 10^19. */
const TRIES = 64

/**
 * Reserves `port` of `address` (`0.0.0.0` and `::` mean all), or with 0 one of 32768 to 60999.
 * Errors: EADDRINUSE, EACCES, EADDRNOTAVAIL.
 */
export function reservePort(
  address: string,
  port: number,
  random: Random = new SystemRandom(),
): PortReservation {
  const own = mustParse(address)
  if (port !== 0) return reserve(own, address, port)
  for (let i = 1; ; i++) {
    try {
      return reserve(own, address, EPHEMERAL_FIRST + random.below(EPHEMERAL_COUNT))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || i === TRIES) throw error
    }
  }
}

function reserve(own: IpAddress, address: string, port: number): PortReservation {
  const libc = loadLibc()
  if (libc === null) {
    if (isTaken(own, port)) throw inUse(address, port)
    return { port, held: false, close() {} }
  }
  const family = own.family === 4 ? AF_INET : AF_INET6
  const fd = libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw codedError(libc.errno(), `cannot open a socket: ${libc.errno()}`)
  const name = socketAddress(own, port)
  if (libc.bind(fd, name, name.length) < 0) {
    const code = libc.errno()
    libc.close(fd)
    if (code === 'EADDRINUSE') throw inUse(address, port)
    throw codedError(code, `cannot reserve port ${port} of ${address}: ${code}`)
  }
  let open = true
  return {
    port,
    held: true,
    close() {
      if (open) libc.close(fd)
      open = false
    },
  }
}

function inUse(address: string, port: number): Error {
  return codedError('EADDRINUSE', `port ${port} of ${address} is in use (see: ss -Hatn)`)
}

/** Whether /proc/net/tcp or tcp6 shows a socket on the port, on this address or on all. */
function isTaken(own: IpAddress, port: number): boolean {
  return ['tcp', 'tcp6'].some((file) =>
    localEnds(file).some(
      (end) =>
        end.port === port &&
        (isUnspecified(end.address) || isUnspecified(own) || sameAddress(end.address, own)),
    ),
  )
}

function isUnspecified(address: IpAddress): boolean {
  const { w0, w1, w2, w3, family } = address
  return w3 === 0 && (family === 4 || (w0 === 0 && w1 === 0 && w2 === 0))
}

/** The local ends of the host's TCP sockets: hexadecimal words in host order. */
function localEnds(file: string): { address: IpAddress; port: number }[] {
  let text: string
  try {
    text = readFileSync(`/proc/net/${file}`, 'latin1')
  } catch {
    return []
  }
  return [...text.matchAll(/^ *\d+: ([0-9A-F]{8,32}):([0-9A-F]{4})/gm)].map(([, hex, port]) => {
    const words = new Uint32Array((hex as string).match(/.{8}/g)!.map((word) => parseInt(word, 16)))
    const bytes = new Uint8Array(words.buffer)
    const word = (i: number) => readU32(bytes, i * 4) | 0
    const [w0, w1, w2, w3] =
      words.length === 1 ? [0, 0, 0xffff, word(0)] : [word(0), word(1), word(2), word(3)]
    // IPv6 sockets show IPv4 peers in the mapped form.
    const family = w0 === 0 && w1 === 0 && w2 === 0xffff ? 4 : 6
    const address: IpAddress = { family, w0: w0!, w1: w1!, w2: w2!, w3: w3! }
    return { address, port: parseInt(port as string, 16) }
  })
}
