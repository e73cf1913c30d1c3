// The commands of the emulated host: sysctl, ip, nstat and what picks from it, and the init files of the
// field's suites, known by their names, with their effects built in.

import { addressBytes, addressFromBytes, formatAddress } from '../../wire/address.js'
import { HostFiles } from './files.js'
import type { Host } from './host.js'
import { ipCommand } from './ip-command.js'
import { mibName, uncounted } from './mib-names.js'
import { environmentOf } from './settings.js'
import { CommandError, type CommandResult, type CommandTable, runShell } from './shell.js'
import { getSysctl, restoreSysctls, setSysctl } from './sysctls.js'
import { textCommands } from './text-commands.js'

/** Bounded: files of zeros that a script makes for sendfile(). */
const MAX_FILES = 64
const MAX_FILE_BYTES = 64 * 1024 * 1024

/** What ss leaves out unless asked for more. */
const UNSHOWN = new Set(['CLOSED', 'LISTEN', 'SYN-RECEIVED', 'TIME-WAIT', 'TIME_WAIT', 'INIT'])

const FINE: CommandResult = { output: '', status: 0 }
/** As far as the times of a script go. */
const MAX_SLEEP_SECONDS = 1e8

/** What the emulated host needs of the run around it. */
export interface CommandContext {
  readonly host: Host
  /** Bytes of each file that a script made, all zeros. */
  readonly files: Map<string, number>
  /** Lets virtual time pass. */
  sleep(ms: number): void
  /** Values of `ss -M` for the first MPTCP connection, by their names there. */
  socketInfo(name: string): number
}

export class Commands {
  readonly #context: CommandContext
  readonly #table: CommandTable
  readonly #files: HostFiles
  /** Counters as they stood when nstat last took its history. */
  #history: Readonly<Record<string, number>> = {}

  constructor(context: CommandContext) {
    this.#context = context
    const { host } = context
    this.#files = new HostFiles(host)
    this.#table = {
      ...textCommands((path) => this.#files.read(path)),
      sysctl: (words) => this.#sysctl(words),
      'set_sysctls.py': (words) => this.#setSysctls(words),
      ip: (words) => ipCommand(host, words),
      nstat: (words) => this.#nstat(words),
      sleep: ([time = '']) => {
        const seconds = Number(time.replace(/s$/, ''))
        if (!/^[\d.]+s?$/.test(time) || !(seconds <= MAX_SLEEP_SECONDS)) {
          throw new CommandError(`sleep: '${time}' is not a number of seconds`)
        }
        context.sleep(1000 * seconds)
        return FINE
      },
      ss: (words) => this.#sockets(words),
      tc: (words) => queueCommand(words),
      ethtool: (words) => {
        const at = words.findIndex((word) => word === 'tso' || word === 'gso')
        if (at >= 0) host.settings.tso = words[at + 1] !== 'off'
        return FINE
      },
      rm: (words) => {
        for (const word of words) {
          context.files.delete(word)
          this.#files.remove(word)
        }
        return FINE
      },
      dd: (words) => this.#copy(words),
      'defaults.sh': () => this.#defaults(),
      'client.sh': () => this.#client(),
      'server.sh': () => this.#multipleEndpoints(['-m', 'signal']),
      'multi-ep.sh': (words) => this.#multipleEndpoints(words),
      'check_mptcp_info.sh': ([field = '', expected = '']) => ({
        output: '',
        status: context.socketInfo(field) === Number(expected) ? 0 : 1,
      }),
    }
  }

