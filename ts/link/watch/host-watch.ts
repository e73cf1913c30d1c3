// Tells that something about the host's network has changed: a device, an address, a route, a rule. What it is, is read
// from the host again by whoever is told. `ip monitor` says when; without it, a look every two seconds.

import { type ChildProcess, spawn } from 'node:child_process'
import { networkInterfaces } from 'node:os'
import { warn } from '../../host/warning.js'

/** Changes come in flocks: they are told together, this long after the first. */
const SETTLE_MS = 30
const POLL_MS = 2000

/** Ends with us, even after SIGKILL: the shell reads our pipe, and its end ends the monitor. */
const MONITOR = 'ip monitor link address route rule & p=$!; cat; kill $p'

/** What can be seen without `ip`. */
function look(): string {
  return JSON.stringify(networkInterfaces())
}

let watch: HostWatch | null = null

class HostWatch {
  /** Bounded by the raw links that are open. */
  readonly #listeners = new Set<() => void>()
  readonly #child: ChildProcess
  #settling: NodeJS.Timeout | null = null
  #polling: NodeJS.Timeout | null = null
  #seen = ''

  constructor() {
    const child = spawn('sh', ['-c', MONITOR], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, LC_ALL: 'C' },
    })
    this.#child = child
    child.stdout.on('data', () => this.#changed())
    child.stderr.resume()
    child.stdin.on('error', () => {})
    child.once('error', () => this.#poll())
    child.once('close', () => this.#poll())
    child.unref()
    for (const pipe of [child.stdin, child.stdout, child.stderr]) {
      ;(pipe as unknown as { unref(): void }).unref()
    }
    // A monitor that may not watch ends at once; the shell waits for our pipe all the same.
    child.stderr.once('data', (text: Buffer) => {
      this.#poll(String(text).trim().split('\n')[0])
    })
  }

  add(listener: () => void): void {
    this.#listeners.add(listener)
  }

  remove(listener: () => void): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size > 0) return
    if (watch === this) watch = null
    if (this.#settling !== null) clearTimeout(this.#settling)
    if (this.#polling !== null) clearInterval(this.#polling)
    this.#child.stdin?.end()
  }

  #changed(): void {
    if (this.#settling !== null || this.#listeners.size === 0) return
    this.#settling = setTimeout(() => {
      this.#settling = null
      for (const listener of this.#listeners) listener()
    }, SETTLE_MS)
    this.#settling.unref()
  }

  /** Said once. */
  #poll(why = 'ip monitor ended'): void {
    if (this.#polling !== null || this.#listeners.size === 0) return
    warn(
      `the host's network cannot be watched (${why}): looked at every ${POLL_MS / 1000} s instead`,
    )
    this.#seen = look()
    this.#polling = setInterval(() => {
      const seen = look()
      if (seen === this.#seen) return
      this.#seen = seen
      this.#changed()
    }, POLL_MS)
    this.#polling.unref()
  }
}

/**
 * Tells `listener` after each flock of changes, until the answer is called. One child serves all of the process; it keeps
 * no process alive. To be called before raw sockets are opened, which a child would inherit.
 */
export function watchHost(listener: () => void): () => void {
  watch ??= new HostWatch()
  const shared = watch
  shared.add(listener)
  return () => shared.remove(listener)
}
