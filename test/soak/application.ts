// An application of a soak: one end of a transfer over BSD calls. It writes, reads and compares, ends its
// sending side and lets go, as SoakEnd says; what went wrong it keeps.

import type { TimerHandle } from '../../ts/clock.js'
import type { Connection } from '../../ts/mptcp/connection.js'
import type { MptcpBsd } from '../../ts/socket/bsd.js'
import {
  MPTCP_CONSTANTS as C,
  MPTCP_ERRNO as E,
  mptcpErrnoName,
} from '../../ts/socket/constants.js'
import type { SlowReader, SoakEnd } from './random-world.js'

/** What is read lies here until it is compared, at once. */
const READ = new Uint8Array(65_536)

export class Application {
  readonly #bsd: MptcpBsd
  readonly #does: SoakEnd
  readonly #out: Uint8Array
  readonly #expected: Uint8Array
  readonly #timers = new Set<TimerHandle>()
  #fd = -1
  #written = 0
  #isShut = false
  #shutDue = false
  #isReading = false
  received = 0
  /** It has read the peer's end. */
  ended = false
  /** It gave up by itself. */
  aborted = false
  /** It has let go of its socket. */
  closed = false
  closedAt = 0
  /** An errno's name: what a call, or SO_ERROR, said. */
  error: string | null = null
  /** The first offset at which what came was wrong; -1 while nothing is. */
  wrongAt = -1

  constructor(bsd: MptcpBsd, does: SoakEnd, out: Uint8Array, expected: Uint8Array) {
    this.#bsd = bsd
    this.#does = does
    this.#out = out
    this.#expected = expected
  }

  /** While it has its socket: what stands behind it. */
  get connection(): Connection | null {
    return this.closed ? null : this.#bsd.connectionOf(this.#fd)
  }

  /** Whether it has a socket, or had one. */
  get began(): boolean {
    return this.#fd >= 0
  }

  get isWhole(): boolean {
    return this.ended && this.received === this.#expected.length
  }

  /** It waits for the peer, which has acknowledged all that it wrote. */
  get onlyWaits(): boolean {
    const state = this.connection?.state ?? 'M_INIT'
    return state !== 'M_INIT' && this.#bsd.ioctl(this.#fd, C.SIOCOUTQ) === 0
  }

  /** `result` of the call that made it: 0, or a negated errno, with which it has ended already. */
  begin(fd: number, result = 0): void {
    this.#fd = fd
    if (result < 0) this.error = mptcpErrnoName(result)
    this.#bsd.watch(fd, () => this.#act())
    const { abortsAfterMs } = this.#does
    if (abortsAfterMs !== undefined) this.#after(abortsAfterMs, () => this.abort())
    this.#act()
  }

  /** Its socket is gone at once, as when its process dies. */
  abort(): void {
    if (this.closed) return
    this.aborted = true
    this.#bsd.abort(this.#fd)
    this.#finish()
  }

  describe(): string {
    const { connection } = this
    const subflows = connection?.subflows.map((each) => `${each.id}:${each.tcb.state}`) ?? []
    return [
      `wrote ${this.#written} of ${this.#out.length}`,
      `read ${this.received} of ${this.#expected.length}${this.ended ? ' and the end' : ''}`,
      ...(this.error === null ? [] : [this.error]),
      ...(this.aborted ? ['gave up'] : []),
      connection === null
        ? 'no connection'
        : `${connection.mode} ${connection.state} [${subflows.join(' ')}]`,
    ].join(', ')
  }

  #act(): void {
    if (this.closed) return
    if (this.#does.reader === undefined) this.#read(Number.POSITIVE_INFINITY)
    else this.#readSlowly(this.#does.reader)
    if (this.error === null) this.#write()
    this.#letGoWhenDone()
  }

  /** Looks when something has happened, and from then on in its own time for as long as there is something. */
  #readSlowly({ bytes, everyMs }: SlowReader): void {
    if (this.#isReading) return
    this.#isReading = true
    this.#after(everyMs, () => {
      this.#isReading = false
      const before = this.received
      this.#read(bytes)
      if (this.received > before) this.#act()
      else if (this.error === null) this.#write()
      this.#letGoWhenDone()
    })
  }

  #read(limit: number): void {
    for (let left = limit; left > 0 && !this.ended && this.error === null; ) {
      const count = this.#bsd.read(this.#fd, READ.subarray(0, Math.min(READ.length, left)))
      if (count === -E.EAGAIN || count === -E.ENOTCONN) break
      if (count < 0) this.error = mptcpErrnoName(count)
      else if (count === 0) this.ended = true
      else this.#compare(count)
      left -= count
    }
  }

  #write(): void {
    const { answers, lingersMs } = this.#does
    if (answers && !this.ended) return
    while (this.#written < this.#out.length) {
      if ((this.#bsd.poll(this.#fd) & (C.POLLOUT | C.POLLERR | C.POLLHUP)) === 0) return
      const count = this.#bsd.write(this.#fd, this.#out.subarray(this.#written))
      if (count === -E.EAGAIN) return
      if (count < 0) {
        this.error ??= mptcpErrnoName(count)
        return
      }
      this.#written += count
    }
    if (this.#isShut || (this.#bsd.poll(this.#fd) & C.POLLOUT) === 0) return
    if (lingersMs !== undefined && !this.#shutDue) {
      this.#shutDue = true
      this.#after(lingersMs, () => this.#shut())
    }
    if (lingersMs === undefined) this.#shut()
  }

  #shut(): void {
    if (this.#isShut) return
    this.#isShut = true
    const result = this.#bsd.shutdown(this.#fd, C.SHUT_WR)
    // ENOTCONN: it ended meanwhile, and what it ended with is read.
    if (result < 0 && result !== -E.ENOTCONN) this.error ??= mptcpErrnoName(result)
    this.#act()
  }

  #letGoWhenDone(): void {
    if (this.closed) return
    if (this.error === null) {
      const pending = Number(this.#bsd.getsockopt(this.#fd, C.SOL_SOCKET, C.SO_ERROR))
      if (pending !== 0) this.error = mptcpErrnoName(-pending)
    }
    const isDone = this.ended && this.#isShut
    if (!isDone && this.error === null) return
    this.#bsd.close(this.#fd)
    this.#finish()
  }

  #finish(): void {
    this.closed = true
    this.closedAt = this.#bsd.stack.clock.now()
    for (const timer of this.#timers) this.#bsd.stack.clock.cancel(timer)
    this.#timers.clear()
  }

  #after(ms: number, then: () => void): void {
    const { clock } = this.#bsd.stack
    const timer = clock.at(clock.now() + ms, () => {
      this.#timers.delete(timer)
      then()
    })
    this.#timers.add(timer)
  }

  #compare(count: number): void {
    const want = this.#expected.subarray(this.received, this.received + count)
    const got = READ.subarray(0, count)
    if (this.wrongAt < 0 && Buffer.compare(got, want) !== 0) {
      const at = got.findIndex((byte, i) => byte !== want[i])
      this.wrongAt = this.received + at
    }
    this.received += count
  }
}
