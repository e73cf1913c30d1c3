// Keeps the host's kernel from resetting our connections: it knows no socket for them and answers
// every segment with RST. An nftables rule drops those, unless they carry the mark of our own sockets.
// The table is owned by an `nft -i` child on our stdin pipe, so that the kernel removes it with the
// child, and the child ends with us, even after SIGKILL. Nothing is in force until nft has said so.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { IpAddress } from '../../wire/address.js'
import { formatAddress } from '../../wire/address.js'
import { codedError } from './errors.js'
import { listCovers, type PortList, portRanges } from './ports.js'

export interface GuardOptions {
  /** Only what the kernel sends from these addresses is dropped. */
  addresses: readonly IpAddress[]
  ports: PortList
  /** The mark of the sockets that may send RST. */
  mark: number
  /** Told if nft ended by itself: the host's kernel resets our connections from now on. */
  onLost?: (error: Error) => void
}

/** nft answers in milliseconds; a machine under heavy load takes longer. */
const ANSWER_MS = 10_000

type NftChild = ChildProcessByStdio<Writable, Readable, Readable>

interface Question {
  /** Whether the text that nft listed shows the state asked for. */
  satisfied: (listed: string) => boolean
  resolve: () => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

let guards = 0

export class RstGuard {
  /** The name of the nftables table. */
  readonly table: string
  readonly #child: NftChild
  readonly #onLost: (error: Error) => void
  readonly #onExit = () => this.#child.kill('SIGKILL')
  readonly #ended: Promise<void>
  #inForce = false
  #closing = false
  #listed = ''
  #complaints = ''
  /** Asked and not yet answered; nft answers in order. */
  readonly #questions: Question[] = []