  /** Runs a backtick command; null = it went well, else what is wrong. */
  run(text: string): string | null {
    const table = new Proxy(this.#table, {
      // /tmp/sysctl_restore_1234.sh: the number is the process that wrote it.
      getOwnPropertyDescriptor: (target, name) =>
        isRestore(name)
          ? { configurable: true, enumerable: true, value: null }
          : Reflect.getOwnPropertyDescriptor(target, name),
      get: (target, name) => (isRestore(name) ? () => this.#restore() : Reflect.get(target, name)),
    })
    try {
      const files = this.#files
      const { status } = runShell(text, {
        table,
        variables: new Map(Object.entries(environmentOf(this.#context.host.settings))),
        read: (path) => files.read(path),
        write: (path, written, append) => files.write(path, written, append),
      })
      return status === 0 ? null : `the command ended with status ${status}`
    } catch (error) {
      if (error instanceof CommandError) return error.message
      throw error
    }
  }

  #restore(): CommandResult {
    restoreSysctls(this.#context.host)
    return FINE
  }

  // ---------------------------------------------------------------- sysctl

  #set(name: string, value: string): void {
    const problem = setSysctl(this.#context.host, name, value)
    if (problem !== null) throw new CommandError(problem)
  }

  #sysctl(words: readonly string[]): CommandResult {
    let output = ''
    for (const word of words) {
      if (word.startsWith('-')) continue
      const at = word.indexOf('=')
      if (at > 0) {
        this.#set(word.slice(0, at), word.slice(at + 1))
        continue
      }
      const value = getSysctl(this.#context.host, word)
      if (value === null) throw new CommandError(`the emulated host has no sysctl '${word}'`)
      output += words.includes('-n') ? `${value}\n` : `${word} = ${value}\n`
    }
    return { output, status: 0 }
  }

  #setSysctls(words: readonly string[]): CommandResult {
    for (const word of words) {
      const at = word.indexOf('=')
      if (at < 1) throw new CommandError(`set_sysctls.py: '${word}' is not NAME=VALUE`)
      this.#set(word.slice(0, at), word.slice(at + 1))
    }
    return FINE
  }

  // ---------------------------------------------------------------- files

  /** Only `dd if=/dev/zero of=NAME bs=N count=N`: packetdrill's payloads are zeros. */
  #copy(words: readonly string[]): CommandResult {
    const given = new Map(words.map((word) => word.split('=') as [string, string]))
    const bytes = Number(given.get('bs') ?? 512) * Number(given.get('count') ?? Number.NaN)
    const name = given.get('of')
    if (given.get('if') !== '/dev/zero' || name === undefined || !(bytes <= MAX_FILE_BYTES)) {
      throw new CommandError(`cannot do 'dd ${words.join(' ')}' on the emulated host`)
    }
    const { files } = this.#context
    if (files.size < MAX_FILES) files.set(name, bytes)
    return FINE
  }

  // ---------------------------------------------------------------- the suites' files

  #defaults(): CommandResult {
    this.#set('net.ipv4.tcp_rmem', `4096 540000 ${15 * 1024 * 1024}`)
    this.#set('net.ipv4.tcp_wmem', `4096 ${256 * 1024} 4194304`)
    for (const name of ['tcp_timestamps', 'tcp_sack', 'tcp_window_scaling']) {
      this.#set(`net.ipv4.${name}`, '1')
    }
    this.#set('net.mptcp.enabled', '1')
    return FINE
  }

