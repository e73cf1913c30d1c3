// The demo while it runs: a line for each path, rewritten in place on a terminal; elsewhere one line a
// second.

import pc from 'picocolors'
import type { EmulatedPath } from '../emulator/path.js'
import type { DemoObserver, DemoView } from './demo-run.js'

const TERMINAL_MS = 100
const PLAIN_MS = 1000
const BAR_WIDTH = 30

interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
}

export class DemoProgress implements DemoObserver {
  readonly #out: Output
  readonly #isTerminal: boolean
  readonly #wireBytes = new Map<EmulatedPath, number>()
  readonly #rates = new Map<EmulatedPath, number>()
  #view: DemoView | null = null
  #timer: NodeJS.Timeout | undefined
  #lastAt = 0
  #drawn = 0

  constructor(out: Output) {
    this.#out = out
    this.#isTerminal = out.isTTY === true
  }

  start(view: DemoView): void {
    this.#view = view
    this.#lastAt = performance.now()
    this.#timer = setInterval(() => this.#draw(view), this.#isTerminal ? TERMINAL_MS : PLAIN_MS)
  }

  note(text: string): void {
    if (!this.#isTerminal) this.#out.write(`${this.#elapsed()}  ${text}\n`)
  }

  stop(): void {
    clearInterval(this.#timer)
    const view = this.#view
    this.#view = null
    if (view !== null && this.#isTerminal) this.#draw(view)
  }

  #draw(view: DemoView): void {
    this.#measure(view)
    const lines = view.paths.map((path) => this.#line(view, path))
    const share = Math.min(1, view.info.bytesSent / Math.max(1, view.bytes))
    if (!this.#isTerminal) {
      const percent = `${Math.floor(share * 100)}%`.padStart(4)
      this.#out.write(`${this.#elapsed(view)} ${percent}  ${lines.join('  |  ')}\n`)
      return
    }
    const filled = Math.round(share * BAR_WIDTH)
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`
    const total = `${pc.green(bar)} ${Math.floor(share * 100)}%  ${this.#elapsed(view)}`
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ''
    this.#drawn = lines.length + 1
    this.#out.write(`${up}${[...lines, total].map((line) => `\x1b[2K${line}\n`).join('')}`)
  }

  /** A rate over the last interval; on a terminal smoothed, since a tenth of a second is short. */
  #measure(view: DemoView): void {
    const now = performance.now()
    const seconds = Math.max(1, now - this.#lastAt) / 1000
    this.#lastAt = now
    for (const path of view.paths) {
      const bytes = path.stats.forward.deliveredBytes
      const rate = ((bytes - (this.#wireBytes.get(path) ?? 0)) * 8) / seconds
      const before = this.#isTerminal ? (this.#rates.get(path) ?? rate) : rate
      this.#rates.set(path, before * 0.7 + rate * 0.3)
      this.#wireBytes.set(path, bytes)
    }
  }

  #line(view: DemoView, path: EmulatedPath): string {
    const subflow = view.subflows.find(({ local }) => local.startsWith(`${path.a.addresses[0]}:`))
    const isCut = view.cut?.path === path.name && view.cut.to === null
    const rate = `${((this.#rates.get(path) ?? 0) / 1e6).toFixed(1)} Mbit/s`.padStart(12)
    const bytes = `${((this.#wireBytes.get(path) ?? 0) / 1e6).toFixed(1)} MB`.padStart(9)
    const srtt = `srtt ${Math.round(subflow?.rttMs ?? 0)} ms`.padEnd(12)
    const cwnd = `cwnd ${Math.round((subflow?.cwndBytes ?? 0) / 1000)} kB`.padEnd(12)
    const state = isCut ? 'CUT' : (subflow?.state ?? 'no subflow')
    const shown = !this.#isTerminal ? state : isCut ? pc.red(state) : pc.dim(state)
    return `${path.name} ${rate} ${bytes}  ${srtt} ${cwnd} ${shown}`
  }

  #elapsed(view: DemoView | null = this.#view): string {
    const from = view?.info.establishedAt ?? null
    const seconds = from === null ? 0 : (performance.now() - from) / 1000
    return `${seconds.toFixed(1).padStart(5)} s`
  }
}
