// Files of the emulated host: /proc/sys, /proc/net/tcp, what a script's own commands wrote. Nothing of
// the real host is read or written.

import type { TcpState } from '../../tcp/tcb.js'
import { addressBytes, type IpAddress } from '../../wire/address.js'
import type { Host } from './host.js'
import { CommandError } from './shell.js'
import { getSysctl, setSysctl } from './sysctls.js'

/** Bounded: what commands write. */
const MAX_FILES = 64
const MAX_CHARACTERS = 64 * 1024

/** As /proc/net/tcp has them. */
const STATES: Readonly<Record<TcpState, string>> = {
  ESTABLISHED: '01',
  'SYN-SENT': '02',
  'SYN-RECEIVED': '03',
  'FIN-WAIT-1': '04',
  'FIN-WAIT-2': '05',
  'TIME-WAIT': '06',
  CLOSED: '07',
  'CLOSE-WAIT': '08',
  'LAST-ACK': '09',
  LISTEN: '0A',
  CLOSING: '0B',
}

const TITLE =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'

export class HostFiles {
  readonly #host: Host
  readonly #written = new Map<string, string>()

  constructor(host: Host) {
    this.#host = host
  }

  read(path: string): string {
    if (path === '/dev/null') return ''
    if (path === '/proc/net/tcp') return this.#sockets(4)
    if (path === '/proc/net/tcp6') return this.#sockets(6)
    const sysctl = path.startsWith('/proc/sys/') ? getSysctl(this.#host, path) : null
    const text = sysctl === null ? this.#written.get(path) : `${sysctl}\n`
    if (text === undefined) throw new CommandError(`the emulated host has no file '${path}'`)
    return text
  }

  write(path: string, text: string, append: boolean): void {
    if (path === '/dev/null' || path === '/dev/stderr' || path === '/dev/stdout') return
    if (path.startsWith('/proc/sys/')) {
      const problem = setSysctl(this.#host, path, text.trim())
      if (problem !== null) throw new CommandError(problem)
      return
    }
    if (!path.startsWith('/tmp/')) throw new CommandError(`cannot write '${path}': only /tmp/…`)
    const whole = append ? (this.#written.get(path) ?? '') + text : text
    const isNew = !this.#written.has(path)
    if (whole.length > MAX_CHARACTERS || (isNew && this.#written.size >= MAX_FILES)) {
      throw new CommandError(`no room for '${path}' on the emulated host`)
    }
    this.#written.set(path, whole)
  }

  remove(path: string): void {
    this.#written.delete(path)
  }

  /** The columns up to the state are told; queues, timers and owners are 0. */
  #sockets(family: 4 | 6): string {
    const { stack, settings } = this.#host
    const any: IpAddress = { family, w0: 0, w1: 0, w2: 0, w3: 0 }
    const lines: string[] = []
    const add = (local: string, remote: string, state: TcpState): void => {
      const ends = `${local} ${remote} ${STATES[state]}`
      lines.push(
        `${`${lines.length}`.padStart(4)}: ${ends} 00000000:00000000 00:00000000 00000000 0 0\n`,
      )
    }
    for (const { address, port } of stack.listeners) {
      const own = address ?? { ...any, family: settings.ipVersion === 'ipv4' ? 4 : 6 }
      if (own.family === family) add(hexEnd(own, port), hexEnd(any, 0), 'LISTEN')
    }
    for (const { subflows } of stack.connections) {
      for (const { path, localPort, remote, remotePort, tcb } of subflows) {
        if (remote.family !== family || tcb.state === 'CLOSED') continue
        add(hexEnd(path.address, localPort), hexEnd(remote, remotePort), tcb.state)
      }
    }
    for (const { path, localPort, remote, remotePort } of stack.timeWaits) {
      if (remote.family !== family) continue
      add(hexEnd(path.address, localPort), hexEnd(remote, remotePort), 'TIME-WAIT')
    }
    return `${TITLE}\n${lines.join('')}`
  }
}

/** Address in words of 4 bytes, each low byte first, and port. */
function hexEnd(address: IpAddress, port: number): string {
  const bytes = Buffer.from(addressBytes(address))
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse()
  return `${bytes.toString('hex').toUpperCase()}:${port.toString(16).toUpperCase().padStart(4, '0')}`
}