  #client(): CommandResult {
    const { host } = this.#context
    host.pathControl.flushEndpoints()
    host.pathControl.setLimits({ subflows: 8, addAddrAccepted: 8 })
    return FINE
  }

  /** `-e N` addresses behind the first, each an endpoint; `-m signal|subflow`, `-b` backup. */
  #multipleEndpoints(words: readonly string[]): CommandResult {
    const { host } = this.#context
    let count = 1
    const modes: string[] = []
    let backup = false
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!
      if (word === '-b') backup = true
      else if (word === '-e') count = Number(words[++i])
      else if (word === '-m') modes.push(words[++i] ?? '')
      else throw new CommandError(`multi-ep.sh: '${word}' is not known`)
    }
    if (!(Number.isInteger(count) && count >= 0 && count <= 8)) {
      throw new CommandError(`multi-ep.sh: -e is from 0 to 8, not ${count}`)
    }
    const wrong = modes.find((mode) => mode !== 'signal' && mode !== 'subflow')
    if (wrong !== undefined) throw new CommandError(`multi-ep.sh: -m '${wrong}' is not known`)
    if (modes.length === 0) modes.push('signal')
    host.pathControl.setLimits({ subflows: 8, addAddrAccepted: 8 })
    host.pathControl.flushEndpoints()
    for (let i = 1; i <= count; i++) {
      const bytes = addressBytes(host.settings.local)
      bytes[bytes.length - 1]! += i
      const address = addressFromBytes(bytes)
      host.addAddress(address)
      host.pathControl.addEndpoint({
        address: formatAddress(address),
        signal: modes.includes('signal'),
        subflow: modes.includes('subflow'),
        backup,
      })
    }
    return FINE
  }

  // ---------------------------------------------------------------- ss

  /** -M: MPTCP connections, -t: TCP ones, subflows among them; both without either. By ss's names. */
  #sockets(words: readonly string[]): CommandResult {
    const letters = words.filter((word) => /^-\w/.test(word)).join('')
    const filter = words.find((word) => !word.startsWith('-'))
    if (filter !== undefined)
      throw new CommandError(`the emulated host's ss has no filter '${filter}'`)
    const isAll = !/[Mt]/.test(letters)
    const { stack } = this.#context.host
    const lines: string[] = []
    for (const connection of stack.connections) {
      const { state, mode, subflows } = connection
      if (mode !== 'fallback' && !UNSHOWN.has(state.slice(2)) && (isAll || letters.includes('M'))) {
        lines.push(`mptcp ${state === 'M_ESTAB' ? 'ESTAB' : ssName(state.slice(2))}\n`)
      }
      if (!isAll && !letters.includes('t')) continue
      for (const each of subflows) {
        if (UNSHOWN.has(each.tcb.state)) continue
        const local = `${formatAddress(each.path.address)}:${each.localPort}`
        const remote = `${formatAddress(each.remote)}:${each.remotePort}`
        lines.push(`tcp ${ssName(each.tcb.state)} ${local} ${remote}\n`)
      }
    }
    return { output: lines.join(''), status: 0 }
  }

  // ---------------------------------------------------------------- nstat

  /** By their names in Linux, with the one that is no count of events: connections that stand. */
  #counted(): Record<string, number> {
    const { counters, connections } = this.#context.host.stack
    const all = Object.entries(counters).map(([name, value]) => [mibName(name), value])
    const standing = [...connections].filter(({ state }) => state === 'M_ESTAB').length
    return { ...uncounted(), ...Object.fromEntries(all), MPTcpExtMPCurrEstab: standing }
  }

  /** -n: only take the history. -s: leave it. -a: absolute. -z: zeros too. -j: JSON. Names filter. */
  #nstat(words: readonly string[]): CommandResult {
    const letters = words.filter((word) => /^-\w/.test(word)).join('')
    const names = words.filter((word) => !word.startsWith('-'))
    const has = (letter: string): boolean => letters.includes(letter)
    const counted = this.#counted()
    const values: [string, number][] = []
    for (const [name, value] of Object.entries(counted)) {
      const past = has('a') ? 0 : (this.#history[name] ?? 0)
      values.push([name, value - past])
    }
    if (has('n') || !has('s')) this.#history = counted
    if (has('n')) return FINE
    const shown = values.filter(
      ([name, value]) =>
        (has('z') || value !== 0) && (names.length === 0 || names.some((each) => like(each, name))),
    )
    if (has('j'))
      return { output: JSON.stringify({ kernel: Object.fromEntries(shown) }), status: 0 }
    const lines = shown.map(([name, value]) => `${name.padEnd(31)} ${`${value}`.padEnd(18)} 0.0\n`)
    return { output: `#kernel\n${lines.join('')}`, status: 0 }
  }
}

const QUEUES = ['fq', 'fq_codel', 'mq', 'noqueue', 'pfifo', 'pfifo_fast', 'bfifo']

/** The test device has no queue, so that those which only order packets change nothing. */
function queueCommand(words: readonly string[]): CommandResult {
  const [object, action = 'show', ...rest] = words.filter((word) => !word.startsWith('-'))
  const isShown = /^(?:show|list|ls|del|delete)$/.test(action)
  const isOrder =
    /^(?:add|replace|change)$/.test(action) && QUEUES.some((each) => rest.includes(each))
  if (object === 'qdisc' && (isShown || isOrder)) return FINE
  throw new CommandError(`the emulated host has no command 'tc ${words.join(' ')}'`)
}

/** ESTAB for ESTABLISHED, SYN-RECV for SYN-RECEIVED; the others as RFC 9293 has them. */
function ssName(state: string): string {
  const name = state.replaceAll('_', '-')
  if (name === 'ESTABLISHED') return 'ESTAB'
  return name === 'SYN-RECEIVED' ? 'SYN-RECV' : name
}

function isRestore(name: string | symbol): boolean {
  return typeof name === 'string' && /^sysctl_restore.*$/.test(name)
}

function like(pattern: string, name: string): boolean {
  // The pieces between the stars, one behind the other: a pattern of many stars is no search of all ways.
  const [first = '', ...rest] = pattern.toLowerCase().split('*')
  const text = name.toLowerCase()
  const last = rest.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const piece of rest) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
