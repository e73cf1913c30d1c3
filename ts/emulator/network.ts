// A network inside the process: named hosts, and paths between them, in real or in virtual time.
// With a VirtualClock and a seed a run repeats bit for bit. With a RealClock a packet arrives up to
// about a millisecond late, as Node's timers do; the rate still holds, since a packet's times are
// reckoned from those of the one before it.

import type { Clock } from '../clock.js'
import { type OptionKinds, wrongOption } from '../option-kinds.js'
import { type Random, SeededRandom } from '../random.js'
import { type EmulatedLink, EmulatedPath, type PathOptions } from './path.js'

export interface NetworkOptions {
  clock: Clock
  /** Where each direction's own seed is drawn from, in the order in which paths are made. */
  random?: Random
  /** In place of `random`; 1 unless told. */
  seed?: number
}

const NETWORK_KINDS: OptionKinds<NetworkOptions> = {
  clock: ['now', 'at', 'cancel', 'soon'],
  random: ['uint32', 'float', 'bytes', 'below'],
  seed: 'number',
}

export class EmulatedNetwork {
  readonly clock: Clock
  readonly #paths: EmulatedPath[] = []
  readonly #random: Random

  /** Throws a RangeError when the options are none. */
  constructor(options: NetworkOptions) {
    const wrong = wrongOption(options, NETWORK_KINDS)
    if (wrong !== null) throw new RangeError(`network: ${wrong}`)
    this.clock = options.clock
    this.#random = options.random ?? new SeededRandom(options.seed ?? 1)
  }

  get paths(): readonly EmulatedPath[] {
    return this.#paths
  }

  /** Throws a RangeError when the options are not possible. */
  path(options: PathOptions): EmulatedPath {
    const path = new EmulatedPath(this.clock, this.#random, options)
    this.#paths.push(path)
    return path
  }

  /** A host's end of each of its paths, in the order in which they were made. */
  links(host: string): EmulatedLink[] {
    return this.paths.flatMap((path) => [path.a, path.b]).filter((link) => link.host === host)
  }

  /** The names of all hosts, in the order in which they first appear. */
  hosts(): string[] {
    return [...new Set(this.paths.flatMap((path) => [path.a.host, path.b.host]))]
  }

  close(): void {
    for (const path of this.paths) path.close()
  }
}
