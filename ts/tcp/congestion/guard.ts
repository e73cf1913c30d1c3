// A congestion control of the user's, held to what it promises: one that throws, or whose window is no
// window, is replaced by the default, with those of its connection's other subflows. Those that come with
// the stack go without a guard, which is why it costs them nothing.

import { thrownWords } from '../../thrown.js'
import type { RateSample } from '../rate.js'
import type {
  CongestionEvent,
  MptcpCongestionAlgorithm,
  MptcpCongestionControl,
} from './congestion-control.js'
import type { CongestionGroup } from './group.js'
import { CONGESTION_CONTROLS, DEFAULT_CONGESTION } from './names.js'

const REQUIRED = ['acknowledged', 'lost', 'timedOut'] as const
const OPTIONAL = ['undone', 'sent', 'setMss', 'join', 'leave'] as const

/** What is wrong with a window, in words; null = nothing. */
function wrongValue({ cwnd, ssthresh, pacingRate }: MptcpCongestionControl): string | null {
  const isBytes = typeof cwnd === 'number' && cwnd >= 0 && cwnd <= Number.MAX_SAFE_INTEGER
  if (!isBytes) return `cwnd must be a number of bytes, not ${cwnd}`
  if (typeof ssthresh !== 'number' || !(ssthresh >= 0)) {
    return `ssthresh must be a number of bytes, or Infinity, not ${ssthresh}`
  }
  if (pacingRate !== undefined && !(typeof pacingRate === 'number' && pacingRate > 0)) {
    return `pacingRate must be bytes a second above 0, or be left out, not ${pacingRate}`
  }
  return null
}

/** What is wrong with what an algorithm made; null = nothing. */
function wrongControl(control: MptcpCongestionControl): string | null {
  if (typeof control !== 'object' || control === null) {
    return 'it must make an object with cwnd, ssthresh, acknowledged(), lost() and timedOut()'
  }
  for (const name of REQUIRED) {
    if (typeof control[name] !== 'function')
      return `what it makes lacks the function ${name}(event)`
  }
  for (const name of OPTIONAL) {
    if (control[name] !== undefined && typeof control[name] !== 'function') {
      return `what it makes has a ${name} that is no function`
    }
  }
  return wrongValue(control)
}

/** Makes one, and says what is wrong with an algorithm of the user's: for who opens a stack. */
export function wrongAlgorithm(algorithm: MptcpCongestionAlgorithm, mss: number): string | null {
  if (typeof algorithm !== 'object' || algorithm === null) {
    return `it is { name, create(mss) }, not a ${typeof algorithm}`
  }
  if (typeof algorithm.name !== 'string' || algorithm.name === '') return 'it has no name'
  if (typeof algorithm.create !== 'function') return 'it lacks the function create(mss)'
  try {
    return wrongControl(algorithm.create(mss))
  } catch (error) {
    return `create(${mss}) threw: ${thrownWords(error)}`
  }
}

export function createControl(group: CongestionGroup, mss: number): MptcpCongestionControl {
  const { algorithm } = group
  if (CONGESTION_CONTROLS.get(algorithm.name) === algorithm) return algorithm.create(mss)
  return new GuardedControl(group, mss)
}

export class GuardedControl implements MptcpCongestionControl {
  /** The user's, or what has replaced it: that is what its group sees. */
  inner: MptcpCongestionControl
  ownsCwnd = false
  pacingRate = Number.POSITIVE_INFINITY
  readonly #group: CongestionGroup
  readonly #algorithm: MptcpCongestionAlgorithm
  #mss: number
  #replaced = false
  /** The last that made sense. */
  #cwnd: number
  #ssthresh: number

  constructor(group: CongestionGroup, mss: number) {
    this.#group = group
    this.#algorithm = group.algorithm
    this.#mss = mss
    this.inner = DEFAULT_CONGESTION.create(mss)
    this.#cwnd = this.inner.cwnd
    this.#ssthresh = this.inner.ssthresh
    try {
      const made = group.algorithm.create(mss)
      const wrong = wrongControl(made)
      if (wrong === null) {
        this.inner = made
        this.ownsCwnd = made.ownsCwnd === true
        this.#take()
      } else this.#fail(wrong)
    } catch (error) {
      this.#fail(error)
    }
  }

  get cwnd(): number {
    return this.#cwnd
  }

  set cwnd(bytes: number) {
    this.#cwnd = bytes
    this.#tell((inner) => {
      inner.cwnd = bytes
    })
  }

  get ssthresh(): number {
    return this.#ssthresh
  }

  set ssthresh(bytes: number) {
    this.#ssthresh = bytes
    this.#tell((inner) => {
      inner.ssthresh = bytes
    })
  }

  acknowledged(event: CongestionEvent, sample: RateSample): void {
    this.#tell((inner) => inner.acknowledged(event, sample))
  }

  lost(event: CongestionEvent): void {
    this.#tell((inner) => inner.lost(event))
  }

  timedOut(event: CongestionEvent): void {
    this.#tell((inner) => inner.timedOut(event))
  }

  undone(event: CongestionEvent): void {
    this.#tell((inner) => inner.undone?.(event))
  }

  sent(event: CongestionEvent): void {
    this.#tell((inner) => inner.sent?.(event))
  }

  setMss(mss: number): void {
    this.#mss = mss
    this.#tell((inner) => inner.setMss?.(mss))
  }

  join(group: readonly MptcpCongestionControl[]): void {
    this.#tell((inner) => inner.join?.(group))
  }

  leave(group: readonly MptcpCongestionControl[]): void {
    this.#tell((inner) => inner.leave?.(group))
  }

  #tell(tell: (inner: MptcpCongestionControl) => void): void {
    // Another subflow's has failed.
    if (this.#group.algorithm !== this.#algorithm) this.#replace()
    if (!this.#replaced) {
      try {
        tell(this.inner)
        const wrong = wrongValue(this.inner)
        if (wrong === null) {
          this.#take()
          return
        }
        this.#fail(wrong)
      } catch (error) {
        this.#fail(error)
      }
    }
    // The default answers what the other did not.
    tell(this.inner)
    this.#take()
  }

  #take(): void {
    this.#cwnd = this.inner.cwnd
    this.#ssthresh = this.inner.ssthresh
    this.pacingRate = this.inner.pacingRate ?? Number.POSITIVE_INFINITY
  }

  #fail(reason: unknown): void {
    const { name } = this.#algorithm
    const what = `the congestion control '${name}' is replaced by ${DEFAULT_CONGESTION.name}`
    this.#group.algorithm = DEFAULT_CONGESTION
    this.#replace()
    this.#group.failed(new Error(`${what}: ${thrownWords(reason)}`, { cause: reason }))
  }

  #replace(): void {
    if (this.#replaced) return
    this.#replaced = true
    const { members } = this.#group
    const index = members.indexOf(this.inner)
    this.inner = DEFAULT_CONGESTION.create(this.#mss)
    this.inner.cwnd = this.#cwnd
    this.inner.ssthresh = this.#ssthresh
    this.ownsCwnd = false
    if (index >= 0) members[index] = this.inner
  }
}