  private constructor(options: GuardOptions) {
    this.table = `mptcp_wasm_${process.pid}_${++guards}`
    this.#onLost = options.onLost ?? (() => {})
    // A session of its own: Ctrl-C at a terminal would otherwise end nft before we have closed.
    const child = spawn('nft', ['-n', '-i'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, LC_ALL: 'C' },
    })
    this.#child = child
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#fail(startError(error))
        resolve()
      })
      child.once('close', () => {
        this.#lose()
        resolve()
      })
    })
    child.stdout.setEncoding('latin1').on('data', (text: string) => this.#hear(text))
    child.stderr.setEncoding('latin1').on('data', (text: string) => this.#complain(text))
    // EPIPE if nft is gone: 'close' says so.
    child.stdin.on('error', () => {})
    process.on('exit', this.#onExit)
  }

  /** Resolves when the rule is in force. */
  static async open(options: GuardOptions): Promise<RstGuard> {
    const guard = new RstGuard(options)
    const { table } = guard
    const rule = (family: 4 | 6, keyword: string) =>
      `${keyword} saddr @own${family} tcp flags & rst == rst tcp sport @ports ` +
      `meta mark != ${options.mark} counter drop; `
    const own = (family: 4 | 6) => {
      const list = addressesOf(options.addresses, family)
      const elements = list === '' ? '' : ` elements = { ${list} };`
      return `set own${family} { type ipv${family}_addr;${elements} }; `
    }
    const definition =
      `add table inet ${table} { flags owner; ` +
      `set ports { type inet_service; flags interval; auto-merge; ` +
      `elements = { ${portRanges(options.ports)} }; }; ` +
      `${own(4)}${own(6)}` +
      'chain output { type filter hook output priority -150; policy accept; ' +
      `${rule(4, 'ip')}${rule(6, 'ip6')}}; }`
    try {
      await guard.#ask(
        definition,
        `list table inet ${table}`,
        (listed) =>
          listed.includes('flags owner') &&
          listed.split('counter packets').length - 1 === 2 &&
          listCovers(elements(listed), options.ports),
      )
    } catch (error) {
      await guard.close()
      throw error
    }
    guard.#inForce = true
    // From here on neither the child nor its pipes keep the process from ending.
    guard.#child.unref()
    for (const pipe of [guard.#child.stdin, guard.#child.stdout, guard.#child.stderr]) {
      ;(pipe as unknown as { unref(): void }).unref()
    }
    return guard
  }

  /** Whether the kernel's RSTs are dropped at present. */
  get inForce(): boolean {
    return this.#inForce
  }

  /** Guards more ports; resolves when the rule covers them. */
  async add(ports: PortList): Promise<void> {
    await this.#ask(
      `add element inet ${this.table} ports { ${portRanges(ports)} }`,
      `list set inet ${this.table} ports`,
      (listed) => listCovers(elements(listed), ports),
    )
  }

  /** Guards one more address; resolves when the rule covers it. */
  async addAddress(address: IpAddress): Promise<void> {
    const text = formatAddress(address)
    await this.#ask(
      `add element inet ${this.table} own${address.family} { ${text} }`,
      `list set inet ${this.table} own${address.family}`,
      (listed) =>
        elements(listed)
          .split(/[\s,]+/)
          .includes(text),
    )
  }

  /** Removes the rule; resolves when it is gone. */
  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true
      this.#inForce = false
      process.off('exit', this.#onExit)
      this.#child.stdin.end()
      this.#child.ref()
    }
    return this.#ended
  }

  #ask(command: string, list: string, satisfied: Question['satisfied']): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closing || this.#child.exitCode !== null) {
        reject(codedError('ERR_MPTCP_GUARD', "the guard against the kernel's RSTs is closed"))
        return
      }
      const timer = setTimeout(() => this.#fail(this.#refusal('nft did not answer')), ANSWER_MS)
      this.#questions.push({ satisfied, resolve, reject, timer })
      this.#child.stdin.write(`${command}\n${list}\n`)
    })
  }

  #hear(text: string): void {
    this.#listed += text
    // A listing ends with the brace in the first column.
    for (let end = endOfListing(this.#listed); end > 0; end = endOfListing(this.#listed)) {
      const listed = this.#listed.slice(0, end)
      this.#listed = this.#listed.slice(end)
      const question = this.#questions.shift()
      if (question === undefined) continue
      clearTimeout(question.timer)
      if (question.satisfied(listed)) question.resolve()
      else question.reject(this.#refusal('nft did not do what it was told'))
    }
  }

  #complain(text: string): void {
    // Bounded: what nft repeats of our own commands, but never without end.
    this.#complaints = (this.#complaints + text).slice(-2000)
    // The listing may still come, and decides; without a table there is none to come.
    if (/Operation not permitted|No such file|not supported|rror:/.test(this.#complaints)) {
      setTimeout(() => {
        if (this.#questions.length > 0) this.#fail(this.#refusal('nft refused'))
      }, 100).unref()
    }
  }

  #refusal(what: string): Error {
    const said = this.#complaints.trim().split('\n')[0] ?? ''
    this.#complaints = ''
    if (said.includes('Operation not permitted')) {
      return codedError(
        'EPERM',
        "the guard against the kernel's RSTs needs CAP_NET_ADMIN: run as root",
      )
    }
    return codedError('ERR_MPTCP_GUARD', `${what}${said === '' ? '' : `: ${said}`}`)
  }

  #fail(error: Error): void {
    for (const question of this.#questions.splice(0)) {
      clearTimeout(question.timer)
      question.reject(error)
    }
  }

  #lose(): void {
    this.#fail(this.#refusal('nft ended'))
    const lost = this.#inForce
    this.#inForce = false
    process.off('exit', this.#onExit)
    if (lost) this.#onLost(codedError('ERR_MPTCP_GUARD', `nft ended; table ${this.table} is gone`))
  }
}

function startError(error: Error): Error {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
    ? codedError(
        'ERR_MPTCP_NO_NFT',
        'raw links need nft to keep the kernel from resetting their connections: install the ' +
          'Debian package nftables',
        error,
      )
    : codedError('ERR_MPTCP_GUARD', `cannot start nft: ${error.message}`, error)
}

function endOfListing(text: string): number {
  const at = text.indexOf('\n}\n')
  return at < 0 ? 0 : at + 3
}

/** What stands between the braces after the first `elements =`. */
function elements(listed: string): string {
  return /elements = \{([^}]*)\}/.exec(listed)?.[1] ?? ''
}

function addressesOf(addresses: readonly IpAddress[], family: 4 | 6): string {
  return addresses
    .filter((address) => address.family === family)
    .map(formatAddress)
    .join(', ')
}
