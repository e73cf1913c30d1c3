// A process that a bed started: its output so far, a wait for a line of it, and its end. It is killed
// at its deadline, so that no test hangs on it.

import type { ChildProcess } from 'node:child_process'
import type { Result } from './bed.js'

export class BedProcess {
  readonly ended: Promise<Result>
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess
  readonly #label: string
  readonly #watchers = new Set<() => void>()
  #result: Result | null = null

  constructor(child: ChildProcess, label: string, deadline: number) {
    this.#child = child
    this.#label = label
    const timer = setTimeout(() => {
      this.stderr += `\nkilled: still running after ${deadline} ms\n`
      this.kill()
    }, deadline)
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#changed()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#changed()
    })
    child.stdin?.on('error', () => {})
    this.ended = new Promise((resolve) => {
      const end = (status: number | null, signal: NodeJS.Signals | null) => {
        clearTimeout(timer)
        this.#result ??= { status, signal, stdout: this.stdout, stderr: this.stderr }
        this.#changed()
        resolve(this.#result)
      }
      child.once('close', end)
      child.once('error', (error) => {
        this.stderr += error.message
        end(null, null)
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  end(text = ''): void {
    this.#child.stdin?.end(text)
  }

  /** `ip netns exec` replaces itself with the command, so this ends the command. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.#result === null) this.#child.kill(signal)
  }

  /** Waits for the pattern in what it has written, or will write, to standard output. */
  async waitFor(pattern: RegExp, deadline = 5000): Promise<RegExpExecArray> {
    return this.#watch(() => pattern.exec(this.stdout), `/${pattern.source}/`, deadline)
  }

  /** The first line of standard output that is a JSON object with this `event`. */
  async event(name: string, deadline = 5000): Promise<Record<string, unknown>> {
    const find = () => this.events().find((event) => event.event === name) ?? null
    return this.#watch(find, `event '${name}'`, deadline)
  }

  /** Every line of standard output that is a JSON object. */
  events(): Record<string, unknown>[] {
    const whole = this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1)
    return whole.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  }

  #watch<T>(find: () => T | null, what: string, deadline: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer)
        this.#watchers.delete(look)
      }
      const fail = (why: string) => {
        stop()
        const said = `stdout: ${this.stdout}\nstderr: ${this.stderr}`
        reject(new Error(`${this.#label}: no ${what} ${why}\n${said}`))
      }
      const look = () => {
        const found = find()
        if (found !== null) {
          stop()
          resolve(found)
        } else if (this.#result !== null) fail(`before its end (status ${this.#result.status})`)
      }
      const timer = setTimeout(() => fail(`within ${deadline} ms`), deadline)
      this.#watchers.add(look)
      look()
    })
  }

  #changed(): void {
    for (const look of this.#watchers) look()
  }
}
