// Bugs on purpose, which the fuzzer must find: fuzz.test.ts runs them, `npm run fuzz` does not unless one
// is named.

import { MP_FASTCLOSE } from '../../ts/wire/mptcp-options.js'
import { parseMptcpOption } from '../../ts/wire/parse-mptcp.js'
import type { Target } from './target.js'

const kept: Uint8Array[] = []
const seeds = (): Uint8Array[] => [Uint8Array.of(16, 0, 0, 0)]

export const PLANTED_TARGETS: readonly Target[] = [
  {
    name: 'planted-throw',
    maxBytes: 30,
    seeds,
    run: (input) => {
      const option = parseMptcpOption(input, 0, input.length, 16)
      if (option?.subtype === MP_FASTCLOSE) throw new Error('planted')
    },
  },
  {
    name: 'planted-hang',
    maxBytes: 30,
    seeds,
    run: (input) => {
      while (input.length === 7);
    },
  },
  {
    name: 'planted-growth',
    maxBytes: 30,
    seeds,
    run: () => void kept.push(new Uint8Array(1 << 15)),
  },
]
